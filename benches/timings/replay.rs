//! What a start takes: a journal read back to wallets. The throughput is in records; a million of
//! them take a million divided by it.

use crate::journal::{Memory, OnDisk, Place, commit, frames};
use criterion::{Criterion, Throughput};
use purser::store::Journal;
use purser::store::history::History;
use purser::store::recovery::{Loss, Recovered, Start, recover};
use purser::store::writer::{Batch, JournalWriter, Tail};
use std::hint::black_box;
use std::time::{Duration, Instant};

/// How many records the journal has.
const RECORDS: usize = 100_000;
/// Of how many wallets.
const WALLETS: usize = 1_000;

pub(crate) fn replay(criterion: &mut Criterion) {
    of::<Memory>(criterion);
    of::<OnDisk>(criterion);
}

fn of<P: Place>(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("replay");
    group.sample_size(10);
    group.throughput(Throughput::Elements(RECORDS.try_into().unwrap()));
    group.bench_function(format!("{}, {RECORDS} records", P::NAME), |bencher| {
        let place = P::new();
        fill(&place);
        bencher.iter_custom(|count| {
            let mut taken = Duration::ZERO;
            for _ in 0..count {
                let start = Instant::now();
                let mut journal = place.open();
                let recovered = recover(&mut journal, &Start::BEGINNING, Loss::Refuse).unwrap();
                let recovered = take_up(&journal, recovered);
                taken += start.elapsed();
                assert_eq!(recovered, RECORDS);
                black_box(recovered);
            }
            taken
        });
    });
    group.finish();
}

/// Takes up every wallet; answers how many records they have.
fn take_up(journal: &dyn Journal, recovered: Recovered) -> usize {
    let wallets: Vec<_> = recovered.tail.wallets().map(|(wallet, _)| wallet.clone()).collect();
    let history = History::of_journal(journal.reader(), recovered.tail);
    let seqs = wallets.iter().map(|id| history.take_up(id).unwrap().unwrap().wallet.seq());
    usize::try_from(seqs.sum::<u64>()).unwrap()
}

/// Writes all records as one commit: how they came there does not matter.
fn fill(place: &impl Place) {
    let batch = Batch { first: Tail::empty(0).next, frames: frames(RECORDS, WALLETS) };
    let mut writer = JournalWriter::new(place.open(), Vec::new());
    commit(&mut writer, &batch);
}
