//! The rules of money. No I/O, no clock, no randomness, no bytes, no actors.
//!
//! Read [`wallet`] first: it names the two functions that everything else shares.
#![deny(clippy::float_arithmetic, clippy::arithmetic_side_effects)]

pub mod amount;
mod apply;
pub mod command;
pub mod counters;
pub mod debts;
mod decide;
pub mod event;
pub mod grant;
pub mod hold;
pub mod id;
pub mod kept_receipt;
pub mod ledger;
pub mod memory;
pub mod outcome;
pub mod parts;
pub mod posting;
pub mod price_tag;
pub mod rating;
pub mod recall;
pub mod rules;
pub mod time;
pub mod usage;
pub mod wallet;

pub use apply::Corrupt;
pub use decide::Verdict;
