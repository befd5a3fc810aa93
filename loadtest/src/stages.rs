//! The server's own stages: the Prometheus histograms of `/metrics`, read before and after, and the
//! quantiles of what came in between.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde::Serialize;

use crate::checkpoints::Counted;
use crate::rounding::{ratio, whole};

/// How long to wait for the server's metrics.
const PATIENCE: Duration = Duration::from_secs(2);
/// The histogram of the stages.
const STAGE_SECONDS: &str = "purser_stage_seconds";
/// The same of a checkpoint.
const CHECKPOINT_STAGE_SECONDS: &str = "purser_checkpoint_stage_seconds";
/// In the order in which a request goes through them.
const ORDER: [&str; 4] = ["decide", "queue", "commit", "sync"];
const CHECKPOINT_ORDER: [&str; 5] = ["gather", "archive", "commit", "apply", "trim"];

/// What the server's metrics say at one time.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Metrics {
    stages: Histograms,
    checkpoint_stages: Histograms,
    pub(crate) journal_bytes: f64,
    /// What is not set yet, is 0.
    pub(crate) is_checkpoint_running: bool,
    pub(crate) checkpoints: f64,
    checkpoint_seconds: f64,
    /// None where the server does not say.
    pub(crate) resident: Option<u64>,
    pub(crate) archive: Option<u64>,
    pub(crate) wallets_active: Option<u64>,
}

/// By stage.
type Histograms = BTreeMap<String, Histogram>;

/// A histogram: how many were not above each bound, in the order of the bounds.
#[derive(Debug, Clone, Default, PartialEq)]
struct Histogram {
    buckets: Vec<(f64, f64)>,
    sum: f64,
    count: f64,
}

/// How long a stage took; percentiles are estimated within the buckets.
#[derive(Debug, Clone, Serialize, PartialEq)]
pub(crate) struct Stage {
    pub(crate) name: String,
    pub(crate) count: u64,
    pub(crate) mean_us: f64,
    pub(crate) p50_us: f64,
    pub(crate) p90_us: f64,
    pub(crate) p99_us: f64,
    pub(crate) p999_us: f64,
}

/// Asks the server at this HTTP address.
pub(crate) fn fetch(address: &str) -> Option<Metrics> {
    let address: SocketAddr = address.parse().ok()?;
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    let request = format!("GET /metrics HTTP/1.0\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).ok()?;
    let mut response = String::new();
    stream.read_to_string(&mut response).ok()?;
    let (head, body) = response.split_once("\r\n\r\n")?;
    head.split_whitespace().nth(1).filter(|status| *status == "200")?;
    Some(parse(body))
}

/// Reads the text of Prometheus; what is not needed is passed over.
fn parse(text: &str) -> Metrics {
    let mut metrics = Metrics::default();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let Some((name, value)) = line.rsplit_once(' ') else { continue };
        let Ok(value) = value.parse::<f64>() else { continue };
        match name {
            "purser_journal_bytes_total" => metrics.journal_bytes = value,
            "purser_checkpoint_running" => metrics.is_checkpoint_running = value > 0.0,
            "purser_checkpoints_total" => metrics.checkpoints = value,
            "purser_checkpoint_seconds_sum" => metrics.checkpoint_seconds = value,
            "purser_resident_memory_bytes" => metrics.resident = Some(whole(value)),
            "purser_archive_bytes" => metrics.archive = Some(whole(value)),
            "purser_wallets_active" => metrics.wallets_active = Some(whole(value)),
            _ => {}
        }
        let (rest, stages) = if let Some(rest) = name.strip_prefix(STAGE_SECONDS) {
            (rest, &mut metrics.stages)
        } else if let Some(rest) = name.strip_prefix(CHECKPOINT_STAGE_SECONDS) {
            (rest, &mut metrics.checkpoint_stages)
        } else {
            continue;
        };
        let Some(stage) = label(rest, "stage") else { continue };
        let histogram = stages.entry(stage.to_owned()).or_default();
        if rest.starts_with("_bucket") {
            let bound = label(rest, "le").and_then(|bound| match bound {
                "+Inf" => Some(f64::INFINITY),
                bound => bound.parse().ok(),
            });
            histogram.buckets.extend(bound.map(|bound| (bound, value)));
        } else if rest.starts_with("_sum") {
            histogram.sum = value;
        } else if rest.starts_with("_count") {
            histogram.count = value;
        }
    }
    for histogram in metrics.stages.values_mut().chain(metrics.checkpoint_stages.values_mut()) {
        histogram.buckets.sort_by(|(a, _), (b, _)| a.total_cmp(b));
    }
    metrics
}

/// The value of a label in `{a="x",b="y"}`.
fn label<'a>(labels: &'a str, name: &str) -> Option<&'a str> {
    let start = format!("{name}=\"");
    let (_, rest) = labels.split_once(start.as_str())?;
    rest.split_once('"').map(|(value, _)| value)
}

/// What the stages took between two looks; empty if the server does not say.
pub(crate) fn between(before: &Metrics, after: &Metrics) -> Vec<Stage> {
    added(&before.stages, &after.stages, &ORDER)
}

/// The checkpoints that were completed between two looks.
pub(crate) fn checkpoints(before: &Metrics, after: &Metrics) -> Counted {
    let seconds = (after.checkpoint_seconds - before.checkpoint_seconds).max(0.0);
    Counted {
        completed: whole(after.checkpoints - before.checkpoints),
        seconds: (seconds * 1e6).round() / 1e6,
        stages: added(&before.checkpoint_stages, &after.checkpoint_stages, &CHECKPOINT_ORDER),
    }
}

/// What came to histograms between two looks, in a known order.
fn added(before: &Histograms, after: &Histograms, order: &[&str]) -> Vec<Stage> {
    let none = Histogram::default();
    let rank = |stage: &str| order.iter().position(|known| *known == stage).unwrap_or(order.len());
    let mut stages: Vec<Stage> = after
        .iter()
        .filter_map(|(stage, now)| {
            let added = now.less(before.get(stage).unwrap_or(&none));
            let mean = ratio(added.sum, added.count)?;
            let us = |quantile| (added.quantile(quantile) * 1e7).round() / 10.0;
            Some(Stage {
                name: stage.clone(),
                count: whole(added.count),
                mean_us: (mean * 1e7).round() / 10.0,
                p50_us: us(0.5),
                p90_us: us(0.9),
                p99_us: us(0.99),
                p999_us: us(0.999),
            })
        })
        .collect();
    stages.sort_by_key(|stage| rank(&stage.name));
    stages
}

/// The bytes of the journal that one commit wrote on average, and how many a second.
pub(crate) fn journal(before: &Metrics, after: &Metrics, seconds: f64) -> Option<(u64, u64)> {
    let bytes = after.journal_bytes - before.journal_bytes;
    let commits = |metrics: &Metrics| metrics.stages.get("sync").map_or(0.0, |sync| sync.count);
    let each = ratio(bytes, commits(after) - commits(before))?;
    let rate = ratio(bytes, seconds)?;
    (bytes > 0.0).then(|| (whole(each.ceil()), whole(rate)))
}

impl Histogram {
    fn less(&self, before: &Self) -> Self {
        let earlier = |bound: f64| {
            let found = before.buckets.iter().find(|(other, _)| other.total_cmp(&bound).is_eq());
            found.map_or(0.0, |&(_, count)| count)
        };
        let bucket = |&(bound, count): &(f64, f64)| (bound, (count - earlier(bound)).max(0.0));
        Self {
            buckets: self.buckets.iter().map(bucket).collect(),
            sum: (self.sum - before.sum).max(0.0),
            count: (self.count - before.count).max(0.0),
        }
    }

    /// An estimate: linear within the bucket, as Prometheus does it. Beyond the last bound, that.
    fn quantile(&self, quantile: f64) -> f64 {
        let rank = quantile * self.count;
        let (mut low, mut below) = (0.0, 0.0);
        for &(bound, count) in &self.buckets {
            if count >= rank && count > below {
                if bound.is_infinite() {
                    return low;
                }
                return low + (bound - low) * (rank - below) / (count - below);
            }
            (low, below) = (bound, count);
        }
        low
    }
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "what is compared is exact")]
mod tests {
    use super::*;

    const BEFORE: &str = "# TYPE purser_stage_seconds histogram\n\
        purser_stage_seconds_bucket{stage=\"sync\",le=\"0.001\"} 10\n\
        purser_stage_seconds_bucket{stage=\"sync\",le=\"0.002\"} 10\n\
        purser_stage_seconds_bucket{stage=\"sync\",le=\"+Inf\"} 10\n\
        purser_stage_seconds_sum{stage=\"sync\"} 0.005\n\
        purser_stage_seconds_count{stage=\"sync\"} 10\n\
        purser_journal_bytes_total 1000\n";
    const AFTER: &str = "purser_stage_seconds_bucket{le=\"0.001\",stage=\"sync\"} 10\n\
        purser_stage_seconds_bucket{le=\"0.002\",stage=\"sync\"} 110\n\
        purser_stage_seconds_bucket{le=\"+Inf\",stage=\"sync\"} 110\n\
        purser_stage_seconds_sum{stage=\"sync\"} 0.155\n\
        purser_stage_seconds_count{stage=\"sync\"} 110\n\
        purser_stage_seconds_bucket{stage=\"decide\",le=\"+Inf\"} 1\n\
        purser_stage_seconds_sum{stage=\"decide\"} 0.1\n\
        purser_stage_seconds_count{stage=\"decide\"} 1\n\
        purser_journal_bytes_total 61000\n";

    #[test]
    fn only_what_came_in_between_counts() {
        let stages = between(&parse(BEFORE), &parse(AFTER));
        let names: Vec<&str> = stages.iter().map(|stage| stage.name.as_str()).collect();
        assert_eq!(names, ["decide", "sync"], "in the order of the path");
        let sync = &stages[1];
        assert_eq!(sync.count, 100);
        assert_eq!(sync.mean_us, 1_500.0);
        // All hundred lie between 1 and 2 ms.
        assert_eq!((sync.p50_us, sync.p99_us), (1_500.0, 1_990.0));
    }

    #[test]
    fn the_journal_has_a_size_a_commit_and_a_rate() {
        assert_eq!(journal(&parse(BEFORE), &parse(AFTER), 10.0), Some((600, 6_000)));
        assert_eq!(journal(&parse(BEFORE), &parse(BEFORE), 10.0), None);
    }

    #[test]
    fn checkpoints_are_told_apart_from_batches() {
        let before = parse(BEFORE);
        assert!(!before.is_checkpoint_running);
        let after = parse(
            "purser_checkpoint_running 1\n\
             purser_checkpoints_total 3\n\
             purser_checkpoint_seconds_sum 0.75\n\
             purser_checkpoint_stage_seconds_bucket{stage=\"trim\",le=\"+Inf\"} 3\n\
             purser_checkpoint_stage_seconds_sum{stage=\"trim\"} 0.3\n\
             purser_checkpoint_stage_seconds_count{stage=\"trim\"} 3\n\
             purser_checkpoint_stage_seconds_bucket{stage=\"gather\",le=\"+Inf\"} 3\n\
             purser_checkpoint_stage_seconds_sum{stage=\"gather\"} 0.45\n\
             purser_checkpoint_stage_seconds_count{stage=\"gather\"} 3\n\
             purser_resident_memory_bytes 1000000\n",
        );
        assert!(after.is_checkpoint_running);
        assert_eq!((after.resident, after.archive), (Some(1_000_000), None));
        let counted = checkpoints(&before, &after);
        assert_eq!((counted.completed, counted.seconds), (3, 0.75));
        let stages: Vec<_> =
            counted.stages.iter().map(|stage| (stage.name.as_str(), stage.mean_us)).collect();
        assert_eq!(stages, [("gather", 150_000.0), ("trim", 100_000.0)]);
        assert!(between(&before, &after).is_empty());
    }

    #[test]
    fn a_server_that_says_nothing_of_stages_has_none() {
        assert!(between(&parse(""), &parse("purser_wallets 3\nnonsense\n")).is_empty());
    }
}
