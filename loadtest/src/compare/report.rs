//! What a comparison found: as tables, and as JSON.

use std::fmt::Write;

use comfy_table::presets::UTF8_HORIZONTAL_ONLY;
use comfy_table::{CellAlignment, LineStyle, Table};
use serde::Serialize;

use super::measured::{Measured, Spread};
use super::peer::About;
use super::shape::Case;
use crate::rounding::fraction;

/// All of it.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) workload: &'static str,
    pub(crate) machine: String,
    pub(crate) servers: Vec<About>,
    pub(crate) left_out: Vec<String>,
    pub(crate) cases: Vec<Compared>,
}

/// One case, round after round.
#[derive(Debug, Serialize)]
pub(crate) struct Compared {
    pub(crate) case: Case,
    pub(crate) rounds: Vec<Round>,
    pub(crate) ratios: Vec<Ratio>,
}

/// Everybody once, purser first.
#[derive(Debug, Serialize)]
pub(crate) struct Round {
    /// What the disk took just before.
    pub(crate) disk: String,
    pub(crate) measured: Vec<(&'static str, Measured)>,
}

/// purser divided by a peer, over all rounds.
#[derive(Debug, Serialize)]
pub(crate) struct Ratio {
    pub(crate) peer: &'static str,
    pub(crate) throughput: Option<Spread>,
    pub(crate) server_cpu_per_operation: Option<Spread>,
    pub(crate) p99: Option<Spread>,
}

impl Round {
    fn of(&self, name: &str) -> Option<&Measured> {
        self.measured.iter().find(|(of, _)| *of == name).map(|(_, measured)| measured)
    }
}

impl Compared {
    pub(crate) fn new(case: Case, rounds: Vec<Round>) -> Self {
        let peers =
            rounds.first().map(|round| round.measured.iter().skip(1).map(|&(name, _)| name));
        let ratios = peers.into_iter().flatten().map(|peer| ratio(peer, &rounds)).collect();
        Self { case, rounds, ratios }
    }
}

fn ratio(peer: &'static str, rounds: &[Round]) -> Ratio {
    let spread =
        |value: Figure| Spread::of(rounds.iter().filter_map(|round| quotient(round, peer, value)));
    Ratio {
        peer,
        throughput: spread(THROUGHPUT),
        server_cpu_per_operation: spread(PROCESSOR),
        p99: spread(P99),
    }
}

/// A value of purser divided by that of a peer in the same round.
fn quotient(round: &Round, peer: &str, value: Figure) -> Option<f64> {
    let (_, own) = round.measured.first()?;
    let theirs = value(round.of(peer)?)?;
    (theirs > 0.0).then_some(value(own)? / theirs)
}

/// A figure of a measurement, where it has one.
type Figure = fn(&Measured) -> Option<f64>;

const THROUGHPUT: Figure = |measured| Some(measured.operations_per_s);
const PROCESSOR: Figure = |measured| measured.server_cpu_us_per_operation;
const P99: Figure = |measured| Some(fraction(measured.p99_us));

impl Report {
    /// Whether every answer was right.
    pub(crate) fn is_right(&self) -> bool {
        self.wrong().is_empty()
    }

    /// What was wrong, in words.
    fn wrong(&self) -> Vec<String> {
        let rounds = self.cases.iter().flat_map(|compared| &compared.rounds);
        let measured = rounds.flat_map(|round| &round.measured);
        measured
            .filter(|(_, measured)| measured.wrong.count > 0)
            .map(|(name, measured)| {
                let first = measured.wrong.first.as_deref().unwrap_or_default();
                format!("{name}: {} wrong answers, the first: {first}", measured.wrong.count)
            })
            .collect()
    }

    pub(crate) fn text(&self) -> String {
        let mut text = format!("{}\n{}\n", self.machine, self.workload);
        for about in &self.servers {
            let settings = about.settings.join("\n    ");
            put(&mut text, &format!("{}: {}\n    {settings}", about.name, about.version));
        }
        for left_out in &self.left_out {
            put(&mut text, &format!("left out: {left_out}"));
        }
        for compared in &self.cases {
            put(&mut text, &format!("\n{}\n{}", compared.case, rounds(compared)));
            for (number, round) in (1_u32..).zip(&compared.rounds) {
                put(&mut text, &format!("disk before round {number}: {}", round.disk));
            }
            for ratio in &compared.ratios {
                put(&mut text, &ratio.text());
            }
        }
        for wrong in self.wrong() {
            put(&mut text, &format!("FAILED: {wrong}"));
        }
        text
    }
}

fn put(text: &mut String, line: &str) {
    // Writing to a text cannot fail.
    let _ = writeln!(text, "{line}");
}

impl Ratio {
    fn text(&self) -> String {
        let shown = |spread: Option<Spread>| match spread {
            Some(Spread { median, least, most }) => {
                format!("{median:.2} (from {least:.2} to {most:.2})")
            }
            None => "unknown".to_owned(),
        };
        format!(
            "purser / {}: throughput {}, server CPU an operation {}, p99 {}",
            self.peer,
            shown(self.throughput),
            shown(self.server_cpu_per_operation),
            shown(self.p99)
        )
    }
}

/// The table of a case: one row for each measurement.
fn rounds(compared: &Compared) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_HORIZONTAL_ONLY.row_separator(LineStyle::none())).set_header([
        "round",
        "server",
        "ops/s",
        "p50 ms",
        "p99 ms",
        "p99.9 ms",
        "max ms",
        "CPU µs/op",
        "cores",
        "generator",
        "purser is",
        "CPU is",
    ]);
    for (number, round) in (1_u32..).zip(&compared.rounds) {
        for (index, (name, measured)) in round.measured.iter().enumerate() {
            let ratio = |value: Figure| match quotient(round, name, value) {
                Some(ratio) if index > 0 => format!("{ratio:.2}x"),
                _ => String::new(),
            };
            let first = if index == 0 { number.to_string() } else { String::new() };
            table.add_row([
                first,
                (*name).to_owned(),
                format!("{:.0}", measured.operations_per_s),
                ms(measured.p50_us),
                ms(measured.p99_us),
                measured.p999_us.map_or_else(String::new, ms),
                ms(measured.max_us),
                fixed(measured.server_cpu_us_per_operation),
                fixed(measured.server_cores),
                fixed(measured.generator_cores),
                ratio(THROUGHPUT),
                ratio(PROCESSOR),
            ]);
        }
    }
    for column in table.column_iter_mut().skip(2) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

fn ms(us: u64) -> String {
    format!("{}.{:02}", us / 1_000, us % 1_000 / 10)
}

fn fixed(value: Option<f64>) -> String {
    value.map_or_else(String::new, |value| format!("{value:.2}"))
}
