//! From a frame to its record. Nothing in the bytes is trusted.

use super::v1::{
    ArchivedGrantV1, ArchivedMoreV1, ArchivedPostingV1, ArchivedRecordV1, ArchivedTagV1,
    ArchivedTermsV1, flag, grant_kind, kind, overage, status,
};
use super::v2::ArchivedRecordV2;
use super::v3::ArchivedRecordV3;
use super::{EXTENDED, FRAME_HEAD, PLAIN, PRICED, Position, Record, RecordError, Sums, price};
use crate::domain::amount::Amount;
use crate::domain::command::{GrantKind, OpenTerms, Overage, RequestHash, Terms};
use crate::domain::event::{Event, EventKind, HoldPlaced};
use crate::domain::grant::GrantTerms;
use crate::domain::id::{Currency, Note, OpId, Plan, TagKey, TagValue, Tags, User, WalletId, Zone};
use crate::domain::outcome::WalletStatus;
use crate::domain::posting::{self, GrantNo, Posting, PostingKind, Postings};
use crate::domain::time::Timestamp;
use std::sync::Arc;

/// Reads the record whose frame `bytes` begin with; answers it and the length of its frame.
pub fn decode(bytes: &[u8]) -> Result<(Record, usize), RecordError> {
    let (version, body, length) = split(bytes)?;
    let record = match version {
        PLAIN => record(access::<ArchivedRecordV1<'_>>(body)?, Amount::ZERO)?,
        EXTENDED => {
            let extended = access::<ArchivedRecordV2<'_>>(body)?;
            let credit_limit = Amount::from_pico(extended.extension.credit_limit.to_native());
            record(&extended.core, credit_limit)?
        }
        PRICED => priced(access::<ArchivedRecordV3<'_>>(body)?)?,
        version => return Err(RecordError::Version(version)),
    };
    Ok((record, length))
}

/// What tells a record from others, read without the rest of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peeked<'a> {
    /// Its wallet.
    pub wallet: &'a str,
    /// Its number in its wallet.
    pub seq: u64,
    /// When it happened.
    pub at: Timestamp,
}

/// Looks which record's frame `bytes` begin with; answers the length of its frame, too.
pub fn peek(bytes: &[u8]) -> Result<(Peeked<'_>, usize), RecordError> {
    let (version, body, length) = split(bytes)?;
    let archived = match version {
        PLAIN => access::<ArchivedRecordV1<'_>>(body)?,
        EXTENDED => &access::<ArchivedRecordV2<'_>>(body)?.core,
        PRICED => &access::<ArchivedRecordV3<'_>>(body)?.core,
        version => return Err(RecordError::Version(version)),
    };
    let at = Timestamp::from_millis(archived.at.to_native());
    Ok((Peeked { wallet: &archived.wallet, seq: archived.seq.to_native(), at }, length))
}

/// The version and the body of the frame that `bytes` begin with, and its length.
fn split(bytes: &[u8]) -> Result<(u8, &[u8], usize), RecordError> {
    let (length, rest) = bytes.split_first_chunk::<4>().ok_or(RecordError::Cut)?;
    let length = usize::try_from(u32::from_le_bytes(*length)).map_err(|_| RecordError::Cut)?;
    let frame = rest.get(..length).ok_or(RecordError::Cut)?;
    let (&version, body) = frame.split_first().ok_or(RecordError::Cut)?;
    Ok((version, body, length.saturating_add(FRAME_HEAD).saturating_sub(1)))
}

/// The archive that a body is.
fn access<T>(body: &[u8]) -> Result<&T, RecordError>
where
    T: rkyv::Portable
        + for<'a> rkyv::bytecheck::CheckBytes<rkyv::api::high::HighValidator<'a, rkyv::rancor::Error>>,
{
    rkyv::access::<T, rkyv::rancor::Error>(body).map_err(|_| RecordError::Damaged)
}

/// A value that was read, or why not.
type Decoded<T> = Result<T, RecordError>;

/// A record with a price, or with what was paid.
fn priced(archived: &ArchivedRecordV3<'_>) -> Decoded<Record> {
    let extension = &archived.extension;
    let credit_limit = Amount::from_pico(extension.credit_limit.to_native());
    let mut record = record(&archived.core, credit_limit)?;
    if let Some(archived_price) = extension.price.as_ref() {
        let more = archived.core.more.as_ref();
        let version = more.map_or(0, |more| more.0.price_version.to_native());
        record.event.price = Some(Box::new(price::read_price(archived_price, version)?));
    }
    if let Some(archived_paid) = extension.paid.as_ref() {
        let EventKind::ToppedUp { paid, .. } = &mut record.event.kind else {
            return Err(RecordError::Impossible("payment"));
        };
        *paid = Some(Box::new(price::read_paid(archived_paid)?));
    }
    Ok(record)
}

fn record(archived: &ArchivedRecordV1<'_>, credit_limit: Amount) -> Decoded<Record> {
    let postings: Postings = archived.postings.iter().map(read_posting).collect::<Decoded<_>>()?;
    let fields = Fields { archived, more: archived.more.as_ref().map(|more| &*more.0) };
    let op = match &*archived.op {
        "" => None,
        op => Some(OpId::new(op.as_bytes()).map_err(|_| RecordError::Impossible("op id"))?),
    };
    Ok(Record {
        wallet: WalletId::new(archived.wallet.as_bytes())
            .map_err(|_| RecordError::Impossible("wallet id"))?,
        seq: archived.seq.to_native(),
        previous: Position(archived.previous.to_native()),
        sums: Sums {
            posted: Amount::from_pico(archived.posted.to_native()),
            held: Amount::from_pico(archived.held.to_native()),
            debt: Amount::from_pico(archived.debt.to_native()),
            credit_limit,
        },
        status: read_status(archived.flags),
        burned: fields.grants(false)?,
        event: Event {
            at: Timestamp::from_millis(archived.at.to_native()),
            op,
            user: fields.user()?,
            request: RequestHash(archived.request.to_native()),
            kind: fields.event_kind(&postings)?,
            postings,
            price: None,
        },
    })
}

/// What an event takes beside what all have.
struct Fields<'b, 'a> {
    archived: &'b ArchivedRecordV1<'a>,
    more: Option<&'b ArchivedMoreV1<'a>>,
}

impl<'a> Fields<'_, 'a> {
    fn event_kind(&self, postings: &[Posting]) -> Decoded<EventKind> {
        Ok(match self.archived.kind {
            kind::OPENED => {
                let terms = self.terms()?;
                let currency = Currency::new(terms.currency.as_bytes());
                let currency = currency.map_err(|_| RecordError::Impossible("currency"))?;
                EventKind::Opened(Box::new(OpenTerms { currency, terms: read_terms(terms)? }))
            }
            kind::TERMS_SET => EventKind::TermsSet(Box::new(read_terms(self.terms()?)?)),
            kind::FROZEN => EventKind::Frozen { note: self.note()? },
            kind::UNFROZEN => EventKind::Unfrozen,
            kind::CLOSING => EventKind::Closing { force: self.flag(flag::FORCE) },
            kind::CLOSED => EventKind::Closed,
            kind::TOPPED_UP => EventKind::ToppedUp {
                amount: self.amount(),
                grant: self.made()?.pop().ok_or(RecordError::Impossible("top-up"))?,
                paid: None,
                note: self.note()?,
            },
            kind::REVERSED => EventKind::Reversed {
                target: self.subject()?,
                amount: self.amount(),
                note: self.note()?,
            },
            kind::REVOKED => EventKind::Revoked { target: self.subject()?, note: self.note()? },
            kind::WITHDRAWN => EventKind::Withdrawn { note: self.note()? },
            kind::HOLD_PLACED => EventKind::HoldPlaced(Box::new(HoldPlaced {
                amount: self.reserved(postings),
                expires_at: self.expires_at(),
                overage: self.overage()?,
                tags: self.tags()?,
            })),
            kind::HOLD_EXTENDED => EventKind::HoldExtended {
                hold: self.subject()?,
                amount: self.reserved(postings),
                expires_at: self.expires_at(),
            },
            kind::CAPTURED => EventKind::Captured {
                hold: self.subject()?,
                uncovered: self.uncovered(),
                keep: self.flag(flag::KEEP),
                late: self.flag(flag::LATE),
                tags: self.tags()?,
            },
            kind::HOLD_VOIDED => {
                EventKind::HoldVoided { hold: self.subject()?, note: self.note()? }
            }
            kind::HOLD_EXPIRED => EventKind::HoldExpired { hold: self.subject()? },
            kind::CHARGED => EventKind::Charged {
                uncovered: self.uncovered(),
                over: self.flag(flag::OVER),
                tags: self.tags()?,
            },
            kind::REFUNDED => EventKind::Refunded {
                target: self.subject()?,
                amount: self.amount(),
                grants: self.made()?,
                note: self.note()?,
            },
            kind::GRANT_EXPIRED => {
                EventKind::GrantExpired { grant: GrantNo(self.archived.grant.to_native()) }
            }
            _ => return Err(RecordError::Impossible("kind")),
        })
    }

    fn flag(&self, flag: u8) -> bool {
        self.archived.flags & flag != 0
    }

    fn overage(&self) -> Decoded<Overage> {
        match (self.archived.flags >> flag::OVERAGE_SHIFT) & 0b11 {
            overage::DEBT => Ok(Overage::Debt),
            overage::CAP => Ok(Overage::Cap),
            overage::REJECT => Ok(Overage::Reject),
            _ => Err(RecordError::Impossible("overage")),
        }
    }

    fn subject(&self) -> Decoded<OpId> {
        let subject = OpId::new(self.archived.subject.as_bytes());
        subject.map_err(|_| RecordError::Impossible("subject"))
    }

    fn expires_at(&self) -> Timestamp {
        Timestamp::from_millis(self.archived.expires_at.to_native())
    }

    fn amount(&self) -> Amount {
        Amount::from_pico(self.more.map_or(0, |more| more.amount.to_native()))
    }

    fn uncovered(&self) -> Amount {
        Amount::from_pico(self.more.map_or(0, |more| more.uncovered.to_native()))
    }

    /// What a hold or its extension reserves: what it pins.
    fn reserved(&self, postings: &[Posting]) -> Amount {
        match self.amount() {
            Amount::ZERO => posting::total(postings, &[PostingKind::Pin, PostingKind::CreditHold]),
            amount => amount,
        }
    }

    fn note(&self) -> Decoded<Note> {
        let note = self.more.map_or("", |more| &more.note);
        Note::new(note.as_bytes()).ok_or(RecordError::Impossible("note"))
    }

    fn user(&self) -> Decoded<Option<User>> {
        let user = self.more.map_or("", |more| &more.user);
        let user = Some(user).filter(|user| !user.is_empty());
        let user = user.map(|user| User::new(user.as_bytes())).transpose();
        user.map_err(|_| RecordError::Impossible("user"))
    }

    fn tags(&self) -> Decoded<Tags> {
        self.archived.tags.iter().map(read_tag).collect()
    }

    /// The grants that the event makes or revives.
    fn made(&self) -> Decoded<Vec<Arc<GrantTerms>>> {
        self.grants(true)
    }

    /// The grants that the event makes, or those that it burns.
    fn grants(&self, made: bool) -> Decoded<Vec<Arc<GrantTerms>>> {
        let grants = self.archived.grants.iter().filter(|grant| grant.made == made);
        grants.map(|grant| read_grant(grant).map(Arc::new)).collect()
    }

    fn terms(&self) -> Decoded<&ArchivedTermsV1<'a>> {
        let terms = self.more.and_then(|more| more.terms.as_ref());
        terms.ok_or(RecordError::Impossible("terms"))
    }
}

const fn read_status(flags: u8) -> WalletStatus {
    match flags >> flag::STATUS_SHIFT {
        status::FROZEN => WalletStatus::Frozen,
        status::CLOSING => WalletStatus::Closing,
        status::CLOSED => WalletStatus::Closed,
        _ => WalletStatus::Open,
    }
}

fn read_posting(archived: &ArchivedPostingV1) -> Decoded<Posting> {
    let kind = PostingKind::ALL.get(usize::from(archived.kind));
    Ok(Posting {
        kind: *kind.ok_or(RecordError::Impossible("posting"))?,
        grant: GrantNo(archived.grant.to_native()),
        amount: Amount::from_pico(archived.amount.to_native()),
    })
}

fn read_tag(archived: &ArchivedTagV1<'_>) -> Decoded<(TagKey, TagValue)> {
    let key = TagKey::new(archived.key.as_bytes()).map_err(|_| RecordError::Impossible("tag"))?;
    let value = TagValue::new(archived.value.as_bytes()).ok_or(RecordError::Impossible("tag"))?;
    Ok((key, value))
}

fn read_grant(archived: &ArchivedGrantV1<'_>) -> Decoded<GrantTerms> {
    Ok(GrantTerms {
        number: GrantNo(archived.number.to_native()),
        op: OpId::new(archived.op.as_bytes()).map_err(|_| RecordError::Impossible("grant"))?,
        kind: match archived.kind {
            grant_kind::PAID => GrantKind::Paid,
            grant_kind::PROMO => GrantKind::Promo,
            grant_kind::ALLOWANCE => GrantKind::Allowance,
            _ => return Err(RecordError::Impossible("grant")),
        },
        priority: archived.priority.to_native(),
        expires_at: match archived.expires_at.to_native() {
            0 => None,
            millis => Some(Timestamp::from_millis(millis)),
        },
    })
}

fn read_terms(archived: &ArchivedTermsV1<'_>) -> Decoded<Terms> {
    let debt_limit = archived.debt_limit.to_native();
    Ok(Terms {
        credit_limit: Amount::from_pico(archived.credit_limit.to_native()),
        debt_limit: (debt_limit >= 0).then_some(Amount::from_pico(debt_limit)),
        plan: match &*archived.plan {
            "" => None,
            plan => Some(Plan::new(plan.as_bytes()).map_err(|_| RecordError::Impossible("plan"))?),
        },
        zone: Zone::new(archived.zone.as_bytes()).map_err(|_| RecordError::Impossible("zone"))?,
    })
}
