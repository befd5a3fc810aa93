//! The disk probe: what an append and its `fdatasync` cost, on a plain file and in the journal's own
//! store. No durable figure means anything without it.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use purser::codec::record::Position;
use purser::codec::value::VALUE_MAX;
use purser::store::Journal;
use purser::store::data_dir::DataDir;
use purser::store::sled::SledJournal;
use serde::Serialize;

use crate::cli::DiskArgs;
use crate::drive::nanos;
use crate::identity::Identity;
use crate::latencies::{Latencies, Percentiles, ms};
use crate::observer::Seen;
use crate::rounding::{fraction, length, ratio};

/// What the folder that is written in and removed begins with.
const FOLDER: &str = "purser-disk-probe-";
/// How large a probe beside a run is: short, so that it can always be made.
const BESIDE_A_RUN: Extent = Extent { count: 1_000, time: Duration::from_millis(1_500) };
/// The bytes of a commit where the server does not say.
const USUAL_BYTES: u64 = 6_144;

/// How much is written: until either is reached.
#[derive(Debug, Clone, Copy)]
struct Extent {
    count: u32,
    time: Duration,
}

/// What a probe measured.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Probe {
    /// Appended before each sync.
    pub(crate) bytes: u64,
    /// What it was held to; none if it was as fast as it could.
    pub(crate) paced_bytes_per_s: Option<u64>,
    pub(crate) syncs_per_s: f64,
    pub(crate) latency: Percentiles,
}

/// Both probes, of one folder.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Disk {
    pub(crate) folder: String,
    pub(crate) plain_file: Probe,
    pub(crate) journal: Probe,
}

/// Appends and syncs as often as asked, and prints what it took.
pub(crate) fn probe(args: &DiskArgs) -> Result<()> {
    let extent = Extent { count: args.count, time: args.seconds };
    eprintln!("plain file: {}", plain_file(&args.dir, args.bytes, extent)?.text());
    eprintln!(
        "journal:    {}",
        journal(&args.dir, args.bytes, args.bytes_per_second, extent)?.text()
    );
    Ok(())
}

/// A short probe of the server's data directory beside a run, with the bytes of a commit and a
/// second that the run had; none if the directory is not on this machine.
pub(crate) fn beside_a_run(identity: &Identity, seen: &Seen) -> Option<Disk> {
    let data = identity.data.as_deref()?;
    let probed = both(data, seen.journal);
    probed.inspect_err(|error| eprintln!("purser-loadtest: no disk probe: {error:#}")).ok()
}

fn both(dir: &Path, journal_bytes: Option<(u64, u64)>) -> Result<Disk> {
    let (bytes, rate) = journal_bytes.unzip();
    let bytes = bytes.unwrap_or(USUAL_BYTES).max(1);
    Ok(Disk {
        folder: dir.display().to_string(),
        plain_file: plain_file(dir, bytes, BESIDE_A_RUN)?,
        journal: journal(dir, bytes, rate, BESIDE_A_RUN)?,
    })
}

/// A probe of a plain file, of so many syncs.
pub(crate) fn short(dir: &Path, bytes: u64, count: u32) -> Result<Probe> {
    plain_file(dir, bytes, Extent { count, time: Duration::from_mins(1) })
}

fn plain_file(dir: &Path, bytes: u64, extent: Extent) -> Result<Probe> {
    let folder = folder_in(dir)?;
    let path = folder.path().join("appended");
    let context = || format!("cannot write {}", path.display());
    let mut file = File::create(&path).with_context(context)?;
    let block = vec![0x5a; length(bytes)];
    measure(bytes, None, extent, || {
        file.write_all(&block).and_then(|()| file.sync_data()).with_context(context)
    })
}

/// The same through the journal's store: values of that many bytes in all, flushed and synced.
fn journal(dir: &Path, bytes: u64, rate: Option<u64>, extent: Extent) -> Result<Probe> {
    let folder = folder_in(dir)?;
    let data = DataDir::take(folder.path())?;
    let mut journal = SledJournal::open(&data)?;
    let block = vec![0x5a; length(bytes)];
    let mut number = 0;
    measure(bytes, rate, extent, || {
        for value in block.chunks(VALUE_MAX) {
            number += 1;
            journal.append(Position::new(0, number), value)?;
        }
        Ok(journal.sync()?)
    })
}

fn folder_in(dir: &Path) -> Result<tempfile::TempDir> {
    let folder = tempfile::Builder::new().prefix(FOLDER).tempdir_in(dir);
    folder.with_context(|| format!("cannot make a folder in {}", dir.display()))
}

/// Times a commit until the extent is reached, at most so many bytes a second.
fn measure(
    bytes: u64,
    rate: Option<u64>,
    extent: Extent,
    mut commit: impl FnMut() -> Result<()>,
) -> Result<Probe> {
    let mut latencies = Latencies::new()?;
    let pace = rate.and_then(|rate| ratio(fraction(bytes), fraction(rate)));
    let pace = pace.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    let start = Instant::now();
    let mut due = start;
    for _ in 0..extent.count {
        if start.elapsed() >= extent.time {
            break;
        }
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        due += pace.unwrap_or_default();
        let before = Instant::now();
        commit()?;
        latencies.add(nanos(before.elapsed()));
    }
    let seconds = start.elapsed().as_secs_f64();
    let syncs_per_s = ratio(fraction(latencies.count()), seconds).unwrap_or_default().round();
    let latency = latencies.percentiles();
    Ok(Probe { bytes, paced_bytes_per_s: rate, syncs_per_s, latency })
}

impl Probe {
    /// Milliseconds by percentile, and the rate.
    pub(crate) fn text(&self) -> String {
        let latency = &self.latency;
        let values = [
            ("p50", latency.p50_us),
            ("p90", latency.p90_us),
            ("p99", latency.p99_us),
            ("p99.9", latency.p999_us),
            ("max", latency.max_us),
        ];
        let values = values.map(|(name, us)| format!("{name} {}", ms(us))).join(", ");
        let (bytes, times, rate) = (self.bytes, latency.count, self.syncs_per_s);
        let paced = match self.paced_bytes_per_s {
            Some(paced) => format!(", held to {paced} bytes a second"),
            None => String::new(),
        };
        format!(
            "append of {bytes} bytes + fdatasync, {times} times: {values}; {rate:.0} a second{paced}"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWENTY: Extent = Extent { count: 20, time: Duration::from_mins(1) };

    #[test]
    fn a_probe_measures_every_sync_and_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let probe = plain_file(folder.path(), 512, TWENTY).unwrap();
        assert_eq!(probe.latency.count, 20);
        let text = probe.text();
        assert!(text.starts_with("append of 512 bytes + fdatasync, 20 times: p50 "), "{text}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn the_journal_is_measured_with_commits_larger_than_a_value_too() {
        let folder = tempfile::tempdir().unwrap();
        let probe = journal(folder.path(), 20_000, Some(2_000_000), TWENTY).unwrap();
        assert_eq!(probe.latency.count, 20);
        assert!(probe.syncs_per_s <= 110.0, "held to 100 a second: {}", probe.syncs_per_s);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_folder_that_is_not_there_is_named() {
        let error = plain_file(Path::new("/nonexistent"), 512, TWENTY).unwrap_err();
        assert!(format!("{error:#}").contains("/nonexistent"), "{error:#}");
    }
}
