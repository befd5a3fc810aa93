//! The list of metrics against the code, the documentation, the dashboard and the alerts.

use super::*;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// The names of metrics in a text.
fn named(text: &str) -> BTreeSet<&str> {
    let is_part = |c: char| !(c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    text.split(is_part).filter(|word| word.starts_with("purser_")).collect()
}

/// The metric of a series: a histogram has several.
fn metric_of(series: &str) -> Option<&'static Metric> {
    METRICS.iter().find(|metric| {
        let rest = series.strip_prefix(metric.name);
        match metric.kind {
            Kind::Histogram => matches!(rest, Some("" | "_bucket" | "_sum" | "_count")),
            Kind::Counter | Kind::Gauge => rest == Some(""),
        }
    })
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let paths = std::fs::read_dir(folder).unwrap().flatten().map(|entry| entry.path());
    paths.flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] }).collect()
}

#[test]
fn every_metric_of_the_code_is_in_the_list_and_the_other_way_round() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut used = BTreeSet::new();
    for path in sources(&root.join("src")) {
        let is_code = path.extension().is_some_and(|extension| extension == "rs");
        if !is_code || path.ends_with("telemetry/names.rs") {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        for literal in text.split('"').filter(|literal| literal.starts_with("purser_")) {
            if named(literal).contains(literal) {
                used.insert(literal.to_owned());
            }
        }
    }
    // What secrets begin with, what several metrics begin with, and a field of `INFO`.
    let others = ["purser_", "purser_checkpoint", "purser_version"];
    used.retain(|name| !others.contains(&name.as_str()));
    let listed: BTreeSet<_> = METRICS.iter().map(|metric| metric.name.to_owned()).collect();
    assert_eq!(used, listed);
    assert_eq!(listed.len(), METRICS.len());
}

#[test]
fn names_say_what_they_count_in() {
    for Metric { name, kind, about, .. } in METRICS {
        assert_eq!(name.ends_with("_total"), *kind == Kind::Counter, "{name}");
        assert!(!about.is_empty() && !name.contains("_ms"), "{name}");
    }
}

#[test]
fn the_documented_metrics_are_those_of_the_code() {
    let mut table = String::from("| metric | kind | labels | what it tells |\n|---|---|---|---|\n");
    for Metric { name, kind, labels, about } in METRICS {
        let kind = format!("{kind:?}").to_lowercase();
        writeln!(table, "| `{name}` | {kind} | {labels} | {about} |").unwrap();
    }
    let documented = include_str!("../../../docs/operations.md");
    assert!(documented.contains(&table), "docs/operations.md needs this table:\n{table}");
}

#[test]
fn dashboard_and_alerts_name_only_what_there_is() {
    let dashboard = include_str!("../../../config/grafana/purser.json");
    let alerts = include_str!("../../../config/prometheus/alerts.yml");
    for (what, text) in [("dashboard", dashboard), ("alerts", alerts)] {
        let names = named(text);
        assert!(names.len() > 10, "{what}: {names:?}");
        for name in names {
            assert!(metric_of(name).is_some(), "{what}: {name}");
        }
    }
}

#[test]
fn the_dashboard_is_sound() {
    let text = include_str!("../../../config/grafana/purser.json");
    let dashboard: serde_json::Value = serde_json::from_str(text).unwrap();
    let variables = dashboard["templating"]["list"].as_array().unwrap();
    assert!(variables.iter().any(|variable| variable["type"] == "datasource"));
    let panels = dashboard["panels"].as_array().unwrap();
    let mut ids = BTreeSet::new();
    for panel in panels {
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{panel}");
        assert!(panel["gridPos"]["w"].as_u64().unwrap() <= 24, "{panel}");
        if panel["type"] == "row" {
            continue;
        }
        assert_eq!(panel["datasource"]["uid"], "${datasource}", "{panel}");
        for target in panel["targets"].as_array().unwrap() {
            let names = named(target["expr"].as_str().unwrap());
            assert!(!names.is_empty() || target["expr"].as_str().unwrap().starts_with("up"));
        }
    }
    assert!(ids.len() > 15);
}

/// Each alert has a place in the runbook.
#[test]
fn every_alert_is_in_the_runbook() {
    let alerts = include_str!("../../../config/prometheus/alerts.yml");
    let documented = include_str!("../../../docs/operations.md");
    let names = alerts.lines().filter_map(|line| line.trim().strip_prefix("- alert: "));
    let names: Vec<_> = names.collect();
    assert!(names.len() >= 10, "{names:?}");
    for name in names {
        assert!(documented.contains(&format!("| `{name}` |")), "{name}");
    }
}
