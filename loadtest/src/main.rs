//! `purser-loadtest` drives a purser server with load and checks every balance afterwards.
//!
//! It keeps its own exact account of every wallet, made of prices times tokens and of nothing that
//! the engine said, and compares it with the engine's at the end, to the last digit.
//!
//! There are two engines below one roof ([`cli`], [`run`], [`server`], [`identity`]):
//!
//! - A replay of a trace: [`trace`] reads the input, [`plan`] turns it into requests with a time
//!   each, [`request`] is the life of one, in a task of its own, on the RESP client of [`client`],
//!   [`connection`], [`resp`] and [`wire`], woken by [`pacer`]; [`wallets`], [`model`] and [`tally`]
//!   keep the accounts, [`report`] shows them.
//! - The synthetic profiles: [`load`] says what is asked for, [`synthetic`] makes the run.
//!   [`drive`] is the lean engine with an open and a closed loop, [`schedule`] says when work
//!   begins; [`traffic`] is what is sent and [`population`] what is asked of every wallet;
//!   [`accounts`] is the account kept here; [`recorder`], [`series`], [`bursts`] and [`ramp`] are
//!   what is measured.
//!
//! Both are looked at from outside by [`observer`] ([`cost`], [`stages`], [`checkpoints`],
//! [`footprint`]) and [`disk`], and end as [`findings`], which [`show`] makes tables, JSON and a page of. Apart from all that stand
//! [`compare`] and [`misbehave`].

mod accounts;
mod bursts;
mod checkpoints;
mod cli;
mod client;
mod compare;
mod connection;
mod cost;
mod disk;
mod drive;
mod findings;
mod footprint;
mod identity;
mod latencies;
mod load;
mod machine;
mod misbehave;
mod model;
mod observer;
mod pacer;
mod plan;
mod population;
mod progress;
mod ramp;
mod rated;
mod recorder;
mod report;
mod request;
mod resp;
mod rounding;
mod run;
mod schedule;
mod series;
mod server;
mod show;
mod stages;
mod synthetic;
mod tally;
mod trace;
mod traffic;
mod wallets;
mod wire;

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use clap::{ArgMatches, CommandFactory, FromArgMatches};
use tokio::signal::ctrl_c;
use tokio::sync::oneshot;

use cli::{Cli, Command, TraceArgs};
use client::Client;
use findings::{Ending, Findings};
use identity::Identity;
use load::Load;

/// The exit code of a run that went through and found a difference, or a wrong answer.
const WRONG: u8 = 1;
/// The exit code of a run that could not be made; clap uses it for wrong flags too.
const FAILED: u8 = 2;
/// The exit code of a run whose figures are not the server's.
const INVALID: u8 = 3;

fn main() -> ExitCode {
    let matches = Cli::command().get_matches();
    let cli = Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    match execute(&cli.command, settings(&matches)) {
        Ok(Ending::Good) => ExitCode::SUCCESS,
        Ok(Ending::Wrong) => ExitCode::from(WRONG),
        Ok(Ending::Invalid) => ExitCode::from(INVALID),
        Err(error) => {
            eprintln!("purser-loadtest: {error:#}");
            ExitCode::from(FAILED)
        }
    }
}

/// How a comparison ended.
fn compared(is_right: bool) -> Ending {
    if is_right { Ending::Good } else { Ending::Wrong }
}

fn execute(command: &Command, settings: BTreeMap<String, String>) -> Result<Ending> {
    let load = match command {
        Command::Trace(args) => return replay(args, settings),
        Command::Disk(args) => return disk::probe(args).map(|()| Ending::Good),
        Command::Misbehave(args) => {
            return runtime()?.block_on(misbehave::misbehave(args)).map(|()| Ending::Good);
        }
        Command::Compare(args) => return Ok(compared(compare::compare(args)?)),
        Command::Steady(args) => Load::steady(args),
        Command::Burst(args) => Load::burst(args),
        Command::Ramp(args) => Load::ramp(args),
        Command::Hot(args) => Load::hot(args),
        Command::Spread(args) => Load::spread(args),
        Command::Mix(args) => Load::mix(args),
        Command::Max(args) => Load::max(args),
    };
    let load = Arc::new(load);
    let options = &load.args.run;
    let findings = runtime()?.block_on(run::against_a_server(
        options,
        |findings: &Findings| findings.ending() != Ending::Wrong,
        async |address| apart(Arc::clone(&load), address.to_owned(), settings).await,
    ))?;
    show::show(&findings, options)?;
    Ok(findings.ending())
}

/// Makes a synthetic run on a thread of its own, so that the runtime goes on looking after the
/// server and the signals. The first Ctrl-C stops the sending, what was sent is checked.
async fn apart(
    load: Arc<Load>,
    address: String,
    settings: BTreeMap<String, String>,
) -> Result<Findings> {
    let patience = Duration::from_millis(load.args.run.timeout);
    let client = Client::connect(&address, 1, patience).await?;
    let identity = Identity::of(&client, &address).await;
    drop(client);
    let stop = Arc::new(AtomicBool::new(false));
    let interrupted = Arc::clone(&stop);
    tokio::spawn(async move {
        if ctrl_c().await.is_ok() {
            interrupted.store(true, Ordering::Relaxed);
        }
    });
    let (done, is_done) = oneshot::channel();
    std::thread::spawn(move || {
        let prefix = run::prefix(&load.args.run);
        let run = synthetic::Run::new(&load, &address, &identity, prefix, &stop);
        // Nobody waits any more when the run was given up.
        let _ = done.send(run.make(settings));
    });
    is_done.await.map_err(|_| anyhow!("the run ended without a result"))?
}

fn runtime() -> Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the async runtime")
}

/// Every flag with its value, as it was given or by default.
fn settings(matches: &ArgMatches) -> BTreeMap<String, String> {
    let Some((name, matches)) = matches.subcommand() else { return BTreeMap::new() };
    let command = Cli::command();
    let Some(command) = command.find_subcommand(name) else { return BTreeMap::new() };
    let value = |id: &str| {
        let values = matches.get_raw(id)?.map(|value| value.to_string_lossy().into_owned());
        Some((id.replace('_', "-"), values.collect::<Vec<_>>().join(" ")))
    };
    command.get_arguments().filter_map(|argument| value(argument.get_id().as_str())).collect()
}

/// Replays a trace, and shows its report.
fn replay(args: &TraceArgs, settings: BTreeMap<String, String>) -> Result<Ending> {
    let rows = trace::read(&args.file, args.limit)?;
    let plan = plan::from_trace(&rows, args)?;
    let report = runtime()?.block_on(run::replay(plan, args, settings))?;
    report.show(&args.run)?;
    Ok(if report.is_exact() { Ending::Good } else { Ending::Wrong })
}
