//! Counts and latencies of a run.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result};
use hdrhistogram::Histogram;
use purser::domain::amount::{Amount, Overflow};

use crate::request::{Ending, Outcome, Step};

/// How many failures are kept in words.
const TROUBLES_SHOWN: usize = 10;
/// The longest latency that is told apart, in microseconds: one hour.
const LONGEST_US: u64 = 3_600_000_000;

/// What happened, added up.
#[derive(Debug)]
pub(crate) struct Tally {
    pub(crate) captured: u64,
    /// By reason.
    pub(crate) declined: BTreeMap<String, u64>,
    pub(crate) refused: u64,
    /// Captures whose receipt says what cannot be true.
    pub(crate) contradictions: u64,
    pub(crate) unknown: u64,
    /// The first few failures, in words.
    pub(crate) troubles: Vec<String>,
    pub(crate) late: u64,
    pub(crate) above_estimate: u64,
    pub(crate) retries: u64,
    pub(crate) replayed: u64,
    /// What became debt when it was captured.
    pub(crate) debt: Amount,
    pub(crate) authorize: Latencies,
    pub(crate) capture: Latencies,
    /// How late the generator itself was, with either command.
    pub(crate) lag: Latencies,
}

impl Tally {
    pub(crate) fn new() -> Result<Self> {
        Ok(Self {
            captured: 0,
            declined: BTreeMap::new(),
            refused: 0,
            contradictions: 0,
            unknown: 0,
            troubles: Vec::new(),
            late: 0,
            above_estimate: 0,
            retries: 0,
            replayed: 0,
            debt: Amount::ZERO,
            authorize: Latencies::new()?,
            capture: Latencies::new()?,
            lag: Latencies::new()?,
        })
    }

    pub(crate) fn add(&mut self, outcome: Outcome) -> Result<(), Overflow> {
        if let Some(step) = outcome.steps.authorize {
            self.authorize.add(step.latency());
            self.add_step(step);
        }
        if let Some(step) = outcome.steps.capture {
            self.capture.add(step.latency());
            self.add_step(step);
        }
        match outcome.ending {
            Ending::Captured(captured) => {
                self.captured += 1;
                self.late += u64::from(captured.late);
                self.above_estimate += u64::from(captured.above_estimate);
                self.debt = self.debt.plus(captured.debt)?;
                if let Some(what) = captured.contradiction {
                    self.contradictions += 1;
                    self.trouble(what);
                }
            }
            Ending::Declined { reason } => *self.declined.entry(reason).or_default() += 1,
            Ending::Refused { what } => {
                self.refused += 1;
                self.trouble(what);
            }
            Ending::Unknown { what } => {
                self.unknown += 1;
                self.trouble(what);
            }
        }
        Ok(())
    }

    fn add_step(&mut self, step: Step) {
        self.lag.add(step.lag());
        self.retries += u64::from(step.retries);
        self.replayed += u64::from(step.replayed);
    }

    fn trouble(&mut self, what: String) {
        if self.troubles.len() < TROUBLES_SHOWN {
            self.troubles.push(what);
        }
    }

    pub(crate) fn declines(&self) -> u64 {
        self.declined.values().sum()
    }

    /// How many requests have ended.
    pub(crate) fn requests(&self) -> u64 {
        self.captured + self.declines() + self.refused + self.unknown
    }
}

/// Durations, kept to three digits.
#[derive(Debug)]
pub(crate) struct Latencies(Histogram<u64>);

impl Latencies {
    fn new() -> Result<Self> {
        Histogram::new_with_bounds(1, LONGEST_US, 3).map(Self).context("cannot make a histogram")
    }

    fn add(&mut self, duration: Duration) {
        self.0.saturating_record(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX));
    }

    /// The duration that this share of all, in percent, does not exceed.
    pub(crate) fn percentile(&self, percent: f64) -> Duration {
        Duration::from_micros(self.0.value_at_percentile(percent))
    }

    pub(crate) fn max(&self) -> Duration {
        Duration::from_micros(self.0.max())
    }

    pub(crate) fn count(&self) -> u64 {
        self.0.len()
    }
}
