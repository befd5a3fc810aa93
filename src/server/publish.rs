//! What `/metrics` shows of the shards, the connections and the process, put together when somebody
//! looks.

use super::meters::Count;
use super::{Context, Phase, info};
use crate::domain::debts::Debts;
use crate::engine::committer::Durability;
use crate::engine::counters::as_float;
use crate::engine::shard::Shard;
use crate::engine::signal::ShardSignal;
use std::fmt::Write as _;
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// How often a shard publishes what it counts.
const PUBLISH_EVERY: Duration = Duration::from_millis(500);

/// The histogram of the latencies of requests, and what it is.
pub const REQUEST_SECONDS: (&str, &str) = (
    "purser_request_seconds",
    "How long requests took, from when they were parsed to when their reply was released, by command",
);

/// The version of the price book, and what it is.
pub const PRICE_VERSION: (&str, &str) =
    ("purser_price_version_info", "The version of the price book that is in force");

/// What customers owe, and what it is.
pub const DEBT: (&str, &str) =
    ("purser_debt", "What the customers owe, credit lines included, by currency");

/// The time that the process has used, and what it is.
pub const CPU_SECONDS: (&str, &str) =
    ("purser_cpu_seconds_total", "Processor time that the process has used");

/// Publishes what a shard counts, now and then.
pub(super) async fn of_shard(shard: Rc<Shard>) {
    loop {
        tokio::time::sleep(PUBLISH_EVERY).await;
        shard.counters.each(|command, outcome, count| {
            let shard = shard.index.to_string();
            let labels = [
                ("command", command.to_owned()),
                ("outcome", outcome.to_owned()),
                ("shard", shard),
            ];
            metrics::counter!("purser_commands_total", &labels).absolute(count);
        });
    }
}

impl Context {
    /// Publishes the figures that are read when somebody looks.
    pub(super) fn publish(&self) {
        self.publish_wallets();
        self.publish_requests();
        self.publish_connections();
        self.publish_store();
        let process = info::process::Process::now();
        gauge("purser_resident_memory_bytes", process.resident_bytes);
        gauge("purser_open_files", process.open_files);
        gauge("purser_open_files_max", process.open_files_max);
        metrics::gauge!("purser_uptime_seconds").set(self.started.elapsed().as_secs_f64());
        gauge("purser_ready", u8::from(self.phase() == Phase::Ready));
    }

    fn publish_wallets(&self) {
        gauge("purser_wallets", self.wallets());
        gauge("purser_wallets_active", self.active());
        gauge("purser_remembered_operations", self.of_shards(ShardSignal::remembered));
        gauge("purser_active_holds", self.of_shards(ShardSignal::holds));
        counter("purser_passivations_total", self.of_shards(ShardSignal::passivations));
        counter("purser_activations_total", self.of_shards(ShardSignal::activations));
        for (index, shard) in self.shards.iter().enumerate() {
            let position = shard.last_position().number();
            let gauge = metrics::gauge!("purser_journal_position", "log" => index.to_string());
            gauge.set(as_float(position));
        }
    }

    fn publish_requests(&self) {
        let sum =
            |of: fn(&super::meters::Meters) -> &Count| self.meters.sum(|meters| of(meters).get());
        counter("purser_requests_total", sum(|meters| &meters.requests));
        counter("purser_received_bytes_total", sum(|meters| &meters.bytes_in));
        counter("purser_sent_bytes_total", sum(|meters| &meters.bytes_out));
        counter("purser_rated_total", sum(|meters| &meters.rated));
        counter("purser_slow_requests_total", sum(|meters| &meters.slow));
        for (code, count) in self.meters.errors() {
            metrics::counter!("purser_errors_total", "code" => code).absolute(count);
        }
        for (reason, count) in self.meters.declines() {
            metrics::counter!("purser_declines_total", "reason" => reason).absolute(count);
        }
        for (limit, count) in self.meters.limited() {
            metrics::counter!("purser_limited_total", "limit" => limit).absolute(count);
        }
    }

    fn publish_connections(&self) {
        gauge("purser_connections", self.clients.len());
        gauge("purser_connections_max", self.live().config.connections_max);
        counter("purser_connections_total", self.clients.total());
        counter("purser_connections_rejected_total", self.rejected.total());
        for (reason, count) in self.drops.totals() {
            let dropped = metrics::counter!("purser_connections_dropped_total", "reason" => reason);
            dropped.absolute(count);
        }
        counter("purser_auth_failures_total", self.failures.total());
        gauge("purser_tls_handshakes", self.handshakes.len());
        let failed = self.handshakes_failed.load(Ordering::Relaxed);
        counter("purser_tls_handshakes_failed_total", failed);
    }

    fn publish_store(&self) {
        let figures = &self.figures;
        counter("purser_checkpoints_total", figures.checkpoints.get());
        gauge("purser_checkpoint_running", figures.checkpoint_running.get());
        gauge("purser_checkpoint_last_success_timestamp_seconds", figures.checkpoint_at.get());
        gauge("purser_journal_grown_bytes", figures.journal_grown.get());
        gauge("purser_archive_bytes", figures.archive_bytes.get());
        gauge("purser_archive_segments", figures.archive_segments.get());
        gauge("purser_archive_operations", figures.archive_operations.get());
        gauge("purser_archive_filter_bytes", figures.archive_filter_bytes.get());
        gauge("purser_dedup_window_seconds", figures.dedup_window_seconds.get());
        gauge("purser_disk_free_bytes", figures.disk_free.get());
        gauge("purser_disk_size_bytes", figures.disk_total.get());
        gauge("purser_disk_free_warn_bytes", self.live().config.disk_free_warn_bytes);
        let interval = match self.config.durability() {
            Durability::Commit => 0.0,
            Durability::Interval(interval) => interval.as_secs_f64(),
        };
        metrics::gauge!("purser_durability_interval_seconds").set(interval);
    }

    pub(super) fn of_shards(&self, figure: fn(&ShardSignal) -> u64) -> u64 {
        self.shards.iter().map(|shard| figure(shard)).fold(0, u64::saturating_add)
    }

    /// What the collector of metrics cannot hold, in the format of Prometheus.
    pub(super) fn exposition(&self) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = self.write_exposition(&mut text);
        text
    }

    fn write_exposition(&self, text: &mut String) -> std::fmt::Result {
        let (name, about) = REQUEST_SECONDS;
        writeln!(text, "# HELP {name} {about}\n# TYPE {name} histogram")?;
        for (command, totals) in self.meters.commands() {
            let command = command.to_ascii_uppercase();
            let calls = totals.latencies.calls;
            for (nanos, count) in totals.latencies.cumulative() {
                let bound = as_float(nanos) / 1e9;
                writeln!(text, "{name}_bucket{{command=\"{command}\",le=\"{bound}\"}} {count}")?;
            }
            writeln!(text, "{name}_bucket{{command=\"{command}\",le=\"+Inf\"}} {calls}")?;
            let seconds = as_float(totals.latencies.nanos) / 1e9;
            writeln!(text, "{name}_sum{{command=\"{command}\"}} {seconds}")?;
            writeln!(text, "{name}_count{{command=\"{command}\"}} {calls}")?;
        }
        let (name, about) = CPU_SECONDS;
        let process = info::process::Process::now();
        let seconds = process.user_seconds + process.system_seconds;
        writeln!(text, "# HELP {name} {about}\n# TYPE {name} counter\n{name} {seconds}")?;
        if let Some(version) = self.prices.current().in_force(self.clock.now()) {
            let (name, about) = PRICE_VERSION;
            writeln!(text, "# HELP {name} {about}\n# TYPE {name} gauge")?;
            writeln!(text, "{name}{{version=\"{version}\"}} 1")?;
        }
        self.write_debts(text)
    }

    fn write_debts(&self, text: &mut String) -> std::fmt::Result {
        let mut debts = Debts::default();
        for shard in &self.shards {
            debts.add(&shard.debts());
        }
        let (name, about) = DEBT;
        writeln!(text, "# HELP {name} {about}\n# TYPE {name} gauge")?;
        for (currency, amount) in debts.iter() {
            // A name has no quotes; a backslash it may have.
            let currency = currency.as_str().escape_default();
            writeln!(text, "{name}{{currency=\"{currency}\"}} {amount}")?;
        }
        Ok(())
    }
}

fn gauge(name: &'static str, value: impl TryInto<u64>) {
    metrics::gauge!(name).set(as_float(value.try_into().unwrap_or(u64::MAX)));
}

fn counter(name: &'static str, value: u64) {
    metrics::counter!(name).absolute(value);
}
