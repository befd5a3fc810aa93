//! What the system knows of this process. Read when somebody looks; 0 where the system does not tell.

use crate::engine::counters::as_float;
use rustix::param::{clock_ticks_per_second, page_size};
use rustix::process::{Resource, getrlimit};

/// What the system knows of this process.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::server) struct Process {
    /// Memory that it has.
    pub(in crate::server) resident_bytes: u64,
    /// The most memory that it had.
    pub(in crate::server) resident_peak_bytes: u64,
    /// Memory of the machine.
    pub(in crate::server) machine_bytes: u64,
    /// Files that it has open, sockets included.
    pub(in crate::server) open_files: u64,
    /// How many it may have open.
    pub(in crate::server) open_files_max: u64,
    /// Processor time in its own code.
    pub(in crate::server) user_seconds: f64,
    /// Processor time in the kernel.
    pub(in crate::server) system_seconds: f64,
}

impl Process {
    /// As it is now.
    pub(in crate::server) fn now() -> Self {
        let page = u64::try_from(page_size()).unwrap_or(4_096);
        let (user_seconds, system_seconds) = processor_seconds().unwrap_or_default();
        Self {
            resident_bytes: number(&read("/proc/self/statm"), 1).saturating_mul(page),
            resident_peak_bytes: kilobytes("/proc/self/status", "VmHWM:"),
            machine_bytes: kilobytes("/proc/meminfo", "MemTotal:"),
            open_files: open_files(),
            open_files_max: getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX),
            user_seconds,
            system_seconds,
        }
    }
}

/// How many files this process has open. Linux says so since 6.2; to count thousands of names takes a
/// millisecond.
fn open_files() -> u64 {
    const NAMES: &str = "/proc/self/fd";
    let said = std::fs::metadata(NAMES).map_or(0, |data| data.len());
    if said > 0 {
        return said;
    }
    let counted = std::fs::read_dir(NAMES).map_or(0, Iterator::count);
    u64::try_from(counted).unwrap_or(0)
}

fn read(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

/// The number at a place of a line of words.
fn number(line: &str, place: usize) -> u64 {
    line.split_whitespace().nth(place).and_then(|word| word.parse().ok()).unwrap_or(0)
}

/// A size that a file of lines gives in kilobytes, in bytes.
fn kilobytes(path: &str, name: &str) -> u64 {
    let text = read(path);
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.map_or(0, |line| number(line, 0)).saturating_mul(1_024)
}

/// Processor time in the process's own code and in the kernel.
fn processor_seconds() -> Option<(f64, f64)> {
    let stat = read("/proc/self/stat");
    // The name of the program, in brackets, may have blanks.
    let (_, rest) = stat.rsplit_once(')')?;
    let ticks = as_float(clock_ticks_per_second()).max(1.0);
    let seconds = |place| as_float(number(rest, place)) / ticks;
    Some((seconds(11), seconds(12)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_knows_this_process() {
        let process = Process::now();
        assert!(process.resident_bytes > 100_000 && process.resident_peak_bytes > 100_000);
        assert!(process.machine_bytes > process.resident_bytes);
        assert!(process.open_files > 2 && process.open_files_max > process.open_files);
        assert!(process.user_seconds >= 0.0 && process.system_seconds < 1e6);
    }
}
