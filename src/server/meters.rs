//! What a shard counts of its connections: requests and how long they took, what they were answered,
//! bytes.
//!
//! Only the shard's thread writes, so that counting is a load and a store, as with a plain number; any
//! thread may read at any time.

pub(super) mod latency;

use crate::codec::commands;
use crate::codec::reply::ErrorCode;
use crate::domain::outcome::{DeclineReason, Outcome};
use latency::Latencies;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// A number that one thread counts up.
#[derive(Debug, Default)]
pub(super) struct Count(AtomicU64);

impl Count {
    /// Counts so many more.
    pub(super) fn add(&self, more: u64) {
        let sum = self.0.load(Ordering::Relaxed).saturating_add(more);
        self.0.store(sum, Ordering::Relaxed);
    }

    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A request on its way, as its reply carries it along.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stamp {
    /// When it was parsed, in nanoseconds since the meters began.
    pub(super) at: u64,
    /// How many bytes are kept of it for the slow log.
    pub(super) kept: u32,
    /// The place of its command; none when there is no such command.
    pub(super) place: u16,
    /// It was refused before it was judged.
    pub(super) is_rejected: bool,
}

impl Default for Stamp {
    fn default() -> Self {
        Self { at: 0, kept: 0, place: u16::MAX, is_rejected: false }
    }
}

impl Stamp {
    /// A request that was parsed then.
    pub(super) fn at(at: u64) -> Self {
        Self { at, ..Self::default() }
    }

    /// It is for the command at this place.
    pub(super) fn set_place(&mut self, place: usize) {
        self.place = u16::try_from(place).unwrap_or(u16::MAX);
    }

    /// The name of its command.
    pub(super) fn command(&self) -> Option<&'static str> {
        commands::at_place(usize::from(self.place)).map(|command| command.name)
    }
}

/// Why a wallet declined, in the order in which it is counted.
pub(super) const DECLINES: [&str; 3] = ["NOFUNDS", "FROZEN", "CLOSED"];

/// Which bound of a user was reached, in the order in which it is counted.
pub(super) const LIMITS: [&str; 2] = ["in_flight", "rate"];

/// What is counted of a command.
#[derive(Debug, Default)]
pub(super) struct OfCommand {
    pub(super) latencies: Latencies,
    /// Answered with an error, after it was judged.
    pub(super) failed: Count,
    /// Answered with an error before that.
    pub(super) rejected: Count,
}

/// What a shard counts of its connections.
#[derive(Debug)]
pub(super) struct Meters {
    began: Instant,
    commands: Vec<OfCommand>,
    errors: Vec<Count>,
    declines: [Count; DECLINES.len()],
    limited: [Count; LIMITS.len()],
    pub(super) requests: Count,
    pub(super) bytes_in: Count,
    pub(super) bytes_out: Count,
    /// Operations that were priced by a price book.
    pub(super) rated: Count,
    /// Requests that were slower than the slow log's bound.
    pub(super) slow: Count,
}

impl Meters {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            began: Instant::now(),
            commands: (0..commands::place_count()).map(|_| OfCommand::default()).collect(),
            errors: ErrorCode::ALL.iter().map(|_| Count::default()).collect(),
            declines: Default::default(),
            limited: Default::default(),
            requests: Count::default(),
            bytes_in: Count::default(),
            bytes_out: Count::default(),
            rated: Count::default(),
            slow: Count::default(),
        })
    }

    /// The time, in nanoseconds since the meters began.
    pub(super) fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// A reply leaves, so long after its request was parsed.
    pub(super) fn count(&self, stamp: &Stamp, nanos: u64, is_error: bool) {
        let Some(command) = self.commands.get(usize::from(stamp.place)) else { return };
        if stamp.is_rejected {
            command.rejected.add(1);
            return;
        }
        command.latencies.count(nanos);
        if is_error {
            command.failed.add(1);
        }
    }

    /// A wallet has answered this.
    pub(super) fn count_outcome(&self, outcome: &Outcome) {
        match outcome {
            Outcome::Declined(decline) => {
                let [funds, frozen, closed] = &self.declines;
                match decline.reason {
                    DeclineReason::NoFunds { .. } => funds.add(1),
                    DeclineReason::Frozen => frozen.add(1),
                    DeclineReason::Closed => closed.add(1),
                }
            }
            Outcome::Receipt(receipt) if receipt.price_version.is_some() && !receipt.replayed => {
                self.rated.add(1);
            }
            _ => {}
        }
    }

    /// An error line leaves; answers its code.
    pub(super) fn count_error(&self, line: &[u8]) -> Option<ErrorCode> {
        let word = line.split(|&byte| byte == b' ' || byte == b'\r').next()?.strip_prefix(b"-")?;
        let at = ErrorCode::ALL.iter().position(|code| code.as_str().as_bytes() == word)?;
        if let Some(count) = self.errors.get(at) {
            count.add(1);
        }
        ErrorCode::ALL.get(at).copied()
    }

    /// A user has reached a bound of its own.
    pub(super) fn count_limited(&self, is_rate: bool) {
        let [in_flight, rate] = &self.limited;
        if is_rate { rate.add(1) } else { in_flight.add(1) }
    }
}

/// The meters of all shards.
#[derive(Debug)]
pub(super) struct AllMeters(pub(super) Vec<Arc<Meters>>);

impl AllMeters {
    /// A figure of all shards.
    pub(super) fn sum(&self, of: impl Fn(&Meters) -> u64) -> u64 {
        self.0.iter().map(|meters| of(meters)).fold(0, u64::saturating_add)
    }

    /// What was counted of each command that was ever used: its name, and all shards'.
    pub(super) fn commands(&self) -> impl Iterator<Item = (&'static str, Totals)> {
        (0..commands::place_count()).filter_map(|place| {
            let name = commands::at_place(place)?.name;
            let mut totals = Totals::default();
            for command in self.0.iter().filter_map(|meters| meters.commands.get(place)) {
                totals.latencies.add(&command.latencies);
                totals.failed = totals.failed.saturating_add(command.failed.get());
                totals.rejected = totals.rejected.saturating_add(command.rejected.get());
            }
            (totals.latencies.calls > 0 || totals.rejected > 0).then_some((name, totals))
        })
    }

    /// Errors by code.
    pub(super) fn errors(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let codes = ErrorCode::ALL.iter().enumerate();
        codes.map(|(at, code)| {
            (code.as_str(), self.sum(|meters| meters.errors.get(at).map_or(0, Count::get)))
        })
    }

    /// Declines by reason.
    pub(super) fn declines(&self) -> impl Iterator<Item = (&'static str, u64)> {
        DECLINES.into_iter().enumerate().map(|(at, reason)| {
            (reason, self.sum(|meters| meters.declines.get(at).map_or(0, Count::get)))
        })
    }

    /// Requests beyond a user's bounds, by bound.
    pub(super) fn limited(&self) -> impl Iterator<Item = (&'static str, u64)> {
        LIMITS.into_iter().enumerate().map(|(at, limit)| {
            (limit, self.sum(|meters| meters.limited.get(at).map_or(0, Count::get)))
        })
    }
}

/// What all shards have counted of a command.
#[derive(Debug, Clone, Default)]
pub(super) struct Totals {
    pub(super) latencies: latency::Snapshot,
    pub(super) failed: u64,
    pub(super) rejected: u64,
}
