//! The report of a run: two tables, a verdict, and the same as JSON.

use std::collections::BTreeMap;
use std::io::{Write, stdout};
use std::time::Duration;

use anyhow::{Context, Result};
use comfy_table::Table;
use indicatif::HumanCount;
use purser::domain::amount::Amount;
use serde::Serialize;

use crate::checkpoints::Checkpoints;
use crate::cli::RunArgs;
use crate::disk::Disk;
use crate::drive::nanos;
use crate::findings::{
    Answers, Differing as Unequal, Findings, Rates, Series, VERSION, Validity, Verified,
};
use crate::identity::Identity;
use crate::latencies::{Percentiles, ms};
use crate::machine::{self, Machine, Purser};
use crate::model::Difference;
use crate::observer::Seen;
use crate::request::Names;
use crate::rounding::{count, fraction, ratio};
use crate::schedule::SECOND;
use crate::show::{self, tables, tables::table};
use crate::tally::Tally;

/// How many differing wallets are shown.
const DIFFERENCES_SHOWN: usize = 20;
/// Above this lag, at the 99th percentile, the latencies are the generator's and not the server's.
const LAG_MAX_US: u64 = 100_000;

/// What a report is made of.
#[derive(Debug)]
pub(crate) struct Facts<'a> {
    pub(crate) names: &'a Names,
    pub(crate) currency: &'a str,
    pub(crate) customers: usize,
    pub(crate) planned: usize,
    pub(crate) tally: &'a Tally,
    pub(crate) took: Duration,
    /// What was spent: prices times tokens.
    pub(crate) computed: Amount,
    /// What was spent, as the engine's balances say.
    pub(crate) engine: Amount,
    pub(crate) differences: &'a [Difference],
    pub(crate) made_at: String,
    pub(crate) seed: u64,
    pub(crate) settings: BTreeMap<String, String>,
    pub(crate) identity: &'a Identity,
    pub(crate) seen: Seen,
    pub(crate) disk: Option<Disk>,
    pub(crate) stopped_early: bool,
}

/// The result of a run; amounts are exact, in text.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    prefix: String,
    planned: usize,
    requests: u64,
    seconds: f64,
    captured: u64,
    declined: u64,
    declined_by_reason: BTreeMap<String, u64>,
    late: u64,
    above_estimate: u64,
    refused: u64,
    contradictions: u64,
    failures: Vec<String>,
    retries: u64,
    replayed: u64,
    authorize: Percentiles,
    capture: Percentiles,
    generator_lag: Percentiles,
    /// Whether the generator kept up, so that the latencies are the server's.
    latencies_valid: bool,
    currency: String,
    spent_computed: String,
    spent_engine: String,
    debt: String,
    wallets: usize,
    wallets_different: usize,
    /// The first of them.
    differences: Vec<Differing>,
    /// The same and more, as all profiles report it.
    run: Findings,
}

/// A wallet that differs.
#[derive(Debug, Serialize)]
struct Differing {
    name: String,
    computed: String,
    receipts: String,
    engine: String,
    held: String,
}

impl Report {
    pub(crate) fn new(facts: Facts<'_>) -> Self {
        let tally = facts.tally;
        let wallet = |difference: &Difference| Differing {
            name: facts.names.wallet(difference.customer),
            computed: difference.computed.to_string(),
            receipts: difference.receipts.to_string(),
            engine: difference.engine.to_string(),
            held: difference.held.to_string(),
        };
        Self {
            prefix: facts.names.prefix.clone(),
            planned: facts.planned,
            requests: tally.requests(),
            seconds: facts.took.as_secs_f64(),
            captured: tally.captured,
            declined: tally.declines(),
            declined_by_reason: tally.declined.clone(),
            late: tally.late,
            above_estimate: tally.above_estimate,
            refused: tally.refused,
            contradictions: tally.contradictions,
            failures: tally.troubles.clone(),
            retries: tally.retries,
            replayed: tally.replayed,
            authorize: tally.authorize.percentiles(),
            capture: tally.capture.percentiles(),
            generator_lag: tally.lag.percentiles(),
            latencies_valid: tally.lag.percentile(99.0) <= LAG_MAX_US,
            currency: facts.currency.to_owned(),
            spent_computed: facts.computed.to_string(),
            spent_engine: facts.engine.to_string(),
            debt: tally.debt.to_string(),
            wallets: facts.customers,
            wallets_different: facts.differences.len(),
            differences: facts.differences.iter().take(DIFFERENCES_SHOWN).map(wallet).collect(),
            run: findings(facts),
        }
    }

    /// Whether every wallet is equal to the last digit and every request went as it must.
    pub(crate) fn is_exact(&self) -> bool {
        self.wallets_different == 0 && self.failed() == 0
    }

    /// Prints the report, and writes it to the file that the flags name.
    pub(crate) fn show(&self, options: &RunArgs) -> Result<()> {
        let mut out = stdout().lock();
        self.print(&mut out).context("cannot print the report")?;
        if let Some(path) = &options.json {
            let json = serde_json::to_vec_pretty(self).context("cannot write JSON")?;
            std::fs::write(path, json)
                .with_context(|| format!("cannot write {}", path.display()))?;
        }
        show::write_page(&self.run, options)
    }

    fn print(&self, out: &mut impl Write) -> std::io::Result<()> {
        writeln!(out, "{}\n", self.counts())?;
        writeln!(out, "{}\n", self.latencies())?;
        writeln!(out, "{}\n", tables::outside(&self.run))?;
        if !self.latencies_valid {
            writeln!(
                out,
                "INVALID LATENCIES: the generator could not keep up with its own schedule (p99 of \
                 its lag {}, allowed {}). Lower --speed, or run it on a machine of its own.\n",
                ms(self.generator_lag.p99_us),
                ms(LAG_MAX_US),
            )?;
        }
        if self.requests < u64::try_from(self.planned).unwrap_or(u64::MAX) {
            writeln!(out, "STOPPED EARLY: what follows is about the requests that were made.\n")?;
        }
        for failure in &self.failures {
            writeln!(out, "FAILED: {failure}")?;
        }
        if self.wallets_different > 0 {
            writeln!(out, "{}\n", self.different_wallets())?;
        }
        writeln!(out, "{}", self.verdict())
    }

    fn counts(&self) -> Table {
        let money = |what: &str| format!("{what} ({})", self.currency);
        let count = |what: &str, count: u64| (what.to_owned(), HumanCount(count).to_string());
        let planned = u64::try_from(self.planned).unwrap_or(u64::MAX);
        let mut rows = vec![
            count("planned", planned),
            count(&format!("made, in {:.1} s", self.seconds), self.requests),
            count("captured", self.captured),
            count("  late, after the hold had expired", self.late),
            count("  above the estimate", self.above_estimate),
            count("declined", self.declined),
        ];
        rows.extend(self.declined_by_reason.iter().map(|(why, &n)| count(&format!("  {why}"), n)));
        rows.extend([
            count("refused with an error", self.refused),
            count("captured with an answer that cannot be true", self.contradictions),
            count("commands sent again", self.retries),
            count("answers that were replays", self.replayed),
            (money("spent, computed"), self.spent_computed.clone()),
            (money("spent, by the engine"), self.spent_engine.clone()),
            (money("  of it debt when captured"), self.debt.clone()),
        ]);
        let mut table = table(&["requests", ""]);
        table.add_rows(rows.into_iter().map(|(what, value)| [what, value]));
        table
    }

    fn latencies(&self) -> Table {
        let mut table =
            table(&["latency from when it was due", "p50", "p90", "p99", "p99.9", "max"]);
        for (what, of) in [
            ("authorize", &self.authorize),
            ("capture", &self.capture),
            ("generator's own lag", &self.generator_lag),
        ] {
            let mut row = vec![what.to_owned()];
            if of.count == 0 {
                row.resize(6, "-".to_owned());
            } else {
                row.extend([of.p50_us, of.p90_us, of.p99_us, of.p999_us, of.max_us].map(ms));
            }
            table.add_row(row);
        }
        table
    }

    fn different_wallets(&self) -> Table {
        let mut table = table(&["wallet", "computed", "receipts", "engine", "held"]);
        for wallet in &self.differences {
            table.add_row([
                &wallet.name,
                &wallet.computed,
                &wallet.receipts,
                &wallet.engine,
                &wallet.held,
            ]);
        }
        table
    }

    /// How many requests went as they must not.
    fn failed(&self) -> u64 {
        self.refused + self.contradictions
    }

    fn verdict(&self) -> String {
        let shown = self.differences.len();
        match self.wallets_different {
            0 if self.failed() == 0 => format!(
                "EXACT: all {} wallets are equal to the last digit (prefix {}).",
                self.wallets, self.prefix
            ),
            0 => format!(
                "FAILED: {} requests, the first of them above; all {} wallets are equal to the last digit \
                 (prefix {}).",
                self.failed(),
                self.wallets,
                self.prefix
            ),
            different => format!(
                "DIFFERENT: {different} of {} wallets, the first {shown} are above (prefix {}).",
                self.wallets, self.prefix
            ),
        }
    }
}

/// A replay, as all profiles report.
fn findings(facts: Facts<'_>) -> Findings {
    let tally = facts.tally;
    let measured_s = facts.took.as_secs_f64();
    let commands = tally.all.count();
    let per_second = ratio(fraction(commands), measured_s).unwrap_or_default();
    let lag = tally.lag.percentiles();
    let reason = (lag.p99_us > LAG_MAX_US).then(|| {
        let (lag, allowed) = (ms(lag.p99_us), ms(LAG_MAX_US));
        format!("the generator was late by {lag} at the 99th percentile, {allowed} are allowed")
    });
    let unequal = |difference: &Difference| Unequal {
        wallet: facts.names.wallet(difference.customer),
        computed: format!("spent {}", difference.computed),
        engine: format!("spent {}, held {}", difference.engine, difference.held),
    };
    let latency =
        [("all", &tally.all), ("authorize", &tally.authorize), ("capture", &tally.capture)];
    Findings {
        version: VERSION,
        profile: "trace",
        made_at: facts.made_at,
        seed: facts.seed,
        prefix: facts.names.prefix.clone(),
        settings: facts.settings,
        machine: Machine::of_this(),
        purser: Purser {
            version: facts.identity.version.clone(),
            commit: machine::commit(facts.identity.program.as_deref()),
        },
        warmup_s: 0.0,
        measured_s,
        stopped_early: facts.stopped_early,
        validity: Validity {
            valid: reason.is_none(),
            complete: true,
            reasons: reason.into_iter().collect(),
            generator_lag: lag,
            lag_allowed_us: LAG_MAX_US,
        },
        rates: Rates { offered_per_s: Some(per_second), accepted_per_s: per_second },
        latency: latency.map(|(name, of)| (name.to_owned(), of.percentiles())).into(),
        curve: tally.all.curve(),
        answers: Answers {
            offered: commands,
            accepted: commands,
            declined: tally.declined.clone(),
            replays: tally.replayed,
            failed: tally.refused + tally.contradictions,
            failures: tally.troubles.clone(),
            ..Answers::default()
        },
        phases: None,
        ramp: None,
        series: Series {
            slice_s: fraction(tally.series.width) / fraction(SECOND),
            points: tally.series.points(),
        },
        stages: facts.seen.stages,
        checkpoints: facts
            .seen
            .checkpoints
            .map(|counted| Checkpoints::of(counted, &tally.apart, 0, nanos(facts.took))),
        disk: facts.disk,
        cost: facts.seen.server,
        generator_cost: facts.seen.generator,
        memory: facts.seen.memory,
        footprint: facts.seen.footprint,
        verified: Some(Verified {
            wallets: count(facts.customers),
            different: count(facts.differences.len()),
            holds_left: 0,
            differences: facts.differences.iter().take(DIFFERENCES_SHOWN).map(unequal).collect(),
        }),
    }
}
