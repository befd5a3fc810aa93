//! Processor time of a server, all its processes together, as the kernel counts it.

use std::time::Duration;

use crate::cost::ticks;

/// A tick of processor time, fixed for user space on Linux.
const TICK: Duration = Duration::from_millis(10);

/// User and system time of a process, its children and theirs, ended ones included.
fn of_all(pid: u32) -> Option<Duration> {
    let own = of(pid)?;
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
    let children = children.unwrap_or_default();
    let children = children.split_whitespace().filter_map(|pid| of_all(pid.parse().ok()?));
    Some(children.sum::<Duration>().saturating_add(own))
}

/// User and system time of a server, all its processes, and of this program that sends, and of
/// tools that it ran to their end; the server is a child of it that has not ended.
pub(crate) fn of_both(server: u32) -> Option<(Duration, Duration)> {
    of_all(server).zip(of(std::process::id()))
}

/// The time of one process, and of its children that have ended.
fn of(pid: u32) -> Option<Duration> {
    time(&std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

fn time(stat: &str) -> Option<Duration> {
    let ticks = u32::try_from(ticks(stat)?.iter().sum::<u64>()).ok()?;
    Some(TICK.saturating_mul(ticks))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_system_and_ended_children_are_added_up_behind_any_name() {
        let stat = "42 (a ) b) S 1 42 42 0 -1 4194304 1 2 3 4 150 25 20 5 20 0 1 0 99";
        assert_eq!(time(stat), Some(Duration::from_secs(2)));
        assert_eq!(time("42 (a) S 1"), None);
    }

    #[test]
    fn children_count() {
        // A child works for a while and ends; the shell goes on until its input is closed.
        let script = "timeout 0.3 sh -c 'while :; do :; done'; read -r line";
        let mut shell = std::process::Command::new("sh");
        let shell = shell.args(["-c", script]).stdin(std::process::Stdio::piped());
        let mut shell = shell.spawn().unwrap();
        let start = std::time::Instant::now();
        let mut spent = Duration::ZERO;
        while spent.is_zero() && start.elapsed() < Duration::from_secs(30) {
            std::thread::sleep(Duration::from_millis(20));
            spent = of_all(shell.id()).unwrap();
        }
        shell.kill().unwrap();
        shell.wait().unwrap();
        assert!(!spent.is_zero());
    }
}
