//! Looks at the server from outside while a run is made: its cost, its memory and disk, its stages,
//! its checkpoints.
//!
//! A thread of its own, so that reading them delays no command.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::checkpoints::{Counted, Sightings, Spotter};
use crate::cost::{Cost, Spent, resident};
use crate::drive::nanos;
use crate::footprint::{Footprint, Sample, Samples, on_disk};
use crate::identity::Identity;
use crate::stages::{self, Metrics, Stage};

/// How often memory is looked at, and whether a checkpoint goes on.
const EVERY: Duration = Duration::from_millis(50);
/// How often what the server takes up is noted, in seconds.
const SAMPLE_EVERY: f64 = 1.0;
/// Looking takes one part in so many of the time at most, however slow it is.
const IDLE: u32 = 19;

/// What was seen in the measured time.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// None where the server is not on this machine.
    pub(crate) server: Option<Cost>,
    pub(crate) generator: Option<Cost>,
    pub(crate) memory: Option<Memory>,
    /// Empty where the server does not tell.
    pub(crate) stages: Vec<Stage>,
    /// The journal's bytes of a commit, and a second.
    pub(crate) journal: Option<(u64, u64)>,
    /// None where the server does not tell.
    pub(crate) checkpoints: Option<Counted>,
    pub(crate) footprint: Footprint,
}

/// The server's resident memory, in bytes: before the first command, at most, and at the end.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Memory {
    pub(crate) before: u64,
    pub(crate) peak: u64,
    pub(crate) after: u64,
}

/// The thread that looks.
#[derive(Debug)]
pub(crate) struct Observer {
    is_over: Arc<AtomicBool>,
    /// The checkpoints, as they are seen.
    pub(crate) sightings: Sightings,
    thread: JoinHandle<Seen>,
}

/// All counters at one time.
struct Look {
    at: Instant,
    answers: u64,
    server: Option<Spent>,
    generator: Option<Spent>,
    metrics: Option<Metrics>,
}

impl Observer {
    /// Looks on from `from` to `to`, counted from `start`; `answers` counts the operations.
    pub(crate) fn start(
        identity: &Identity,
        answers: Arc<AtomicU64>,
        start: Instant,
        from: Duration,
        to: Duration,
    ) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let sightings =
            if identity.http.is_some() { Sightings::default() } else { Sightings::none() };
        let watch = Watch {
            identity: identity.clone(),
            answers,
            is_over: Arc::clone(&is_over),
            start,
            spotter: Spotter::new(sightings.clone()),
            memory: None,
            samples: Samples::new(SAMPLE_EVERY),
        };
        let thread = std::thread::spawn(move || watch.run(start + from, start + to));
        Self { is_over, sightings, thread }
    }

    /// What was seen; a run that ended early was seen until now.
    pub(crate) fn finish(self) -> Seen {
        self.is_over.store(true, Ordering::Relaxed);
        let seen = self.thread.join().unwrap_or_default();
        self.sightings.close();
        seen
    }
}

struct Watch {
    identity: Identity,
    answers: Arc<AtomicU64>,
    is_over: Arc<AtomicBool>,
    /// The begin of the run.
    start: Instant,
    spotter: Spotter,
    memory: Option<Memory>,
    samples: Samples,
}

impl Watch {
    fn run(mut self, from: Instant, to: Instant) -> Seen {
        let mut first = None;
        while !self.is_over.load(Ordering::Relaxed) && Instant::now() < to {
            if first.is_none() && Instant::now() >= from {
                first = Some(self.look());
            }
            let begun = Instant::now();
            self.glance(false);
            let pause = EVERY.saturating_sub(begun.elapsed()).max(begun.elapsed() * IDLE);
            let next = if first.is_none() { from } else { to };
            std::thread::sleep(next.saturating_duration_since(Instant::now()).min(pause));
        }
        self.glance(true);
        let last = self.look();
        let footprint = self.samples.footprint();
        let seen = Seen { memory: self.memory, footprint, ..Seen::default() };
        let Some(first) = first else { return seen };
        let seconds = last.at.saturating_duration_since(first.at).as_secs_f64();
        let operations = last.answers.saturating_sub(first.answers);
        let cost = |before: Option<Spent>, after: Option<Spent>| {
            Cost::between(before?, after?, operations, seconds)
        };
        let metrics = first.metrics.zip(last.metrics);
        let (before, after) = metrics.clone().unwrap_or_default();
        Seen {
            server: cost(first.server, last.server),
            generator: cost(first.generator, last.generator),
            stages: stages::between(&before, &after),
            journal: stages::journal(&before, &after, seconds),
            checkpoints: metrics.map(|_| stages::checkpoints(&before, &after)),
            ..seen
        }
    }

    /// A short look: whether a checkpoint goes on, and once in a while, and at the last look, what
    /// the server takes up.
    fn glance(&mut self, is_last: bool) {
        let asked = nanos(self.start.elapsed());
        let metrics = self.metrics();
        let answered = nanos(self.start.elapsed());
        match &metrics {
            Some(now) => {
                self.spotter.look(asked, answered, now.is_checkpoint_running, now.checkpoints);
            }
            None if self.identity.http.is_some() => self.spotter.missed(asked),
            None => {}
        }
        let memory = self.identity.pid.and_then(resident);
        let memory = memory.or_else(|| metrics.as_ref().and_then(|now| now.resident));
        if let Some(now) = memory {
            let seen = self.memory.unwrap_or(Memory { before: now, peak: now, after: now });
            self.memory = Some(Memory { peak: seen.peak.max(now), after: now, ..seen });
        }
        let second = self.start.elapsed().as_secs_f64();
        if is_last || self.samples.is_due(second) {
            self.samples.add(Sample {
                second: (second * 1e3).round() / 1e3,
                memory,
                data: self.identity.data.as_deref().and_then(on_disk),
                archive: metrics.as_ref().and_then(|now| now.archive),
                wallets: metrics.as_ref().and_then(|now| now.wallets_active),
            });
        }
    }

    fn metrics(&self) -> Option<Metrics> {
        self.identity.http.as_deref().and_then(stages::fetch)
    }

    fn look(&self) -> Look {
        Look {
            at: Instant::now(),
            answers: self.answers.load(Ordering::Relaxed),
            server: self.identity.pid.and_then(Spent::of),
            generator: Spent::of(std::process::id()),
            metrics: self.metrics(),
        }
    }
}
