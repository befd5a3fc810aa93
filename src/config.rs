//! What an operator sets. Every setting has a default; `config/purser.toml` documents them all.

use crate::domain::rules::Rules;
use crate::domain::time::Span;
use crate::engine::Settings;
use crate::engine::keeping::Timing;
use crate::store::archive;
use serde::Deserialize;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

const DAY_MS: i64 = 24 * 3_600_000;

/// All settings. Spans are in milliseconds, sizes in bytes, as their names say.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where clients connect.
    pub resp: SocketAddr,
    /// Where operators look: health and metrics.
    pub http: SocketAddr,
    /// Where everything is kept.
    pub data: PathBuf,
    /// The folder of price files; empty: the shipped prices.
    pub prices: PathBuf,
    /// How many arbiters share the wallets; 0: half of the cores.
    pub shards: u8,
    /// How logs look.
    pub log_format: LogFormat,
    /// What is logged: `error`, `warn`, `info`, `debug`, or a filter such as `purser=debug`.
    pub log_level: String,
    /// How long a hold lives when its `AUTHORIZE` does not say.
    pub hold_ttl_ms: i64,
    /// How long after a grant's expiry money that a hold releases may still return to it.
    pub lapse_grace_ms: i64,
    /// The most open holds in a wallet.
    pub holds_max: usize,
    /// The most grants with money in a wallet.
    pub grants_max: usize,
    /// The most tags of an operation.
    pub tags_max: usize,
    /// A command whose `SENT` is older is refused.
    pub dedup_window_ms: i64,
    /// The most unanswered requests of a wallet.
    pub wallet_in_flight_max: usize,
    /// A batch of so many bytes is full.
    pub batch_bytes_max: usize,
    /// A batch that is full for longer makes requests `BUSY`.
    pub batch_full_max_ms: u64,
    /// A checkpoint this long after the last one, if anything has changed.
    pub checkpoint_every_ms: u64,
    /// A checkpoint after so many bytes of journal.
    pub checkpoint_journal_bytes: u64,
    /// How fast a shard gives snapshots during a checkpoint.
    pub checkpoint_bytes_per_second: usize,
    /// A wallet that nobody asked for so long leaves memory.
    pub passivate_after_ms: i64,
    /// The most wallets in memory; beyond it the longest unused ones leave it.
    pub wallets_active_max: usize,
    /// How many wallets are woken a second, at most, because something is due for them.
    pub wallets_woken_per_second: usize,
    /// How long history is kept, in days; 0: for ever.
    pub archive_days: u32,
    /// How much history is kept; 0: all.
    pub archive_bytes_max: u64,
    /// History younger than this stays, whatever else is set: holds and then the dedup window fit in.
    pub archive_keep_ms: i64,
    /// How much memory the filters over archived operations may take.
    pub archive_filter_bytes_max: u64,
    /// The most connections.
    pub connections_max: usize,
    /// The most unanswered requests of a connection; beyond it, it is not read.
    pub connection_in_flight_max: usize,
    /// The most arguments of a request.
    pub request_args_max: usize,
    /// The most bytes of a request.
    pub request_bytes_max: usize,
    /// Replies that a client has not read: beyond it, nothing more is written for it.
    pub reply_bytes_max: usize,
    /// A client that reads nothing for longer is dropped.
    pub write_stall_max_ms: u64,
    /// A client that has not sent a whole request so long after it connected is dropped; 0: never.
    pub handshake_timeout_ms: u64,
    /// A client that sends nothing for longer, and waits for nothing, is dropped; 0: never.
    pub idle_timeout_ms: u64,
    /// How long a stop waits for what is in flight.
    pub stop_timeout_ms: u64,
}

/// How logs look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines.
    Json,
}

/// Why a configuration is refused.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The file is no configuration.
    #[error("{path}: {reason}")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where.
        reason: String,
    },
    /// A value is out of range.
    #[error("{setting} is out of range: it must be {allowed}")]
    Range {
        /// The setting.
        setting: &'static str,
        /// What it may be.
        allowed: &'static str,
    },
}

impl Default for Config {
    fn default() -> Self {
        let rules = Rules::default();
        let local = |port| SocketAddr::from(([127, 0, 0, 1], port));
        Self {
            resp: local(7411),
            http: local(7412),
            data: PathBuf::from("purser-data"),
            prices: PathBuf::new(),
            shards: 0,
            log_format: LogFormat::Text,
            log_level: "info,actix_server=warn".to_owned(),
            hold_ttl_ms: rules.hold_ttl.millis(),
            lapse_grace_ms: rules.lapse_grace.millis(),
            holds_max: rules.holds_max,
            grants_max: rules.grants_max,
            tags_max: 16,
            dedup_window_ms: 24 * 3_600_000,
            wallet_in_flight_max: 8_192,
            batch_bytes_max: 1024 * 1024,
            batch_full_max_ms: 1_000,
            checkpoint_every_ms: 10_000,
            checkpoint_journal_bytes: 64 * 1024 * 1024,
            checkpoint_bytes_per_second: 64 * 1024 * 1024,
            passivate_after_ms: 5 * 60_000,
            wallets_active_max: 1_000_000,
            wallets_woken_per_second: 10_000,
            archive_days: 0,
            archive_bytes_max: 0,
            archive_keep_ms: Span::TTL_MAX.millis() + DAY_MS,
            archive_filter_bytes_max: 1024 * 1024 * 1024,
            connections_max: 10_000,
            connection_in_flight_max: 1_024,
            request_args_max: 256,
            request_bytes_max: 64 * 1024,
            reply_bytes_max: 1024 * 1024,
            write_stall_max_ms: 30_000,
            handshake_timeout_ms: 60_000,
            idle_timeout_ms: 0,
            stop_timeout_ms: 10_000,
        }
    }
}

impl Config {
    /// Reads a configuration file; settings that it does not name have their defaults.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
        toml::from_str(&text).map_err(|error| ConfigError::Malformed {
            path: path.to_owned(),
            reason: error.to_string(),
        })
    }

    /// Checks what no type can.
    pub fn check(self) -> Result<Self, ConfigError> {
        let range = |ok: bool, setting, allowed| {
            if ok { Ok(()) } else { Err(ConfigError::Range { setting, allowed }) }
        };
        let ttl = Span::TTL_MIN.millis()..=Span::TTL_MAX.millis();
        range(self.shards <= 64, "shards", "0 to 64")?;
        range(ttl.contains(&self.hold_ttl_ms), "hold_ttl_ms", "1 to 2678400000 (31 days)")?;
        range(self.lapse_grace_ms >= 0, "lapse_grace_ms", "0 or more")?;
        range(self.dedup_window_ms > 0, "dedup_window_ms", "above 0")?;
        range((1..=1_000_000).contains(&self.grants_max), "grants_max", "1 to 1000000")?;
        range(self.holds_max > 0, "holds_max", "above 0")?;
        range(self.tags_max <= 64, "tags_max", "0 to 64")?;
        range(self.wallet_in_flight_max > 0, "wallet_in_flight_max", "above 0")?;
        let batch = 4_096..=64 * 1024 * 1024;
        range(batch.contains(&self.batch_bytes_max), "batch_bytes_max", "4096 to 67108864")?;
        range(self.checkpoint_every_ms >= 100, "checkpoint_every_ms", "100 or more")?;
        let journal = self.checkpoint_journal_bytes;
        range(journal >= 65_536, "checkpoint_journal_bytes", "65536 or more")?;
        let rate = self.checkpoint_bytes_per_second;
        range(rate >= 65_536, "checkpoint_bytes_per_second", "65536 or more")?;
        range(self.passivate_after_ms >= 0, "passivate_after_ms", "0 or more")?;
        range(self.wallets_active_max > 0, "wallets_active_max", "above 0")?;
        range(self.wallets_woken_per_second >= 10, "wallets_woken_per_second", "10 or more")?;
        let days = i64::from(self.archive_days).saturating_mul(DAY_MS);
        let allowed = "0, or at least as long as dedup_window_ms";
        range(days == 0 || days >= self.dedup_window_ms, "archive_days", allowed)?;
        let keep = self.archive_keep_ms;
        range(keep >= self.dedup_window_ms, "archive_keep_ms", "at least dedup_window_ms")?;
        let filters = self.archive_filter_bytes_max;
        range(filters >= 1_048_576, "archive_filter_bytes_max", "1048576 or more")?;
        range(self.connections_max > 0, "connections_max", "above 0")?;
        range(self.connection_in_flight_max > 0, "connection_in_flight_max", "above 0")?;
        range(self.request_args_max >= 16, "request_args_max", "16 or more")?;
        range(self.request_bytes_max >= 1_024, "request_bytes_max", "1024 or more")?;
        range(self.reply_bytes_max >= 16 * 1024, "reply_bytes_max", "16384 or more")?;
        range(self.write_stall_max_ms > 0, "write_stall_max_ms", "above 0")?;
        Ok(self)
    }

    /// How many shards there are.
    pub fn shards(&self) -> u8 {
        if self.shards > 0 {
            return self.shards;
        }
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        // The committer, the kernel and the database need the other half.
        u8::try_from((cores / 2).clamp(1, 64)).unwrap_or(1)
    }

    /// What the engine needs of it.
    pub fn engine(&self) -> Settings {
        Settings {
            rules: Rules {
                hold_ttl: Span::from_millis(self.hold_ttl_ms),
                lapse_grace: Span::from_millis(self.lapse_grace_ms),
                holds_max: self.holds_max,
                grants_max: self.grants_max,
            },
            in_flight_max: self.wallet_in_flight_max,
            batch_bytes_max: self.batch_bytes_max,
            full_max: Duration::from_millis(self.batch_full_max_ms),
            passivate_after: Span::from_millis(self.passivate_after_ms),
            active_max: self.wallets_active_max.div_ceil(usize::from(self.shards())),
            checkpoint_bytes_per_second: self.checkpoint_bytes_per_second,
        }
    }

    /// How the archive is kept.
    pub fn archive(&self) -> archive::Settings {
        archive::Settings {
            retention: (self.archive_days > 0)
                .then(|| Span::from_millis(i64::from(self.archive_days).saturating_mul(DAY_MS))),
            retention_bytes: (self.archive_bytes_max > 0).then_some(self.archive_bytes_max),
            filter_bytes_max: self.archive_filter_bytes_max,
            ..archive::Settings::default()
        }
    }

    /// How many wallets are woken in a tenth of a second.
    pub const fn woken_at_once(&self) -> usize {
        self.wallets_woken_per_second / 10
    }

    /// When the keeper does what.
    pub fn timing(&self) -> Timing {
        Timing {
            checkpoint_every: Duration::from_millis(self.checkpoint_every_ms),
            checkpoint_bytes: self.checkpoint_journal_bytes,
            remembered: Span::from_millis(self.archive_keep_ms),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_file_names_every_setting_with_its_default() {
        let shipped = include_str!("../config/purser.toml");
        assert_eq!(toml::from_str::<Config>(shipped).unwrap(), Config::default());
        let debug = format!("{:?}", Config::default());
        let fields = debug.split(['{', ',']).filter_map(|part| part.trim().split_once(": "));
        let names: Vec<&str> = fields.map(|(name, _)| name).collect();
        assert!(names.len() > 20, "{names:?}");
        for name in names {
            let line = shipped.lines().find(|line| line.starts_with(&format!("{name} = ")));
            assert!(line.is_some(), "{name} is not in config/purser.toml");
        }
    }

    #[test]
    fn unknown_settings_and_bad_values_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("purser.toml");
        std::fs::write(&path, "holds_max = 5\nhold_max = 5\n").unwrap();
        let error = Config::read(&path).unwrap_err().to_string();
        assert!(error.contains("line 2") && error.contains("hold_max"), "{error}");
        let keep = Config::default().archive_keep_ms;
        let life = Span::TTL_MAX.millis() + Config::default().dedup_window_ms;
        assert!(keep >= life, "a hold's id is known for the window after its longest life");
        let bad = Config { archive_keep_ms: 1, ..Config::default() };
        assert!(bad.check().unwrap_err().to_string().contains("archive_keep_ms"));
        let bad = Config { hold_ttl_ms: 0, ..Config::default() };
        assert!(bad.check().unwrap_err().to_string().contains("hold_ttl_ms"));
    }
}
