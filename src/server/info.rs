//! `INFO` and what `CONFIG GET` shows: the sections and names of Redis, so that clients and
//! monitors find what they look for, and purser's own.

use super::{Context, Phase};
use crate::config::{Config, SETTINGS};
use std::fmt::Write as _;
use std::sync::atomic::Ordering;

/// The version of Redis whose protocol this is; clients choose by it what they may send.
pub(super) const REDIS_VERSION: &str = "7.0.15";

/// The text of the chosen sections; of all when none is chosen.
pub(super) fn text<'a>(context: &Context, chosen: impl Iterator<Item = &'a [u8]>) -> String {
    let chosen: Vec<String> =
        chosen.map(|name| String::from_utf8_lossy(name).to_ascii_lowercase()).collect();
    let is_all = chosen.is_empty()
        || ["all", "default", "everything"].iter().any(|all| chosen.iter().any(|one| one == all));
    let mut text = String::new();
    for (name, fields) in sections(context) {
        if !is_all && !chosen.contains(&name.to_ascii_lowercase()) {
            continue;
        }
        if !text.is_empty() {
            text.push_str("\r\n");
        }
        let _ = write!(text, "# {name}\r\n");
        for (key, value) in fields {
            let _ = write!(text, "{key}:{value}\r\n");
        }
    }
    text
}

type Section = (&'static str, Vec<(&'static str, String)>);

fn sections(context: &Context) -> Vec<Section> {
    let uptime = context.started.elapsed().as_secs();
    let is_loading = u8::from(context.phase() == Phase::Loading);
    let rss = resident_bytes();
    let requests = context.requests.load(Ordering::Relaxed);
    let (wallets, journal) = (context.wallets(), context.journal_numbers());
    vec![
        (
            "Server",
            vec![
                ("redis_version", REDIS_VERSION.to_owned()),
                ("purser_version", env!("CARGO_PKG_VERSION").to_owned()),
                ("redis_mode", "standalone".to_owned()),
                ("process_id", std::process::id().to_string()),
                ("tcp_port", context.config.resp.port().to_string()),
                ("uptime_in_seconds", uptime.to_string()),
                ("uptime_in_days", (uptime / 86_400).to_string()),
            ],
        ),
        (
            "Clients",
            vec![
                ("connected_clients", context.clients.len().to_string()),
                ("maxclients", context.live().config.connections_max.to_string()),
            ],
        ),
        ("Memory", vec![("used_memory", rss.to_string()), ("used_memory_rss", rss.to_string())]),
        (
            "Persistence",
            vec![
                ("loading", is_loading.to_string()),
                ("aof_enabled", "1".to_owned()),
                ("aof_last_write_status", "ok".to_owned()),
            ],
        ),
        (
            "Stats",
            vec![
                ("total_connections_received", context.clients.total().to_string()),
                ("total_commands_processed", requests.to_string()),
                ("rejected_connections", context.rejected.load(Ordering::Relaxed).to_string()),
            ],
        ),
        ("Replication", vec![("role", "master".to_owned()), ("connected_slaves", "0".to_owned())]),
        ("Cluster", vec![("cluster_enabled", "0".to_owned())]),
        ("Keyspace", vec![("db0", format!("keys={wallets},expires=0,avg_ttl=0"))]),
        (
            "Purser",
            vec![
                ("wallets", wallets.to_string()),
                ("wallets_active", context.active().to_string()),
                ("shards", context.config.shards().to_string()),
                ("journal_records", journal.to_string()),
                ("durability", "commit".to_owned()),
                ("data", context.config.data.display().to_string()),
            ],
        ),
    ]
}

/// The settings that `CONFIG GET` shows: those of Redis that its tools ask for, and purser's own.
pub(super) fn settings(config: &Config) -> Vec<(&'static str, String)> {
    let mut settings = vec![
        ("save", String::new()),
        ("appendonly", "yes".to_owned()),
        ("appendfsync", "always".to_owned()),
        ("databases", "1".to_owned()),
        ("maxmemory", "0".to_owned()),
        ("timeout", (config.idle_timeout_ms / 1_000).to_string()),
        ("maxclients", config.connections_max.to_string()),
        ("bind", config.resp.ip().to_string()),
        ("port", config.resp.port().to_string()),
        ("dir", config.data.display().to_string()),
    ];
    let own = SETTINGS.iter().filter(|setting| setting.name != "shards");
    settings.extend(own.map(|setting| (setting.name, (setting.show)(config))));
    settings.push(("shards", config.shards().to_string()));
    settings
}

/// The memory that the process has, in bytes; 0 where the system does not tell.
pub(super) fn resident_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = statm.split_whitespace().nth(1).and_then(|pages| pages.parse::<u64>().ok());
    pages.unwrap_or_default().saturating_mul(4_096)
}
