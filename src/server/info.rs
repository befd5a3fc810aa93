//! `INFO` and what `CONFIG GET` shows: the sections and names of Redis, so that clients and
//! monitors find what they look for, and purser's own.

pub(super) mod process;
mod sections;

use super::Context;
use crate::config::{Config, DurabilityMode, SETTINGS};
use std::fmt::Write as _;

/// The version of Redis whose protocol this is; clients choose by it what they may send.
pub(super) const REDIS_VERSION: &str = "7.0.15";

/// What is shown when nothing is chosen leaves these out, as in Redis: they are long.
const LONG: [&str; 2] = ["Commandstats", "Latencystats"];

/// The text of the chosen sections; of most when none is chosen.
pub(super) fn text<'a>(context: &Context, chosen: impl Iterator<Item = &'a [u8]>) -> String {
    let chosen: Vec<String> =
        chosen.map(|name| String::from_utf8_lossy(name).to_ascii_lowercase()).collect();
    let has = |name: &str| chosen.iter().any(|one| one.eq_ignore_ascii_case(name));
    let is_all = has("all") || has("everything");
    let is_default = chosen.is_empty() || has("default");
    let mut text = String::new();
    for (name, section) in sections::ALL {
        if !(is_all || has(name) || (is_default && !LONG.contains(name))) {
            continue;
        }
        if !text.is_empty() {
            text.push_str("\r\n");
        }
        let _ = write!(text, "# {name}\r\n");
        for (key, value) in section(context) {
            let _ = write!(text, "{key}:{value}\r\n");
        }
    }
    text
}

/// The settings that `CONFIG GET` shows: those of Redis that its tools ask for, and purser's own.
pub(super) fn settings(config: &Config) -> Vec<(&'static str, String)> {
    let mut settings = vec![
        ("save", String::new()),
        ("appendonly", "yes".to_owned()),
        ("appendfsync", appendfsync(config).to_owned()),
        ("databases", "1".to_owned()),
        ("maxmemory", "0".to_owned()),
        ("timeout", (config.idle_timeout_ms / 1_000).to_string()),
        ("slowlog-log-slower-than", config.slowlog_log_slower_than_us.to_string()),
        ("slowlog-max-len", config.slowlog_max_len.to_string()),
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

/// Redis's word for when what was written is made safe.
const fn appendfsync(config: &Config) -> &'static str {
    match config.durability {
        DurabilityMode::Commit => "always",
        DurabilityMode::Interval => "everysec",
    }
}
