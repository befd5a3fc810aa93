//! Prices: rate cards, tiers, markups, and the one computation from usage to money. Pure: texts in,
//! exact amounts out.
//!
//! A [`Book`] is a version of the price book, compiled and never changed. [`read`] makes books of
//! files, [`import`] makes a file of the widely used JSON list of prices.

pub mod across;
pub mod book;
mod canonical;
pub mod card;
mod compile;
pub mod decimal;
pub mod diff;
pub mod import;
pub mod pattern;
mod rate;
pub mod read;
pub mod shown;
mod slips;
mod text;

pub use book::Book;

#[cfg(test)]
mod tests;
