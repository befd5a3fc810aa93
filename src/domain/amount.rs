//! Money: an exact, signed count of 10^-12 of a wallet's currency.
//!
//! No float touches an amount, and no arithmetic on it can wrap: sums are checked against a bound
//! far inside `i128`, so that an overflow is an answer and never a wrong balance.

use std::fmt;
use std::str::FromStr;

/// How many decimal places an amount has.
const DECIMALS: usize = 12;
/// 10^-12 of the currency, counted in one whole unit of it.
const UNIT: i128 = 1_000_000_000_000;
/// The largest amount that a caller may state: 10^18 of the currency.
const STATED_MAX: i128 = 1_000_000_000_000_000_000 * UNIT;
/// The largest sum that a wallet may reach: 10^24 of the currency.
const SUM_MAX: i128 = 1_000_000 * STATED_MAX;

/// An exact amount of money in 10^-12 of the wallet's currency; negative only as a balance.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Amount(i128);

/// A sum left the range of 10^24 of the currency; nothing was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the sum is beyond 10^24")]
pub struct Overflow;

/// Why a text is not an amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ParseAmountError {
    /// It is not `[0-9]+(\.[0-9]{1,12})?`.
    #[error("an amount is digits with at most 12 decimals, like 12.5")]
    Malformed,
    /// It is more than 10^18.
    #[error("an amount is at most 10^18")]
    TooLarge,
}

impl Amount {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// An amount of `pico` times 10^-12 of the currency.
    pub const fn from_pico(pico: i128) -> Self {
        Self(pico)
    }

    /// The amount in 10^-12 of the currency.
    pub const fn pico(self) -> i128 {
        self.0
    }

    /// The sum, unless it leaves the range of 10^24.
    pub fn plus(self, other: Self) -> Result<Self, Overflow> {
        self.0.checked_add(other.0).filter(in_range).map(Self).ok_or(Overflow)
    }

    /// The difference, unless it leaves the range of 10^24; it may be negative.
    pub fn minus(self, other: Self) -> Result<Self, Overflow> {
        self.0.checked_sub(other.0).filter(in_range).map(Self).ok_or(Overflow)
    }

    /// What is left of `self` after `other`, never below zero.
    #[must_use]
    pub fn less(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0).max(0))
    }

    /// The amount itself, or zero when it is negative.
    #[must_use]
    pub fn or_zero(self) -> Self {
        self.max(Self::ZERO)
    }

    /// Whether it is exactly zero.
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// Whether it is above zero.
    pub const fn is_positive(self) -> bool {
        self.0 > 0
    }

    /// Whether it is below zero.
    pub const fn is_negative(self) -> bool {
        self.0 < 0
    }

    /// Reads an amount as callers state it: `[0-9]+(\.[0-9]{1,12})?`, at most 10^18.
    pub fn parse(text: &[u8]) -> Result<Self, ParseAmountError> {
        let (whole, fraction) = match text.iter().position(|&byte| byte == b'.') {
            Some(dot) => {
                let (whole, rest) = text.split_at(dot);
                (whole, rest.get(1..).filter(|f| !f.is_empty()).ok_or(ParseAmountError::Malformed)?)
            }
            None => (text, &[][..]),
        };
        if whole.is_empty() || fraction.len() > DECIMALS {
            return Err(ParseAmountError::Malformed);
        }
        let padding = std::iter::repeat_n(&b'0', DECIMALS.saturating_sub(fraction.len()));
        let mut pico: i128 = 0;
        for &byte in whole.iter().chain(fraction).chain(padding) {
            if !byte.is_ascii_digit() {
                return Err(ParseAmountError::Malformed);
            }
            // Saturating: a longer run of digits must still be looked at for a stray letter.
            pico = pico.saturating_mul(10).saturating_add(i128::from(byte.wrapping_sub(b'0')));
        }
        if pico > STATED_MAX { Err(ParseAmountError::TooLarge) } else { Ok(Self(pico)) }
    }

    /// Writes the amount as replies show it, into `out`: no trailing zeros, no exponent.
    pub fn write_to(self, out: &mut Vec<u8>) {
        if self.0 < 0 {
            out.push(b'-');
        }
        let magnitude = self.0.unsigned_abs();
        let unit = UNIT.unsigned_abs();
        let (whole, fraction) = (magnitude / unit, magnitude % unit);
        let mut digits = itoa::Buffer::new();
        // The common case fits 64 bits, where the division is several times cheaper.
        match u64::try_from(whole) {
            Ok(whole) => out.extend_from_slice(digits.format(whole).as_bytes()),
            Err(_) => out.extend_from_slice(digits.format(whole).as_bytes()),
        }
        let Ok(fraction) = u64::try_from(fraction) else { return };
        if fraction == 0 {
            return;
        }
        let text = digits.format(fraction).as_bytes();
        out.push(b'.');
        out.extend(std::iter::repeat_n(b'0', DECIMALS.saturating_sub(text.len())));
        let significant = text.iter().rposition(|&digit| digit != b'0').map_or(0, |last| last + 1);
        out.extend_from_slice(text.get(..significant).unwrap_or(text));
    }
}

/// Whether a sum is one that a wallet may reach.
fn in_range(pico: &i128) -> bool {
    pico.unsigned_abs() <= SUM_MAX.unsigned_abs()
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = Vec::with_capacity(48);
        self.write_to(&mut text);
        f.write_str(std::str::from_utf8(&text).map_err(|_| fmt::Error)?)
    }
}

impl FromStr for Amount {
    type Err = ParseAmountError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn prints_what_it_read_without_trailing_zeros() {
        for (read, printed) in [
            ("0", "0"),
            ("24.60", "24.6"),
            ("007", "7"),
            ("0.000000000001", "0.000000000001"),
            ("1.000000000000", "1"),
            ("1000000000000000000", "1000000000000000000"),
        ] {
            assert_eq!(read.parse::<Amount>().unwrap().to_string(), printed);
        }
        assert_eq!(Amount::from_pico(-2_500_000_000_000).to_string(), "-2.5");
    }

    #[test]
    fn refuses_what_is_no_amount() {
        for text in ["", ".", ".5", "5.", "-1", "+1", "1e3", "1,5", "0x1", "1.0000000000001", " 1"]
        {
            assert_eq!(text.parse::<Amount>(), Err(ParseAmountError::Malformed), "{text:?}");
        }
        for text in ["1000000000000000000.000000000001", &"9".repeat(200)] {
            assert_eq!(text.parse::<Amount>(), Err(ParseAmountError::TooLarge), "{text:?}");
        }
        assert_eq!(
            format!("{}x", "9".repeat(200)).parse::<Amount>(),
            Err(ParseAmountError::Malformed)
        );
    }

    #[test]
    fn sums_stop_at_their_bound() {
        let most = Amount::from_pico(SUM_MAX);
        let grain = Amount::from_pico(1);
        assert_eq!(most.plus(grain), Err(Overflow));
        assert_eq!(Amount::ZERO.minus(most).unwrap().minus(grain), Err(Overflow));
        assert_eq!(most.minus(grain).unwrap().plus(grain), Ok(most));
    }

    proptest! {
        #[test]
        fn every_amount_survives_its_text(pico in 0..=STATED_MAX) {
            let amount = Amount::from_pico(pico);
            prop_assert_eq!(amount.to_string().parse::<Amount>(), Ok(amount));
        }
    }
}
