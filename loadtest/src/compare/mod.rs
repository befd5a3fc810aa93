//! purser beside others that could keep balances: the same workload, the same disk, in turn.
//!
//! A comparison goes through the modules from top to bottom: [`args`] are the flags, [`shape`] what
//! they say of the load, [`contest`] who takes part; a [`peer`] ([`purser`], [`redis`],
//! [`postgres`]) is started for each measurement, alone, with fresh wallets, and [`drive`] sends the
//! [`workload`] and checks the answers. [`redis_benchmark`] can send in its place, and
//! [`tigerbeetle`] is measured by its own benchmark. What was [`measured`] goes to the [`report`].
//! Below lie [`process`], [`cpu`],
//! [`resp_server`] and [`resp_talk`].

mod args;
mod contest;
mod cpu;
mod drive;
mod measured;
mod peer;
mod postgres;
mod process;
mod purser;
mod redis;
mod redis_benchmark;
mod report;
mod resp_server;
mod resp_talk;
mod shape;
mod tigerbeetle;
mod workload;

use std::io::{Write, stdout};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result, bail};
use indicatif::{ProgressBar, ProgressStyle};
use tokio::signal::ctrl_c;
use tokio::signal::unix::{SignalKind, signal};

use crate::machine::Machine;
pub(crate) use args::CompareArgs;

use contest::Contest;
use report::{Compared, Report, Round};
use shape::{Case, Shapes};

/// What is sent, for the report.
const DRIVEN: &str = "authorize 3 units on any wallet, capture 2 of them when that is answered; \
closed loop; a command is an operation; every answer is checked, and the wallets at the end";
const BY_TOOL: &str = "redis-benchmark: authorize 3 units on any wallet; nothing is captured";
/// The probe of the disk before each round.
const PROBE: (u64, u32) = (4_096, 300);

/// Compares, and shows the report; whether every answer was right.
pub(crate) fn compare(args: &CompareArgs) -> Result<bool> {
    let cases = cases(args)?;
    let stop = stopped_by_signals()?;
    let contest = Contest::find(args)?;
    let steps = cases.len() * contest.len();
    let bar = ProgressBar::new(u64::try_from(steps)?.saturating_mul(args.rounds.into()));
    let style = "{bar:40} {pos}/{len} measurements, {elapsed}, {eta} left  {wide_msg}";
    bar.set_style(ProgressStyle::with_template(style).context("cannot make a progress bar")?);

    let mut compared = Vec::new();
    for case in cases {
        let rounds: Result<Vec<Round>> = (1..=args.rounds)
            .map(|number| round(args, &contest, &case, number, &stop, &bar))
            .collect();
        compared.push(Compared::new(case, rounds?));
    }
    bar.finish_and_clear();
    let report = Report {
        workload: if contest.is_by_tool() { BY_TOOL } else { DRIVEN },
        machine: machine(),
        servers: contest.about(),
        left_out: contest.left_out,
        cases: compared,
    };
    stdout().lock().write_all(report.text().as_bytes()).context("cannot print the report")?;
    if let Some(path) = &args.json {
        let json = serde_json::to_vec_pretty(&report).context("cannot write JSON")?;
        std::fs::write(path, json).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(report.is_right())
}

fn cases(args: &CompareArgs) -> Result<Vec<Case>> {
    let best = Some(Shapes::Own(args.best.clone())).filter(|_| !args.best.is_empty());
    if best.is_some() && !args.best.iter().any(|own| own.peer == purser::NAME) {
        bail!("--best must say purser's shape too, such as purser=50x64");
    }
    let shapes = args.shapes.iter().copied().map(Shapes::Equal).chain(best);
    let shapes: Vec<Shapes> = shapes.collect();
    let each = |&wallets| shapes.iter().cloned().map(move |shapes| Case { wallets, shapes });
    Ok(args.wallets.iter().flat_map(each).collect())
}

/// Everybody once. Each round begins with another, so that no one is always first.
fn round(
    args: &CompareArgs,
    contest: &Contest,
    case: &Case,
    number: u32,
    stop: &AtomicBool,
    bar: &ProgressBar,
) -> Result<Round> {
    let disk = disk(args.dir.as_deref())?;
    let first = usize::try_from(number)? % contest.len();
    let mut measured = Vec::new();
    for index in (0..contest.len()).cycle().skip(first).take(contest.len()) {
        if stop.load(Ordering::Relaxed) {
            bail!("stopped; nothing is reported");
        }
        let name = contest.name(index);
        bar.set_message(format!("{case}; round {number}: {name}"));
        let seed = args.seed.wrapping_add(number.into());
        let found = contest.measure(index, case, seed, stop)?;
        measured.extend(found.map(|measured| (index, (name, measured))));
        bar.inc(1);
    }
    measured.sort_by_key(|&(index, _)| index);
    Ok(Round { disk, measured: measured.into_iter().map(|(_, named)| named).collect() })
}

/// What an append and its sync take now.
fn disk(dir: Option<&Path>) -> Result<String> {
    let folder = process::folder(dir, "probe")?;
    let (bytes, count) = PROBE;
    Ok(crate::disk::short(folder.path(), bytes, count)?.text())
}

fn machine() -> String {
    let Machine { cores, kernel, .. } = Machine::of_this();
    format!("{cores} cores for server and generator together, Linux {kernel}")
}

/// Becomes true when the program is told to end; the servers are stopped then.
fn stopped_by_signals() -> Result<Arc<AtomicBool>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.context("cannot start the async runtime")?;
    let stop = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&stop);
    let mut terminated = {
        let _entered = runtime.enter();
        signal(SignalKind::terminate()).context("cannot watch for signals")?
    };
    std::thread::spawn(move || {
        runtime.block_on(async {
            tokio::select! {
                _ = ctrl_c() => {}
                _ = terminated.recv() => {}
            }
        });
        told.store(true, Ordering::Relaxed);
    });
    Ok(stop)
}
