//! What is counted.

use crate::scene::{
    self, AUTHORIZE, CASES, ROUND, Round, Written, bytes_of, capture, hold, requests,
};
use purser::codec::resp::{Limits, Parser, Proto};
use purser::codec::{record, request};
use purser::domain::outcome::Outcome;
use std::hint::black_box;

/// Does the operation with that number.
type Operation = Box<dyn FnMut(usize)>;

/// A part of the engine.
pub(crate) struct Part {
    /// What it is called.
    pub(crate) name: &'static str,
    /// Makes all that the operations need.
    pub(crate) prepare: fn() -> Operation,
}

/// All parts that are counted.
pub(crate) const PARTS: [Part; 11] = [
    Part { name: "parse AUTHORIZE", prepare: parse },
    Part { name: "execute AUTHORIZE", prepare: || execute("AUTHORIZE") },
    Part { name: "execute CAPTURE", prepare: || execute("CAPTURE partial") },
    Part { name: "execute CHARGE", prepare: || execute("CHARGE") },
    Part { name: "execute BALANCE", prepare: || execute("BALANCE") },
    Part { name: "reply AUTHORIZE in RESP2", prepare: || reply(Proto::Resp2) },
    Part { name: "reply AUTHORIZE in RESP3", prepare: || reply(Proto::Resp3) },
    Part { name: "encode the record of a hold", prepare: || encode(vec![hold(1)]) },
    Part {
        name: "encode the record of a capture",
        prepare: || encode(vec![hold(1), capture(1, "0.0187")]),
    },
    Part { name: "decode the record of a hold", prepare: decode },
    Part { name: "authorize and capture", prepare: pass },
];

fn parse() -> Operation {
    let (mut parser, rules) = (Parser::new(Limits::default()), request::Rules::default());
    let bytes = bytes_of(AUTHORIZE);
    Box::new(move |_| drop(black_box(scene::parse(&mut parser, black_box(&bytes), &rules))))
}

fn execute(name: &str) -> Operation {
    let round = Round::of(CASES.iter().find(|case| case.name == name).unwrap());
    let (mut wallets, mut batch) = (round.start.clone(), scene::batch());
    Box::new(move |number| {
        let request = round.requests.get(number).unwrap();
        black_box(wallets.execute(number, black_box(request), &mut batch));
    })
}

fn reply(proto: Proto) -> Operation {
    let mut batch = scene::batch();
    let mut wallets = scene::wallets(1).open(&mut batch);
    let outcome: Outcome = wallets.execute(0, &requests([AUTHORIZE]).remove(0), &mut batch);
    let mut out = Vec::with_capacity(1024);
    Box::new(move |_| {
        out.clear();
        scene::reply(black_box(&outcome), proto, &mut out);
        black_box(&out);
    })
}

fn encode(lines: Vec<String>) -> Operation {
    let written = Written::by(lines);
    let mut out = Vec::with_capacity(1024);
    Box::new(move |_| {
        out.clear();
        black_box(&written).encode(&mut out);
        black_box(&out);
    })
}

fn decode() -> Operation {
    let written = Written::by([hold(1)]);
    Box::new(move |_| drop(black_box(record::decode(black_box(&written.frame)))))
}

/// A whole pass from bytes to bytes: parse, execute and reply, for a hold and its capture.
fn pass() -> Operation {
    let (mut parser, rules) = (Parser::new(Limits::default()), request::Rules::default());
    let mut batch = scene::batch();
    let mut wallets = scene::wallets(10).open(&mut batch);
    let both = |number| [bytes_of(&hold(number)), bytes_of(&capture(number, "0.0187"))];
    let messages: Vec<_> = (0..ROUND).map(both).collect();
    let mut out = Vec::with_capacity(1024);
    Box::new(move |number| {
        out.clear();
        for bytes in messages.get(number).unwrap() {
            let request = scene::parse(&mut parser, black_box(bytes), &rules);
            let outcome = wallets.execute(number, &request, &mut batch);
            scene::reply(&outcome, Proto::Resp2, &mut out);
        }
        black_box(&out);
    })
}
