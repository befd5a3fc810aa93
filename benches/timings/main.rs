//! How long the parts take: every command, the protocol, records, replay, commits. One name or a
//! part of it after `--` picks what runs.
#![expect(clippy::unwrap_used, reason = "a bench")]

mod commands;
mod committer;
mod journal;
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
    committer::commits
);
criterion_main!(timings);
