//! THE list of metrics: the code describes them by it, docs/operations.md shows it, and dashboards and
//! alerts are held against it.

use crate::server::publish::{CPU_SECONDS, DEBT, PRICE_VERSION, REQUEST_SECONDS};

/// What a metric is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It only grows.
    Counter,
    /// It is what it is now.
    Gauge,
    /// How often it was how large.
    Histogram,
}

/// A metric.
#[derive(Debug)]
pub struct Metric {
    /// Its name.
    pub name: &'static str,
    /// What it is.
    pub kind: Kind,
    /// The names of its labels, with commas between.
    pub labels: &'static str,
    /// What it tells.
    pub about: &'static str,
}

const fn counter(name: &'static str, labels: &'static str, about: &'static str) -> Metric {
    Metric { name, kind: Kind::Counter, labels, about }
}

const fn gauge(name: &'static str, labels: &'static str, about: &'static str) -> Metric {
    Metric { name, kind: Kind::Gauge, labels, about }
}

const fn histogram(name: &'static str, labels: &'static str, about: &'static str) -> Metric {
    Metric { name, kind: Kind::Histogram, labels, about }
}

/// All metrics.
pub const METRICS: &[Metric] = &[
    counter(
        "purser_commands_total",
        "command, outcome, shard",
        "Commands to wallets, by command and outcome: ok, declined, refused, replayed",
    ),
    counter("purser_declines_total", "reason", "Declined operations, by reason"),
    counter("purser_errors_total", "code", "Replies that are errors, by code"),
    counter("purser_requests_total", "", "Requests parsed, those of the session included"),
    histogram(REQUEST_SECONDS.0, "command", REQUEST_SECONDS.1),
    counter(
        "purser_slow_requests_total",
        "",
        "Requests that took at least slowlog_log_slower_than_us",
    ),
    counter(
        "purser_rated_total",
        "",
        "Operations that a price book has priced, replays not counted",
    ),
    counter(
        "purser_limited_total",
        "limit",
        "Requests beyond the bounds of their user, by bound: in_flight, rate",
    ),
    gauge("purser_connections", "", "Connections now"),
    gauge("purser_connections_max", "", "The most connections, connections_max"),
    counter("purser_connections_total", "", "Connections accepted"),
    counter("purser_connections_rejected_total", "", "Connections beyond connections_max"),
    counter(
        "purser_connections_dropped_total",
        "reason",
        "Connections that the server has ended, by reason: idle, handshake, stalled, killed, protocol, http, memory",
    ),
    counter("purser_received_bytes_total", "", "Bytes of requests"),
    counter("purser_sent_bytes_total", "", "Bytes of replies"),
    counter("purser_auth_failures_total", "", "Attempts to authenticate that failed"),
    gauge("purser_tls_handshakes", "", "TLS handshakes of RESP that go on now"),
    counter("purser_tls_handshakes_failed_total", "", "TLS handshakes of RESP that failed"),
    histogram(
        "purser_stage_seconds",
        "stage",
        "Latency of a batch by stage: decide (first record to sealed), queue (sealed to taken by the committer), commit (taken to durable), sync (the part of commit that flushes)",
    ),
    histogram("purser_commit_records", "", "Records made durable by one commit"),
    counter("purser_journal_records_total", "", "Records made durable since the start"),
    counter("purser_journal_values_total", "", "Journal values written since the start"),
    counter("purser_journal_bytes_total", "", "Bytes of journal values written"),
    gauge("purser_journal_position", "log", "Last number of a log of the journal"),
    gauge(
        "purser_journal_grown_bytes",
        "",
        "Bytes written to the journal since the last complete checkpoint began",
    ),
    gauge(
        "purser_durability_interval_seconds",
        "",
        "How long something acknowledged may be missing on the disk; 0: it never is",
    ),
    counter("purser_checkpoints_total", "", "Checkpoints completed"),
    histogram("purser_checkpoint_seconds", "", "How long a checkpoint took"),
    histogram(
        "purser_checkpoint_stage_seconds",
        "stage",
        "How long a checkpoint's stages took: gather (snapshots, with archive in it), archive (journal values into a segment), commit (the redo file), apply (rows into the state), trim (values out of the journal)",
    ),
    gauge("purser_checkpoint_running", "", "1 while a checkpoint goes on"),
    gauge(
        "purser_checkpoint_last_success_timestamp_seconds",
        "",
        "When the last checkpoint was complete; 0: none since the start",
    ),
    gauge("purser_archive_bytes", "", "Size of the archive's files"),
    gauge("purser_archive_segments", "", "Segments of the archive"),
    gauge("purser_archive_operations", "", "Operations that can be found in the archive"),
    gauge("purser_archive_filter_bytes", "", "Memory of the filters over archived ops"),
    gauge(
        "purser_dedup_window_seconds",
        "",
        "How far back op ids are remembered: the age of the archive's oldest event",
    ),
    gauge("purser_wallets", "", "Wallets that exist"),
    gauge("purser_wallets_active", "", "Wallets in memory"),
    gauge("purser_active_holds", "", "Open holds of the wallets in memory"),
    gauge(DEBT.0, "currency", DEBT.1),
    gauge("purser_remembered_operations", "", "Operations that the wallets in memory have at hand"),
    counter("purser_activations_total", "", "Wallets that have come into memory"),
    counter("purser_passivations_total", "", "Wallets that have left memory"),
    histogram(
        "purser_load_seconds",
        "kind",
        "How long a look at the disk took, by what it was for: wallet, recall, ledger, explain, prices, names",
    ),
    gauge(PRICE_VERSION.0, "version", PRICE_VERSION.1),
    counter(
        "purser_price_reloads_total",
        "result",
        "Attempts to read the price book again, by result: ok, failed",
    ),
    counter(
        "purser_config_reloads_total",
        "result",
        "Attempts to read the configuration again, by result: ok, failed",
    ),
    counter(
        "purser_log_lines_dropped_total",
        "",
        "Lines of the log that standard error did not take in time",
    ),
    gauge("purser_disk_free_bytes", "", "Bytes that are free where the data directory lies"),
    gauge("purser_disk_size_bytes", "", "Bytes that there are where the data directory lies"),
    gauge(
        "purser_disk_free_warn_bytes",
        "",
        "The bound below which is warned, disk_free_warn_bytes",
    ),
    gauge("purser_ready", "", "1 while wallets are served"),
    gauge("purser_resident_memory_bytes", "", "Memory that the process has"),
    counter(CPU_SECONDS.0, "", CPU_SECONDS.1),
    gauge("purser_open_files", "", "Files that the process has open, sockets included"),
    gauge("purser_open_files_max", "", "How many files it may have open"),
    gauge("purser_start_time_seconds", "", "When the process was started"),
    gauge(
        "purser_unclean_start",
        "",
        "1 when the run before did not stop in order: a crash, a kill, a store that failed",
    ),
    gauge("purser_uptime_seconds", "", "Time since the start"),
    gauge("purser_build_info", "version, commit", "The version that runs"),
];

#[cfg(test)]
mod tests;
