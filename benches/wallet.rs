//! What a wallet costs without sockets and disk: judging, folding and encoding.
#![expect(clippy::unwrap_used, reason = "a bench")]

use criterion::{Criterion, criterion_group, criterion_main};
use purser::codec::request::{self, Parsed};
use purser::codec::resp::{self, Limits, Parser};
use purser::domain::command::Request;
use purser::domain::id::WalletId;
use purser::domain::rules::Rules;
use purser::domain::time::Timestamp;
use purser::engine::batch::FillingBatch;
use purser::engine::live_wallet::LiveWallet;
use purser::store::writer::Tail;
use std::hint::black_box;

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

fn parse(line: &str, rules: &request::Rules) -> Request {
    let args: Vec<&str> = line.split(' ').collect();
    let mut bytes = Vec::new();
    resp::write_request(&mut bytes, &args);
    let mut parser = Parser::new(Limits::default());
    parser.next(&bytes).unwrap();
    let Parsed::Wallet { request, .. } = request::parse(parser.args(&bytes), rules).unwrap() else {
        unreachable!("a request to a wallet")
    };
    request
}

fn wallet() -> (LiveWallet, FillingBatch) {
    let rules = request::Rules::default();
    let mut live = LiveWallet::unopened(WalletId::new(b"w").unwrap());
    let mut batch = FillingBatch::after(Tail::empty(0));
    for line in ["WALLET.OPEN w CURRENCY USD", "TOPUP w 1000000000 ID t"] {
        live.execute(&parse(line, &rules), NOW, &Rules::default(), &mut batch).unwrap();
    }
    (live, batch)
}

fn commands(criterion: &mut Criterion) {
    let rules = request::Rules::default();
    criterion.bench_function("parse AUTHORIZE", |bencher| {
        bencher.iter(|| parse(black_box("AUTHORIZE w 0.01 ID h TAG model m"), &rules));
    });
    criterion.bench_function("authorize and capture", |bencher| {
        let (mut live, mut batch) = wallet();
        let mut number = 0_u64;
        bencher.iter(|| {
            number += 1;
            for line in [
                format!("AUTHORIZE w 0.02 ID h{number}"),
                format!("CAPTURE w h{number} 0.01 ID c{number}"),
            ] {
                let request = parse(&line, &rules);
                black_box(live.execute(&request, NOW, &Rules::default(), &mut batch).unwrap());
            }
            if batch.len() > 1024 * 1024 {
                batch.seal(Vec::new());
            }
        });
    });
}

criterion_group!(benches, commands);
criterion_main!(benches);
