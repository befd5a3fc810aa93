//! Logs and metrics: how they are set up, and the one list of metric names.

use crate::config::{Config, LogFormat};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use sd_notify::NotifyState;
use std::io::IsTerminal as _;
use std::time::Duration;
use tracing_subscriber::{EnvFilter, reload};

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

/// Changes what is logged.
pub struct LogLevel(Box<dyn Fn(EnvFilter) -> Result<(), reload::Error> + Send>);

impl LogLevel {
    /// Logs what this filter lets through from now on.
    pub fn set(&self, level: &str) -> anyhow::Result<()> {
        Ok(self.0(filter(level)?)?)
    }
}

fn filter(level: &str) -> anyhow::Result<EnvFilter> {
    EnvFilter::try_new(level).map_err(|error| anyhow::anyhow!("log_level = {level:?}: {error}"))
}

/// Sends logs to standard error.
pub fn init_logs(config: &Config) -> anyhow::Result<LogLevel> {
    let filter = filter(&config.log_level)?;
    let logs = tracing_subscriber::fmt()
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    Ok(match config.log_format {
        LogFormat::Text => {
            let logs = logs.with_target(false).with_env_filter(filter).with_filter_reloading();
            let handle = logs.reload_handle();
            logs.init();
            LogLevel(Box::new(move |filter| handle.reload(filter)))
        }
        LogFormat::Json => {
            let logs = logs.json().with_env_filter(filter).with_filter_reloading();
            let handle = logs.reload_handle();
            logs.init();
            LogLevel(Box::new(move |filter| handle.reload(filter)))
        }
    })
}

/// Starts to collect metrics.
pub fn init_metrics() -> anyhow::Result<PrometheusHandle> {
    let builder = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Full("purser_stage_seconds".to_owned()), &STAGE_BUCKETS)?
        .set_buckets_for_metric(Matcher::Full("purser_commit_records".to_owned()), &RECORD_BUCKETS)?
        .set_buckets_for_metric(
            Matcher::Prefix("purser_checkpoint".to_owned()),
            &CHECKPOINT_BUCKETS,
        )?;
    let handle = builder.install_recorder()?;
    describe();
    metrics::gauge!("purser_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1.0);
    Ok(handle)
}

/// Folds samples into histograms for as long as the server runs.
pub async fn keep_up(handle: PrometheusHandle) {
    loop {
        tokio::time::sleep(UPKEEP_EVERY).await;
        handle.run_upkeep();
    }
}

/// Says what every metric is.
fn describe() {
    use metrics::{describe_counter, describe_gauge, describe_histogram};
    describe_counter!("purser_commands_total", "Commands to wallets, by command and outcome");
    describe_counter!("purser_requests_total", "Requests parsed, those of the session included");
    describe_counter!("purser_connections_total", "Connections accepted");
    describe_counter!("purser_auth_failures_total", "Attempts to authenticate that failed");
    describe_counter!("purser_tls_handshakes_failed_total", "TLS handshakes of RESP that failed");
    describe_counter!("purser_connections_rejected_total", "Connections beyond connections_max");
    describe_counter!("purser_journal_records_total", "Records made durable since the start");
    describe_counter!("purser_journal_values_total", "Journal values written since the start");
    describe_counter!("purser_journal_bytes_total", "Bytes of journal values written");
    describe_histogram!(
        "purser_stage_seconds",
        "Latency of a batch by stage: decide (first record to sealed), queue (sealed to taken by \
         the committer), commit (taken to durable), sync (the part of commit that flushes)"
    );
    describe_histogram!("purser_commit_records", "Records made durable by one commit");
    describe_counter!("purser_checkpoints_total", "Checkpoints completed");
    describe_histogram!("purser_checkpoint_seconds", "How long a checkpoint took");
    describe_histogram!(
        "purser_checkpoint_stage_seconds",
        "How long a checkpoint's stages took: gather (snapshots, with archive in it), archive \
         (journal values into a segment), commit (the redo file), apply (rows into the state), trim \
         (values out of the journal)"
    );
    describe_gauge!("purser_checkpoint_running", "1 while a checkpoint goes on");
    describe_counter!("purser_passivations_total", "Wallets that have left memory");
    describe_gauge!("purser_wallets_active", "Wallets in memory");
    describe_gauge!("purser_archive_bytes", "Size of the archive's files");
    describe_gauge!("purser_archive_segments", "Segments of the archive");
    describe_gauge!("purser_archive_filter_bytes", "Memory of the filters over archived ops");
    describe_gauge!(
        "purser_dedup_window_seconds",
        "How far back op ids are remembered: the age of the archive's oldest event"
    );
    describe_gauge!("purser_journal_position", "Last number of a log of the journal");
    describe_gauge!("purser_connections", "Connections now");
    describe_gauge!("purser_wallets", "Wallets that exist");
    describe_gauge!("purser_resident_memory_bytes", "Memory that the process has");
    describe_gauge!("purser_uptime_seconds", "Time since the start");
    describe_gauge!("purser_build_info", "The version that runs");
}

/// Tells systemd, if it waits to hear (`Type=notify`), where the server is in its life.
pub(crate) fn tell_systemd(state: NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::warn!(%error, "systemd cannot be told");
    }
}
