//! Version 3 of the record's body: version 1, and how the operation was priced. Frozen like it.

use super::v1::RecordV1;
use rkyv::with::InlineAsBox;
use rkyv::{Archive, Serialize};

/// A record with a price, or with what was paid.
#[derive(Debug, Archive, Serialize)]
pub(super) struct RecordV3<'a> {
    pub(super) core: RecordV1<'a>,
    #[rkyv(with = InlineAsBox)]
    pub(super) extension: &'a ExtensionV3<'a>,
}

/// What the other versions do not have. Zero and empty texts stand for absent; the version of the
/// price book stands in `MoreV1::price_version`.
#[derive(Debug, Default, Archive, Serialize)]
pub(super) struct ExtensionV3<'a> {
    /// The wallet's credit line after the event.
    pub(super) credit_limit: i128,
    pub(super) price: Option<PriceV3<'a>>,
    pub(super) paid: Option<PaidV3<'a>>,
}

/// How usage was priced.
#[derive(Debug, Archive, Serialize)]
pub(super) struct PriceV3<'a> {
    pub(super) amount: i128,
    pub(super) cost: i128,
    pub(super) used_at: Option<i64>,
    #[rkyv(with = InlineAsBox)]
    pub(super) model: &'a str,
    #[rkyv(with = InlineAsBox)]
    pub(super) variant: &'a str,
    #[rkyv(with = InlineAsBox)]
    pub(super) plan: &'a str,
    #[rkyv(with = InlineAsBox)]
    pub(super) quantities: &'a [QuantityV3<'a>],
    #[rkyv(with = InlineAsBox)]
    pub(super) counted: &'a [CountedV3<'a>],
}

/// How much of a unit was used.
#[derive(Debug, Archive, Serialize)]
pub(super) struct QuantityV3<'a> {
    #[rkyv(with = InlineAsBox)]
    pub(super) unit: &'a str,
    pub(super) quantity: i128,
}

/// A running quantity.
#[derive(Debug, Archive, Serialize)]
pub(super) struct CountedV3<'a> {
    #[rkyv(with = InlineAsBox)]
    pub(super) card: &'a str,
    #[rkyv(with = InlineAsBox)]
    pub(super) unit: &'a str,
    /// 0 day, 1 month.
    pub(super) window: u8,
    pub(super) since: i64,
    pub(super) before: i128,
    pub(super) added: i128,
}

/// What the customer paid.
#[derive(Debug, Archive, Serialize)]
pub(super) struct PaidV3<'a> {
    pub(super) amount: i128,
    #[rkyv(with = InlineAsBox)]
    pub(super) currency: &'a str,
}
