//! What a burst did: calm, burst and drain apart. Pure.

use anyhow::Result;
use serde::Serialize;

use crate::latencies::{Latencies, Percentiles};
use crate::rounding::{fraction, ratio};
use crate::schedule::SECOND;
use crate::series::Series;

/// How many times the calm's 99th percentile the median may be for a drain to be over.
const DRAINED_FACTOR: u64 = 2;

/// The calm, the bursts and the drains of a run, and each burst by itself.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Phases {
    /// What a drain goes on above: twice the 99th percentile before the first burst.
    pub(crate) drained_below_us: u64,
    pub(crate) calm: Phase,
    pub(crate) burst: Phase,
    pub(crate) drain: Phase,
    pub(crate) bursts: Vec<Burst>,
}

/// One kind of time: how much was offered and accepted in it, and how fast.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Phase {
    pub(crate) seconds: f64,
    pub(crate) offered_per_s: f64,
    pub(crate) accepted_per_s: f64,
    pub(crate) refused: u64,
    pub(crate) latency: Percentiles,
}

/// One burst, in seconds from the start of the run.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Burst {
    pub(crate) begin_s: f64,
    pub(crate) end_s: f64,
    /// How long after its end requests were still slow.
    pub(crate) drain_s: f64,
    /// They were until the next burst began, or the run ended.
    pub(crate) never_drained: bool,
    pub(crate) p99_us: u64,
    pub(crate) max_us: u64,
}

/// Tells the phases of a run apart. `windows` are the bursts; the run is measured within `from`
/// and `to`.
pub(crate) fn phases(
    series: &Series,
    windows: &[(u64, u64)],
    from: u64,
    to: u64,
) -> Result<Phases> {
    let first = windows.first().map_or(to, |&(begin, _)| begin);
    let drained_below_us =
        series.latencies(from, first)?.percentile(99.0).saturating_mul(DRAINED_FACTOR);
    let mut bursts = Vec::new();
    let (mut calm, mut burst, mut drain) = (Sum::new()?, Sum::new()?, Sum::new()?);
    calm.add(series, from, first)?;
    for (number, &(begin, end)) in windows.iter().enumerate() {
        let next = windows.get(number + 1).map_or(to, |&(next, _)| next);
        let drained = series.last_above(end, next, drained_below_us).min(next);
        burst.add(series, begin, end)?;
        drain.add(series, end, drained)?;
        calm.add(series, drained, next)?;
        let latencies = series.latencies(begin, end)?;
        bursts.push(Burst {
            begin_s: seconds(begin),
            end_s: seconds(end),
            drain_s: seconds(drained.saturating_sub(end)),
            never_drained: drained == next && next > end,
            p99_us: latencies.percentile(99.0),
            max_us: latencies.max(),
        });
    }
    Ok(Phases {
        drained_below_us,
        calm: calm.phase(),
        burst: burst.phase(),
        drain: drain.phase(),
        bursts,
    })
}

/// A phase in the making.
struct Sum {
    time: u64,
    offered: u64,
    accepted: u64,
    refused: u64,
    latencies: Latencies,
}

impl Sum {
    fn new() -> Result<Self> {
        Ok(Self { time: 0, offered: 0, accepted: 0, refused: 0, latencies: Latencies::new()? })
    }

    fn add(&mut self, series: &Series, from: u64, to: u64) -> Result<()> {
        let (offered, accepted, refused) = series.counts(from, to);
        self.time += to.saturating_sub(from);
        self.offered += offered;
        self.accepted += accepted;
        self.refused += refused;
        self.latencies.add_all(&series.latencies(from, to)?)
    }

    fn phase(&self) -> Phase {
        let rate = |events| ratio(fraction(events), seconds(self.time)).unwrap_or_default();
        Phase {
            seconds: seconds(self.time),
            offered_per_s: rate(self.offered),
            accepted_per_s: rate(self.accepted),
            refused: self.refused,
            latency: self.latencies.percentiles(),
        }
    }
}

fn seconds(time: u64) -> f64 {
    fraction(time) / fraction(SECOND)
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "what is compared is exact")]
mod tests {
    use super::*;

    const MS: u64 = SECOND / 1_000;

    /// 1 request a ms of 1 ms latency, except for those due within `slow`, of 50 ms.
    fn series(slow: &[(u64, u64)]) -> Series {
        let mut series = Series::new(10 * SECOND, true);
        for due in (0..10_000).map(|ms| ms * MS) {
            let is_slow = slow.iter().any(|&(from, to)| (from..to).contains(&due));
            let latency = if is_slow { 50 * MS } else { MS };
            series.offer(due).unwrap();
            series.answer(due, due + latency, true).unwrap();
        }
        series
    }

    #[test]
    fn a_drain_ends_when_requests_are_fast_again_for_good() {
        let windows = [(2 * SECOND, 3 * SECOND), (6 * SECOND, 7 * SECOND)];
        let slow = [
            (2 * SECOND, 3 * SECOND + 400 * MS),
            // Fast for a moment, and slow again: still the drain.
            (3 * SECOND + 500 * MS, 3 * SECOND + 600 * MS),
        ];
        let phases = phases(&series(&slow), &windows, 0, 10 * SECOND).unwrap();
        let drains: Vec<f64> = phases.bursts.iter().map(|burst| burst.drain_s).collect();
        assert_eq!(drains, [0.6, 0.0]);
        assert!(phases.bursts.iter().all(|burst| !burst.never_drained));
        assert_eq!(phases.drain.seconds, 0.6);
        assert_eq!(phases.burst.seconds, 2.0);
        assert_eq!(phases.calm.seconds, 7.4);
        assert!((990..=1_010).contains(&phases.calm.latency.max_us), "{phases:?}");
        assert!((49_000..=51_000).contains(&phases.burst.latency.max_us));
        assert_eq!(phases.drain.latency.count, 600);
    }

    #[test]
    fn a_burst_that_outlasts_the_calm_is_said_to_never_drain() {
        let windows = [(2 * SECOND, 3 * SECOND), (6 * SECOND, 7 * SECOND)];
        let slow = [(2 * SECOND, 6 * SECOND)];
        let phases = phases(&series(&slow), &windows, 0, 10 * SECOND).unwrap();
        assert!(phases.bursts[0].never_drained);
        assert_eq!(phases.bursts[0].drain_s, 3.0);
        assert!(!phases.bursts[1].never_drained);
    }
}
