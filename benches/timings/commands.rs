//! Every command without sockets and disk: judged, folded, recorded.

use crate::scene::{self, CASES, ROUND, Round};
use criterion::{Bencher, Criterion};
use std::hint::black_box;
use std::time::{Duration, Instant};

pub(crate) fn commands(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("command");
    for case in &CASES {
        let round = Round::of(case);
        group.bench_function(case.name, |bencher| in_rounds(bencher, &round));
    }
    group.finish();
}

/// Runs as many requests as asked for; every round begins with the same wallets.
fn in_rounds(bencher: &mut Bencher<'_>, round: &Round) {
    bencher.iter_custom(|count| {
        let mut left = usize::try_from(count).unwrap();
        let mut taken = Duration::ZERO;
        while left > 0 {
            let (mut wallets, mut batch) = (round.start.clone(), scene::batch());
            let count = left.min(ROUND);
            let start = Instant::now();
            for (turn, request) in round.requests.iter().take(count).enumerate() {
                black_box(wallets.execute(turn, black_box(request), &mut batch));
            }
            taken += start.elapsed();
            left -= count;
        }
        taken
    });
}
