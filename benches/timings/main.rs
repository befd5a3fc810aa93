//! How long the parts take: every command, the protocol, records, replay, prices, commits. One name or a
//! part of it after `--` picks what runs.
#![expect(clippy::unwrap_used, reason = "a bench")]

mod commands;
mod committer;
mod journal;
mod prices;
mod record;
mod replay;
mod resp;
#[path = "../scene/mod.rs"]
mod scene;

use criterion::{criterion_group, criterion_main};

criterion_group!(
    timings,
    commands::commands,
    resp::requests,
    resp::replies,
    record::records,
    replay::replay,
    prices::prices,
    committer::commits
);
criterion_main!(timings);
