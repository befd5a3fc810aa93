//! What a run found, as it is written to JSON and shown in tables and pages.
//!
//! The JSON's `version` goes up when a field changes its meaning or goes; new fields may come.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::bursts::Phases;
use crate::checkpoints::Checkpoints;
use crate::cost::Cost;
use crate::disk::Disk;
use crate::footprint::Footprint;
use crate::latencies::{Latencies, Percentiles};
use crate::machine::{Machine, Purser};
use crate::observer::Memory;
use crate::ramp::Step;
use crate::series::Point;
use crate::stages::Stage;

/// The version of the JSON.
pub(crate) const VERSION: u32 = 1;
/// The generator's lateness that is always allowed, in microseconds.
const LAG_ALLOWED_US: u64 = 1_000;
/// The part of the 99th percentile that it may be beyond that.
const LAG_PART: u64 = 10;

/// Everything that is known of a run.
#[derive(Debug, Serialize)]
pub(crate) struct Findings {
    pub(crate) version: u32,
    pub(crate) profile: &'static str,
    pub(crate) made_at: String,
    pub(crate) seed: u64,
    pub(crate) prefix: String,
    /// Every flag with its value, defaults included.
    pub(crate) settings: BTreeMap<String, String>,
    pub(crate) machine: Machine,
    pub(crate) purser: Purser,
    pub(crate) warmup_s: f64,
    pub(crate) measured_s: f64,
    pub(crate) stopped_early: bool,
    pub(crate) validity: Validity,
    pub(crate) rates: Rates,
    pub(crate) latency: BTreeMap<String, Percentiles>,
    /// How many nines, and the latency there in microseconds.
    pub(crate) curve: Vec<(f64, u64)>,
    pub(crate) answers: Answers,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) phases: Option<Phases>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ramp: Option<Ramped>,
    pub(crate) series: Series,
    /// Estimated from the server's histograms; empty where it has none.
    pub(crate) stages: Vec<Stage>,
    /// None where the server does not tell.
    pub(crate) checkpoints: Option<Checkpoints>,
    /// None where the data directory is not on this machine.
    pub(crate) disk: Option<Disk>,
    /// None where the server is not on this machine.
    pub(crate) cost: Option<Cost>,
    pub(crate) generator_cost: Option<Cost>,
    pub(crate) memory: Option<Memory>,
    /// Over the whole run, warm-up included.
    pub(crate) footprint: Footprint,
    /// None without `--verify`.
    pub(crate) verified: Option<Verified>,
}

/// Offered and accepted, side by side.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Rates {
    /// None in a closed loop, which offers what is accepted.
    pub(crate) offered_per_s: Option<f64>,
    pub(crate) accepted_per_s: f64,
}

/// What was answered, beyond latencies.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Answers {
    pub(crate) offered: u64,
    pub(crate) accepted: u64,
    pub(crate) declined: BTreeMap<String, u64>,
    /// Errors after which nothing had happened or the outcome was found out, `BUSY` and the like.
    pub(crate) refused: BTreeMap<String, u64>,
    pub(crate) replays: u64,
    pub(crate) connections_lost_under: u64,
    pub(crate) settled_at_the_end: u64,
    /// Answers that must never be.
    pub(crate) failed: u64,
    pub(crate) failures: Vec<String>,
}

/// The slices of the run.
#[derive(Debug, Serialize)]
pub(crate) struct Series {
    pub(crate) slice_s: f64,
    pub(crate) points: Vec<Point>,
}

/// What a ramp found.
#[derive(Debug, Serialize)]
pub(crate) struct Ramped {
    pub(crate) p99_bound_us: u64,
    /// None if not even the lowest rate was good.
    pub(crate) highest_rate: Option<f64>,
    pub(crate) steps: Vec<Step>,
}

/// The comparison of all wallets.
#[derive(Debug, Serialize)]
pub(crate) struct Verified {
    pub(crate) wallets: u64,
    pub(crate) different: u64,
    /// Holds that were left to expire, and were part of the comparison.
    pub(crate) holds_left: u64,
    /// The first wallets that differ.
    pub(crate) differences: Vec<Differing>,
}

/// A wallet that differs, in words.
#[derive(Debug, Serialize)]
pub(crate) struct Differing {
    pub(crate) wallet: String,
    pub(crate) computed: String,
    pub(crate) engine: String,
}

/// Whether the generator kept its own schedule, so that the figures are the server's.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Validity {
    pub(crate) valid: bool,
    /// All of the schedule was sent, if not in time.
    pub(crate) complete: bool,
    pub(crate) reasons: Vec<String>,
    /// How late commands were handed over that could have been earlier.
    pub(crate) generator_lag: Percentiles,
    /// What its 99th percentile may be.
    pub(crate) lag_allowed_us: u64,
}

impl Validity {
    /// Judges an open loop; `not_sent` commands were left of its schedule when it was given up.
    pub(crate) fn of_open(lag: &Latencies, all: &Latencies, not_sent: u64, was_full: bool) -> Self {
        let lag_allowed_us = LAG_ALLOWED_US.max(all.percentile(99.0) / LAG_PART);
        let lag = lag.percentiles();
        let mut reasons = Vec::new();
        if lag.p99_us > lag_allowed_us {
            reasons.push(format!(
                "the generator was late by {} µs at the 99th percentile, {lag_allowed_us} µs are \
                 allowed",
                lag.p99_us
            ));
        }
        if not_sent > 0 {
            reasons.push(format!("{not_sent} arrivals of the schedule could not be sent in time"));
        }
        if was_full {
            reasons
                .push("the most unanswered commands were reached, and sending waited".to_owned());
        }
        let complete = not_sent == 0 && !was_full;
        Self { valid: reasons.is_empty(), complete, reasons, generator_lag: lag, lag_allowed_us }
    }

    /// A closed loop has no schedule to keep.
    pub(crate) fn of_closed() -> Self {
        let generator_lag = Percentiles::default();
        let reasons = Vec::new();
        Self { valid: true, complete: true, reasons, generator_lag, lag_allowed_us: 0 }
    }
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    Good,
    /// A wallet differs, or an answer was wrong.
    Wrong,
    /// The figures are not the server's.
    Invalid,
}

impl Findings {
    pub(crate) fn ending(&self) -> Ending {
        let differs = self.verified.as_ref().is_some_and(|verified| verified.different > 0);
        if differs || self.answers.failed > 0 {
            Ending::Wrong
        } else if self.validity.valid {
            Ending::Good
        } else {
            Ending::Invalid
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn latencies(us: u64) -> Latencies {
        let mut latencies = Latencies::new().unwrap();
        (0..100).for_each(|_| latencies.add(us * 1_000));
        latencies
    }

    #[test]
    fn lateness_is_allowed_up_to_a_millisecond_or_a_tenth_of_the_latency() {
        let valid = |lag, all| Validity::of_open(&latencies(lag), &latencies(all), 0, false).valid;
        assert!(valid(990, 500));
        assert!(!valid(1_100, 500));
        assert!(valid(1_100, 20_000));
        assert!(!valid(2_200, 20_000));
    }

    #[test]
    fn what_could_not_be_sent_makes_a_run_invalid() {
        let (lag, all) = (latencies(1), latencies(1));
        assert!(!Validity::of_open(&lag, &all, 1, false).valid);
        assert!(!Validity::of_open(&lag, &all, 0, true).valid);
    }
}
