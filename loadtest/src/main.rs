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
//! [`client`], [`connection`], [`resp`].

mod cli;
mod client;
mod connection;
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

use cli::{Cli, Profile};
use report::Report;

/// The exit code of a run that went through and found a difference.
const DIFFERENT: u8 = 1;
/// The exit code of a run that could not be made; clap uses it for wrong flags too.
const FAILED: u8 = 2;

fn main() -> ExitCode {
    match drive(&Cli::parse()) {
        Ok(report) if report.is_exact() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::from(DIFFERENT),
        Err(error) => {
            eprintln!("purser-loadtest: {error:#}");
            ExitCode::from(FAILED)
        }
    }
}

/// Makes the run that the command line asks for, and shows its report.
fn drive(cli: &Cli) -> Result<Report> {
    let (plan, options) = match &cli.profile {
        Profile::Trace(args) => {
            let rows = trace::read(&args.file, args.limit)?;
            (plan::from_trace(&rows, args)?, &args.run)
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the async runtime")?;
    runtime.block_on(run::against_a_server(plan, options))
}
