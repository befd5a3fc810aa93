//! When the server made checkpoints, as it is seen from outside, and how fast it was meanwhile.
//!
//! The thread that looks at the server tells a [`Spotter`]; the one that measures keeps what it
//! measured [`Apart`] until it is known whether a checkpoint went on when a command was due. All
//! times are in nanoseconds from the begin of the run.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use serde::Serialize;

use crate::latencies::{Latencies, Percentiles};
use crate::rounding::fraction;
use crate::schedule::SECOND;
use crate::stages::Stage;

/// Times from one moment to another.
pub(crate) type Windows = Vec<(u64, u64)>;

/// What is known of the server's checkpoints so far.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sightings(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    /// Until when it is known whether a checkpoint went on.
    known: AtomicU64,
    windows: Mutex<Windows>,
}

impl Sightings {
    /// Of a server that says nothing of its checkpoints.
    pub(crate) fn none() -> Self {
        let none = Self::default();
        none.close();
        none
    }

    /// Nothing more will be known.
    pub(crate) fn close(&self) {
        self.0.known.store(u64::MAX, Ordering::Release);
    }

    fn known(&self) -> u64 {
        self.0.known.load(Ordering::Acquire)
    }

    pub(crate) fn windows(&self) -> Windows {
        self.0.windows.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn publish(&self, window: Option<(u64, u64)>, known: u64) {
        if let Some((from, to)) = window {
            let mut windows = self.0.windows.lock().unwrap_or_else(PoisonError::into_inner);
            match windows.last_mut() {
                Some((_, end)) if *end >= from => *end = (*end).max(to),
                Some(_) | None => windows.push((from, to)),
            }
        }
        self.0.known.store(known, Ordering::Release);
    }
}

/// Makes windows of looks at the server.
#[derive(Debug)]
pub(crate) struct Spotter {
    sightings: Sightings,
    /// When the last look was asked for.
    asked: u64,
    was_running: bool,
    completed: Option<f64>,
}

impl Spotter {
    pub(crate) const fn new(sightings: Sightings) -> Self {
        Self { sightings, asked: 0, was_running: false, completed: None }
    }

    /// A look that was asked for and answered at these times: whether a checkpoint went on, and how
    /// many there had been. One that came and went between two looks shows in their number.
    ///
    /// A window reaches from the last look that did not see the checkpoint yet to the first that
    /// did not any more.
    pub(crate) fn look(&mut self, asked: u64, answered: u64, is_running: bool, completed: f64) {
        let came = self.completed.is_some_and(|before| completed > before);
        let end = if is_running { asked } else { answered };
        let window = (is_running || self.was_running || came).then_some((self.asked, end));
        self.sightings.publish(window, asked);
        (self.asked, self.was_running, self.completed) = (asked, is_running, Some(completed));
    }

    /// A look that was asked for and not answered: whatever went on is not known to go on.
    pub(crate) fn missed(&mut self, asked: u64) {
        self.sightings.publish(None, asked);
        (self.asked, self.was_running) = (asked, false);
    }
}

/// Latencies, those of commands that were due during a checkpoint apart from the others.
#[derive(Debug)]
pub(crate) struct Apart {
    sightings: Sightings,
    known: u64,
    windows: Windows,
    /// Due time and latency of those of which it is not known yet, in the order of their answers.
    waiting: VecDeque<(u64, u64)>,
    during: Latencies,
    outside: Latencies,
}

impl Apart {
    pub(crate) fn new(sightings: Sightings) -> Result<Self> {
        Ok(Self {
            sightings,
            known: 0,
            windows: Windows::new(),
            waiting: VecDeque::new(),
            during: Latencies::new()?,
            outside: Latencies::new()?,
        })
    }

    /// Adds one, and sorts in some that waited: few at a time, so that no command waits for it.
    pub(crate) fn add(&mut self, due: u64, latency: u64) {
        let known = self.sightings.known();
        if known != self.known {
            (self.known, self.windows) = (known, self.sightings.windows());
        }
        self.waiting.push_back((due, latency));
        for _ in 0..2 {
            let Some(&(due, latency)) = self.waiting.front() else { break };
            if due >= self.known {
                break;
            }
            self.sort_in(due, latency);
            self.waiting.pop_front();
        }
    }

    /// Sorts in all that wait; to be called when nothing more will be known.
    pub(crate) fn settle(&mut self) {
        self.windows = self.sightings.windows();
        for (due, latency) in std::mem::take(&mut self.waiting) {
            self.sort_in(due, latency);
        }
    }

    fn sort_in(&mut self, due: u64, latency: u64) {
        let index = self.windows.partition_point(|&(_, end)| end <= due);
        let is_during = self.windows.get(index).is_some_and(|&(begin, _)| begin <= due);
        let of = if is_during { &mut self.during } else { &mut self.outside };
        of.add(latency);
    }
}

/// The checkpoints of the measured time, as the server counts them.
#[derive(Debug, Default)]
pub(crate) struct Counted {
    pub(crate) completed: u64,
    pub(crate) seconds: f64,
    pub(crate) stages: Vec<Stage>,
}

/// What there is to say about a run's checkpoints.
#[derive(Debug, Serialize)]
pub(crate) struct Checkpoints {
    /// How many were completed in the measured time, and how long they took in all.
    pub(crate) completed: u64,
    pub(crate) seconds: f64,
    /// How much of the measured time counts as during one: up to a look longer at either end.
    pub(crate) seen_s: f64,
    pub(crate) stages: Vec<Stage>,
    /// Latencies of what was due during a checkpoint, and of what was not.
    pub(crate) during: Percentiles,
    pub(crate) outside: Percentiles,
    /// From when to when, in seconds from the start of the run; those of the warm-up are here, too.
    pub(crate) windows_s: Vec<(f64, f64)>,
}

impl Checkpoints {
    /// Of a run that was measured from `from` to `to`.
    pub(crate) fn of(counted: Counted, apart: &Apart, from: u64, to: u64) -> Self {
        let seconds = |time: u64| fraction(time) / fraction(SECOND);
        let measured =
            apart.windows.iter().map(|&(begin, end)| end.min(to).saturating_sub(begin.max(from)));
        Self {
            completed: counted.completed,
            seconds: counted.seconds,
            seen_s: seconds(measured.sum()),
            stages: counted.stages,
            during: apart.during.percentiles(),
            outside: apart.outside.percentiles(),
            windows_s: apart
                .windows
                .iter()
                .map(|&(begin, end)| (seconds(begin), seconds(end)))
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn windows(looks: &[(u64, u64, bool, f64)]) -> Windows {
        let sightings = Sightings::default();
        let mut spotter = Spotter::new(sightings.clone());
        for &(asked, answered, is_running, completed) in looks {
            spotter.look(asked, answered, is_running, completed);
        }
        sightings.windows()
    }

    #[test]
    fn a_window_reaches_from_look_to_look() {
        let looks = [
            (10, 11, false, 4.0),
            (20, 21, true, 4.0),
            (30, 31, true, 4.0),
            (40, 41, false, 5.0),
            (50, 51, false, 5.0),
        ];
        assert_eq!(windows(&looks), [(10, 41)]);
    }

    #[test]
    fn a_checkpoint_between_two_looks_shows_in_the_count() {
        let looks = [(10, 11, false, 4.0), (20, 21, false, 5.0), (30, 31, false, 5.0)];
        assert_eq!(windows(&looks), [(10, 21)]);
        // The first look has nothing to compare with; a server that was started again counts anew.
        assert_eq!(windows(&[(10, 11, false, 4.0), (20, 21, false, 0.0)]), []);
    }

    #[test]
    fn one_behind_the_other_is_one_window() {
        let looks = [(10, 11, true, 0.0), (20, 21, false, 1.0), (30, 31, true, 1.0)];
        assert_eq!(windows(&looks), [(0, 30)]);
    }

    #[test]
    fn a_server_that_does_not_answer_is_not_in_a_checkpoint() {
        let sightings = Sightings::default();
        let mut spotter = Spotter::new(sightings.clone());
        spotter.look(10, 11, true, 0.0);
        spotter.missed(20);
        spotter.look(30, 31, false, 0.0);
        assert_eq!(sightings.windows(), [(0, 10)]);
    }

    #[test]
    fn a_latency_waits_until_it_is_known_where_it_belongs() {
        let sightings = Sightings::default();
        let mut spotter = Spotter::new(sightings.clone());
        let mut apart = Apart::new(sightings.clone()).unwrap();
        spotter.look(10, 11, false, 0.0);
        apart.add(15, 1_500_000);
        apart.add(5, 1_000_000);
        assert_eq!((apart.during.count(), apart.outside.count()), (0, 0), "15 is ahead of 5");
        spotter.look(20, 21, true, 0.0);
        apart.add(25, 2_000_000);
        assert_eq!((apart.during.count(), apart.outside.count()), (1, 1));
        spotter.look(30, 31, false, 1.0);
        apart.add(31, 1_000_000);
        apart.settle();
        let found = Checkpoints::of(Counted::default(), &apart, 0, SECOND);
        assert_eq!((found.during.count, found.during.max_us), (2, 2_000));
        assert_eq!((found.outside.count, found.outside.max_us), (2, 1_000));
    }

    #[test]
    fn nothing_waits_where_nothing_will_be_known() {
        let mut apart = Apart::new(Sightings::none()).unwrap();
        (0..100).for_each(|due| apart.add(due, 1));
        assert!(apart.waiting.is_empty());
        assert_eq!(apart.outside.count(), 100);
    }
}
