//! Version 1 of the record's body. Frozen: a change here makes every journal unreadable. Codes
//! (kinds, flags) stand beside the fields; the golden test in `tests` holds the bytes.

use rkyv::with::InlineAsBox;
use rkyv::{Archive, Serialize};

/// A record. Empty texts and lists stand for absent ones; a zero `expires_at` for none.
#[derive(Debug, Archive, Serialize)]
pub(super) struct RecordV1<'a> {
    pub(super) seq: u64,
    pub(super) previous: u64,
    pub(super) at: i64,
    pub(super) request: u64,
    pub(super) posted: i128,
    pub(super) held: i128,
    pub(super) debt: i128,
    /// When a hold ends.
    pub(super) expires_at: i64,
    /// The grant that expires.
    pub(super) grant: u32,
    /// One of [`kind`].
    pub(super) kind: u8,
    /// A union of [`flag`]; bits 4 and 5 are an overage of [`overage`], bits 6 and 7 the wallet's
    /// status after the event, of [`status`].
    pub(super) flags: u8,
    #[rkyv(with = InlineAsBox)]
    pub(super) wallet: &'a str,
    #[rkyv(with = InlineAsBox)]
    pub(super) op: &'a str,
    /// The hold or the operation that this one refers to.
    #[rkyv(with = InlineAsBox)]
    pub(super) subject: &'a str,
    #[rkyv(with = InlineAsBox)]
    pub(super) postings: &'a [PostingV1],
    #[rkyv(with = InlineAsBox)]
    pub(super) tags: &'a [TagV1<'a>],
    /// The grants that the event makes, revives or burns.
    #[rkyv(with = InlineAsBox)]
    pub(super) grants: &'a [GrantV1<'a>],
    /// What few records have.
    pub(super) more: Option<MoreBox<'a>>,
}

/// A boxed [`MoreV1`].
#[derive(Debug, Archive, Serialize)]
pub(super) struct MoreBox<'a>(#[rkyv(with = InlineAsBox)] pub(super) &'a MoreV1<'a>);

/// What few records have.
#[derive(Debug, Default, Archive, Serialize)]
pub(super) struct MoreV1<'a> {
    /// What was topped up, reversed or refunded.
    pub(super) amount: i128,
    /// What nobody pays.
    pub(super) uncovered: i128,
    /// The version of the price book that priced it; zero for none.
    pub(super) price_version: u64,
    #[rkyv(with = InlineAsBox)]
    pub(super) note: &'a str,
    /// The user that asked; empty for none.
    #[rkyv(with = InlineAsBox)]
    pub(super) user: &'a str,
    pub(super) terms: Option<TermsV1<'a>>,
}

/// One movement of money.
#[derive(Debug, Clone, Copy, Archive, Serialize)]
pub(super) struct PostingV1 {
    /// The place of its kind in `PostingKind::ALL`.
    pub(super) kind: u8,
    pub(super) grant: u32,
    pub(super) amount: i128,
}

/// A tag.
#[derive(Debug, Archive, Serialize)]
pub(super) struct TagV1<'a> {
    #[rkyv(with = InlineAsBox)]
    pub(super) key: &'a str,
    #[rkyv(with = InlineAsBox)]
    pub(super) value: &'a str,
}

/// The terms of a grant.
#[derive(Debug, Archive, Serialize)]
pub(super) struct GrantV1<'a> {
    pub(super) number: u32,
    /// 0 paid, 1 promo, 2 allowance.
    pub(super) kind: u8,
    pub(super) priority: u16,
    pub(super) expires_at: i64,
    #[rkyv(with = InlineAsBox)]
    pub(super) op: &'a str,
    /// The event makes or revives it; else it burns it.
    pub(super) made: bool,
}

/// The terms of a wallet.
#[derive(Debug, Archive, Serialize)]
pub(super) struct TermsV1<'a> {
    #[rkyv(with = InlineAsBox)]
    pub(super) currency: &'a str,
    pub(super) credit_limit: i128,
    /// Below zero for none.
    pub(super) debt_limit: i128,
    #[rkyv(with = InlineAsBox)]
    pub(super) plan: &'a str,
    #[rkyv(with = InlineAsBox)]
    pub(super) zone: &'a str,
}

/// Codes of `RecordV1::kind`.
pub(super) mod kind {
    pub(in super::super) const OPENED: u8 = 1;
    pub(in super::super) const TERMS_SET: u8 = 2;
    pub(in super::super) const FROZEN: u8 = 3;
    pub(in super::super) const UNFROZEN: u8 = 4;
    pub(in super::super) const CLOSING: u8 = 5;
    pub(in super::super) const CLOSED: u8 = 6;
    pub(in super::super) const TOPPED_UP: u8 = 7;
    pub(in super::super) const REVERSED: u8 = 8;
    pub(in super::super) const REVOKED: u8 = 9;
    pub(in super::super) const WITHDRAWN: u8 = 10;
    pub(in super::super) const HOLD_PLACED: u8 = 11;
    pub(in super::super) const HOLD_EXTENDED: u8 = 12;
    pub(in super::super) const CAPTURED: u8 = 13;
    pub(in super::super) const HOLD_VOIDED: u8 = 14;
    pub(in super::super) const HOLD_EXPIRED: u8 = 15;
    pub(in super::super) const CHARGED: u8 = 16;
    pub(in super::super) const REFUNDED: u8 = 17;
    pub(in super::super) const GRANT_EXPIRED: u8 = 18;
}

/// Bits of `RecordV1::flags`.
pub(super) mod flag {
    pub(in super::super) const KEEP: u8 = 1;
    pub(in super::super) const LATE: u8 = 2;
    pub(in super::super) const OVER: u8 = 4;
    pub(in super::super) const FORCE: u8 = 8;
    /// Where the overage begins.
    pub(in super::super) const OVERAGE_SHIFT: u32 = 4;
    /// Where the status begins.
    pub(in super::super) const STATUS_SHIFT: u32 = 6;
}

/// Codes of a wallet's status.
pub(super) mod status {
    pub(in super::super) const OPEN: u8 = 0;
    pub(in super::super) const FROZEN: u8 = 1;
    pub(in super::super) const CLOSING: u8 = 2;
    pub(in super::super) const CLOSED: u8 = 3;
}

/// Codes of an overage.
pub(super) mod overage {
    pub(in super::super) const DEBT: u8 = 0;
    pub(in super::super) const CAP: u8 = 1;
    pub(in super::super) const REJECT: u8 = 2;
}

/// Codes of `GrantV1::kind`.
pub(super) mod grant_kind {
    pub(in super::super) const PAID: u8 = 0;
    pub(in super::super) const PROMO: u8 = 1;
    pub(in super::super) const ALLOWANCE: u8 = 2;
}
