//! Durations, kept in histograms to three digits, and how they are shown.

use anyhow::{Context, Result};
use hdrhistogram::Histogram;
use serde::Serialize;

use crate::rounding::fraction;

/// Durations, given in nanoseconds and kept in microseconds.
#[derive(Debug, Clone)]
pub(crate) struct Latencies(Histogram<u64>);

/// Percentiles, in microseconds.
#[derive(Debug, Clone, Default, Serialize, PartialEq)]
pub(crate) struct Percentiles {
    pub(crate) count: u64,
    pub(crate) mean_us: f64,
    pub(crate) p50_us: u64,
    pub(crate) p75_us: u64,
    pub(crate) p90_us: u64,
    pub(crate) p95_us: u64,
    pub(crate) p99_us: u64,
    pub(crate) p999_us: u64,
    pub(crate) p9999_us: u64,
    pub(crate) max_us: u64,
}

impl Latencies {
    pub(crate) fn new() -> Result<Self> {
        Self::with_digits(3)
    }

    /// A coarse one that takes less memory, for one of many slices of time.
    pub(crate) fn coarse() -> Result<Self> {
        Self::with_digits(2)
    }

    fn with_digits(digits: u8) -> Result<Self> {
        Histogram::new(digits).map(Self).context("cannot make a histogram")
    }

    pub(crate) fn add(&mut self, nanoseconds: u64) {
        let us = nanoseconds.div_ceil(1_000);
        // Recording makes room for what is larger; saturating would cut it off instead.
        if self.0.record(us).is_err() {
            self.0.saturating_record(us);
        }
    }

    pub(crate) fn add_all(&mut self, other: &Self) -> Result<()> {
        self.0.add(&other.0).context("cannot add histograms")
    }

    pub(crate) fn count(&self) -> u64 {
        self.0.len()
    }

    /// What this share of all, in percent, does not exceed, in microseconds; 0 if there are none.
    pub(crate) fn percentile(&self, percent: f64) -> u64 {
        // The representative of a bucket may be above the largest value in it.
        self.0.value_at_quantile(percent / 100.0).min(self.0.max())
    }

    pub(crate) fn max(&self) -> u64 {
        self.0.max()
    }

    pub(crate) fn percentiles(&self) -> Percentiles {
        let at = |percent| self.percentile(percent);
        let count = self.count();
        Percentiles {
            count,
            mean_us: if count == 0 { 0.0 } else { (self.0.mean() * 10.0).round() / 10.0 },
            p50_us: at(50.0),
            p75_us: at(75.0),
            p90_us: at(90.0),
            p95_us: at(95.0),
            p99_us: at(99.0),
            p999_us: at(99.9),
            p9999_us: at(99.99),
            max_us: self.max(),
        }
    }

    /// The whole curve: how many nines, and the latency there in microseconds. Half of all are at
    /// 0.3 nines, 99 % at 2.
    pub(crate) fn curve(&self) -> Vec<(f64, u64)> {
        if self.count() == 0 {
            return Vec::new();
        }
        // Beyond it, one single value decides.
        let most = fraction(self.count()).log10();
        let steps =
            (0_u32..=60).map(|step| f64::from(step) / 10.0).take_while(|&nines| nines < most);
        let mut curve: Vec<(f64, u64)> = steps
            .map(|nines| (nines, self.percentile(100.0 * (1.0 - 10_f64.powf(-nines)))))
            .collect();
        curve.push((most.min(6.0), self.max()));
        curve
    }
}

/// Microseconds, shown as milliseconds.
pub(crate) fn ms(us: u64) -> String {
    format!("{}.{:03} ms", us / 1000, us % 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_what_was_added() {
        let mut latencies = Latencies::new().unwrap();
        for us in 1..=1_000 {
            latencies.add(us * 1_000);
        }
        let percentiles = latencies.percentiles();
        assert_eq!((percentiles.p50_us, percentiles.p99_us, percentiles.max_us), (500, 990, 1_000));
        assert_eq!(percentiles.count, 1_000);
        let curve = latencies.curve();
        assert_eq!(curve.last(), Some(&(3.0, 1_000)));
        assert!(curve.windows(2).all(|pair| pair[0].0 < pair[1].0 && pair[0].1 <= pair[1].1));
    }

    /// A histogram that grows was told to saturate: it never grew, and every latency above 2 ms was
    /// shown as 2 ms.
    #[test]
    fn long_latencies_are_not_cut_off() {
        for mut latencies in [Latencies::new().unwrap(), Latencies::coarse().unwrap()] {
            latencies.add(1_000);
            latencies.add(60_000_000_000);
            assert!((59_000_000..61_000_000).contains(&latencies.percentile(100.0)));
        }
    }

    #[test]
    fn nothing_has_no_curve() {
        assert!(Latencies::new().unwrap().curve().is_empty());
        assert_eq!(Latencies::new().unwrap().percentiles(), Percentiles::default());
    }
}
