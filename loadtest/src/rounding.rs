//! Between whole numbers and fractions, for rates, times and charts. Never for money.

/// A whole number as a fraction; beyond 2^53 the last digits go.
#[expect(
    clippy::as_conversions,
    clippy::cast_precision_loss,
    reason = "figures of a report; no lossless conversion exists"
)]
pub(crate) const fn fraction(whole: u64) -> f64 {
    whole as f64
}

/// A fraction cut to a whole number: negative ones and no number become 0, large ones the largest.
#[expect(
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the conversion saturates, which is what is meant"
)]
pub(crate) const fn whole(fraction: f64) -> u64 {
    fraction as u64
}

/// The number of elements, as the type in which everything is counted.
pub(crate) fn count(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

/// A count as the length of something in memory.
pub(crate) fn length(count: u64) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}

/// `part` of `all`, or nothing if there is nothing to divide by.
pub(crate) fn ratio(part: f64, all: f64) -> Option<f64> {
    (all > 0.0).then(|| part / all)
}
