//! The sections of `INFO`, with the names that Redis gives to what is the same here.

use super::REDIS_VERSION;
use super::process::Process;
use crate::config::DurabilityMode;
use crate::engine::counters::as_float;
use crate::engine::signal::ShardSignal;
use crate::server::meters::Totals;
use crate::server::{Context, Phase};
use std::borrow::Cow;

/// The fields of a section.
type Fields = Vec<(Cow<'static, str>, String)>;

/// What gathers the fields of a section.
type Gather = fn(&Context) -> Fields;

/// All sections, in the order in which they are shown.
pub(super) static ALL: &[(&str, Gather)] = &[
    ("Server", server),
    ("Clients", clients),
    ("Memory", memory),
    ("Persistence", persistence),
    ("Stats", stats),
    ("Replication", replication),
    ("CPU", cpu),
    ("Commandstats", command_stats),
    ("Errorstats", error_stats),
    ("Latencystats", latency_stats),
    ("Cluster", cluster),
    ("Keyspace", keyspace),
    ("Purser", purser),
];

fn fields<const N: usize>(pairs: [(&'static str, String); N]) -> Fields {
    pairs.into_iter().map(|(name, value)| (Cow::Borrowed(name), value)).collect()
}

fn server(context: &Context) -> Fields {
    let uptime = context.started.elapsed().as_secs();
    let micros = context.clock.now().millis().saturating_mul(1_000);
    fields([
        ("redis_version", REDIS_VERSION.to_owned()),
        ("purser_version", env!("CARGO_PKG_VERSION").to_owned()),
        ("redis_mode", "standalone".to_owned()),
        ("os", format!("{} {}", std::env::consts::OS, std::env::consts::ARCH)),
        ("arch_bits", usize::BITS.to_string()),
        ("process_id", std::process::id().to_string()),
        ("tcp_port", context.config.resp.port().to_string()),
        ("server_time_usec", micros.to_string()),
        ("uptime_in_seconds", uptime.to_string()),
        ("uptime_in_days", (uptime / 86_400).to_string()),
    ])
}

fn clients(context: &Context) -> Fields {
    fields([
        ("connected_clients", context.clients.len().to_string()),
        ("maxclients", context.live().config.connections_max.to_string()),
        ("blocked_clients", "0".to_owned()),
    ])
}

fn memory(_: &Context) -> Fields {
    let process = Process::now();
    fields([
        ("used_memory", process.resident_bytes.to_string()),
        ("used_memory_human", human(process.resident_bytes)),
        ("used_memory_rss", process.resident_bytes.to_string()),
        ("used_memory_rss_human", human(process.resident_bytes)),
        ("used_memory_peak", process.resident_peak_bytes.to_string()),
        ("used_memory_peak_human", human(process.resident_peak_bytes)),
        ("total_system_memory", process.machine_bytes.to_string()),
        ("total_system_memory_human", human(process.machine_bytes)),
        ("maxmemory", "0".to_owned()),
        ("maxmemory_policy", "noeviction".to_owned()),
        ("mem_allocator", "mimalloc".to_owned()),
    ])
}

/// Bytes as Redis writes them for people.
fn human(bytes: u64) -> String {
    let bytes = as_float(bytes);
    let units = [(1_099_511_627_776.0, "T"), (1_073_741_824.0, "G"), (1_048_576.0, "M")];
    let unit = units.into_iter().find(|(size, _)| bytes >= *size).unwrap_or((1_024.0, "K"));
    format!("{:.2}{}", bytes / unit.0, unit.1)
}

fn persistence(context: &Context) -> Fields {
    let figures = &context.figures;
    let has_failed = context.shards.iter().any(|shard| shard.has_failed());
    let status = if has_failed { "err" } else { "ok" };
    fields([
        ("loading", u8::from(context.phase() == Phase::Loading).to_string()),
        ("rdb_bgsave_in_progress", figures.checkpoint_running.get().to_string()),
        ("rdb_last_save_time", figures.checkpoint_at.get().to_string()),
        ("rdb_last_bgsave_status", status.to_owned()),
        ("rdb_last_bgsave_time_sec", (figures.checkpoint_ms.get() / 1_000).to_string()),
        ("rdb_saves", figures.checkpoints.get().to_string()),
        ("aof_enabled", "1".to_owned()),
        ("aof_rewrite_in_progress", "0".to_owned()),
        ("aof_last_write_status", status.to_owned()),
    ])
}

fn stats(context: &Context) -> Fields {
    let meters = &context.meters;
    let errors = meters.errors().map(|(_, count)| count).fold(0, u64::saturating_add);
    let requests = meters.sum(|meters| meters.requests.get());
    fields([
        ("total_connections_received", context.clients.total().to_string()),
        ("total_commands_processed", requests.to_string()),
        ("total_net_input_bytes", meters.sum(|meters| meters.bytes_in.get()).to_string()),
        ("total_net_output_bytes", meters.sum(|meters| meters.bytes_out.get()).to_string()),
        ("rejected_connections", context.rejected.total().to_string()),
        ("expired_keys", "0".to_owned()),
        ("evicted_keys", "0".to_owned()),
        ("acl_access_denied_auth", context.failures.total().to_string()),
        ("total_error_replies", errors.to_string()),
    ])
}

fn replication(_: &Context) -> Fields {
    fields([("role", "master".to_owned()), ("connected_slaves", "0".to_owned())])
}

fn cpu(_: &Context) -> Fields {
    let process = Process::now();
    fields([
        ("used_cpu_sys", format!("{:.6}", process.system_seconds)),
        ("used_cpu_user", format!("{:.6}", process.user_seconds)),
    ])
}

fn command_stats(context: &Context) -> Fields {
    let line = |(name, totals): (&str, Totals)| {
        let (calls, micros) = (totals.latencies.calls, totals.latencies.nanos / 1_000);
        let per_call = if calls == 0 { 0.0 } else { as_float(micros) / as_float(calls) };
        let (rejected, failed) = (totals.rejected, totals.failed);
        let value = format!(
            "calls={calls},usec={micros},usec_per_call={per_call:.2},rejected_calls={rejected},\
             failed_calls={failed}"
        );
        (Cow::Owned(format!("cmdstat_{name}")), value)
    };
    context.meters.commands().map(line).collect()
}

fn error_stats(context: &Context) -> Fields {
    let errors = context.meters.errors().filter(|(_, count)| *count > 0);
    errors
        .map(|(code, count)| (Cow::Owned(format!("errorstat_{code}")), format!("count={count}")))
        .collect()
}

fn latency_stats(context: &Context) -> Fields {
    let used = context.meters.commands().filter(|(_, totals)| totals.latencies.calls > 0);
    used.map(|(name, totals)| {
        let micros = |of_thousand| as_float(totals.latencies.quantile(of_thousand)) / 1e3;
        let (p50, p99, p999) = (micros(500), micros(990), micros(999));
        let value = format!("p50={p50:.3},p99={p99:.3},p99.9={p999:.3}");
        (Cow::Owned(format!("latency_percentiles_usec_{name}")), value)
    })
    .collect()
}

fn cluster(_: &Context) -> Fields {
    fields([("cluster_enabled", "0".to_owned())])
}

fn keyspace(context: &Context) -> Fields {
    fields([("db0", format!("keys={},expires=0,avg_ttl=0", context.wallets()))])
}

fn purser(context: &Context) -> Fields {
    let (figures, config) = (&context.figures, &context.config);
    let version = context.prices.current().in_force(context.clock.now());
    let durability = match config.durability {
        DurabilityMode::Commit => "commit",
        DurabilityMode::Interval => "interval",
    };
    fields([
        ("wallets", context.wallets().to_string()),
        ("wallets_active", context.active().to_string()),
        ("active_holds", context.of_shards(ShardSignal::holds).to_string()),
        ("remembered_operations", context.of_shards(ShardSignal::remembered).to_string()),
        ("shards", config.shards().to_string()),
        ("journal_records", context.journal_numbers().to_string()),
        ("journal_grown_bytes", figures.journal_grown.get().to_string()),
        ("checkpoints", figures.checkpoints.get().to_string()),
        ("checkpoint_running", figures.checkpoint_running.get().to_string()),
        ("checkpoint_last_time", figures.checkpoint_at.get().to_string()),
        ("checkpoint_last_ms", figures.checkpoint_ms.get().to_string()),
        ("archive_segments", figures.archive_segments.get().to_string()),
        ("archive_bytes", figures.archive_bytes.get().to_string()),
        ("archive_operations", figures.archive_operations.get().to_string()),
        ("dedup_window_seconds", figures.dedup_window_seconds.get().to_string()),
        ("disk_free_bytes", figures.disk_free.get().to_string()),
        ("price_version", version.map_or_else(String::new, |version| version.to_string())),
        ("durability", durability.to_owned()),
        ("data", config.data.display().to_string()),
    ])
}
