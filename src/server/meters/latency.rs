//! Latencies in buckets of powers of two, as `LATENCY HISTOGRAM` of Redis shows them.

use super::Count;
use std::array::from_fn;

/// The lowest bound is 2 to this, in nanoseconds: about a microsecond.
const LOWEST: u32 = 10;
/// How many bounds there are, each twice the one before; the last is about 34 s and has all above, too.
const BUCKETS: usize = 26;

/// Latencies that one thread counts.
#[derive(Debug, Default)]
pub(in crate::server) struct Latencies {
    buckets: [Count; BUCKETS],
    nanos: Count,
}

/// Latencies at one moment.
#[derive(Debug, Clone, Default)]
pub(in crate::server) struct Snapshot {
    buckets: [u64; BUCKETS],
    /// All together, in nanoseconds.
    pub(in crate::server) nanos: u64,
    /// How many there are.
    pub(in crate::server) calls: u64,
}

impl Latencies {
    /// Counts one.
    pub(in crate::server) fn count(&self, nanos: u64) {
        if let Some(bucket) = self.buckets.get(bucket(nanos)) {
            bucket.add(1);
        }
        self.nanos.add(nanos);
    }
}

/// The first bucket whose bound is not below.
fn bucket(nanos: u64) -> usize {
    let power = u64::BITS.saturating_sub(nanos.saturating_sub(1).leading_zeros());
    let at = usize::try_from(power.saturating_sub(LOWEST)).unwrap_or(usize::MAX);
    at.min(BUCKETS.saturating_sub(1))
}

/// The bound of a bucket, in nanoseconds.
fn bound(bucket: usize) -> u64 {
    let power = u32::try_from(bucket).unwrap_or(0).saturating_add(LOWEST);
    1_u64.checked_shl(power).unwrap_or(u64::MAX)
}

impl Snapshot {
    /// Adds those of another shard.
    pub(in crate::server) fn add(&mut self, other: &Latencies) {
        for (sum, bucket) in self.buckets.iter_mut().zip(&other.buckets) {
            let count = bucket.get();
            *sum = sum.saturating_add(count);
            self.calls = self.calls.saturating_add(count);
        }
        self.nanos = self.nanos.saturating_add(other.nanos.get());
    }

    /// Every bucket: its bound in nanoseconds, and how many are at most that.
    pub(in crate::server) fn cumulative(&self) -> [(u64, u64); BUCKETS] {
        let mut sum: u64 = 0;
        from_fn(|at| {
            sum = sum.saturating_add(self.buckets.get(at).copied().unwrap_or(0));
            (bound(at), sum)
        })
    }

    /// The buckets in which something is, as Redis shows them: the bound in microseconds, and how many
    /// are at most that.
    pub(in crate::server) fn shown(&self) -> Vec<(u64, u64)> {
        let mut before = 0;
        let all = self.cumulative().into_iter();
        let mut filled: Vec<_> =
            all.filter(|(_, count)| std::mem::replace(&mut before, *count) < *count).collect();
        for (bound, _) in &mut filled {
            // Redis counts with two digits and names the last number of a bucket.
            *bound = bound.saturating_add(*bound / 128).saturating_sub(1) / 1_000;
        }
        filled
    }

    /// The bound in nanoseconds that so many of a thousand are not above; 0 without any.
    pub(in crate::server) fn quantile(&self, of_thousand: u64) -> u64 {
        let wanted = self.calls.saturating_mul(of_thousand).div_ceil(1_000);
        let found = self.cumulative().into_iter().find(|(_, count)| *count >= wanted);
        if self.calls == 0 { 0 } else { found.map_or(0, |(bound, _)| bound) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_latency_is_in_the_first_bucket_that_is_not_below_it() {
        for (nanos, expected) in [
            (0, 0),
            (1, 0),
            (1_024, 0),
            (1_025, 1),
            (2_048, 1),
            (2_049, 2),
            (1 << 35, 25),
            (u64::MAX, 25),
        ] {
            assert_eq!(bucket(nanos), expected, "{nanos}");
            assert!(expected == 25 || nanos <= bound(expected));
            assert!(expected == 0 || nanos > bound(expected - 1));
        }
    }

    #[test]
    fn it_is_shown_as_redis_shows_it() {
        let latencies = Latencies::default();
        for nanos in [900, 3_000, 3_500, 20_000, 100_000, 200_000] {
            latencies.count(nanos);
        }
        let mut snapshot = Snapshot::default();
        snapshot.add(&latencies);
        assert_eq!(snapshot.calls, 6);
        assert_eq!(snapshot.nanos, 327_400);
        // Redis has 33, 132 and 264 for these.
        assert_eq!(snapshot.shown(), [(1, 1), (4, 3), (33, 4), (132, 5), (264, 6)]);
        assert_eq!(snapshot.quantile(500), 4_096);
        assert_eq!(snapshot.quantile(999), 262_144);
        assert_eq!(Snapshot::default().quantile(500), 0);
    }
}
