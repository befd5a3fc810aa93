//! A run cut into slices of time: how much was due, answered and refused, and how fast.

use anyhow::Result;
use serde::Serialize;

use crate::latencies::Latencies;
use crate::rounding::{count, fraction, length};
use crate::schedule::SECOND;

/// The most slices of a run.
const SLICES_MAX: u64 = 1_500;
/// How wide a slice may be, in nanoseconds.
const WIDTHS: [u64; 6] =
    [SECOND / 50, SECOND / 10, SECOND, 10 * SECOND, 60 * SECOND, 3_600 * SECOND];

/// The slices of a run.
#[derive(Debug)]
pub(crate) struct Series {
    pub(crate) width: u64,
    slices: Vec<Slice>,
}

/// A slice of time. Offered and latencies are of what was due in it, accepted and refused of what
/// was answered in it.
#[derive(Debug)]
struct Slice {
    offered: u64,
    accepted: u64,
    refused: u64,
    latencies: Latencies,
}

/// A point of the charts.
#[derive(Debug, Clone, Serialize, PartialEq)]
pub(crate) struct Point {
    /// The slice's begin, in seconds from the start of the run.
    pub(crate) second: f64,
    pub(crate) offered_per_s: f64,
    pub(crate) accepted_per_s: f64,
    pub(crate) refused_per_s: f64,
    /// How many latencies the percentiles are of.
    pub(crate) count: u64,
    pub(crate) p50_us: u64,
    pub(crate) p99_us: u64,
    pub(crate) max_us: u64,
}

impl Series {
    /// Slices for a run of so long, the finest that are not too many.
    pub(crate) fn new(duration: u64, fine: bool) -> Self {
        let fits = |width: &&u64| duration.div_ceil(**width) <= SLICES_MAX;
        let widths = WIDTHS.get(usize::from(!fine)..).unwrap_or_default();
        Self { width: widths.iter().find(fits).copied().unwrap_or(SECOND), slices: Vec::new() }
    }

    fn at(&mut self, time: u64) -> Result<Option<&mut Slice>> {
        let index = length(time.checked_div(self.width).unwrap_or_default());
        // A time far beyond the run's end would only come of a stall; it has no slice.
        if index > 4 * length(SLICES_MAX) {
            return Ok(None);
        }
        while self.slices.len() <= index {
            let latencies = Latencies::coarse()?;
            self.slices.push(Slice { offered: 0, accepted: 0, refused: 0, latencies });
        }
        Ok(self.slices.get_mut(index))
    }

    pub(crate) fn offer(&mut self, due: u64) -> Result<()> {
        if let Some(slice) = self.at(due)? {
            slice.offered += 1;
        }
        Ok(())
    }

    pub(crate) fn answer(&mut self, due: u64, arrived: u64, accepted: bool) -> Result<()> {
        if let Some(slice) = self.at(due)? {
            slice.latencies.add(arrived.saturating_sub(due));
        }
        if let Some(slice) = self.at(arrived)? {
            if accepted {
                slice.accepted += 1;
            } else {
                slice.refused += 1;
            }
        }
        Ok(())
    }

    /// The latencies of what was due within these times.
    pub(crate) fn latencies(&self, from: u64, to: u64) -> Result<Latencies> {
        let mut all = Latencies::new()?;
        for (_, slice) in self.within(from, to) {
            all.add_all(&slice.latencies)?;
        }
        Ok(all)
    }

    /// How many were due, answered and refused within these times.
    pub(crate) fn counts(&self, from: u64, to: u64) -> (u64, u64, u64) {
        self.within(from, to).fold((0, 0, 0), |(offered, accepted, refused), (_, slice)| {
            (offered + slice.offered, accepted + slice.accepted, refused + slice.refused)
        })
    }

    /// The end of the last slice within these times whose median is above `limit`, in
    /// microseconds; `from` if there is none.
    pub(crate) fn last_above(&self, from: u64, to: u64, limit: u64) -> u64 {
        let above =
            self.within(from, to).filter(|(_, slice)| slice.latencies.percentile(50.0) > limit);
        above.last().map_or(from, |(begin, _)| begin.saturating_add(self.width))
    }

    /// The slices that begin within these times, with their begin.
    fn within(&self, from: u64, to: u64) -> impl Iterator<Item = (u64, &Slice)> {
        let begins = (0..).map(move |index: u64| index.saturating_mul(self.width));
        begins.zip(&self.slices).filter(move |&(begin, _)| (from..to).contains(&begin))
    }

    pub(crate) fn points(&self) -> Vec<Point> {
        let per_second = |events: u64| fraction(events) * fraction(SECOND) / fraction(self.width);
        self.within(0, count(self.slices.len()).saturating_mul(self.width))
            .map(|(begin, slice)| Point {
                second: fraction(begin) / fraction(SECOND),
                offered_per_s: per_second(slice.offered),
                accepted_per_s: per_second(slice.accepted),
                refused_per_s: per_second(slice.refused),
                count: slice.latencies.count(),
                p50_us: slice.latencies.percentile(50.0),
                p99_us: slice.latencies.percentile(99.0),
                max_us: slice.latencies.max(),
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = SECOND / 1_000;

    #[test]
    fn slices_are_as_fine_as_there_may_be_many() {
        assert_eq!(Series::new(20 * SECOND, true).width, 20 * MS);
        assert_eq!(Series::new(20 * SECOND, false).width, 100 * MS);
        assert_eq!(Series::new(1_000 * SECOND, true).width, SECOND);
    }

    #[test]
    fn a_latency_counts_when_it_was_due_and_an_answer_when_it_came() {
        let mut series = Series::new(20 * SECOND, false);
        series.offer(50 * MS).unwrap();
        series.answer(50 * MS, 250 * MS, true).unwrap();
        let points = series.points();
        assert_eq!((points[0].offered_per_s, points[0].accepted_per_s), (10.0, 0.0));
        // Coarse: two digits are kept.
        assert!((199_000..=201_000).contains(&points[0].max_us));
        assert_eq!((points[2].accepted_per_s, points[2].count), (10.0, 0));
        assert_eq!(series.counts(0, SECOND), (1, 1, 0));
    }
}
