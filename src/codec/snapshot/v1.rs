//! Version 1 of snapshots. Frozen: a change here makes every data directory unreadable; the golden
//! test in `tests` holds the bytes.

use super::{Snapshot, SnapshotError};
use crate::codec::record::Position;
use crate::domain::amount::Amount;
use crate::domain::command::{GrantKind, OpenTerms, Overage, Terms};
use crate::domain::grant::{Grant, GrantTerms};
use crate::domain::hold::{Hold, HoldNo, HoldPage, Slice};
use crate::domain::id::{Currency, OpId, Plan, TagKey, TagValue, WalletId, Zone};
use crate::domain::parts::Core;
use crate::domain::posting::GrantNo;
use crate::domain::time::Timestamp;
use crate::domain::wallet::Status;
use rkyv::{Archive, Deserialize, Serialize};
use std::sync::Arc;

/// A wallet without what lies on pages.
#[derive(Debug, Archive, Serialize, Deserialize)]
pub(super) struct CoreV1 {
    wallet: String,
    last: u64,
    deadline: Option<i64>,
    currency: String,
    opened_at: i64,
    /// The terms it was opened with.
    opened: TermsV1,
    terms: TermsV1,
    /// 0 open, 1 frozen, 2 closing, 3 closing by force, 4 closed.
    status: u8,
    seq: u64,
    time: i64,
    next_grant: u32,
    debt: i128,
    grants: Vec<GrantV1>,
    holds: Vec<HoldV1>,
    /// How many holds lie on pages.
    paged: u64,
}

/// The holds of a page.
#[derive(Debug, Archive, Serialize, Deserialize)]
pub(super) struct PageV1 {
    wallet: String,
    page: u64,
    holds: Vec<HoldV1>,
}

/// The terms of a wallet.
#[derive(Debug, Archive, Serialize, Deserialize)]
struct TermsV1 {
    credit_limit: i128,
    debt_limit: Option<i128>,
    plan: Option<String>,
    zone: String,
}

/// A grant.
#[derive(Debug, Archive, Serialize, Deserialize)]
struct GrantV1 {
    number: u32,
    op: String,
    /// 0 paid, 1 promo, 2 allowance.
    kind: u8,
    priority: u16,
    expires_at: Option<i64>,
    free: i128,
    pinned: i128,
    expired: bool,
}

/// A hold.
#[derive(Debug, Archive, Serialize, Deserialize)]
struct HoldV1 {
    number: u64,
    id: String,
    created_at: i64,
    expires_at: i64,
    /// 0 debt, 1 cap, 2 reject.
    overage: u8,
    tags: Vec<(String, String)>,
    amount: i128,
    captured: i128,
    /// The grants that it pins, by number, and how much of each.
    slices: Vec<(u32, i128)>,
    credit: i128,
}

/// What was read, or why not.
type Read<T> = Result<T, SnapshotError>;

fn impossible<E>(what: &'static str) -> impl FnOnce(E) -> SnapshotError {
    move |_| SnapshotError::Impossible(what)
}

impl CoreV1 {
    pub(super) fn of(snapshot: &Snapshot) -> Self {
        let core = &snapshot.core;
        Self {
            wallet: snapshot.wallet.as_str().to_owned(),
            last: snapshot.last.0,
            deadline: snapshot.deadline.map(Timestamp::millis),
            currency: core.opened.currency.as_str().to_owned(),
            opened_at: core.opened_at.millis(),
            opened: TermsV1::of(&core.opened.terms),
            terms: TermsV1::of(&core.terms),
            status: match core.status {
                Status::Open => 0,
                Status::Frozen => 1,
                Status::Closing { force: false } => 2,
                Status::Closing { force: true } => 3,
                Status::Closed => 4,
            },
            seq: core.seq,
            time: core.time.millis(),
            next_grant: core.next_grant,
            debt: core.debt.pico(),
            grants: core.grants.iter().map(GrantV1::of).collect(),
            holds: snapshot.holds.iter().map(HoldV1::of).collect(),
            paged: snapshot.paged,
        }
    }

    pub(super) fn read(self) -> Read<Snapshot> {
        let currency = Currency::new(self.currency.as_bytes()).map_err(impossible("currency"))?;
        let core = Core {
            opened: OpenTerms { currency, terms: self.opened.read()? },
            opened_at: Timestamp::from_millis(self.opened_at),
            terms: self.terms.read()?,
            status: match self.status {
                0 => Status::Open,
                1 => Status::Frozen,
                2 => Status::Closing { force: false },
                3 => Status::Closing { force: true },
                4 => Status::Closed,
                _ => return Err(SnapshotError::Impossible("status")),
            },
            seq: self.seq,
            time: Timestamp::from_millis(self.time),
            grants: self.grants.into_iter().map(GrantV1::read).collect::<Read<_>>()?,
            next_grant: self.next_grant,
            debt: Amount::from_pico(self.debt),
            counts: Vec::new(),
        };
        Ok(Snapshot {
            wallet: WalletId::new(self.wallet.as_bytes()).map_err(impossible("wallet id"))?,
            last: Position(self.last),
            deadline: self.deadline.map(Timestamp::from_millis),
            core,
            holds: self.holds.into_iter().map(HoldV1::read).collect::<Read<_>>()?,
            paged: self.paged,
        })
    }
}

impl PageV1 {
    pub(super) fn of<'h>(
        wallet: &WalletId,
        page: HoldPage,
        holds: impl Iterator<Item = &'h Hold>,
    ) -> Self {
        let holds = holds.map(HoldV1::of).collect();
        Self { wallet: wallet.as_str().to_owned(), page: page.0, holds }
    }

    pub(super) fn read(self, wallet: &WalletId, page: HoldPage) -> Read<Vec<Hold>> {
        if self.wallet != wallet.as_str() || self.page != page.0 {
            return Err(SnapshotError::Impossible("page"));
        }
        self.holds.into_iter().map(HoldV1::read).collect()
    }
}

impl TermsV1 {
    fn of(terms: &Terms) -> Self {
        Self {
            credit_limit: terms.credit_limit.pico(),
            debt_limit: terms.debt_limit.map(Amount::pico),
            plan: terms.plan.as_ref().map(|plan| plan.as_str().to_owned()),
            zone: terms.zone.as_str().to_owned(),
        }
    }

    fn read(self) -> Read<Terms> {
        let plan = self.plan.map(|plan| Plan::new(plan.as_bytes()));
        Ok(Terms {
            credit_limit: Amount::from_pico(self.credit_limit),
            debt_limit: self.debt_limit.map(Amount::from_pico),
            plan: plan.transpose().map_err(impossible("plan"))?,
            zone: Zone::new(self.zone.as_bytes()).map_err(impossible("zone"))?,
        })
    }
}

impl GrantV1 {
    fn of(grant: &Grant) -> Self {
        Self {
            number: grant.number.0,
            op: grant.terms.op.as_str().to_owned(),
            kind: match grant.terms.kind {
                GrantKind::Paid => 0,
                GrantKind::Promo => 1,
                GrantKind::Allowance => 2,
            },
            priority: grant.terms.priority,
            expires_at: grant.terms.expires_at.map(Timestamp::millis),
            free: grant.free.pico(),
            pinned: grant.pinned.pico(),
            expired: grant.expired,
        }
    }

    fn read(self) -> Read<Grant> {
        let number = GrantNo(self.number);
        let terms = GrantTerms {
            number,
            op: OpId::new(self.op.as_bytes()).map_err(impossible("grant"))?,
            kind: match self.kind {
                0 => GrantKind::Paid,
                1 => GrantKind::Promo,
                2 => GrantKind::Allowance,
                _ => return Err(SnapshotError::Impossible("grant")),
            },
            priority: self.priority,
            expires_at: self.expires_at.map(Timestamp::from_millis),
        };
        Ok(Grant {
            number,
            terms: Arc::new(terms),
            free: Amount::from_pico(self.free),
            pinned: Amount::from_pico(self.pinned),
            expired: self.expired,
        })
    }
}

impl HoldV1 {
    fn of(hold: &Hold) -> Self {
        let text = |(key, value): &(TagKey, TagValue)| {
            (key.as_str().to_owned(), value.as_str().to_owned())
        };
        Self {
            number: hold.number.0,
            id: hold.id.as_str().to_owned(),
            created_at: hold.created_at.millis(),
            expires_at: hold.expires_at.millis(),
            overage: match hold.overage {
                Overage::Debt => 0,
                Overage::Cap => 1,
                Overage::Reject => 2,
            },
            tags: hold.tags.iter().map(text).collect(),
            amount: hold.amount.pico(),
            captured: hold.captured.pico(),
            slices: hold.slices.iter().map(|s| (s.grant.0, s.amount.pico())).collect(),
            credit: hold.credit.pico(),
        }
    }

    fn read(self) -> Read<Hold> {
        let tag = |(key, value): (String, String)| {
            let key = TagKey::new(key.as_bytes()).map_err(impossible("tag"))?;
            let value = TagValue::new(value.as_bytes());
            Ok((key, value.ok_or(SnapshotError::Impossible("tag"))?))
        };
        let slice =
            |(grant, amount)| Slice { grant: GrantNo(grant), amount: Amount::from_pico(amount) };
        Ok(Hold {
            number: HoldNo(self.number),
            id: OpId::new(self.id.as_bytes()).map_err(impossible("hold"))?,
            created_at: Timestamp::from_millis(self.created_at),
            expires_at: Timestamp::from_millis(self.expires_at),
            overage: match self.overage {
                0 => Overage::Debt,
                1 => Overage::Cap,
                2 => Overage::Reject,
                _ => return Err(SnapshotError::Impossible("overage")),
            },
            tags: self.tags.into_iter().map(tag).collect::<Read<_>>()?,
            pin: None,
            amount: Amount::from_pico(self.amount),
            captured: Amount::from_pico(self.captured),
            slices: self.slices.into_iter().map(slice).collect(),
            credit: Amount::from_pico(self.credit),
        })
    }
}
