//! The report as one page that needs nothing else: its style and its drawings are in it.

use std::fmt::Write as _;

use comfy_table::Table;
use indicatif::{HumanBytes, HumanCount};

use super::chart::{Axis, Chart, LOW, Line, Shade, TALL, escape};
use super::tables;
use crate::findings::{Ending, Findings};
use crate::footprint::Sample;
use crate::latencies::{Percentiles, ms};
use crate::rounding::fraction;
use crate::series::Point;

const STYLE: &str = include_str!("page.css");

/// The page.
pub(crate) fn html(findings: &Findings) -> String {
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>purser load test: {profile}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n",
        profile = findings.profile
    );
    page.push_str(&head(findings));
    page.push_str(&cards(findings));
    if let Some(ramp) = &findings.ramp {
        page.push_str(&section("Steps", &tables::steps(ramp), ""));
    }
    page.push_str(&by_percentile(findings).figure());
    page.push_str(&latency_over_time(findings).figure());
    page.push_str(&rate_over_time(findings).figure());
    page.push_str(&footprint(findings));
    if let Some(phases) = &findings.phases {
        let note = format!(
            "A drain lasts until half of the commands of a 20 ms slice, and of all slices after \
             it, took less than {}: twice the 99th percentile before the first burst.",
            ms(phases.drained_below_us)
        );
        page.push_str(&section("Calm, burst, drain", &tables::phase_table(phases), &note));
        page.push_str(&section("Each burst", &tables::burst_table(phases), ""));
    }
    page.push_str(&section("Latency", &tables::latencies(findings), latency_note(findings)));
    page.push_str(&checkpoints(findings));
    page.push_str(&stages(findings));
    page.push_str(&disk(findings));
    page.push_str("<div class=\"two\">\n");
    page.push_str(&section("Counts", &tables::counts(findings), ""));
    page.push_str(&cost(findings));
    page.push_str("</div>\n");
    page.push_str(&section("Machine", &machine(findings), ""));
    page.push_str(&section("Settings", &settings(findings), ""));
    page.push_str("</body>\n</html>\n");
    page
}

fn head(findings: &Findings) -> String {
    let (class, word) = match findings.ending() {
        Ending::Good => ("good", ""),
        Ending::Wrong => ("wrong", " — wrong"),
        Ending::Invalid => ("invalid", " — invalid"),
    };
    let version = findings.purser.version.as_deref().unwrap_or("of unknown version");
    let commit = findings.purser.commit.as_deref();
    let commit = commit.map_or(String::new(), |commit| format!(", commit {commit}"));
    format!(
        "<header>\n<p>purser {}{} · load test · {}</p>\n<h1>{}{word}</h1>\n\
         <div class=\"verdict {class}\">{}</div>\n</header>\n",
        escape(version),
        escape(&commit),
        escape(&findings.made_at),
        findings.profile,
        escape(&tables::verdict(findings))
    )
}

/// The figures that one looks for first.
fn cards(findings: &Findings) -> String {
    let none = Percentiles::default();
    let all = findings.latency.get("all").unwrap_or(&none);
    let offered = findings.rates.offered_per_s.map_or("closed loop".to_owned(), |offered| {
        format!("a second, of {} offered", tables::per_second(offered))
    });
    let mut cards = vec![
        (tables::per_second(findings.rates.accepted_per_s), offered),
        (brief(all.p50_us), "latency p50".to_owned()),
        (brief(all.p99_us), "latency p99".to_owned()),
        (brief(all.p999_us), "latency p99.9".to_owned()),
    ];
    if let Some(cost) = &findings.cost {
        cards.push((format!("{:.1} µs", cost.us_per_op()), "server CPU an operation".to_owned()));
    }
    if let Some(disk) = &findings.disk {
        let latency = &disk.journal.latency;
        let p99 = format!("journal's sync p50; p99 {}", brief(latency.p99_us));
        cards.push((brief(latency.p50_us), p99));
    }
    if let Some(verified) = &findings.verified {
        let equal = verified.wallets.saturating_sub(verified.different);
        let of = format!("of {} wallets exact", HumanCount(verified.wallets));
        cards.push((HumanCount(equal).to_string(), of));
    }
    let mut html = "<div class=\"cards\">\n".to_owned();
    for (value, what) in cards {
        let _ = writeln!(
            html,
            "<div class=\"card\"><b>{}</b><span>{}</span></div>",
            escape(&value),
            escape(&what)
        );
    }
    html.push_str("</div>\n");
    html
}

/// Microseconds as milliseconds, in three digits.
fn brief(us: u64) -> String {
    let ms = fraction(us) / 1_000.0;
    let decimals = if us < 10_000 { 2 } else { usize::from(us < 100_000) };
    format!("{ms:.decimals$} ms")
}

fn by_percentile(findings: &Findings) -> Chart {
    let points: Vec<(f64, f64)> =
        findings.curve.iter().map(|&(nines, us)| (nines, fraction(us))).collect();
    let most = points.last().map_or(2.0, |&(nines, _)| nines);
    let mut lines = vec![Line { name: "commands".to_owned(), class: "a", points }];
    if let Some(disk) = &findings.disk {
        let of = &disk.journal.latency;
        let known = [
            (0.301, of.p50_us),
            (0.602, of.p75_us),
            (1.0, of.p90_us),
            (1.301, of.p95_us),
            (2.0, of.p99_us),
            (3.0, of.p999_us),
        ];
        let points = known.map(|(nines, us)| (nines, fraction(us))).to_vec();
        let name = "the journal's append + fdatasync alone".to_owned();
        lines.push(Line { name, class: "d", points });
    }
    Chart {
        title: "Latency by percentile",
        height: TALL,
        x: Axis::percentiles(most),
        y: latency_axis(&lines),
        shades: Vec::new(),
        lines,
    }
}

/// An axis for all points of the lines.
fn latency_axis(lines: &[Line]) -> Axis {
    let values = || lines.iter().flat_map(|line| &line.points).map(|&(_, us)| us);
    let real = || values().filter(|us| us.is_finite() && *us > 0.0);
    Axis::latency(real().fold(1e9, f64::min), real().fold(10.0, f64::max))
}

fn latency_over_time(findings: &Findings) -> Chart {
    let line = |name: &str, class, of: fn(&Point) -> u64| {
        let point = |point: &Point| {
            let us = if point.count == 0 { f64::NAN } else { fraction(of(point)) };
            (point.second, us)
        };
        Line {
            name: name.to_owned(),
            class,
            points: findings.series.points.iter().map(point).collect(),
        }
    };
    let lines = vec![
        line("max", "c", |point| point.max_us),
        line("p99", "b", |point| point.p99_us),
        line("p50", "a", |point| point.p50_us),
    ];
    Chart {
        title: "Latency over time",
        height: TALL,
        x: time_axis(findings),
        y: latency_axis(&lines),
        shades: shades(findings),
        lines,
    }
}

fn rate_over_time(findings: &Findings) -> Chart {
    let line = |name: &str, class, of: fn(&Point) -> f64| {
        let points = findings.series.points.iter().map(|point| (point.second, of(point)));
        Line { name: name.to_owned(), class, points: points.collect() }
    };
    let mut lines = vec![
        line("offered", "e", |point| point.offered_per_s),
        line("accepted", "a", |point| point.accepted_per_s),
    ];
    if findings.series.points.iter().any(|point| point.refused_per_s > 0.0) {
        lines.push(line("refused", "b", |point| point.refused_per_s));
    }
    let most =
        lines.iter().flat_map(|line| &line.points).map(|&(_, rate)| rate).fold(1.0, f64::max);
    Chart {
        title: "Commands a second over time",
        height: TALL,
        x: time_axis(findings),
        y: Axis::linear("commands a second", most),
        shades: shades(findings),
        lines,
    }
}

fn time_axis(findings: &Findings) -> Axis {
    Axis::seconds(0.0, (findings.warmup_s + findings.measured_s).max(0.1))
}

/// Bursts and checkpoints.
fn shades(findings: &Findings) -> Vec<Shade> {
    let bursts = findings.phases.iter().flat_map(|phases| &phases.bursts);
    let checkpoints = findings.checkpoints.iter().flat_map(|checkpoints| &checkpoints.windows_s);
    vec![
        Shade { name: "checkpoint", class: "keep", spans: checkpoints.copied().collect() },
        Shade {
            name: "burst",
            class: "shade",
            spans: bursts.map(|burst| (burst.begin_s, burst.end_s)).collect(),
        },
    ]
}

/// Memory and disk over time, each where it is known.
fn footprint(findings: &Findings) -> String {
    let line = |name: &str, class, of: fn(&Sample) -> Option<u64>| {
        let samples = findings.footprint.samples.iter();
        let mib = |bytes: u64| fraction(bytes) / f64::from(1_u32 << 20);
        let points = samples.map(|sample| (sample.second, of(sample).map_or(f64::NAN, mib)));
        Line { name: name.to_owned(), class, points: points.collect() }
    };
    let chart = |title, mut lines: Vec<Line>| {
        lines.retain(|line| line.points.iter().any(|&(_, mib)| mib.is_finite()));
        let values = lines.iter().flat_map(|line| &line.points).map(|&(_, mib)| mib);
        let most = values.filter(|mib| mib.is_finite()).reduce(f64::max)?;
        let y = Axis::linear("MiB", most);
        let shades = shades(findings);
        Some(Chart { title, height: LOW, x: time_axis(findings), y, shades, lines })
    };
    let memory = vec![line("resident", "a", |sample| sample.memory)];
    let disk = vec![
        line("data directory", "b", |sample| sample.data),
        line("archive", "d", |sample| sample.archive),
    ];
    let charts = [chart("Server's memory over time", memory), chart("Disk over time", disk)];
    let mut html: String = charts.iter().flatten().map(Chart::figure).collect();
    if let Some(table) = tables::footprint(&findings.footprint) {
        let note = "Drift: the rise, over the last half of the run, of the straight line that fits \
                    that half best. The data directory counts as its blocks on the disk.";
        html.push_str(&section("Memory and disk", &table, note));
    }
    html
}

fn checkpoints(findings: &Findings) -> String {
    let Some(checkpoints) = &findings.checkpoints else {
        let text = "Unknown: the server's metrics could not be read.";
        return format!("<section><h2>Checkpoints</h2><p class=\"note\">{text}</p></section>\n");
    };
    let note = "A command belongs to the time at which it was due. A checkpoint counts as going on \
                from the last look that did not see it to the first that did not any more, 50 ms \
                from look to look, so that its edges are in it and a little of the calm around.";
    let mut html = section("Checkpoints", &tables::checkpoint_latencies(checkpoints), note);
    if !checkpoints.stages.is_empty() {
        let note = "Of those that were completed in the measured time; archive is within gather.";
        let table = tables::checkpoint_stages(checkpoints);
        html.push_str(&section("Stages of checkpoints", &table, note));
    }
    html
}

fn latency_note(findings: &Findings) -> &'static str {
    if findings.rates.offered_per_s.is_some() {
        "Counted from the time at which a command was due, warm-up excluded. The generator's own \
         lag is how late a command was handed over that could have been earlier."
    } else {
        "A closed loop: counted from the sending. A server that stalls is sent nothing meanwhile, \
         so these latencies are not what customers would see."
    }
}

fn stages(findings: &Findings) -> String {
    if findings.stages.is_empty() {
        let text = "The server exports no histogram of its stages (purser_stage_seconds).";
        return format!("<section><h2>Stages</h2><p class=\"note\">{text}</p></section>\n");
    }
    let note = "Of a batch of records, estimated from the server's histograms: from its first \
                record to its seal, from there to the committer, the commit, and the sync in it.";
    section("Stages in the server", &tables::stages(&findings.stages), note)
}

fn disk(findings: &Findings) -> String {
    let Some(disk) = &findings.disk else {
        let text = "Not probed: the server's data directory is not on this machine.";
        return format!("<section><h2>Disk</h2><p class=\"note\">{text}</p></section>\n");
    };
    let paced = disk
        .journal
        .paced_bytes_per_s
        .map_or(String::new(), |rate| format!(", held to the run's {} a second", HumanBytes(rate)));
    let note = format!(
        "Append and fdatasync on the data directory's file system, right after the run: on a plain \
         file, and in the journal's own store{paced}."
    );
    section("Disk", &tables::disk_table(disk), &note)
}

fn cost(findings: &Findings) -> String {
    let Some(cost) = &findings.cost else {
        let text = "Unknown: the server's process is not on this machine.";
        return format!("<section><h2>Cost</h2><p class=\"note\">{text}</p></section>\n");
    };
    section(
        "Cost",
        &tables::cost_table(cost, findings.generator_cost.as_ref(), findings.memory.as_ref()),
        "",
    )
}

fn machine(findings: &Findings) -> Table {
    let machine = &findings.machine;
    let mut table = tables::table(&["", ""]);
    table.add_row(["processor", machine.cpu.as_str()]);
    table.add_row(["cores".to_owned(), machine.cores.to_string()]);
    table.add_row(["memory".to_owned(), HumanBytes(machine.memory_bytes).to_string()]);
    table.add_row(["kernel", machine.kernel.as_str()]);
    if let Some(disk) = &findings.disk {
        table.add_row(["data directory", disk.folder.as_str()]);
    }
    table
}

fn settings(findings: &Findings) -> Table {
    let mut table = tables::table(&["", ""]);
    for (flag, value) in &findings.settings {
        table.add_row([format!("--{flag}"), value.clone()]);
    }
    table
}

/// A table with a title, and a note below it.
fn section(title: &str, table: &Table, note: &str) -> String {
    let mut html = format!("<section><h2>{}</h2>\n<table>\n", escape(title));
    let header = table.header().map(|row| row.cell_iter().collect::<Vec<_>>()).unwrap_or_default();
    if header.iter().any(|cell| !cell.content().is_empty()) {
        html.push_str("<thead><tr>");
        for cell in header {
            let _ = write!(html, "<th>{}</th>", escape(&cell.content()));
        }
        html.push_str("</tr></thead>\n");
    }
    html.push_str("<tbody>\n");
    for row in table.row_iter() {
        html.push_str("<tr>");
        for cell in row.cell_iter() {
            let _ = write!(html, "<td>{}</td>", escape(&cell.content()));
        }
        html.push_str("</tr>\n");
    }
    html.push_str("</tbody></table>\n");
    if !note.is_empty() {
        let _ = writeln!(html, "<p class=\"note\">{}</p>", escape(note));
    }
    html.push_str("</section>\n");
    html
}
