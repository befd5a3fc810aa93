//! When work begins in an open loop: a seeded stream of times at a rate that may change. Pure.

use clap::ValueEnum;
use rand::SeedableRng;
use rand::distr::Distribution;
use rand::rngs::Xoshiro256PlusPlus;
use rand_distr::Exp1;

use crate::rounding::{fraction, whole};

/// Nanoseconds in a second.
pub(crate) const SECOND: u64 = 1_000_000_000;

/// How arrivals are spaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Spacing {
    /// As independent customers come: gaps are exponential, some close together.
    Poisson,
    /// All gaps of a rate alike.
    Fixed,
}

/// Bursts that come back: from `first` on, every `every`, for `length`; in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Bursts {
    pub(crate) factor: f64,
    pub(crate) first: u64,
    pub(crate) every: u64,
    pub(crate) length: u64,
}

impl Bursts {
    /// The bursts that are over by `end`, as begin and end.
    pub(crate) fn windows(&self, end: u64) -> Vec<(u64, u64)> {
        let begins =
            (0..).map(|number| self.first.saturating_add(self.every.saturating_mul(number)));
        begins
            .map(|begin| (begin, begin.saturating_add(self.length)))
            .take_while(|&(_, over)| over <= end)
            .collect()
    }
}

/// A rate over time: so many a second, more in bursts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Rate {
    pub(crate) per_second: f64,
    pub(crate) bursts: Option<Bursts>,
}

impl Rate {
    /// The rate at a time, and until when it stays so.
    fn at(&self, time: u64) -> (f64, u64) {
        let Some(bursts) = self.bursts else { return (self.per_second, u64::MAX) };
        let Some(since) = time.checked_sub(bursts.first) else {
            return (self.per_second, bursts.first);
        };
        let into = since.checked_rem(bursts.every).unwrap_or_default();
        if into < bursts.length {
            (self.per_second * bursts.factor, time.saturating_add(bursts.length - into))
        } else {
            (self.per_second, time.saturating_add(bursts.every.saturating_sub(into)))
        }
    }
}

/// The times of the arrivals, in nanoseconds from the start, until the end.
#[derive(Debug)]
pub(crate) struct Arrivals {
    rate: Rate,
    spacing: Spacing,
    end: u64,
    /// The last arrival, exactly: rounding each one would change the rate.
    time: f64,
    random: Xoshiro256PlusPlus,
}

impl Arrivals {
    pub(crate) fn new(rate: Rate, spacing: Spacing, end: u64, seed: u64) -> Self {
        let random = Xoshiro256PlusPlus::seed_from_u64(seed);
        Self { rate, spacing, end, time: 0.0, random }
    }
}

impl Iterator for Arrivals {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        // How many arrivals must be expected before the next one: one, or about one.
        let mut wait: f64 = match self.spacing {
            Spacing::Poisson => Exp1.sample(&mut self.random),
            Spacing::Fixed => 1.0,
        };
        loop {
            let now = whole(self.time);
            if now >= self.end {
                return None;
            }
            let (per_second, until) = self.rate.at(now);
            let per_nanosecond = per_second / fraction(SECOND);
            let left = fraction(until) - self.time;
            if wait <= left * per_nanosecond {
                self.time += wait / per_nanosecond;
                break;
            }
            wait -= left * per_nanosecond;
            self.time = fraction(until);
        }
        let time = whole(self.time);
        (time < self.end).then_some(time)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rounding::count;

    const STEADY: Rate = Rate { per_second: 1_000.0, bursts: None };

    fn arrivals(rate: Rate, spacing: Spacing, seed: u64) -> Vec<u64> {
        Arrivals::new(rate, spacing, 100 * SECOND, seed).collect()
    }

    #[test]
    fn fixed_arrivals_are_evenly_spaced() {
        let times = arrivals(STEADY, Spacing::Fixed, 1);
        assert_eq!(times.len(), 99_999, "the one due at the end is beyond it");
        assert!(times.windows(2).all(|pair| (999_999..=1_000_001).contains(&(pair[1] - pair[0]))));
    }

    #[test]
    fn poisson_arrivals_have_exponential_gaps() {
        let times = arrivals(STEADY, Spacing::Poisson, 1);
        // 100,000 expected; the standard deviation is their root.
        assert!((98_700..101_300).contains(&times.len()), "{}", times.len());
        let gaps: Vec<f64> =
            times.windows(2).map(|pair| fraction(pair[1] - pair[0]) / 1_000_000.0).collect();
        let mean = gaps.iter().sum::<f64>() / fraction(count(gaps.len()));
        let square = gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>();
        let deviation = (square / fraction(count(gaps.len()))).sqrt();
        assert!((0.98..1.02).contains(&mean), "{mean}");
        assert!((0.97..1.03).contains(&deviation), "as large as the mean: {deviation}");
        // e^-1 of all gaps are longer than the mean, e^-3 longer than three of them.
        let longer = |than: f64| gaps.iter().filter(|&&gap| gap > than).count();
        assert!((36_000..37_600).contains(&longer(1.0)), "{}", longer(1.0));
        assert!((4_600..5_400).contains(&longer(3.0)), "{}", longer(3.0));
    }

    #[test]
    fn the_seed_decides() {
        let times = |seed| arrivals(STEADY, Spacing::Poisson, seed);
        assert_eq!(times(7), times(7));
        assert_ne!(times(7), times(8));
        // Pinned: a new release of the generator must not change old schedules.
        assert_eq!(times(1)[..4], PINNED);
    }

    const PINNED: [u64; 4] = [1_096_793, 2_226_769, 2_588_156, 3_118_426];

    #[test]
    fn bursts_have_their_rate_and_their_place() {
        let bursts = Bursts { factor: 10.0, first: SECOND, every: 5 * SECOND, length: SECOND };
        let rate = Rate { per_second: 1_000.0, bursts: Some(bursts) };
        let times = arrivals(rate, Spacing::Fixed, 1);
        let between = |from: u64, to: u64| {
            times.iter().filter(|&&time| (from * SECOND..to * SECOND).contains(&time)).count()
        };
        assert!((998..1002).contains(&between(0, 1)), "{}", between(0, 1));
        assert!((9_998..=10_002).contains(&between(1, 2)), "{}", between(1, 2));
        assert!((3_998..4_002).contains(&between(2, 6)), "{}", between(2, 6));
        assert!((9_998..=10_002).contains(&between(96, 97)), "{}", between(96, 97));
        assert_eq!(bursts.windows(7 * SECOND), [(SECOND, 2 * SECOND), (6 * SECOND, 7 * SECOND)]);
    }
}
