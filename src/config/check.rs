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
    /// Another setting that it must fit to, and what that one must be to fit to it.
    pub other: Option<(&'static str, String)>,
}

/// What a setting must be, alone.
struct Range {
    setting: &'static str,
    holds: fn(&Config) -> bool,
    allowed: &'static str,
}

const fn range(setting: &'static str, allowed: &'static str, holds: fn(&Config) -> bool) -> Range {
    Range { setting, holds, allowed }
}

/// The ranges that are narrower than those of their types.
static RANGES: [Range; 33] = [
    range("shards", "0 to 64", |c| c.shards <= 64),
    range("durability_interval_ms", "1 to 60000", |c| {
        (1..=60_000).contains(&c.durability_interval_ms)
    }),
    range("hold_ttl_ms", "1 to 2678400000 (31 days)", |c| {
        (Span::TTL_MIN.millis()..=Span::TTL_MAX.millis()).contains(&c.hold_ttl_ms)
    }),
    range("lapse_grace_ms", "0 or more", |c| c.lapse_grace_ms >= 0),
    range("dedup_window_ms", "above 0", |c| c.dedup_window_ms > 0),
    range("late_window_ms", "0 or more", |c| c.late_window_ms >= 0),
    range("grants_max", "1 to 1000000", |c| (1..=1_000_000).contains(&c.grants_max)),
    range("holds_max", "above 0", |c| c.holds_max > 0),
    range("tags_max", "0 to 64", |c| c.tags_max <= 64),
    range("wallet_in_flight_max", "above 0", |c| c.wallet_in_flight_max > 0),
    range("batch_bytes_max", "4096 to 67108864", |c| {
        (4_096..=64 * 1024 * 1024).contains(&c.batch_bytes_max)
    }),
    range("checkpoint_every_ms", "100 or more", |c| c.checkpoint_every_ms >= 100),
    range("checkpoint_journal_bytes", "65536 or more", |c| c.checkpoint_journal_bytes >= 65_536),
    range("checkpoint_bytes_per_second", "65536 or more", |c| {
        c.checkpoint_bytes_per_second >= 65_536
    }),
    range("slowlog_log_slower_than_us", "-1 or more", |c| c.slowlog_log_slower_than_us >= -1),
    range("slowlog_max_len", "0 to 100000", |c| c.slowlog_max_len <= 100_000),
    range("passivate_after_ms", "0 or more", |c| c.passivate_after_ms >= 0),
    range("wallets_active_max", "above 0", |c| c.wallets_active_max > 0),
    range("wallets_woken_per_second", "10 or more", |c| c.wallets_woken_per_second >= 10),
    range("archive_keep_ms", "above 0", |c| c.archive_keep_ms > 0),
    range("archive_filter_bytes_max", "1048576 or more", |c| {
        c.archive_filter_bytes_max >= 1_048_576
    }),
    range("connections_max", "above 0", |c| c.connections_max > 0),
    range("tls_handshakes_max", "above 0", |c| c.tls_handshakes_max > 0),
    range("connection_in_flight_max", "above 0", |c| c.connection_in_flight_max > 0),
    range("request_args_max", "16 or more", |c| c.request_args_max >= 16),
    range("request_bytes_max", "1024 or more", |c| c.request_bytes_max >= 1_024),
    range("handshake_args_max", "8 or more", |c| c.handshake_args_max >= 8),
    range("handshake_bytes_max", "512 or more", |c| c.handshake_bytes_max >= 512),
    range("reply_bytes_max", "16384 or more", |c| c.reply_bytes_max >= 16 * 1024),
    range("clients_memory_max", "0, or 1048576 or more", |c| {
        c.clients_memory_max == 0 || c.clients_memory_max >= 1_048_576
    }),
    // What the system takes, which counts in seconds.
    range("tcp_keepalive_ms", "0, or 1000 to 32767000", |c| {
        matches!(c.tcp_keepalive_ms, 0 | 1_000..=32_767_000)
    }),
    range("write_stall_max_ms", "above 0", |c| c.write_stall_max_ms > 0),
    range(
        "log_level",
        "error, warn, info, debug, trace, off or a filter such as info,sled=debug",
        |c| is_filter(&c.log_level),
    ),
];

/// What a setting must be, where that is narrower than its type.
pub(super) fn allowed(setting: &str) -> Option<&'static str> {
    RANGES.iter().find(|range| range.setting == setting).map(|range| range.allowed)
}

/// The first that is wrong.
pub(super) fn check(config: &Config) -> Result<(), Refused> {
    for Range { setting, holds, allowed } in &RANGES {
        if !holds(config) {
            let allowed = format!("it must be {allowed}");
            return Err(Refused { setting, allowed, other: None });
        }
    }
    fits(config)?;
    exposed(config)
}

/// Settings that must fit together.
fn fits(c: &Config) -> Result<(), Refused> {
    let fit = |ok: bool, setting, allowed: &str, other, allowed_of_other: &str| {
        let other = Some((other, format!("it must be {allowed_of_other}")));
        let allowed = format!("it must be {allowed}");
        if ok { Ok(()) } else { Err(Refused { setting, allowed, other }) }
    };
    let days = i64::from(c.archive_days).saturating_mul(DAY_MS);
    let window = "dedup_window_ms";
    let (allowed, of_window) =
        ("0, or at least as long as dedup_window_ms", "at most as long as archive_days");
    let other = "another address than";
    let differ = c.resp.port() == 0 || c.resp != c.http;
    fit(differ, "resp", &format!("{other} http"), "http", &format!("{other} resp"))?;
    fit(days == 0 || days >= c.dedup_window_ms, "archive_days", allowed, window, of_window)?;
    let (allowed, of_window) = ("at least dedup_window_ms", "at most archive_keep_ms");
    let keep = c.archive_keep_ms >= c.dedup_window_ms;
    fit(keep, "archive_keep_ms", allowed, window, of_window)?;
    let (cert, key) = (c.tls_cert.is_some(), c.tls_key.is_some());
    let (with_cert, with_key) =
        ("set together with tls_cert, or empty", "set together with tls_key, or empty");
    fit(!cert || key, "tls_cert", with_key, "tls_key", with_cert)?;
    fit(!key || cert, "tls_key", with_cert, "tls_cert", with_key)?;
    let allowed = "set together with tls_cert and tls_key, or empty";
    let ca = c.tls_client_ca.is_some();
    fit(cert || !ca, "tls_client_ca", allowed, "tls_cert", with_key)
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
            let allowed = format!("it must be {allowed}");
            return Err(Refused { setting, allowed, other: None });
        }
    }
    Ok(())
}
