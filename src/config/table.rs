//! THE table of settings: what there is, its default, its unit, and when a change takes effect.
//!
//! The configuration itself, its flags, its environment variables, `CONFIG GET`, `purser config show`
//! and the table in docs/configuration.md are made of it.

use super::users::UserSettings;
use super::value::Value;
use super::{DurabilityMode, LogFormat};
use crate::domain::rules::Rules;
use crate::domain::time::Span;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;

/// A day in milliseconds.
pub(super) const DAY_MS: i64 = 24 * 3_600_000;

/// When a change of a setting takes effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// On SIGHUP, while the server runs.
    Reload,
    /// At the next start.
    Restart,
}

/// A setting.
#[derive(Debug)]
pub struct Setting {
    /// Its name in the file.
    pub name: &'static str,
    /// What it is, in a sentence.
    pub about: &'static str,
    /// What it is counted in.
    pub unit: &'static str,
    /// When a change of it takes effect.
    pub effect: Effect,
    /// Whether it is a string in the file, else it is a number.
    pub is_text: bool,
    /// What it is, as text.
    pub show: fn(&Config) -> String,
    /// Sets it from text, or says what is allowed.
    pub set: fn(&mut Config, &str) -> Result<(), String>,
    /// Takes it over from another configuration.
    pub copy: fn(&Config, &mut Config),
}

impl Setting {
    /// The setting of that name.
    pub fn named(name: &str) -> Option<&'static Self> {
        SETTINGS.iter().find(|setting| setting.name == name)
    }

    /// Its flag, without the dashes in front.
    pub fn flag(&self) -> String {
        self.name.replace('_', "-")
    }

    /// Its environment variable.
    pub fn variable(&self) -> String {
        format!("PURSER_{}", self.name.to_ascii_uppercase())
    }

    /// Its value as it stands in a file.
    pub fn toml(&self, config: &Config) -> String {
        let text = (self.show)(config);
        if self.is_text { quoted(&text) } else { text }
    }
}

/// A string as TOML writes it.
pub(super) fn quoted(text: &str) -> String {
    let mut quoted = String::from('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            character if character.is_control() => {
                let _ = write!(quoted, "\\u{:04X}", u32::from(character));
            }
            character => quoted.push(character),
        }
    }
    quoted.push('"');
    quoted
}

macro_rules! settings {
    ($($(#[doc = $doc:literal])+ $name:ident: $kind:ty = $default:expr, $unit:literal, $effect:ident;)+) => {
        /// All settings. Spans are in milliseconds, sizes in bytes, as their names say.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct Config {
            $($(#[doc = $doc])+ pub $name: $kind,)+
            /// Who may ask for what; nobody need say who they are when there are none.
            pub users: Vec<UserSettings>,
        }

        impl Default for Config {
            fn default() -> Self {
                Self { $($name: $default,)+ users: Vec::new() }
            }
        }

        /// All settings but the users, in the order of `config/purser.toml`.
        pub static SETTINGS: &[Setting] = &[$(Setting {
            name: stringify!($name),
            about: concat!($($doc),+),
            unit: $unit,
            effect: Effect::$effect,
            is_text: <$kind as Value>::IS_TEXT,
            show: |config| Value::show(&config.$name),
            set: |config, text| {
                config.$name = Value::read(text)?;
                Ok(())
            },
            copy: |from, to| to.$name.clone_from(&from.$name),
        }),+];
    };
}

fn local(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

settings! {
    /// Where clients connect (RESP); port 0 picks a free one.
    resp: SocketAddr = local(7411), "address", Restart;
    /// Where operators look: health and metrics; port 0 picks a free one.
    http: SocketAddr = local(7412), "address", Restart;
    /// The directory that keeps everything.
    data: PathBuf = PathBuf::from("purser-data"), "path", Restart;
    /// The folder of price files; empty: the prices that are shipped.
    prices: Option<PathBuf> = None, "path", Restart;
    /// The certificate chain of RESP and HTTP, in PEM; empty: no TLS.
    tls_cert: Option<PathBuf> = None, "path", Reload;
    /// The private key of the certificate, in PEM.
    tls_key: Option<PathBuf> = None, "path", Reload;
    /// Who signs the certificates that clients must have, in PEM; empty: clients need none.
    tls_client_ca: Option<PathBuf> = None, "path", Reload;
    /// When a client hears of what it did: commit, when it is on the disk; interval, before, so that a crash or a power loss takes what was acknowledged last.
    durability: DurabilityMode = DurabilityMode::Commit, "word", Restart;
    /// With durability = "interval": how long something acknowledged may be missing on the disk.
    durability_interval_ms: u64 = 100, "ms", Restart;
    /// How many threads share the wallets; 0: half of the cores.
    shards: u8 = 0, "threads", Restart;
    /// How logs look: text for people, json for machines.
    log_format: LogFormat = LogFormat::Text, "word", Restart;
    /// A request that takes at least so long, from parsing to its reply, stands in the slow log; -1: none does.
    slowlog_log_slower_than_us: i64 = 100_000, "µs", Reload;
    /// How many requests the slow log keeps; 0: none.
    slowlog_max_len: usize = 128, "count", Reload;
    /// Less free space where the data directory lies is warned of; 0: never.
    disk_free_warn_bytes: u64 = 1024 * 1024 * 1024, "bytes", Reload;
    /// What is logged: error, warn, info, debug (of purser, not its libraries), or a filter such as sled=debug.
    log_level: String = "info,actix_server=warn,rustls=error".to_owned(), "filter", Reload;
    /// How long a hold lives when its AUTHORIZE does not say.
    hold_ttl_ms: i64 = Rules::default().hold_ttl.millis(), "ms", Restart;
    /// How long after a grant's expiry money that a hold releases may still return to it.
    lapse_grace_ms: i64 = Rules::default().lapse_grace.millis(), "ms", Restart;
    /// The most open holds in a wallet.
    holds_max: usize = Rules::default().holds_max, "count", Restart;
    /// The most grants with money in a wallet.
    grants_max: usize = Rules::default().grants_max, "count", Restart;
    /// The most tags of an operation.
    tags_max: usize = 16, "count", Restart;
    /// A command whose SENT is older is refused.
    dedup_window_ms: i64 = 24 * 3_600_000, "ms", Reload;
    /// Usage that is stated later than this after it happened (AT) is refused.
    late_window_ms: i64 = Rules::default().late_window.millis(), "ms", Restart;
    /// The most unanswered requests of a wallet.
    wallet_in_flight_max: usize = 8_192, "count", Restart;
    /// A batch of so many bytes is full.
    batch_bytes_max: usize = 1024 * 1024, "bytes", Restart;
    /// A batch that is full for longer makes requests BUSY.
    batch_full_max_ms: u64 = 1_000, "ms", Restart;
    /// A checkpoint this long after the last one, if anything has changed.
    checkpoint_every_ms: u64 = 10_000, "ms", Restart;
    /// A checkpoint after so many bytes of journal.
    checkpoint_journal_bytes: u64 = 64 * 1024 * 1024, "bytes", Restart;
    /// How fast a shard gives snapshots during a checkpoint.
    checkpoint_bytes_per_second: usize = 64 * 1024 * 1024, "bytes/s", Restart;
    /// A wallet that nobody asked for so long leaves memory.
    passivate_after_ms: i64 = 5 * 60_000, "ms", Restart;
    /// The most wallets in memory; beyond it the longest unused ones leave it.
    wallets_active_max: usize = 1_000_000, "count", Restart;
    /// How many wallets are woken a second, at most, because something is due for them.
    wallets_woken_per_second: usize = 10_000, "1/s", Restart;
    /// How long history is kept; 0: for ever.
    archive_days: u32 = 0, "days", Restart;
    /// How much history is kept; 0: all.
    archive_bytes_max: u64 = 0, "bytes", Restart;
    /// History younger than this stays, whatever else is set.
    archive_keep_ms: i64 = Span::TTL_MAX.millis() + DAY_MS, "ms", Restart;
    /// How much memory the filters over archived operations may take.
    archive_filter_bytes_max: u64 = 1024 * 1024 * 1024, "bytes", Restart;
    /// The most connections; beyond it they are refused.
    connections_max: usize = 10_000, "count", Reload;
    /// The most TLS handshakes of RESP at a time: whoever comes beyond it waits, and meanwhile one that takes more than a second is dropped.
    tls_handshakes_max: usize = 1_000, "count", Reload;
    /// The most unanswered requests of a connection; beyond it, it is not read.
    connection_in_flight_max: usize = 1_024, "count", Reload;
    /// The most arguments of a request.
    request_args_max: usize = 256, "count", Reload;
    /// The most bytes of a request.
    request_bytes_max: usize = 64 * 1024, "bytes", Reload;
    /// The most arguments of a request of a client that must authenticate first.
    handshake_args_max: usize = 10, "count", Reload;
    /// The most bytes of a request of a client that must authenticate first.
    handshake_bytes_max: usize = 16 * 1024, "bytes", Reload;
    /// Replies that a client has not read: beyond it, nothing more is written for it.
    reply_bytes_max: usize = 256 * 1024, "bytes", Reload;
    /// Requests that are not whole and replies that are not read, of all clients together: beyond it whoever holds the most is dropped; 0: no limit.
    clients_memory_max: usize = 1024 * 1024 * 1024, "bytes", Reload;
    /// A client that reads nothing for longer is dropped.
    write_stall_max_ms: u64 = 30_000, "ms", Reload;
    /// A client that has not done its TLS handshake, authenticated and sent a whole request so long after it connected is dropped; 0: never.
    handshake_timeout_ms: u64 = 60_000, "ms", Reload;
    /// A client that sends nothing for longer, and waits for nothing, is dropped; 0: never.
    idle_timeout_ms: u64 = 0, "ms", Reload;
    /// After how long a silence a client is asked whether it is still there, as the system does it (TCP keepalive); one that does not answer is dropped; 0: never. For connections to come.
    tcp_keepalive_ms: u64 = 300_000, "ms", Reload;
    /// How long a stop waits for what is in flight, and then for a checkpoint to be in the state (as it was set at the start).
    stop_timeout_ms: u64 = 10_000, "ms", Reload;
}
