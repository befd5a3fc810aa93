//! What a commit takes by the size of its batch: packed, chained, appended, flushed, synced, marked.
//! On disk this is the speed of the disk under the folder for temporary files (`TMPDIR`).

use crate::journal::{Memory, OnDisk, Place, commit, frames};
use criterion::{Bencher, Criterion, Throughput};
use purser::store::writer::{Batch, JournalWriter};
use std::time::{Duration, Instant};

/// After so many commits the journal is made anew.
const COMMITS: u64 = 256;

pub(crate) fn commits(criterion: &mut Criterion) {
    of::<Memory>(criterion);
    of::<OnDisk>(criterion);
}

fn of<P: Place>(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("commit");
    group.sample_size(10);
    for size in [1, 16, 64, 512] {
        let frames = last_frames(size);
        group.throughput(Throughput::Elements(size.try_into().unwrap()));
        group.bench_function(format!("{}, {size} records", P::NAME), |bencher| {
            in_journals::<P>(bencher, &frames);
        });
    }
    group.finish();
}

/// The last records of a journal, as many as asked for: holds and captures.
fn last_frames(count: usize) -> Vec<u8> {
    const WALLETS: usize = 10;
    let first = frames(2 * WALLETS, WALLETS).len();
    frames(2 * WALLETS + count, WALLETS).split_off(first)
}

/// Commits as often as asked for, into journals that never grow large.
fn in_journals<P: Place>(bencher: &mut Bencher<'_>, frames: &[u8]) {
    bencher.iter_custom(|count| {
        let mut left = count;
        let mut taken = Duration::ZERO;
        while left > 0 {
            let place = P::new();
            let mut writer = JournalWriter::new(place.open(), Vec::new());
            let commits = left.min(COMMITS);
            for _ in 0..commits {
                let batch = Batch { first: writer.tail(0).next, frames: frames.to_vec() };
                let start = Instant::now();
                commit(&mut writer, &batch);
                taken += start.elapsed();
            }
            left -= commits;
        }
        taken
    });
}
