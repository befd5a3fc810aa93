//! Looks at the server from outside while a run is made: its cost, its memory, its stages.
//!
//! A thread of its own, so that reading them delays no command.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::cost::{Cost, Spent, resident};
use crate::identity::Identity;
use crate::stages::{self, Metrics, Stage};

/// How often memory is looked at.
const EVERY: Duration = Duration::from_millis(100);

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
    thread: JoinHandle<Seen>,
}

/// All counters at one time.
struct Look {
    at: Instant,
    answers: u64,
    server: Option<Spent>,
    generator: Option<Spent>,
    metrics: Metrics,
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
        let watch = Watch { identity: identity.clone(), answers, is_over: Arc::clone(&is_over) };
        let thread = std::thread::spawn(move || watch.run(start + from, start + to));
        Self { is_over, thread }
    }

    /// What was seen; a run that ended early was seen until now.
    pub(crate) fn finish(self) -> Seen {
        self.is_over.store(true, Ordering::Relaxed);
        self.thread.join().unwrap_or_default()
    }
}

struct Watch {
    identity: Identity,
    answers: Arc<AtomicU64>,
    is_over: Arc<AtomicBool>,
}

impl Watch {
    fn run(&self, from: Instant, to: Instant) -> Seen {
        let memory = |seen: Option<Memory>| {
            let now = resident(self.identity.pid?)?;
            let seen = seen.unwrap_or(Memory { before: now, peak: now, after: now });
            Some(Memory { peak: seen.peak.max(now), after: now, ..seen })
        };
        let mut seen = memory(None);
        let mut first = None;
        while !self.is_over.load(Ordering::Relaxed) && Instant::now() < to {
            if first.is_none() && Instant::now() >= from {
                first = Some(self.look());
            }
            let next = if first.is_none() { from } else { to };
            std::thread::sleep(next.saturating_duration_since(Instant::now()).min(EVERY));
            seen = memory(seen);
        }
        let last = self.look();
        let seen = Seen { memory: memory(seen), ..Seen::default() };
        let Some(first) = first else { return seen };
        let seconds = last.at.saturating_duration_since(first.at).as_secs_f64();
        let operations = last.answers.saturating_sub(first.answers);
        let cost = |before: Option<Spent>, after: Option<Spent>| {
            Cost::between(before?, after?, operations, seconds)
        };
        Seen {
            server: cost(first.server, last.server),
            generator: cost(first.generator, last.generator),
            stages: stages::between(&first.metrics, &last.metrics),
            journal: stages::journal(&first.metrics, &last.metrics, seconds),
            ..seen
        }
    }

    fn look(&self) -> Look {
        let metrics = self.identity.http.as_deref().and_then(stages::fetch);
        Look {
            at: Instant::now(),
            answers: self.answers.load(Ordering::Relaxed),
            server: self.identity.pid.and_then(Spent::of),
            generator: Spent::of(std::process::id()),
            metrics: metrics.unwrap_or_default(),
        }
    }
}
