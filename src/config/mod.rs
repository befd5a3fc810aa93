//! What an operator sets. Every setting has a default; `config/purser.toml` documents them all.

mod check;
pub mod flags;
pub mod load;
pub mod secret;
pub mod show;
mod table;
mod users;
mod value;

pub use check::Refused;
pub use load::{Loaded, Origin, Sources};
pub use table::{Config, Effect, SETTINGS, Setting};
pub use users::UserSettings;

use crate::domain::rules::Rules;
use crate::domain::time::Span;
use crate::engine::Settings;
use crate::engine::committer::Durability;
use crate::engine::keeping::Timing;
use crate::store::archive;
use std::path::PathBuf;
use std::time::Duration;
use table::DAY_MS;

/// How logs look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines.
    Json,
}

/// When a client hears of what it did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DurabilityMode {
    /// When it is on the disk.
    Commit,
    /// Before: it is on the disk within an interval.
    Interval,
}

/// Why a configuration is refused.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read {path}, which --config or PURSER_CONFIG names")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The file is no configuration.
    #[error("{origin}: {reason}")]
    Malformed {
        /// Where.
        origin: Origin,
        /// What is wrong.
        reason: String,
    },
    /// A setting is not what it may be.
    #[error("{origin}: {setting} = {value} is refused: {reason}")]
    Refused {
        /// Where it was set.
        origin: Origin,
        /// The setting.
        setting: String,
        /// What it is.
        value: String,
        /// What it may be.
        reason: String,
    },
}

impl Config {
    /// Checks what no type can.
    pub fn check(&self) -> Result<(), Refused> {
        check::check(self)
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
                // An id that is forgotten must not be charged again.
                late_window: Span::from_millis(
                    self.late_window_ms.min(self.dedup_window_ms.saturating_sub(1)),
                ),
            },
            in_flight_max: self.wallet_in_flight_max,
            batch_bytes_max: self.batch_bytes_max,
            full_max: Duration::from_millis(self.batch_full_max_ms),
            passivate_after: Span::from_millis(self.passivate_after_ms),
            active_max: self.wallets_active_max.div_ceil(usize::from(self.shards())),
            checkpoint_bytes_per_second: self.checkpoint_bytes_per_second,
        }
    }

    /// When what is written is made safe.
    pub const fn durability(&self) -> Durability {
        match self.durability {
            DurabilityMode::Commit => Durability::Commit,
            DurabilityMode::Interval => {
                Durability::Interval(Duration::from_millis(self.durability_interval_ms))
            }
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
            stop_max: Duration::from_millis(self.stop_timeout_ms),
            remembered: Span::from_millis(self.archive_keep_ms),
        }
    }
}

#[cfg(test)]
mod tests;
