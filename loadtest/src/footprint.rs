//! What the server takes up over a run: memory, disk, wallets in memory. Whether that levels off is
//! what one wants to know.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use serde::Serialize;

use crate::rounding::{count, fraction, ratio};

/// How many samples are kept; beyond it every second one goes, and they are taken half as often.
const SAMPLES_MAX: usize = 4_000;
/// How many samples the last half of a run must have for a drift.
const DRIFT_SAMPLES_MIN: usize = 5;
/// The unit of the blocks that the file system counts.
const BLOCK: u64 = 512;

/// One look; what is not known is left out.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub(crate) struct Sample {
    /// From the start of the run.
    pub(crate) second: f64,
    /// The server's resident memory, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) memory: Option<u64>,
    /// What its data directory takes up, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) data: Option<u64>,
    /// The archive's part of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) archive: Option<u64>,
    /// Wallets in memory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) wallets: Option<u64>,
}

/// How a figure went over the run.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Course {
    pub(crate) first: u64,
    pub(crate) max: u64,
    pub(crate) last: u64,
    /// How much it grew over the last half of the run, in percent: the rise of the straight line
    /// that fits that half best. None where there are too few samples.
    pub(crate) drift_percent: Option<f64>,
}

/// All of it.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Footprint {
    pub(crate) memory: Option<Course>,
    pub(crate) data: Option<Course>,
    pub(crate) archive: Option<Course>,
    pub(crate) wallets: Option<Course>,
    pub(crate) samples: Vec<Sample>,
}

/// The samples in the making.
#[derive(Debug)]
pub(crate) struct Samples {
    samples: Vec<Sample>,
    every: f64,
}

impl Samples {
    /// One every so many seconds, at first.
    pub(crate) const fn new(every: f64) -> Self {
        Self { samples: Vec::new(), every }
    }

    /// Whether it is time for another.
    pub(crate) fn is_due(&self, second: f64) -> bool {
        self.samples.last().is_none_or(|last| second >= last.second + self.every)
    }

    pub(crate) fn add(&mut self, sample: Sample) {
        self.samples.push(sample);
        if self.samples.len() > SAMPLES_MAX {
            let mut keep = false;
            self.samples.retain(|_| {
                keep = !keep;
                keep
            });
            self.every *= 2.0;
        }
    }

    pub(crate) fn footprint(self) -> Footprint {
        let samples = self.samples;
        let course = |of: fn(&Sample) -> Option<u64>| {
            let known: Vec<(f64, u64)> =
                samples.iter().filter_map(|sample| Some((sample.second, of(sample)?))).collect();
            Course::of(&known)
        };
        Footprint {
            memory: course(|sample| sample.memory),
            data: course(|sample| sample.data),
            archive: course(|sample| sample.archive),
            wallets: course(|sample| sample.wallets),
            samples,
        }
    }
}

impl Course {
    fn of(values: &[(f64, u64)]) -> Option<Self> {
        let (&(begin, first), &(end, last)) = (values.first()?, values.last()?);
        let middle = f64::midpoint(begin, end);
        let half = values.partition_point(|&(second, _)| second < middle);
        Some(Self {
            first,
            max: values.iter().map(|&(_, value)| value).max()?,
            last,
            drift_percent: values.get(half..).and_then(drift),
        })
    }
}

/// The rise of the straight line of least squares, from the first to the last, in percent of where
/// it begins.
fn drift(values: &[(f64, u64)]) -> Option<f64> {
    if values.len() < DRIFT_SAMPLES_MIN {
        return None;
    }
    let number = fraction(count(values.len()));
    let mean_x = values.iter().map(|&(x, _)| x).sum::<f64>() / number;
    let mean_y = values.iter().map(|&(_, y)| fraction(y)).sum::<f64>() / number;
    let product = |&(x, y): &(f64, u64)| (x - mean_x) * (fraction(y) - mean_y);
    let square = |&(x, _): &(f64, u64)| (x - mean_x) * (x - mean_x);
    let slope =
        ratio(values.iter().map(product).sum::<f64>(), values.iter().map(square).sum::<f64>())?;
    let (&(begin, _), &(end, _)) = (values.first()?, values.last()?);
    let start = slope.mul_add(begin - mean_x, mean_y);
    let percent = ratio(slope * (end - begin), start)? * 100.0;
    Some((percent * 100.0).round() / 100.0)
}

/// What a folder takes up on the disk, with all that is in it; files that go meanwhile are left out.
pub(crate) fn on_disk(folder: &Path) -> Option<u64> {
    let entries = fs::read_dir(folder).ok()?;
    let sizes = entries.flatten().filter_map(|entry| {
        let metadata = entry.metadata().ok()?;
        let own = metadata.blocks().saturating_mul(BLOCK);
        let inside = if metadata.is_dir() { on_disk(&entry.path()) } else { None };
        Some(own.saturating_add(inside.unwrap_or_default()))
    });
    Some(sizes.fold(0, u64::saturating_add))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn course(of: impl Fn(u64) -> u64) -> Course {
        let mut samples = Samples::new(1.0);
        for second in 0..=100 {
            assert!(samples.is_due(fraction(second)));
            let memory = Some(of(second));
            samples.add(Sample { second: fraction(second), memory, ..Sample::default() });
            assert!(!samples.is_due(fraction(second) + 0.9));
        }
        samples.footprint().memory.unwrap()
    }

    #[test]
    fn only_the_last_half_drifts() {
        // Grows for a half, and levels off.
        let course = course(|second| 1_000 + 10 * second.min(50));
        assert_eq!((course.first, course.max, course.last), (1_000, 1_500, 1_500));
        assert_eq!(course.drift_percent, Some(0.0));
    }

    #[test]
    fn a_steady_rise_or_fall_is_a_drift() {
        assert_eq!(course(|second| 1_000 + 20 * second).drift_percent, Some(50.0));
        assert_eq!(course(|second| 2_000 - 10 * second).drift_percent, Some(-33.33));
    }

    #[test]
    fn teeth_are_no_drift() {
        let course = course(|second| 1_000 + 10 * (second % 10));
        assert!(course.drift_percent.is_some_and(|drift| drift.abs() < 2.0), "{course:?}");
    }

    #[test]
    fn a_short_run_has_no_drift() {
        let course = Course::of(&[(0.0, 10), (1.0, 20)]).unwrap();
        assert_eq!(course, Course { first: 10, max: 20, last: 20, drift_percent: None });
        assert_eq!(Course::of(&[]), None);
    }

    #[test]
    fn a_long_run_has_few_samples() {
        let mut samples = Samples::new(1.0);
        for second in (0..100_000).map(fraction) {
            if samples.is_due(second) {
                samples.add(Sample { second, ..Sample::default() });
            }
        }
        let samples = samples.footprint().samples;
        assert!((SAMPLES_MAX / 2..=SAMPLES_MAX).contains(&samples.len()), "{}", samples.len());
        assert!(samples.last().unwrap().second > 99_900.0);
    }

    #[test]
    fn a_folder_takes_up_what_is_in_it() {
        let folder = tempfile::tempdir().unwrap();
        let inside = folder.path().join("inside");
        fs::create_dir(&inside).unwrap();
        fs::write(inside.join("file"), vec![1; 100_000]).unwrap();
        assert!((100_000..200_000).contains(&on_disk(folder.path()).unwrap()));
        assert_eq!(on_disk(&folder.path().join("none")), None);
    }
}
