//! Exact decimals of any scale: prices are finer than amounts.

use crate::domain::amount::Amount;
use std::cmp::Ordering;
use std::fmt;

/// The decimals of an amount.
const AMOUNT_SCALE: u32 = 12;
/// 10^-12 of a unit, counted in one of it.
const UNIT: i128 = 1_000_000_000_000;
/// The most digits before the point that a file may state.
const WHOLE_MAX: usize = 18;
/// The most digits behind the point that a file may state.
const FRACTION_MAX: usize = 30;
/// The largest amount that can be priced, in 10^-12: 10^18 of a currency, as a caller may state it.
const AMOUNT_MAX: i128 = 1_000_000_000_000_000_000 * UNIT;

/// `mantissa` × 10^-`scale`. Every operation is exact, or answers `None` where 128 bits end.
#[derive(Debug, Clone, Copy, Default)]
pub struct Decimal {
    mantissa: i128,
    scale: u32,
}

/// Why a text is no decimal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecimalError {
    /// It is not digits with an optional fraction.
    #[error("it must be digits with an optional fraction, like 1.25")]
    Malformed,
    /// It is below zero.
    #[error("it must not be negative")]
    Negative,
    /// It has too many digits.
    #[error("it has more than {WHOLE_MAX} digits before or {FRACTION_MAX} behind the point")]
    TooLong,
}

/// 10^`exponent`, if 128 bits hold it.
fn power(exponent: u32) -> Option<i128> {
    10_i128.checked_pow(exponent)
}

impl Decimal {
    /// Nothing.
    pub const ZERO: Self = Self { mantissa: 0, scale: 0 };

    /// `mantissa` × 10^-`scale`.
    pub fn new(mantissa: i128, scale: u32) -> Self {
        Self { mantissa, scale }.trimmed()
    }

    /// `mantissa` × 10^-`scale`, which has no zeros at the end of its fraction.
    pub const fn fixed(mantissa: i128, scale: u32) -> Self {
        Self { mantissa, scale }
    }

    /// A whole number.
    pub const fn whole(number: i128) -> Self {
        Self { mantissa: number, scale: 0 }
    }

    /// The decimal that an amount is. Usage is mostly whole; then the mantissa stays small.
    pub fn of(amount: Amount) -> Self {
        let pico = amount.pico();
        // A division of 64 bits is several times cheaper than one of 128.
        let whole = match (i64::try_from(pico), i64::try_from(UNIT)) {
            (Ok(pico), Ok(unit)) => (pico.checked_rem(unit) == Some(0))
                .then(|| pico.checked_div(unit).map(i128::from))
                .flatten(),
            _ => (pico.checked_rem(UNIT) == Some(0)).then(|| pico.checked_div(UNIT)).flatten(),
        };
        whole.map_or_else(|| Self::new(pico, AMOUNT_SCALE), Self::whole)
    }

    /// Reads `[0-9]+(\.[0-9]+)?` of at most 18 digits before and 30 behind the point.
    pub fn parse(text: &str) -> Result<Self, DecimalError> {
        if text.starts_with('-') {
            return Err(DecimalError::Negative);
        }
        let (whole, fraction) = match text.split_once('.') {
            Some((_, "")) => return Err(DecimalError::Malformed),
            Some(parts) => parts,
            None => (text, ""),
        };
        if whole.is_empty() || !whole.bytes().chain(fraction.bytes()).all(|b| b.is_ascii_digit()) {
            return Err(DecimalError::Malformed);
        }
        let (whole, fraction) = (whole.trim_start_matches('0'), fraction.trim_end_matches('0'));
        if whole.len() > WHOLE_MAX || fraction.len() > FRACTION_MAX {
            return Err(DecimalError::TooLong);
        }
        let mut mantissa: i128 = 0;
        for byte in whole.bytes().chain(fraction.bytes()) {
            let digit = i128::from(byte.wrapping_sub(b'0'));
            let longer = mantissa.checked_mul(10).and_then(|m| m.checked_add(digit));
            mantissa = longer.ok_or(DecimalError::TooLong)?;
        }
        let scale = u32::try_from(fraction.len()).map_err(|_| DecimalError::TooLong)?;
        Ok(Self::new(mantissa, scale))
    }

    /// Reads a number as JSON writes it, with an exponent perhaps.
    pub fn parse_json(text: &str) -> Result<Self, DecimalError> {
        let (digits, exponent) = match text.split_once(['e', 'E']) {
            Some((digits, exponent)) => {
                (digits, exponent.parse::<i32>().map_err(|_| DecimalError::Malformed)?)
            }
            None => (text, 0),
        };
        let read = Self::parse(digits)?;
        if read.is_zero() {
            return Ok(Self::ZERO);
        }
        let scale = i32::try_from(read.scale).ok().and_then(|scale| scale.checked_sub(exponent));
        match scale.ok_or(DecimalError::TooLong)? {
            scale @ 0..=40 => Ok(Self::new(read.mantissa, scale.unsigned_abs())),
            scale @ -18..0 => {
                let more = power(scale.unsigned_abs()).ok_or(DecimalError::TooLong)?;
                read.mantissa.checked_mul(more).map(Self::whole).ok_or(DecimalError::TooLong)
            }
            _ => Err(DecimalError::TooLong),
        }
    }

    /// Without zeros at the end of its fraction.
    fn trimmed(mut self) -> Self {
        if self.mantissa == 0 {
            return Self::ZERO;
        }
        while self.scale > 0 && self.mantissa.checked_rem(10) == Some(0) {
            self.mantissa = self.mantissa.checked_div(10).unwrap_or_default();
            self.scale = self.scale.saturating_sub(1);
        }
        self
    }

    /// How many decimals it has.
    pub fn decimals(self) -> u32 {
        self.trimmed().scale
    }

    /// Whether it is exactly zero.
    pub const fn is_zero(self) -> bool {
        self.mantissa == 0
    }

    /// Whether it is below zero.
    pub const fn is_negative(self) -> bool {
        self.mantissa < 0
    }

    /// The same with the other sign.
    #[must_use]
    pub const fn negated(self) -> Self {
        Self { mantissa: self.mantissa.saturating_neg(), scale: self.scale }
    }

    /// Both mantissas at the finer scale of the two.
    fn aligned(self, other: Self) -> Option<(i128, i128, u32)> {
        if self.scale == other.scale {
            return Some((self.mantissa, other.mantissa, self.scale));
        }
        let scale = self.scale.max(other.scale);
        let at =
            |decimal: Self| decimal.mantissa.checked_mul(power(scale.checked_sub(decimal.scale)?)?);
        Some((at(self)?, at(other)?, scale))
    }

    /// The sum.
    pub fn plus(self, other: Self) -> Option<Self> {
        let trimmed = || self.trimmed().aligned(other.trimmed());
        let (one, two, scale) = self.aligned(other).or_else(trimmed)?;
        one.checked_add(two).map(|mantissa| Self { mantissa, scale })
    }

    /// The difference.
    pub fn minus(self, other: Self) -> Option<Self> {
        self.plus(other.negated())
    }

    /// The product.
    pub fn times(self, other: Self) -> Option<Self> {
        let mantissa = self.mantissa.checked_mul(other.mantissa)?;
        Some(Self { mantissa, scale: self.scale.checked_add(other.scale)? })
    }

    /// The quotient by what is above zero, if it has an end: one by three has none.
    pub fn divided_by(self, other: Self) -> Option<Self> {
        let (above, below, _) = self.aligned(other).filter(|(_, below, _)| *below > 0)?;
        let divisor = greatest_common_divisor(above, below)?;
        let (mut above, mut below) = (above.checked_div(divisor)?, below.checked_div(divisor)?);
        let mut scale = 0_u32;
        // In lowest terms only twos and fives may be left below; ten has one of each.
        while below != 1 {
            let (factor, more) = match (below.checked_rem(10)?, below.checked_rem(5)?) {
                (0, _) => (10, 1),
                (_, 0) => (5, 2),
                (even, _) if even.checked_rem(2)? == 0 => (2, 5),
                _ => return None,
            };
            below = below.checked_div(factor)?;
            above = above.checked_mul(more)?;
            scale = scale.checked_add(1)?;
        }
        Some(Self::new(above, scale))
    }

    /// The amount that is not less, at most 10^18 of the currency.
    pub fn rounded_up(self) -> Option<Amount> {
        let pico = match self.scale.checked_sub(AMOUNT_SCALE) {
            None | Some(0) => {
                self.mantissa.checked_mul(power(AMOUNT_SCALE.checked_sub(self.scale)?)?)?
            }
            Some(finer) => ceiling(self.mantissa, power(finer)?)?,
        };
        (pico.unsigned_abs() <= AMOUNT_MAX.unsigned_abs()).then(|| Amount::from_pico(pico))
    }

    /// The quantity that it is; `None` when it has more than 12 decimals.
    pub fn as_quantity(self) -> Option<Amount> {
        let up = self.rounded_up()?;
        (Self::of(up).cmp_exact(self)? == Ordering::Equal).then_some(up)
    }

    /// Which of the two is larger.
    pub fn cmp_exact(self, other: Self) -> Option<Ordering> {
        self.minus(other).map(|difference| difference.mantissa.cmp(&0))
    }
}

/// The quotient, rounded up; the divisor is positive.
fn ceiling(above: i128, below: i128) -> Option<i128> {
    if let (Ok(above), Ok(below)) = (u64::try_from(above), u64::try_from(below)) {
        return above.checked_add(below.checked_sub(1)?)?.checked_div(below).map(i128::from);
    }
    let down = above.checked_div_euclid(below)?;
    if above.checked_rem_euclid(below)? == 0 { Some(down) } else { down.checked_add(1) }
}

/// How many times `size` has to be taken to reach `quantity`.
pub(super) fn times_started(quantity: Amount, size: Amount) -> Option<i128> {
    ceiling(quantity.pico(), size.pico())
}

fn greatest_common_divisor(one: i128, two: i128) -> Option<i128> {
    let (mut one, mut two) = (one.checked_abs()?, two.checked_abs()?);
    while two != 0 {
        (one, two) = (two, one.checked_rem(two)?);
    }
    Some(one)
}

impl PartialEq for Decimal {
    fn eq(&self, other: &Self) -> bool {
        let (one, two) = (self.trimmed(), other.trimmed());
        one.mantissa == two.mantissa && one.scale == two.scale
    }
}

impl Eq for Decimal {}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let exact = self.trimmed();
        let sign = if exact.is_negative() { "-" } else { "" };
        let digits = exact.mantissa.unsigned_abs().to_string();
        let decimals = usize::try_from(exact.scale).map_err(|_| fmt::Error)?;
        let Some(whole) = digits.len().checked_sub(decimals).filter(|&whole| whole > 0) else {
            return write!(f, "{sign}0.{digits:0>decimals$}");
        };
        match digits.split_at_checked(whole) {
            Some((whole, "")) => write!(f, "{sign}{whole}"),
            Some((whole, fraction)) => write!(f, "{sign}{whole}.{fraction}"),
            None => Err(fmt::Error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Decimal {
        Decimal::parse(text).unwrap()
    }

    #[test]
    fn prints_what_it_read() {
        for (text, printed) in [
            ("0", "0"),
            ("1.250", "1.25"),
            ("007", "7"),
            ("100", "100"),
            ("0.00000000000000000000000123", "0.00000000000000000000000123"),
        ] {
            assert_eq!(read(text).to_string(), printed);
        }
        assert_eq!(read("2.5").negated().to_string(), "-2.5");
        assert_eq!(read("0.5").negated().to_string(), "-0.5");
        for (text, error) in [
            ("", DecimalError::Malformed),
            ("1.", DecimalError::Malformed),
            (".1", DecimalError::Malformed),
            ("1e3", DecimalError::Malformed),
            ("+1", DecimalError::Malformed),
            ("-1", DecimalError::Negative),
            ("1000000000000000000000", DecimalError::TooLong),
        ] {
            assert_eq!(Decimal::parse(text), Err(error), "{text}");
        }
    }

    #[test]
    fn reads_json_numbers_from_their_text() {
        for (text, printed) in [
            ("1e-06", "0.000001"),
            ("2.384185791015625e-08", "0.00000002384185791015625"),
            ("0.0", "0"),
            ("0e999", "0"),
            ("1.5E+2", "150"),
            ("3", "3"),
        ] {
            assert_eq!(Decimal::parse_json(text).unwrap().to_string(), printed);
        }
        for text in ["-1e-6", "1e-99", "1e99", "1e", "true", "1e2147483648", "1e-2147483648"] {
            assert!(Decimal::parse_json(text).is_err(), "{text}");
        }
    }

    #[test]
    fn divides_only_without_loss() {
        assert_eq!(read("1.25").divided_by(read("1000000")), Some(read("0.00000125")));
        assert_eq!(read("0.06").divided_by(read("60")), Some(read("0.001")));
        assert_eq!(read("1").divided_by(read("8")), Some(read("0.125")));
        assert_eq!(read("0").divided_by(read("7")), Some(Decimal::ZERO));
        assert_eq!(read("1").divided_by(read("3")), None);
        assert_eq!(read("1").divided_by(Decimal::ZERO), None);
    }

    #[test]
    fn rounds_up_to_the_grain_of_amounts() {
        assert_eq!(read("0.0000000000001").rounded_up(), Some(Amount::from_pico(1)));
        assert_eq!(read("0.000000000001").rounded_up(), Some(Amount::from_pico(1)));
        assert_eq!(read("2.5").rounded_up(), Some(Amount::from_pico(2_500_000_000_000)));
        assert_eq!(read("1.0000000000000000000000001").rounded_up().unwrap().pico(), UNIT + 1);
        assert_eq!(Decimal::new(1, 0).times(Decimal::whole(i128::MAX)).unwrap().rounded_up(), None);
    }
}
