//! `purser verify`, `purser export` and `purser backup`, on what real servers leave behind.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod backup;
mod damage;
mod export;
mod prices;
mod retention;
#[expect(dead_code, reason = "other tests need all of it")]
#[path = "../it/support.rs"]
mod support;
mod tampering;
mod verify;
mod world;
