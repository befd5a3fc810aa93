//! Records to bytes and back.

use crate::scene::{Written, capture, hold};
use criterion::{Criterion, Throughput};
use purser::codec::record;
use std::hint::black_box;

pub(crate) fn records(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("record");
    for (name, lines) in [
        ("top-up", vec!["TOPUP w 25 ID more".to_owned()]),
        ("hold", vec![hold(1)]),
        ("hold with tags", vec![hold(1) + " TAG model gpt-5 TAG feature chat"]),
        ("capture", vec![hold(1), capture(1, "0.0187")]),
    ] {
        let written = Written::by(lines);
        group.throughput(Throughput::Bytes(written.frame.len().try_into().unwrap()));
        group.bench_function(format!("encode {name}"), |bencher| {
            let mut out = Vec::with_capacity(1024);
            bencher.iter(|| {
                out.clear();
                black_box(&written).encode(&mut out);
            });
        });
        group.bench_function(format!("decode {name}"), |bencher| {
            bencher.iter(|| record::decode(black_box(&written.frame)).unwrap());
        });
    }
    group.finish();
}
