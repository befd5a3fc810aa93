//! The rules of money. No I/O, no clock, no randomness, no bytes, no actors.
#![deny(clippy::float_arithmetic)]

pub mod amount;
pub mod command;
pub mod id;
pub mod outcome;
pub mod time;
