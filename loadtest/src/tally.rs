//! Counts and latencies of a run.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::Result;
use purser::domain::amount::Amount;

use crate::checkpoints::{Apart, Sightings};
use crate::drive::nanos;
use crate::latencies::Latencies;
use crate::request::{Ending, Outcome, Step};
use crate::series::Series;

/// How many failures are kept in words.
const TROUBLES_SHOWN: usize = 10;

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
    pub(crate) all: Latencies,
    pub(crate) authorize: Latencies,
    pub(crate) capture: Latencies,
    /// Those of checkpoints apart from the others.
    pub(crate) apart: Apart,
    /// How late the generator itself was, with either command.
    pub(crate) lag: Latencies,
    pub(crate) series: Series,
    start: Instant,
}

impl Tally {
    /// For a run that starts then and takes about so long, on a server that is seen so.
    pub(crate) fn new(start: Instant, about: Duration, sightings: Sightings) -> Result<Self> {
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
            all: Latencies::new()?,
            authorize: Latencies::new()?,
            capture: Latencies::new()?,
            apart: Apart::new(sightings)?,
            lag: Latencies::new()?,
            series: Series::new(nanos(about), false),
            start,
        })
    }

    pub(crate) fn add(&mut self, outcome: Outcome) -> Result<()> {
        if let Some(step) = outcome.steps.authorize {
            self.authorize.add(nanos(step.latency()));
            self.add_step(step)?;
        }
        if let Some(step) = outcome.steps.capture {
            self.capture.add(nanos(step.latency()));
            self.add_step(step)?;
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

    fn add_step(&mut self, step: Step) -> Result<()> {
        let due = nanos(step.due().saturating_duration_since(self.start));
        self.series.offer(due)?;
        self.series.answer(due, due.saturating_add(nanos(step.latency())), true)?;
        self.all.add(nanos(step.latency()));
        self.apart.add(due, nanos(step.latency()));
        self.lag.add(nanos(step.lag()));
        self.retries += u64::from(step.retries);
        self.replayed += u64::from(step.replayed);
        Ok(())
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
