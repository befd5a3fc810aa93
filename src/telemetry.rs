//! Logs and metrics: how they are set up, and the one list of metric names.

mod logs;
mod names;

pub use logs::{Logs, last_words};
pub use names::{Kind, METRICS, Metric};

use crate::engine::clock::Clock;
use crate::engine::counters::as_float;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use sd_notify::NotifyState;
use std::time::Duration;

/// How often collected samples are folded into their histograms.
const UPKEEP_EVERY: Duration = Duration::from_secs(1);

/// Buckets of a stage's latency, in seconds: 10 µs to 5 s.
const STAGE_BUCKETS: [f64; 18] = [
    0.000_01, 0.000_025, 0.000_05, 0.000_1, 0.000_2, 0.000_3, 0.000_5, 0.000_75, 0.001, 0.002,
    0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 5.0,
];

/// Buckets of the records of a commit.
const RECORD_BUCKETS: [f64; 12] =
    [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 1_024.0, 4_096.0, 16_384.0];

/// Buckets of a checkpoint's time and of its stages, in seconds.
const CHECKPOINT_BUCKETS: [f64; 12] =
    [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0];

/// Starts to collect metrics.
pub fn init_metrics(clock: &dyn Clock) -> anyhow::Result<PrometheusHandle> {
    let builder = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Full("purser_stage_seconds".to_owned()), &STAGE_BUCKETS)?
        .set_buckets_for_metric(Matcher::Full("purser_commit_records".to_owned()), &RECORD_BUCKETS)?
        .set_buckets_for_metric(Matcher::Full("purser_load_seconds".to_owned()), &STAGE_BUCKETS)?
        .set_buckets_for_metric(
            Matcher::Prefix("purser_checkpoint".to_owned()),
            &CHECKPOINT_BUCKETS,
        )?;
    let handle = builder.install_recorder()?;
    describe();
    // Who builds a package may say of which commit it is.
    let commit = option_env!("PURSER_COMMIT").unwrap_or_default();
    let version = env!("CARGO_PKG_VERSION");
    metrics::gauge!("purser_build_info", "version" => version, "commit" => commit).set(1.0);
    let start = clock.now().millis().div_euclid(1_000);
    metrics::gauge!("purser_start_time_seconds")
        .set(as_float(u64::try_from(start).unwrap_or_default()));
    Ok(handle)
}

/// Notes how the last run ended, for an alert that comes when the process is there again.
pub(crate) fn note_unclean_start(was_unclean: bool) {
    metrics::gauge!("purser_unclean_start").set(f64::from(u8::from(was_unclean)));
}

/// Folds samples into histograms for as long as the server runs, and tells of lines of the log that were
/// dropped.
pub async fn keep_up(handle: PrometheusHandle, logs: Logs) {
    let mut told = 0;
    loop {
        told = tell_dropped(&logs, told);
        tokio::time::sleep(UPKEEP_EVERY).await;
        handle.run_upkeep();
    }
}

/// Answers how many dropped lines the log has told of, of which it did so far as said.
fn tell_dropped(logs: &Logs, told: usize) -> usize {
    let dropped = logs.dropped();
    let counter = metrics::counter!("purser_log_lines_dropped_total");
    counter.absolute(u64::try_from(dropped).unwrap_or(u64::MAX));
    if dropped == told {
        return told;
    }
    let lines = dropped.saturating_sub(told);
    tracing::warn!(lines, "lines of the log were dropped: nobody read standard error in time");
    // Without room for this one it is told again.
    if logs.dropped() == dropped { dropped } else { told }
}

/// Says what every metric is, and begins to count those that may be 0 for long: who watches for a
/// change must have seen the 0.
fn describe() {
    for metric in METRICS {
        match metric.kind {
            Kind::Counter => metrics::describe_counter!(metric.name, metric.about),
            Kind::Gauge => metrics::describe_gauge!(metric.name, metric.about),
            Kind::Histogram => metrics::describe_histogram!(metric.name, metric.about),
        }
    }
    for result in ["ok", "failed"] {
        metrics::counter!("purser_price_reloads_total", "result" => result).absolute(0);
        metrics::counter!("purser_config_reloads_total", "result" => result).absolute(0);
    }
}

/// Tells systemd, if it waits to hear (`Type=notify`), where the server is in its life.
pub(crate) fn tell_systemd(state: NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::warn!(%error, "systemd cannot be told");
    }
}
