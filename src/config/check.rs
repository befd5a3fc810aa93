//! What no type can check: ranges, and settings that must fit together.

use super::Config;
use super::table::DAY_MS;
use crate::domain::time::Span;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::EnvFilter;

/// A setting that is not what it may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The setting.
    pub setting: &'static str,
    /// What it must be.
    pub allowed: String,
}

/// The first that is wrong.
pub(super) fn check(config: &Config) -> Result<(), Refused> {
    let range = |ok: bool, setting, allowed: &str| {
        let refused = || Refused { setting, allowed: format!("it must be {allowed}") };
        if ok { Ok(()) } else { Err(refused()) }
    };
    let c = config;
    let ttl = Span::TTL_MIN.millis()..=Span::TTL_MAX.millis();
    range(c.shards <= 64, "shards", "0 to 64")?;
    let interval = 1..=60_000;
    range(interval.contains(&c.durability_interval_ms), "durability_interval_ms", "1 to 60000")?;
    range(ttl.contains(&c.hold_ttl_ms), "hold_ttl_ms", "1 to 2678400000 (31 days)")?;
    range(c.lapse_grace_ms >= 0, "lapse_grace_ms", "0 or more")?;
    range(c.dedup_window_ms > 0, "dedup_window_ms", "above 0")?;
    range(c.late_window_ms >= 0, "late_window_ms", "0 or more")?;
    range((1..=1_000_000).contains(&c.grants_max), "grants_max", "1 to 1000000")?;
    range(c.holds_max > 0, "holds_max", "above 0")?;
    range(c.tags_max <= 64, "tags_max", "0 to 64")?;
    range(c.wallet_in_flight_max > 0, "wallet_in_flight_max", "above 0")?;
    let batch = 4_096..=64 * 1024 * 1024;
    range(batch.contains(&c.batch_bytes_max), "batch_bytes_max", "4096 to 67108864")?;
    range(c.checkpoint_every_ms >= 100, "checkpoint_every_ms", "100 or more")?;
    let journal = c.checkpoint_journal_bytes;
    range(journal >= 65_536, "checkpoint_journal_bytes", "65536 or more")?;
    let rate = c.checkpoint_bytes_per_second;
    range(rate >= 65_536, "checkpoint_bytes_per_second", "65536 or more")?;
    range(c.slowlog_log_slower_than_us >= -1, "slowlog_log_slower_than_us", "-1 or more")?;
    range(c.slowlog_max_len <= 100_000, "slowlog_max_len", "0 to 100000")?;
    range(c.passivate_after_ms >= 0, "passivate_after_ms", "0 or more")?;
    range(c.wallets_active_max > 0, "wallets_active_max", "above 0")?;
    range(c.wallets_woken_per_second >= 10, "wallets_woken_per_second", "10 or more")?;
    let days = i64::from(c.archive_days).saturating_mul(DAY_MS);
    let allowed = "0, or at least as long as dedup_window_ms";
    range(days == 0 || days >= c.dedup_window_ms, "archive_days", allowed)?;
    let keep = c.archive_keep_ms;
    range(keep >= c.dedup_window_ms, "archive_keep_ms", "at least dedup_window_ms")?;
    let filters = c.archive_filter_bytes_max;
    range(filters >= 1_048_576, "archive_filter_bytes_max", "1048576 or more")?;
    range(c.connections_max > 0, "connections_max", "above 0")?;
    range(c.connection_in_flight_max > 0, "connection_in_flight_max", "above 0")?;
    range(c.request_args_max >= 16, "request_args_max", "16 or more")?;
    range(c.request_bytes_max >= 1_024, "request_bytes_max", "1024 or more")?;
    range(c.handshake_args_max >= 8, "handshake_args_max", "8 or more")?;
    range(c.handshake_bytes_max >= 512, "handshake_bytes_max", "512 or more")?;
    range(c.reply_bytes_max >= 16 * 1024, "reply_bytes_max", "16384 or more")?;
    let memory = c.clients_memory_max;
    let allowed = "0, or 1048576 or more";
    range(memory == 0 || memory >= 1_048_576, "clients_memory_max", allowed)?;
    range(c.write_stall_max_ms > 0, "write_stall_max_ms", "above 0")?;
    range(
        is_filter(&c.log_level),
        "log_level",
        "error, warn, info, debug, trace, off or a filter such as info,sled=debug",
    )?;
    let (cert, key) = (c.tls_cert.is_some(), c.tls_key.is_some());
    range(
        cert == key,
        if cert { "tls_key" } else { "tls_cert" },
        "set too: tls_cert and tls_key belong together",
    )?;
    range(
        cert || c.tls_client_ca.is_none(),
        "tls_client_ca",
        "empty without tls_cert and tls_key",
    )?;
    exposed(config)
}

/// Whether this says what is to be logged. A word alone must be a level: another one would be taken for the
/// name of a module, and nothing else be logged.
fn is_filter(text: &str) -> bool {
    let is_level = |word: &str| word.trim().parse::<LevelFilter>().is_ok();
    text.split(',').all(|part| part.contains('=') || is_level(part))
        && EnvFilter::try_new(text).is_ok()
}

/// Without users anybody who reaches the server may do anything, so nobody else's machine may reach
/// it.
fn exposed(config: &Config) -> Result<(), Refused> {
    for (setting, address) in [("resp", config.resp), ("http", config.http)] {
        if config.users.is_empty() && !address.ip().is_loopback() {
            let allowed = format!(
                "a loopback address, such as 127.0.0.1:{}, as long as there are no users: everybody who \
                 reaches the server may do everything. To listen elsewhere, name users in the \
                 configuration file; `purser user add NAME --role admin` makes one",
                address.port()
            );
            return Err(Refused { setting, allowed: format!("it must be {allowed}") });
        }
    }
    Ok(())
}
