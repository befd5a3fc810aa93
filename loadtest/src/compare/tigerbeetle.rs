//! TigerBeetle, by its own benchmark command: it starts a server of one replica, and sends batches of
//! transfers that are one step each.
//!
//! An authorization and its capture would be two transfers there, so one transfer counts as one
//! command here. It checks no funds and finishes no pending transfer, and it batches before it
//! measures: a latency is that of a whole batch.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

use super::measured::{Measured, Wrong};
use super::process;

/// What it is told to put into a batch, and how many transfers it sends so.
pub(crate) const BATCHES: [Batch; 3] = [
    Batch { size: Some(1), transfers: 10_000, name: "tigerbeetle, batches of 1" },
    Batch { size: Some(64), transfers: 200_000, name: "tigerbeetle, batches of 64" },
    Batch { size: None, transfers: 1_000_000, name: "tigerbeetle, largest batches" },
];
/// The flag for the size of a batch, as newer and as older versions call it.
const SIZE_FLAGS: [&str; 2] = ["--transfer-batch-count", "--transfer-batch-size"];

#[derive(Debug, Clone, Copy)]
pub(crate) struct Batch {
    /// None: as many as go into a message, which is its default.
    size: Option<u32>,
    transfers: u32,
    pub(crate) name: &'static str,
}

#[derive(Debug)]
pub(crate) struct TigerBeetle {
    program: PathBuf,
    pub(crate) version: String,
}

impl TigerBeetle {
    pub(crate) fn at(program: &Path) -> Result<Self> {
        // It is run in another folder than this.
        let program = program.canonicalize();
        let program = program.context("there is no TigerBeetle where --tigerbeetle says")?;
        let version = process::run(Command::new(&program).arg("version"))?.trim().to_owned();
        Ok(Self { program, version })
    }

    /// Runs the benchmark once, in a folder of its own: its data file lies where it is run.
    pub(crate) fn measure(
        &self,
        batch: Batch,
        wallets: u32,
        dir: Option<&Path>,
    ) -> Result<Measured> {
        let folder = process::folder(dir, "tigerbeetle")?;
        let run = |size_flag: &str| {
            let mut command = Command::new(&self.program);
            command.current_dir(folder.path()).arg("benchmark");
            command.arg(format!("--transfer-count={}", batch.transfers));
            command.args(accounts(wallets));
            if let Some(size) = batch.size {
                command.arg(format!("{size_flag}={size}"));
            }
            process::run(&mut command)
        };
        let [newer, older] = SIZE_FLAGS;
        let said = match run(newer) {
            Err(error) if batch.size.is_some() && format!("{error:#}").contains(newer) => {
                run(older)
            }
            said => said,
        }?;
        read(&said, batch.transfers).with_context(|| {
            format!("`tigerbeetle benchmark` says what is not understood:\n{said}")
        })
    }
}

/// A hot wallet is an account that all transfers are debited to.
fn accounts(wallets: u32) -> Vec<String> {
    match wallets {
        1 => ["--account-count=10000", "--account-count-hot=1", "--transfer-hot-percent=100"]
            .map(str::to_owned)
            .to_vec(),
        wallets => vec![format!("--account-count={}", wallets.max(2))],
    }
}

/// Reads its report.
fn read(said: &str, transfers: u32) -> Option<Measured> {
    let seconds = said.lines().find_map(|line| {
        let (_, rest) = line.split_once(" batches in ")?;
        rest.strip_suffix(" s")?.trim().parse::<f64>().ok()
    })?;
    let took = Duration::try_from_secs_f64(seconds).ok()?;
    let rate = value(said, "load accepted")?;
    let us = |percentile| value(said, &format!("batch latency {percentile}"))?.checked_mul(1_000);
    let (p50, most) = (us("p50")?, us("p100")?);
    // Older versions go in steps of ten, and do not say it: the worst stands for it.
    let p99 = us("p99").unwrap_or(most);
    let mut measured = Measured::new(transfers.into(), took, Wrong::default());
    measured.operations_per_s = f64::from(u32::try_from(rate).ok()?);
    Some(measured.latencies(p50, p99, None, most))
}

/// The whole number behind a name and `=`.
fn value(said: &str, name: &str) -> Option<u64> {
    said.lines().find_map(|line| {
        let (left, right) = line.split_once('=')?;
        let number = right.split_whitespace().next()?;
        (left.trim() == name).then(|| number.parse().ok())?
    })
}

#[cfg(test)]
mod tests;
