//! The disk probe: what an append and its `fdatasync` cost on a plain file. No durable figure means
//! anything without it.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use hdrhistogram::Histogram;

use crate::cli::DiskArgs;

/// The name of the file that is written and removed.
const FILE: &str = "purser-disk-probe";
/// The longest that is told apart, in microseconds.
const LONGEST_US: u64 = 60_000_000;
/// The percentiles that are shown.
const PERCENTILES: [f64; 5] = [50.0, 90.0, 99.0, 99.9, 100.0];

/// What a probe measured.
#[derive(Debug)]
pub(crate) struct Probe {
    latencies: Histogram<u64>,
    took: Duration,
    bytes: usize,
}

/// Appends and syncs as often as asked, and prints what it took.
pub(crate) fn probe(args: &DiskArgs) -> Result<()> {
    let probe = measure(&args.dir, args.bytes, args.count)?;
    eprintln!("{}", probe.text());
    Ok(())
}

pub(crate) fn measure(dir: &Path, bytes: usize, count: u32) -> Result<Probe> {
    let path = dir.join(FILE);
    let context = || format!("cannot write {}", path.display());
    let mut file = File::create(&path).with_context(context)?;
    let block = vec![0x5a; bytes];
    let mut latencies = histogram()?;
    let start = Instant::now();
    for _ in 0..count {
        let before = Instant::now();
        file.write_all(&block).and_then(|()| file.sync_data()).with_context(context)?;
        latencies.saturating_record(u64::try_from(before.elapsed().as_micros())?);
    }
    let took = start.elapsed();
    drop(file);
    std::fs::remove_file(&path).with_context(context)?;
    Ok(Probe { latencies, took, bytes })
}

/// For microseconds. With bounds: one that grows does not grow for `saturating_record`.
pub(crate) fn histogram() -> Result<Histogram<u64>> {
    Histogram::new_with_bounds(1, LONGEST_US, 3).context("cannot make a histogram")
}

impl Probe {
    /// Milliseconds by percentile, and the rate.
    pub(crate) fn text(&self) -> String {
        let value = |percentile: f64| {
            let micros =
                Duration::from_micros(self.latencies.value_at_quantile(percentile / 100.0));
            let name = if percentile < 100.0 { format!("p{percentile}") } else { "max".to_owned() };
            format!("{name} {:.3} ms", micros.as_secs_f64() * 1_000.0)
        };
        let values: Vec<String> = PERCENTILES.into_iter().map(value).collect();
        let count = self.latencies.len();
        let each = self.took.checked_div(u32::try_from(count).unwrap_or(u32::MAX));
        let rate = each.map_or(0.0, |each| 1.0 / each.as_secs_f64());
        format!(
            "append of {} bytes + fdatasync, {count} times: {}; {rate:.0} a second",
            self.bytes,
            values.join(", ")
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probe_measures_every_sync_and_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let probe = measure(folder.path(), 512, 20).unwrap();
        assert_eq!(probe.latencies.len(), 20);
        let text = probe.text();
        assert!(text.starts_with("append of 512 bytes + fdatasync, 20 times: p50 "), "{text}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    /// The histogram was one that grows, which `saturating_record` does not let it do: all syncs
    /// that took more than 2 ms were counted as 2 µs, and made a slow disk look fast.
    #[test]
    fn slow_syncs_are_not_counted_as_fast_ones() {
        let mut latencies = histogram().unwrap();
        for us in [300, 5_000, 900_000] {
            latencies.saturating_record(us);
        }
        let text = Probe { latencies, took: Duration::from_secs(1), bytes: 1 }.text();
        assert!(text.contains("p50 5.000 ms") || text.contains("p50 5.003 ms"), "{text}");
        assert!(text.contains("max 900."), "{text}");
    }

    #[test]
    fn a_folder_that_is_not_there_is_named() {
        let error = measure(Path::new("/nonexistent"), 512, 1).unwrap_err();
        assert!(format!("{error:#}").contains("/nonexistent"), "{error:#}");
    }
}
