//! The protocol: from bytes to a request, from an outcome to bytes.

use crate::scene::{self, AUTHORIZE, Wallets};
use criterion::{Criterion, Throughput};
use purser::codec::request;
use purser::codec::resp::{Limits, Parser, Proto};
use purser::domain::outcome::Outcome;
use std::hint::black_box;

pub(crate) fn requests(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("request");
    let rules = request::Rules::default();
    for (name, line) in [
        ("AUTHORIZE", AUTHORIZE),
        (
            "CAPTURE",
            "CAPTURE customer-0000000017 req-0000000000000042 0.0187 ID end-00000000000042",
        ),
        ("BALANCE", "BALANCE customer-0000000017"),
    ] {
        let bytes = scene::bytes_of(line);
        group.throughput(Throughput::Bytes(bytes.len().try_into().unwrap()));
        group.bench_function(format!("{name}, frame only"), |bencher| {
            let mut parser = Parser::new(Limits::default());
            bencher.iter(|| parser.next(black_box(&bytes)).unwrap());
        });
        group.bench_function(format!("{name}, parsed"), |bencher| {
            let mut parser = Parser::new(Limits::default());
            bencher.iter(|| scene::parse(&mut parser, black_box(&bytes), &rules));
        });
    }
    group.finish();
}

pub(crate) fn replies(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("reply");
    let mut batch = scene::batch();
    let mut wallets: Wallets = scene::wallets(1).open(&mut batch);
    let lines = ["BALANCE w", "AUTHORIZE w 2000000 ID much", AUTHORIZE, "VOID w none"];
    let outcomes: Vec<Outcome> = scene::requests(lines)
        .iter()
        .map(|request| wallets.execute(0, request, &mut batch))
        .collect();
    for (name, outcome) in ["balance", "decline", "receipt", "refusal"].iter().zip(&outcomes) {
        for proto in [Proto::Resp2, Proto::Resp3] {
            group.bench_function(format!("{name}, {proto:?}"), |bencher| {
                let mut out = Vec::with_capacity(1024);
                bencher.iter(|| {
                    out.clear();
                    scene::reply(black_box(outcome), proto, &mut out);
                });
            });
        }
    }
    group.finish();
}
