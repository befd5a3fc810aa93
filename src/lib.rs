//! purser: a real-time balance engine for the billing of AI apps.
//!
//! The folders are the architecture, from the rules of money up to the sockets; each knows only
//! what lies below it:
//!
//! - [`domain`]: wallets, holds, grants; commands in, events out. No I/O, no clock.
//! - [`codec`]: bytes to domain and back: RESP, journal records. Pure.
//! - [`store`]: the journal behind a narrow trait, in sled or in memory; recovery.
//! - [`engine`]: one actor a wallet, shards, batches, the committer.
//! - [`pricing`]: price books: rate cards, tiers, markups; usage to exact money. Pure.
//! - [`prices`]: price books on disk: read from a folder, kept by version, in force by time.
//! - [`export`]: ledgers as files: JSON lines, CSV, Parquet.
//! - [`audit`]: stores seen from outside: verified, exported, backed up.
//! - [`server`]: sockets, sessions, replies in order, HTTP.
//! - [`app`], [`config`], [`telemetry`]: put together.
//!
//! Read [`domain::wallet`] and [`engine::wallet_actor`] first.

pub mod app;
pub mod audit;
pub mod codec;
pub mod config;
mod control;
mod disk;
pub mod domain;
pub mod engine;
pub mod export;
mod files;
mod price_shelf;
pub mod prices;
pub mod pricing;
mod reload;
pub mod server;
pub mod store;
mod store_threads;
pub mod telemetry;
