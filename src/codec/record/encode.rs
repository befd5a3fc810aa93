//! From a record to its frame.

use super::v1::{
    GrantV1, MoreBox, MoreV1, PostingV1, RecordV1, TagV1, TermsV1, flag, grant_kind, kind, overage,
    status,
};
use super::v2::{ExtensionV2, RecordV2};
use super::v3::{ExtensionV3, RecordV3};
use super::{EXTENDED, FRAME_HEAD, PLAIN, PRICED, RecordError, RecordRef, price};
use crate::domain::amount::Amount;
use crate::domain::command::{GrantKind, Overage, Terms};
use crate::domain::event::{Event, EventKind};
use crate::domain::grant::GrantTerms;
use crate::domain::id::{Note, OpId, Plan, Tags, User};
use crate::domain::outcome::WalletStatus;
use crate::domain::posting::PostingKind;
use crate::domain::time::Timestamp;
use smallvec::SmallVec;

/// Appends the frame of `record` to `out`; answers the length of the frame.
pub fn encode(record: &RecordRef<'_>, out: &mut Vec<u8>) -> Result<usize, RecordError> {
    let start = out.len();
    out.extend_from_slice(&[0; FRAME_HEAD]);
    let event = record.event;
    let lists = price::Lists::of(event.price.as_deref());
    let mut fields = Fields::of(event);
    fields.more.user = event.user.as_ref().map_or("", User::as_str);
    fields.more.price_version = event.price.as_ref().map_or(0, |price| price.version.number());
    let postings: SmallVec<[PostingV1; 8]> = event
        .postings
        .iter()
        .map(|posting| PostingV1 {
            kind: posting_code(posting.kind),
            grant: posting.grant.0,
            amount: posting.amount.pico(),
        })
        .collect();
    let tags: SmallVec<[TagV1<'_>; 8]> = fields
        .tags
        .map_or(&[][..], Vec::as_slice)
        .iter()
        .map(|(key, value)| TagV1 { key: key.as_str(), value: value.as_str() })
        .collect();
    let made = fields.made.iter().map(|terms| grant(terms, true));
    let burned = record.burned.iter().map(|terms| grant(terms, false));
    let grants: SmallVec<[GrantV1<'_>; 4]> = made.chain(burned).collect();
    let archived = RecordV1 {
        seq: record.seq,
        previous: record.previous.0,
        at: event.at.millis(),
        request: event.request.0,
        posted: record.sums.posted.pico(),
        held: record.sums.held.pico(),
        debt: record.sums.debt.pico(),
        expires_at: fields.expires_at.map_or(0, Timestamp::millis),
        grant: fields.grant,
        kind: fields.kind,
        flags: fields.flags | (status_code(record.status) << flag::STATUS_SHIFT),
        wallet: record.wallet.as_str(),
        op: event.op.as_ref().map_or("", OpId::as_str),
        subject: fields.subject.map_or("", OpId::as_str),
        postings: &postings,
        tags: &tags,
        grants: &grants,
        more: fields.has_more().then_some(MoreBox(&fields.more)),
    };
    let buffer = std::mem::take(out);
    let credit_limit = record.sums.credit_limit.pico();
    let paid = price::paid_of(event);
    let (version, body) = if event.price.is_some() || paid.is_some() {
        let price = event.price.as_deref().map(|tag| price::price_of(tag, &lists));
        let extension = ExtensionV3 { credit_limit, price, paid };
        let priced = RecordV3 { core: archived, extension: &extension };
        (PRICED, rkyv::api::high::to_bytes_in::<_, rkyv::rancor::Error>(&priced, buffer))
    } else if credit_limit != 0 {
        let extended = RecordV2 { core: archived, extension: &ExtensionV2 { credit_limit } };
        (EXTENDED, rkyv::api::high::to_bytes_in::<_, rkyv::rancor::Error>(&extended, buffer))
    } else {
        (PLAIN, rkyv::api::high::to_bytes_in::<_, rkyv::rancor::Error>(&archived, buffer))
    };
    *out = body.map_err(|_| RecordError::Impossible("size"))?;
    let length = out.len().saturating_sub(start);
    let after = u32::try_from(length.saturating_sub(4)).map_err(|_| RecordError::Cut)?;
    let [a, b, c, d] = after.to_le_bytes();
    if let Some(head) = out.get_mut(start..start.saturating_add(FRAME_HEAD)) {
        head.copy_from_slice(&[a, b, c, d, version]);
    }
    Ok(length)
}

const fn status_code(status: WalletStatus) -> u8 {
    match status {
        WalletStatus::Open => status::OPEN,
        WalletStatus::Frozen => status::FROZEN,
        WalletStatus::Closing => status::CLOSING,
        WalletStatus::Closed => status::CLOSED,
    }
}

/// What an event fills in beside what all have.
#[derive(Default)]
struct Fields<'a> {
    kind: u8,
    flags: u8,
    subject: Option<&'a OpId>,
    expires_at: Option<Timestamp>,
    grant: u32,
    tags: Option<&'a Tags>,
    made: SmallVec<[&'a GrantTerms; 1]>,
    more: MoreV1<'a>,
}

impl<'a> Fields<'a> {
    fn new(kind: u8) -> Self {
        Self { kind, ..Self::default() }
    }

    fn of(event: &'a Event) -> Self {
        match &event.kind {
            EventKind::Opened(opened) => {
                Self::new(kind::OPENED).terms(opened.currency.as_str(), &opened.terms)
            }
            EventKind::TermsSet(terms) => Self::new(kind::TERMS_SET).terms("", terms),
            EventKind::Frozen { note } => Self::new(kind::FROZEN).note(note),
            EventKind::Unfrozen => Self::new(kind::UNFROZEN),
            EventKind::Closing { force } => Self::new(kind::CLOSING).flag(*force, flag::FORCE),
            EventKind::Closed => Self::new(kind::CLOSED),
            EventKind::ToppedUp { amount, grant, note, .. } => {
                let mut fields = Self::new(kind::TOPPED_UP).note(note).amount(*amount);
                fields.made.push(grant);
                fields
            }
            EventKind::Reversed { target, amount, note } => {
                Self::new(kind::REVERSED).subject(target).note(note).amount(*amount)
            }
            EventKind::Revoked { target, note } => {
                Self::new(kind::REVOKED).subject(target).note(note)
            }
            EventKind::Withdrawn { note } => Self::new(kind::WITHDRAWN).note(note),
            EventKind::HoldPlaced(placed) => Self::new(kind::HOLD_PLACED)
                .amount_unless_posted(placed.amount, event)
                .expires_at(placed.expires_at)
                .overage(placed.overage)
                .tags(&placed.tags),
            EventKind::HoldExtended { hold, amount, expires_at } => Self::new(kind::HOLD_EXTENDED)
                .subject(hold)
                .amount_unless_posted(*amount, event)
                .expires_at(*expires_at),
            EventKind::Captured { hold, uncovered, keep, late, tags } => Self::new(kind::CAPTURED)
                .subject(hold)
                .uncovered(*uncovered)
                .flag(*keep, flag::KEEP)
                .flag(*late, flag::LATE)
                .tags(tags),
            EventKind::HoldVoided { hold, note } => {
                Self::new(kind::HOLD_VOIDED).subject(hold).note(note)
            }
            EventKind::HoldExpired { hold } => Self::new(kind::HOLD_EXPIRED).subject(hold),
            EventKind::Charged { uncovered, over, tags } => {
                Self::new(kind::CHARGED).uncovered(*uncovered).flag(*over, flag::OVER).tags(tags)
            }
            EventKind::Refunded { target, amount, grants, note } => {
                let mut fields =
                    Self::new(kind::REFUNDED).subject(target).note(note).amount(*amount);
                fields.made.extend(grants.iter().map(AsRef::as_ref));
                fields
            }
            EventKind::GrantExpired { grant } => {
                Self { grant: grant.0, ..Self::new(kind::GRANT_EXPIRED) }
            }
        }
    }

    /// Whether anything rare is there, so that the record needs its `more`.
    fn has_more(&self) -> bool {
        let MoreV1 { amount, uncovered, price_version, note, user, terms } = &self.more;
        (*amount, *uncovered, *price_version) != (0, 0, 0)
            || !note.is_empty()
            || !user.is_empty()
            || terms.is_some()
    }

    fn flag(mut self, on: bool, flag: u8) -> Self {
        self.flags |= if on { flag } else { 0 };
        self
    }

    fn overage(mut self, policy: Overage) -> Self {
        let code = match policy {
            Overage::Debt => overage::DEBT,
            Overage::Cap => overage::CAP,
            Overage::Reject => overage::REJECT,
        };
        self.flags |= code << flag::OVERAGE_SHIFT;
        self
    }

    fn subject(mut self, subject: &'a OpId) -> Self {
        self.subject = Some(subject);
        self
    }

    fn expires_at(mut self, at: Timestamp) -> Self {
        self.expires_at = Some(at);
        self
    }

    fn tags(mut self, tags: &'a Tags) -> Self {
        self.tags = Some(tags);
        self
    }

    fn note(mut self, note: &'a Note) -> Self {
        self.more.note = note.as_str();
        self
    }

    fn amount(mut self, amount: Amount) -> Self {
        self.more.amount = amount.pico();
        self
    }

    /// What a hold reserves is the sum of its postings, but for the reader that trusts nothing the
    /// two are compared: only a difference, which is a bug, is written.
    fn amount_unless_posted(self, amount: Amount, event: &Event) -> Self {
        let reserved = [PostingKind::Pin, PostingKind::CreditHold];
        if crate::domain::posting::total(&event.postings, &reserved) == amount {
            return self;
        }
        self.amount(amount)
    }

    fn uncovered(mut self, uncovered: Amount) -> Self {
        self.more.uncovered = uncovered.pico();
        self
    }

    fn terms(mut self, currency: &'a str, terms: &'a Terms) -> Self {
        self.more.terms = Some(TermsV1 {
            currency,
            credit_limit: terms.credit_limit.pico(),
            debt_limit: terms.debt_limit.map_or(-1, Amount::pico),
            plan: terms.plan.as_ref().map_or("", Plan::as_str),
            zone: terms.zone.as_str(),
        });
        self
    }
}

fn grant(terms: &GrantTerms, made: bool) -> GrantV1<'_> {
    GrantV1 {
        number: terms.number.0,
        kind: match terms.kind {
            GrantKind::Paid => grant_kind::PAID,
            GrantKind::Promo => grant_kind::PROMO,
            GrantKind::Allowance => grant_kind::ALLOWANCE,
        },
        priority: terms.priority,
        expires_at: terms.expires_at.map_or(0, Timestamp::millis),
        op: terms.op.as_str(),
        made,
    }
}

/// The code of a posting's kind: its place in the list of all.
fn posting_code(kind: PostingKind) -> u8 {
    let place = PostingKind::ALL.iter().position(|&candidate| candidate == kind);
    place.and_then(|place| u8::try_from(place).ok()).unwrap_or(u8::MAX)
}
