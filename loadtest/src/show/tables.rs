//! The report as text: tables and a verdict.

use std::fmt::Write as _;

use comfy_table::presets::UTF8_HORIZONTAL_ONLY;
use comfy_table::{CellAlignment, LineStyle, Table};
use indicatif::{HumanBytes, HumanCount};

use crate::bursts::Phases;
use crate::checkpoints::Checkpoints;
use crate::cost::Cost;
use crate::disk::Disk;
use crate::findings::{Ending, Findings, Ramped};
use crate::footprint::{Course, Footprint};
use crate::latencies::{Percentiles, ms};
use crate::observer::Memory;
use crate::rounding::{fraction, ratio, whole};
use crate::stages::Stage;

/// All tables, and the verdict below them.
pub(crate) fn text(findings: &Findings) -> String {
    let mut parts = vec![counts(findings).to_string()];
    if let Some(ramp) = &findings.ramp {
        parts.push(steps(ramp).to_string());
    }
    if let Some(phases) = &findings.phases {
        parts.extend([phase_table(phases).to_string(), burst_table(phases).to_string()]);
    }
    parts.push(latencies(findings).to_string());
    parts.push(outside(findings));
    parts.push(verdict(findings));
    parts.join("\n\n") + "\n"
}

/// What was seen from outside: the server's stages and checkpoints, the disk, the cost.
pub(crate) fn outside(findings: &Findings) -> String {
    let stages = if findings.stages.is_empty() {
        "stages: the server exports none (purser_stage_seconds)".to_owned()
    } else {
        stages(&findings.stages).to_string()
    };
    let checkpoints = match &findings.checkpoints {
        Some(checkpoints) => {
            let mut text = checkpoint_latencies(checkpoints).to_string();
            if !checkpoints.stages.is_empty() {
                let _ = write!(text, "\n\n{}", checkpoint_stages(checkpoints));
            }
            text
        }
        None => "checkpoints: unknown, the server's metrics could not be read".to_owned(),
    };
    let disk = match &findings.disk {
        Some(disk) => disk_table(disk).to_string(),
        None => "disk: not probed, the server's data directory is not on this machine".to_owned(),
    };
    let cost = match &findings.cost {
        Some(cost) => {
            let (generator, memory) = (findings.generator_cost.as_ref(), findings.memory.as_ref());
            cost_table(cost, generator, memory).to_string()
        }
        None => "cost: unknown, the server's process is not on this machine".to_owned(),
    };
    let footprint = footprint(&findings.footprint)
        .map_or("memory and disk over time: unknown".to_owned(), |table| table.to_string());
    [stages, checkpoints, disk, cost, footprint].join("\n\n")
}

/// What is wrong, if anything, and how it ended.
pub(crate) fn verdict(findings: &Findings) -> String {
    let mut text = String::new();
    let mut line = |words: String| {
        // Writing to a string does not fail.
        let _ = writeln!(text, "{words}");
    };
    if findings.stopped_early {
        line("STOPPED EARLY: what stands here is about what was sent until then.".to_owned());
    }
    for failure in &findings.answers.failures {
        line(format!("FAILED: {failure}"));
    }
    for reason in &findings.validity.reasons {
        line(format!("INVALID: {reason}"));
    }
    if !findings.validity.valid {
        line(
            "INVALID: these figures are the generator's and not the server's; lower --rate, or \
              run it on a machine of its own."
                .to_owned(),
        );
    }
    if let Some(verified) = &findings.verified {
        for differing in &verified.differences {
            line(format!("DIFFERENT: {}", differing.wallet));
            line(format!("  computed: {}", differing.computed));
            line(format!("  engine:   {}", differing.engine));
        }
        line(if verified.different == 0 {
            let wallets = HumanCount(verified.wallets);
            format!(
                "EXACT: all {wallets} wallets are equal to the last digit (prefix {}).",
                findings.prefix
            )
        } else {
            format!(
                "DIFFERENT: {} of {} wallets, the first are above (prefix {}).",
                verified.different, verified.wallets, findings.prefix
            )
        });
    }
    match findings.ending() {
        Ending::Wrong if findings.answers.failed > 0 => {
            line(format!("FAILED: {} answers were wrong.", findings.answers.failed));
        }
        Ending::Good if findings.verified.is_none() => {
            line("No balance was compared; --verify does.".to_owned());
        }
        Ending::Good | Ending::Wrong | Ending::Invalid => {}
    }
    text.trim_end().to_owned()
}

/// What was offered, and what became of it.
pub(crate) fn counts(findings: &Findings) -> Table {
    let answers = &findings.answers;
    let mut table = table(&[findings.profile, ""]);
    let mut row = |what: &str, value: String| {
        table.add_row([what.to_owned(), value]);
    };
    let count = |count: u64| HumanCount(count).to_string();
    row("measured", format!("{:.1} s after {:.1} s", findings.measured_s, findings.warmup_s));
    if let Some(offered) = findings.rates.offered_per_s {
        row("offered a second", per_second(offered));
    }
    row("accepted a second", per_second(findings.rates.accepted_per_s));
    row("offered", count(answers.offered));
    row("accepted", count(answers.accepted));
    for (reason, &of) in &answers.declined {
        row(&format!("  declined {reason}"), count(of));
    }
    for (code, &of) in &answers.refused {
        row(&format!("refused with {code}"), count(of));
    }
    row("replays, answered as at first", count(answers.replays));
    if answers.connections_lost_under > 0 {
        row("commands whose connection was lost", count(answers.connections_lost_under));
    }
    if answers.settled_at_the_end > 0 {
        row("outcomes found out at the end", count(answers.settled_at_the_end));
    }
    row("wrong answers", count(answers.failed));
    table
}

pub(crate) fn latencies(findings: &Findings) -> Table {
    let header = ["latency", "p50", "p90", "p99", "p99.9", "p99.99", "max"];
    let mut table = table(&header);
    for (what, of) in &findings.latency {
        table.add_row(latency_row(what, of));
    }
    if findings.rates.offered_per_s.is_some() {
        table.add_row(latency_row("generator's own lag", &findings.validity.generator_lag));
    }
    table
}

fn latency_row(what: &str, of: &Percentiles) -> Vec<String> {
    let values = [of.p50_us, of.p90_us, of.p99_us, of.p999_us, of.p9999_us, of.max_us];
    let shown = values.map(|us| if of.count == 0 { "-".to_owned() } else { ms(us) });
    [vec![what.to_owned()], shown.to_vec()].concat()
}

pub(crate) fn steps(ramp: &Ramped) -> Table {
    let mut table = table(&["ramp: offered a second", "accepted", "p50", "p99", "max", ""]);
    for step in &ramp.steps {
        let note = step.why_not.as_deref().unwrap_or("good");
        let latency = &step.latency;
        let [p50, p99, max] = [latency.p50_us, latency.p99_us, latency.max_us].map(ms);
        let [rate, accepted] = [step.rate, step.accepted_per_s].map(per_second);
        table.add_row([rate, accepted, p50, p99, max, note.to_owned()]);
    }
    let highest = ramp.highest_rate.map_or("none".to_owned(), per_second);
    let bound = format!("p99 under {}", ms(ramp.p99_bound_us));
    table.add_row(["highest".to_owned(), highest, String::new(), bound]);
    table
}

pub(crate) fn phase_table(phases: &Phases) -> Table {
    let header =
        ["phase", "seconds", "offered/s", "accepted/s", "refused", "p50", "p99", "p99.9", "max"];
    let mut table = table(&header);
    for (name, phase) in
        [("calm", &phases.calm), ("burst", &phases.burst), ("drain", &phases.drain)]
    {
        let latency = &phase.latency;
        let values = [latency.p50_us, latency.p99_us, latency.p999_us, latency.max_us].map(ms);
        let mut row = vec![name.to_owned(), format!("{:.2}", phase.seconds)];
        row.extend([per_second(phase.offered_per_s), per_second(phase.accepted_per_s)]);
        row.push(phase.refused.to_string());
        row.extend(values);
        table.add_row(row);
    }
    table
}

pub(crate) fn burst_table(phases: &Phases) -> Table {
    let mut table = table(&["burst from", "to", "drained after", "p99", "max"]);
    for burst in &phases.bursts {
        let drained = if burst.never_drained {
            "never".to_owned()
        } else {
            format!("{:.2} s", burst.drain_s)
        };
        let [begin, end] = [burst.begin_s, burst.end_s].map(|second| format!("{second:.2} s"));
        table.add_row([begin, end, drained, ms(burst.p99_us), ms(burst.max_us)]);
    }
    table
}

pub(crate) fn stages(stages: &[Stage]) -> Table {
    let mut table =
        table(&["server's stage, a batch", "count", "mean", "p50", "p90", "p99", "p99.9"]);
    for stage in stages {
        let values = [stage.mean_us, stage.p50_us, stage.p90_us, stage.p99_us, stage.p999_us];
        let values = values.map(|us| ms(whole(us.round())));
        let head = [stage.name.clone(), HumanCount(stage.count).to_string()];
        table.add_row([head.as_slice(), values.as_slice()].concat());
    }
    table
}

/// Latencies of what was due during checkpoints, apart from the others.
pub(crate) fn checkpoint_latencies(checkpoints: &Checkpoints) -> Table {
    let mut table = table(&["latency by checkpoints", "count", "p50", "p99", "p99.9", "max"]);
    let during = format!("during, {:.1} s as seen", checkpoints.seen_s);
    for (what, of) in [(during, &checkpoints.during), ("outside".to_owned(), &checkpoints.outside)]
    {
        let values = [of.p50_us, of.p99_us, of.p999_us, of.max_us];
        let shown = values.map(|us| if of.count == 0 { "-".to_owned() } else { ms(us) });
        let head = [what, HumanCount(of.count).to_string()];
        table.add_row([head.as_slice(), shown.as_slice()].concat());
    }
    table
}

/// How many checkpoints there were, and where their time went.
pub(crate) fn checkpoint_stages(checkpoints: &Checkpoints) -> Table {
    let mut table = table(&["checkpoint's stage", "count", "mean", "in all"]);
    let seconds = |seconds: f64| format!("{seconds:.3} s");
    for stage in &checkpoints.stages {
        let in_all = stage.mean_us * fraction(stage.count) / 1e6;
        let count = HumanCount(stage.count).to_string();
        table.add_row([
            stage.name.clone(),
            count,
            ms(whole(stage.mean_us.round())),
            seconds(in_all),
        ]);
    }
    let mean = ratio(checkpoints.seconds, fraction(checkpoints.completed));
    let mean = mean.map_or("-".to_owned(), |mean| ms(whole((mean * 1e6).round())));
    let count = HumanCount(checkpoints.completed).to_string();
    table.add_row(["checkpoints".to_owned(), count, mean, seconds(checkpoints.seconds)]);
    table
}

/// How memory and disk went over the run; none where neither is known.
pub(crate) fn footprint(footprint: &Footprint) -> Option<Table> {
    let mut table = table(&["over the run", "first", "at most", "last", "drift, last half"]);
    let bytes = |bytes| HumanBytes(bytes).to_string();
    let count = |count| HumanCount(count).to_string();
    let mut row = |what: &str, course: Option<Course>, shown: fn(u64) -> String| {
        let Some(course) = course else { return };
        let drift = course.drift_percent.map_or("-".to_owned(), |drift| format!("{drift:+.1} %"));
        let [first, max, last] = [course.first, course.max, course.last].map(shown);
        table.add_row([what.to_owned(), first, max, last, drift]);
    };
    row("server's memory", footprint.memory, bytes);
    row("data directory", footprint.data, bytes);
    row("  of it archive", footprint.archive, bytes);
    row("wallets in memory", footprint.wallets, count);
    (!table.is_empty()).then_some(table)
}

pub(crate) fn disk_table(disk: &Disk) -> Table {
    let header = ["append + fdatasync", "bytes", "a second", "p50", "p90", "p99", "p99.9", "max"];
    let mut table = table(&header);
    for (what, probe) in [("plain file", &disk.plain_file), ("journal's store", &disk.journal)] {
        let of = &probe.latency;
        let values = [of.p50_us, of.p90_us, of.p99_us, of.p999_us, of.max_us].map(ms);
        let head = [what.to_owned(), probe.bytes.to_string(), per_second(probe.syncs_per_s)];
        table.add_row([head.as_slice(), values.as_slice()].concat());
    }
    table
}

pub(crate) fn cost_table(cost: &Cost, generator: Option<&Cost>, memory: Option<&Memory>) -> Table {
    let mut table = table(&["server's cost, an operation", ""]);
    let mut row = |what: &str, value: String| {
        table.add_row([what.to_owned(), value]);
    };
    row("processor", format!("{:.2} µs", cost.us_per_op()));
    row("  of it user", format!("{:.2} µs", cost.user_us_per_op));
    row("  of it system", format!("{:.2} µs", cost.system_us_per_op));
    let known =
        |value: Option<f64>| value.map_or("unknown".to_owned(), |value| format!("{value:.3}"));
    row("read calls", known(cost.reads_per_op));
    row("write calls", known(cost.writes_per_op));
    row("voluntary context switches", format!("{:.3}", cost.switches_per_op));
    let bytes = cost.bytes_written_per_op.map(|bytes| format!("{bytes:.0}"));
    row("bytes written", bytes.unwrap_or_else(|| "unknown".to_owned()));
    row("cores used", format!("{:.2}", cost.cores_used));
    if let Some(generator) = generator {
        row("generator's processor", format!("{:.2} µs", generator.us_per_op()));
    }
    if let Some(memory) = memory {
        let shown = |bytes| HumanBytes(bytes).to_string();
        row("memory before", shown(memory.before));
        row("memory at most", shown(memory.peak));
        row("memory after", shown(memory.after));
    }
    table
}

/// A rate, rounded.
pub(crate) fn per_second(rate: f64) -> String {
    HumanCount(whole(rate.round())).to_string()
}

/// A table whose first column is text and whose others are numbers.
pub(crate) fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table
        .load_style(UTF8_HORIZONTAL_ONLY.row_separator(LineStyle::none()))
        .set_header(header.to_vec());
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}
