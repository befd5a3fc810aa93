//! Money: an exact, signed count of 10^-12 of a wallet's currency.
//!
//! No float touches an amount, and no arithmetic on it can wrap: sums are checked against a bound
//! far inside `i128`, so that an overflow is an answer and never a wrong balance.

use std::fmt;
use std::iter::Sum;
use std::str::FromStr;

/// How many decimal places an amount has.
const DECIMALS: usize = 12;
/// So many digits of whole units and all decimals fit 64 bits.
const SHORT: usize = 6;
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
        if whole.len() <= SHORT {
            return Self::parse_short(whole, fraction);
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

    /// Reads an amount of few digits: all of it fits 64 bits, where arithmetic costs little.
    fn parse_short(whole: &[u8], fraction: &[u8]) -> Result<Self, ParseAmountError> {
        let mut pico: u64 = 0;
        for &byte in whole.iter().chain(fraction) {
            if !byte.is_ascii_digit() {
                return Err(ParseAmountError::Malformed);
            }
            pico = pico.saturating_mul(10).saturating_add(u64::from(byte.wrapping_sub(b'0')));
        }
        for _ in fraction.len()..DECIMALS {
            pico = pico.saturating_mul(10);
        }
        Ok(Self(i128::from(pico)))
    }

    /// Gives the text of the amount as replies show it to `take`, in parts that follow each other:
    /// the sign, the whole units, the point and the zeros behind it, the other decimals. There are
    /// no trailing zeros and no exponent.
    pub fn with_text<T>(self, take: impl FnOnce([&[u8]; 4]) -> T) -> T {
        let sign: &[u8] = if self.0 < 0 { b"-" } else { b"" };
        let magnitude = self.0.unsigned_abs();
        let unit = UNIT.unsigned_abs();
        let (mut whole_digits, mut digits) = (itoa::Buffer::new(), itoa::Buffer::new());
        // The common case fits 64 bits, where a division is several times cheaper.
        let short = u64::try_from(magnitude).ok().zip(u64::try_from(unit).ok());
        let (whole, fraction) = if let Some((magnitude, unit)) = short {
            let whole = magnitude.checked_div(unit).unwrap_or_default();
            (whole_digits.format(whole), magnitude.checked_rem(unit).unwrap_or_default())
        } else {
            let whole = magnitude.checked_div(unit).unwrap_or_default();
            let fraction = magnitude.checked_rem(unit).unwrap_or_default();
            (whole_digits.format(whole), u64::try_from(fraction).unwrap_or_default())
        };
        if fraction == 0 {
            return take([sign, whole.as_bytes(), b"", b""]);
        }
        let decimals = digits.format(fraction).as_bytes();
        let point = b".00000000000".get(..=DECIMALS.saturating_sub(decimals.len()));
        let last = decimals.iter().rposition(|&digit| digit != b'0').unwrap_or_default();
        let decimals = decimals.get(..=last).unwrap_or(decimals);
        take([sign, whole.as_bytes(), point.unwrap_or_default(), decimals])
    }
}

/// Whether a sum is one that a wallet may reach.
fn in_range(pico: &i128) -> bool {
    pico.unsigned_abs() <= SUM_MAX.unsigned_abs()
}

/// What wallets hold stays far below the bounds; damaged bytes may say anything, and end at them.
impl Sum for Amount {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        Self(amounts.fold(0, |sum, amount| sum.saturating_add(amount.0)))
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.with_text(|parts| {
            parts.into_iter().try_for_each(|part| {
                f.write_str(std::str::from_utf8(part).map_err(|_| fmt::Error)?)
            })
        })
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
            ("999999.999999999999", "999999.999999999999"),
            ("1000000.000000000001", "1000000.000000000001"),
            ("18446744.073709551616", "18446744.073709551616"),
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
