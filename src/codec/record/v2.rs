//! Version 2 of the record's body: version 1, and what few records have beside it. Frozen like it.

use super::v1::RecordV1;
use rkyv::with::InlineAsBox;
use rkyv::{Archive, Serialize};

/// A record with more.
#[derive(Debug, Archive, Serialize)]
pub(super) struct RecordV2<'a> {
    pub(super) core: RecordV1<'a>,
    #[rkyv(with = InlineAsBox)]
    pub(super) extension: &'a ExtensionV2,
}

/// What few records have. Zero stands for absent.
#[derive(Debug, Default, Archive, Serialize)]
pub(super) struct ExtensionV2 {
    /// The wallet's credit line after the event.
    pub(super) credit_limit: i128,
}
