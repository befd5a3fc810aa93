//! What is measured of a synthetic run: latencies, rates, the generator's own lateness, refusals.
//!
//! Only what was due within the measured time counts; the warm-up before it does not. A latency is
//! counted from the time at which the command was due.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Result;
use indicatif::ProgressBar;

use crate::checkpoints::{Apart, Sightings};
use crate::drive::Times;
use crate::latencies::Latencies;
use crate::series::Series;
use crate::traffic::{Kind, Verdict};

/// How many failures are kept in words.
const FAILURES_SHOWN: usize = 10;
/// How often the progress bar moves, in nanoseconds.
const SHOW_EVERY: u64 = 100_000_000;

/// What was measured. Times are in nanoseconds; those that it is told count from the start of the
/// driver, those that it keeps from the begin of the run.
#[derive(Debug)]
pub(crate) struct Recorder {
    begin: u64,
    from: u64,
    to: u64,
    pub(crate) all: Latencies,
    by_kind: Vec<(Kind, Latencies)>,
    /// Those of checkpoints apart from the others.
    pub(crate) apart: Apart,
    /// How late commands were handed over that could have been earlier: the generator's own fault.
    pub(crate) lag: Latencies,
    pub(crate) series: Series,
    /// Commands that were due in the measured time.
    pub(crate) offered: u64,
    /// Commands that were answered with a receipt in the measured time, declines included.
    pub(crate) accepted: u64,
    pub(crate) declined: BTreeMap<String, u64>,
    /// `BUSY` and the like, over the whole run.
    pub(crate) not_now: BTreeMap<String, u64>,
    pub(crate) replays: u64,
    /// Commands whose connection was lost.
    pub(crate) lost: u64,
    /// Of these and of the postponed, those whose outcome was found out at the end.
    pub(crate) settled: u64,
    /// Answers that must never be.
    pub(crate) failed: u64,
    pub(crate) failures: Vec<String>,
    /// All answers so far, for who looks on from outside.
    pub(crate) answers: Arc<AtomicU64>,
    answered: u64,
    bar: ProgressBar,
    shown: u64,
}

impl Recorder {
    /// A run that begins at `begin` and is measured from `from` to `to`, counted from there.
    pub(crate) fn new(
        begin: u64,
        from: u64,
        to: u64,
        fine: bool,
        bar: ProgressBar,
    ) -> Result<Self> {
        let by_kind = Kind::ALL.into_iter().map(|kind| Ok((kind, Latencies::new()?)));
        Ok(Self {
            begin,
            from,
            to,
            all: Latencies::new()?,
            by_kind: by_kind.collect::<Result<_>>()?,
            apart: Apart::new(Sightings::none())?,
            lag: Latencies::new()?,
            series: Series::new(to, fine),
            offered: 0,
            accepted: 0,
            declined: BTreeMap::new(),
            not_now: BTreeMap::new(),
            replays: 0,
            lost: 0,
            settled: 0,
            failed: 0,
            failures: Vec::new(),
            answers: Arc::default(),
            answered: 0,
            bar,
            shown: 0,
        })
    }

    fn measures(&self, time: u64) -> bool {
        (self.from..self.to).contains(&time)
    }

    /// A command was handed over at `now`, and could have been at `ready`.
    pub(crate) fn sent(&mut self, due: u64, ready: u64, now: u64) {
        let due_here = due.saturating_sub(self.begin);
        if self.measures(due_here) {
            self.offered += 1;
            self.lag.add(now.saturating_sub(ready));
        }
        // A slice that cannot be made has no memory; the answer will say so.
        let _ = self.series.offer(due_here);
    }

    pub(crate) fn answered(&mut self, kind: Kind, times: Times, verdict: &Verdict) -> Result<()> {
        self.answered += 1;
        let accepted = match verdict {
            Verdict::Accepted { .. } | Verdict::Repeated | Verdict::Read => true,
            Verdict::Declined(reason) => {
                count(&mut self.declined, reason);
                true
            }
            Verdict::NotNow(code) | Verdict::Unknown(code) => {
                count(&mut self.not_now, code);
                false
            }
            Verdict::Refused(what) | Verdict::Wrong(what) => {
                self.fail(what.clone());
                false
            }
        };
        let due = times.due.saturating_sub(self.begin);
        let arrived = times.arrived.saturating_sub(self.begin);
        if accepted && self.measures(arrived) {
            self.accepted += 1;
        }
        if self.measures(due) {
            let latency = arrived.saturating_sub(due);
            self.all.add(latency);
            self.apart.add(due, latency);
            if let Some((_, of_kind)) = self.by_kind.iter_mut().find(|(other, _)| *other == kind) {
                of_kind.add(latency);
            }
        }
        self.series.answer(due, arrived, accepted)
    }

    pub(crate) fn fail(&mut self, what: String) {
        self.failed += 1;
        if self.failures.len() < FAILURES_SHOWN {
            self.failures.push(what);
        }
    }

    /// The kinds of commands that were sent, with their latencies.
    pub(crate) fn by_kind(&self) -> impl Iterator<Item = (&'static str, &Latencies)> {
        let sent = self.by_kind.iter().filter(|(_, latencies)| latencies.count() > 0);
        sent.map(|(kind, latencies)| (kind.name(), latencies))
    }

    /// Shows how far it is.
    pub(crate) fn turn(&mut self, now: u64) {
        self.answers.store(self.answered, Ordering::Relaxed);
        if now.saturating_sub(self.shown) >= SHOW_EVERY {
            self.shown = now;
            let done = now.saturating_sub(self.begin).min(self.to);
            self.bar.set_position(done / 1_000_000);
            self.bar.set_message(format!("{} answers", indicatif::HumanCount(self.answered)));
        }
    }
}

fn count(by_name: &mut BTreeMap<String, u64>, name: &str) {
    if let Some(count) = by_name.get_mut(name) {
        *count += 1;
    } else {
        by_name.insert(name.to_owned(), 1);
    }
}
