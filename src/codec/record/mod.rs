//! Journal records: one event of one wallet, as bytes.
//!
//! A record carries its wallet's previous record, the op id, the hash of the request and the money
//! after it, so that dedup *is* the record: no crash can keep one and lose the other, and the
//! ledger of a wallet is its records, walked back along `previous`.
//!
//! On disk a record is a frame: length (u32, little-endian, of what follows), version (u8), body.
//! The body of version 1 is an rkyv archive of `v1::RecordV1`, that of version 2 of
//! `v2::RecordV2`, which adds a credit line, that of version 3 of `v3::RecordV3`, which adds prices:
//! frozen, never changed again. A record is written as the lowest version that says it all.

mod decode;
mod encode;
mod price;
mod v1;
mod v2;
mod v3;

pub use decode::{Peeked, decode, peek};
pub use encode::encode;

use crate::domain::amount::Amount;
use crate::domain::event::Event;
use crate::domain::grant::GrantTerms;
use crate::domain::id::WalletId;
use crate::domain::outcome::{Balances, WalletStatus};
use crate::domain::wallet::Wallet;
use std::sync::Arc;

/// The bytes of a frame before its body.
pub const FRAME_HEAD: usize = 5;

/// The version of records without a credit line.
const PLAIN: u8 = 1;
/// The version of records with one.
const EXTENDED: u8 = 2;
/// The version of records with a price.
const PRICED: u8 = 3;

/// A place in the journal. The upper 8 bits name the log (one per shard), the lower 56 count within
/// it from 1. Zero is no place.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position(pub u64);

impl Position {
    /// No place: before a wallet's first record.
    pub const NONE: Self = Self(0);
    /// The most logs that a journal can have.
    pub const LOGS_MAX: u8 = 64;
    const NUMBER_BITS: u32 = 56;

    /// The place of that number in a log.
    pub const fn new(log: u8, number: u64) -> Self {
        // `u64::from` is not const; the widening is lossless.
        let wide = u64::from_be_bytes([0, 0, 0, 0, 0, 0, 0, log]);
        Self((wide << Self::NUMBER_BITS) | (number & ((1 << Self::NUMBER_BITS) - 1)))
    }

    /// The log.
    pub const fn log(self) -> u8 {
        self.0.to_be_bytes()[0]
    }

    /// The number within the log, from 1.
    pub const fn number(self) -> u64 {
        self.0 & ((1 << Self::NUMBER_BITS) - 1)
    }

    /// The place before this one. Numbers begin at 1, so there is one before every next place.
    #[must_use]
    pub const fn before(self) -> Self {
        Self(self.0.saturating_sub(1))
    }

    /// The place so many numbers later.
    #[must_use]
    pub const fn plus(self, count: u64) -> Self {
        Self(self.0.saturating_add(count))
    }
}

impl std::fmt::Display for Position {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.log(), self.number())
    }
}

/// What a wallet had right after an event; a replay must come to the same.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sums {
    /// What is left in grants.
    pub posted: Amount,
    /// What open holds hold.
    pub held: Amount,
    /// What the customer owes.
    pub debt: Amount,
    /// The credit line.
    pub credit_limit: Amount,
}

impl Sums {
    /// What a wallet has now.
    pub fn of(wallet: &Wallet) -> Self {
        let Balances { posted, held, debt, .. } = wallet.balances();
        Self { posted, held, debt, credit_limit: wallet.credit_limit() }
    }

    /// The wallet's money, as a receipt shows it.
    pub fn balances(self) -> Balances {
        let Self { posted, held, debt, credit_limit } = self;
        let available = posted.pico().saturating_add(credit_limit.pico());
        let taken = held.pico().saturating_add(debt.pico());
        let available = Amount::from_pico(available.saturating_sub(taken));
        Balances { posted, held, debt, available }
    }
}

/// One event of one wallet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The wallet.
    pub wallet: WalletId,
    /// The event's number in its wallet, from 1.
    pub seq: u64,
    /// The wallet's previous record.
    pub previous: Position,
    /// What happened.
    pub event: Event,
    /// What the wallet had then.
    pub sums: Sums,
    /// Whether it took part in traffic then.
    pub status: WalletStatus,
    /// The terms of the grants that the event burned, in the order of its postings.
    pub burned: Vec<Arc<GrantTerms>>,
}

/// A record to encode, borrowed.
#[derive(Debug, Clone, Copy)]
pub struct RecordRef<'a> {
    /// The wallet.
    pub wallet: &'a WalletId,
    /// The event's number in its wallet, from 1.
    pub seq: u64,
    /// The wallet's previous record.
    pub previous: Position,
    /// What happened.
    pub event: &'a Event,
    /// What the wallet had then.
    pub sums: Sums,
    /// Whether it took part in traffic then.
    pub status: WalletStatus,
    /// The terms of the grants that the event burns, so that the record explains itself.
    pub burned: &'a [Arc<GrantTerms>],
}

/// Why bytes are not a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// The frame is cut short or longer than what holds it.
    #[error("a record is cut short")]
    Cut,
    /// It was written by a newer purser.
    #[error("a record has version {0}, which this purser does not know; use a newer one")]
    Version(u8),
    /// The body is not an archive of its version.
    #[error("a record's body is damaged")]
    Damaged,
    /// A field has a value that no purser writes.
    #[error("a record has an impossible {0}")]
    Impossible(&'static str),
}

#[cfg(test)]
mod tests;
