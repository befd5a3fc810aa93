//! `purser-loadtest` drives a purser server with load and checks every balance afterwards.
//!
//! It keeps its own exact account of every wallet, made of prices times tokens and of nothing that
//! the engine said, and compares it with the engine's at the end, to the last digit.
//!
//! A run goes through the modules from top to bottom: [`cli`] reads the flags, [`trace`] the input,
//! [`plan`] turns it into requests with a time each, [`server`] starts a purser if none is named,
//! [`run`] opens the [`wallets`], sends the plan and compares, [`report`]
//! prints. Below them lie [`request`] (the life of one request), [`model`] (the account kept
//! here), [`tally`] (counts and latencies), [`pacer`] (the clock), and the RESP client: [`wire`],
//! [`client`], [`connection`], [`resp`]. Apart from all that stand [`disk`], the disk
//! probe, and [`compare`].

mod cli;
mod client;
mod compare;
mod connection;
mod disk;
mod model;
mod pacer;
mod plan;
mod report;
mod request;
mod resp;
mod run;
mod server;
mod tally;
mod trace;
mod wallets;
mod wire;

use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;

use cli::{Cli, Command, TraceArgs};
use report::Report;

/// The exit code of a run that went through and found a difference.
const DIFFERENT: u8 = 1;
/// The exit code of a run that could not be made; clap uses it for wrong flags too.
const FAILED: u8 = 2;

fn main() -> ExitCode {
    let result = match &Cli::parse().command {
        Command::Trace(args) => replay(args).map(|report| report.is_exact()),
        Command::Compare(args) => compare::compare(args),
        Command::Disk(args) => disk::probe(args).map(|()| true),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(DIFFERENT),
        Err(error) => {
            eprintln!("purser-loadtest: {error:#}");
            ExitCode::from(FAILED)
        }
    }
}

/// Replays a trace, and shows its report.
fn replay(args: &TraceArgs) -> Result<Report> {
    let rows = trace::read(&args.file, args.limit)?;
    let plan = plan::from_trace(&rows, args)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the async runtime")?;
    runtime.block_on(run::against_a_server(plan, &args.run))
}
