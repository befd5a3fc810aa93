//! How many files the process may have open: connections are files.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::path::Path;

/// How many files the store, the threads and HTTP need beside the connections and the archive.
const RESERVED: u64 = 512;

/// Raises the limit to what so many connections need beside the store in this directory. Answers how many fit,
/// and says so when they are fewer.
pub(crate) fn allow(connections_max: usize, data: &Path) -> usize {
    // The archive keeps its files open, and may have twice as many before the next start.
    let archived = std::fs::read_dir(data.join("archive")).map_or(0, Iterator::count);
    let archived = u64::try_from(archived).unwrap_or(u64::MAX).saturating_mul(2);
    let reserved = RESERVED.saturating_add(archived);
    let connections = u64::try_from(connections_max).unwrap_or(u64::MAX);
    let needed = connections.saturating_add(reserved);
    let limit = getrlimit(Resource::Nofile);
    let has = |limit: Option<u64>| limit.is_none_or(|files| files >= needed);
    if has(limit.current) {
        return connections_max;
    }
    let maximum = if has(limit.maximum) { limit.maximum } else { Some(needed) };
    if setrlimit(Resource::Nofile, Rlimit { current: Some(needed), maximum }).is_ok() {
        tracing::info!("raised the limit of open files to {needed}, for connections_max");
        return connections_max;
    }
    // Only an administrator may go beyond the hard limit; up to it anybody may.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
    let files = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let fit = files.saturating_sub(reserved).max(1);
    tracing::warn!(
        "only {fit} of connections_max = {connections} connections fit, and no more are taken: the process may \
         have {files} files open. Raise the hard limit to {needed} (`ulimit -Hn`, or LimitNOFILE= of a systemd unit)"
    );
    usize::try_from(fit).unwrap_or(connections_max)
}
