//! What the server spent: processor time, system calls, bytes, context switches, memory; as the
//! kernel counts it under `/proc`.

use std::fs;

use serde::Serialize;

use crate::rounding::{fraction, ratio};

/// How many ticks of processor time a second has; fixed for user space on Linux.
const TICKS_PER_SECOND: u64 = 100;
/// A page of memory, on all machines that this is likely to run on.
const PAGE: u64 = 4_096;

/// The counters of a process, all from its start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Spent {
    user_us: u64,
    system_us: u64,
    /// None where the system does not let us look.
    io: Option<Io>,
    switches: u64,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Io {
    reads: u64,
    writes: u64,
    bytes: u64,
}

impl Spent {
    /// The counters of a process on this machine; nothing if there is none, or no `/proc`.
    pub(crate) fn of(pid: u32) -> Option<Self> {
        let (user_us, system_us) =
            processor(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)?;
        let io = fs::read_to_string(format!("/proc/{pid}/io")).ok();
        let tasks = fs::read_dir(format!("/proc/{pid}/task")).ok()?.flatten();
        let status = tasks.filter_map(|task| fs::read_to_string(task.path().join("status")).ok());
        let switches = status.filter_map(|status| field(&status, "voluntary_ctxt_switches:"));
        Some(Self {
            user_us,
            system_us,
            io: io.as_deref().and_then(io_of),
            switches: switches.sum(),
        })
    }
}

/// User and system time in microseconds, from `/proc/PID/stat`.
fn processor(stat: &str) -> Option<(u64, u64)> {
    let [user, system, ..] = ticks(stat)?;
    let us = |ticks: u64| ticks.saturating_mul(1_000_000 / TICKS_PER_SECOND);
    Some((us(user), us(system)))
}

/// User and system time of a process, then those of its children that have ended, in ticks, from
/// `/proc/PID/stat`.
pub(crate) fn ticks(stat: &str) -> Option<[u64; 4]> {
    // The name of the process is in parentheses, and may have spaces.
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace().skip(11).map(|field| field.parse().ok());
    let mut next = || fields.next().flatten();
    Some([next()?, next()?, next()?, next()?])
}

fn io_of(text: &str) -> Option<Io> {
    Some(Io {
        reads: field(text, "syscr:")?,
        writes: field(text, "syscw:")?,
        // Not `write_bytes`: where the page cache has large folios that counts all of one for each
        // small write into it, 34 KB an operation where 2 KB were written.
        bytes: field(text, "wchar:")?,
    })
}

fn field(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().next()?.parse().ok())
}

/// The memory that a process has, in bytes.
pub(crate) fn resident(pid: u32) -> Option<u64> {
    let statm = fs::read_to_string(format!("/proc/{pid}/statm")).ok()?;
    statm.split_whitespace().nth(1)?.parse::<u64>().ok().map(|pages| pages.saturating_mul(PAGE))
}

/// What an operation cost.
#[derive(Debug, Clone, Serialize, PartialEq)]
pub(crate) struct Cost {
    pub(crate) operations: u64,
    pub(crate) user_us_per_op: f64,
    pub(crate) system_us_per_op: f64,
    /// Calls of `read`, `write` and their kin; `fdatasync` and `epoll_wait` are not among them.
    pub(crate) reads_per_op: Option<f64>,
    pub(crate) writes_per_op: Option<f64>,
    pub(crate) bytes_written_per_op: Option<f64>,
    pub(crate) switches_per_op: f64,
    /// Of all cores together, 1 is one whole core.
    pub(crate) cores_used: f64,
}

impl Cost {
    /// What was spent between two looks, for each of so many operations.
    pub(crate) fn between(
        before: Spent,
        after: Spent,
        operations: u64,
        seconds: f64,
    ) -> Option<Self> {
        let each = |before: u64, after: u64| {
            ratio(fraction(after.saturating_sub(before)), fraction(operations)).map(rounded)
        };
        let io = |of: fn(Io) -> u64| each(of(before.io?), of(after.io?));
        let busy =
            (after.user_us + after.system_us).saturating_sub(before.user_us + before.system_us);
        Some(Self {
            operations,
            user_us_per_op: each(before.user_us, after.user_us)?,
            system_us_per_op: each(before.system_us, after.system_us)?,
            reads_per_op: io(|io| io.reads),
            writes_per_op: io(|io| io.writes),
            bytes_written_per_op: io(|io| io.bytes),
            switches_per_op: each(before.switches, after.switches)?,
            cores_used: rounded(ratio(fraction(busy) / 1_000_000.0, seconds)?),
        })
    }

    pub(crate) fn us_per_op(&self) -> f64 {
        self.user_us_per_op + self.system_us_per_op
    }
}

fn rounded(value: f64) -> f64 {
    (value * 1_000.0).round() / 1_000.0
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "what is compared is exact")]
mod tests {
    use super::*;

    #[test]
    fn processor_time_is_found_behind_any_name() {
        let stat = "42 (a ) b) S 1 42 42 0 -1 4194304 1 2 3 4 150 25 0 0 20 0 1 0 99";
        assert_eq!(processor(stat), Some((1_500_000, 250_000)));
    }

    #[test]
    fn an_operation_costs_its_share_of_what_was_spent_meanwhile() {
        let io = |writes| Some(Io { reads: 0, writes, bytes: writes * 100 });
        let before = Spent { user_us: 1_000_000, system_us: 0, io: io(10), switches: 5 };
        let after = Spent { user_us: 3_000_000, system_us: 1_000_000, io: io(20), switches: 5 };
        let cost = Cost::between(before, after, 1_000_000, 4.0).unwrap();
        assert_eq!((cost.user_us_per_op, cost.system_us_per_op), (2.0, 1.0));
        assert_eq!(cost.us_per_op(), 3.0);
        assert_eq!(cost.bytes_written_per_op, Some(0.001));
        assert_eq!(cost.cores_used, 0.75);
        assert_eq!(Cost::between(before, after, 0, 4.0), None);
    }

    #[test]
    fn this_process_can_be_looked_at() {
        let pid = std::process::id();
        assert!(Spent::of(pid).is_some());
        assert!(resident(pid).is_some_and(|bytes| bytes > 100_000));
    }
}
