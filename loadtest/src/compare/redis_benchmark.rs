//! `redis-benchmark` as the generator: a tool that knows neither purser nor us.
//!
//! It sends one command over and over, with random numbers in it, so it authorizes only. Holds pile
//! up on both sides. It says no 99.9th percentile.

use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::cpu;
use super::measured::{Measured, Wrong};
use super::process;
use super::shape::Shape;
use crate::rounding::fraction;

/// The fewest wallets that it can spread over: it draws ids from the same range as wallets.
pub(crate) const WALLETS_MIN: u32 = 10_000;
/// The largest range that it draws from.
const RANGE_MAX: u32 = 2_147_483_647;
/// How many requests the warm-up has for each one in flight, and at least.
const WARM_UP: (u64, u64) = (20, 5_000);

#[derive(Debug)]
pub(crate) struct RedisBenchmark {
    program: PathBuf,
}

/// What is to be sent where.
#[derive(Debug)]
pub(crate) struct Target<'a> {
    pub(crate) port: u16,
    pub(crate) words: &'a [String],
    pub(crate) shape: Shape,
    pub(crate) wallets: u32,
    pub(crate) seconds: Duration,
    pub(crate) pid: u32,
    pub(crate) stop: &'a AtomicBool,
}

impl RedisBenchmark {
    pub(crate) fn find() -> Result<Self> {
        let program = process::on_path("redis-benchmark");
        Ok(Self { program: program.context("redis-benchmark is not on the path: install it")? })
    }

    /// Sends for about as long as asked: the warm-up tells how many requests that are.
    pub(crate) fn measure(&self, target: &Target<'_>) -> Result<Measured> {
        let shape = target.shape;
        let in_flight = u64::from(shape.connections) * u64::from(shape.depth);
        let (each, least) = WARM_UP;
        let rate = self.send(target, in_flight.saturating_mul(each).max(least))?.rate;
        if target.stop.load(Ordering::Relaxed) {
            bail!("stopped");
        }
        // Whole rounds of all connections, so that nothing is left over.
        let rounds = u64::try_from(target.seconds.as_millis())?.saturating_mul(rate) / 1_000;
        let requests = rounds.div_ceil(in_flight).max(1) * in_flight;
        let before = cpu::of_both(target.pid);
        let start = Instant::now();
        let row = self.send(target, requests)?;
        let took = start.elapsed();
        let after = cpu::of_both(target.pid);
        let (before, after) = before.zip(after).context("processor times cannot be read")?;
        let mut measured = Measured::new(requests, took, Wrong::default())
            .latencies(row.p50_us, row.p99_us, None, row.max_us)
            .processor(after.0.saturating_sub(before.0), after.1.saturating_sub(before.1));
        measured.operations_per_s = fraction(row.rate);
        Ok(measured)
    }

    fn send(&self, target: &Target<'_>, requests: u64) -> Result<Row> {
        let range = if target.wallets == 1 { RANGE_MAX } else { target.wallets };
        let mut command = Command::new(&self.program);
        for (flag, value) in [
            ("-p", u64::from(target.port)),
            ("-c", target.shape.connections.into()),
            ("-P", target.shape.depth.into()),
            ("-n", requests),
            ("-r", range.into()),
        ] {
            command.arg(flag).arg(value.to_string());
        }
        command.arg("--csv").args(target.words);
        let said = process::run(&mut command)?;
        row(&said).with_context(|| format!("redis-benchmark says what is not understood: {said}"))
    }
}

/// Whether it can be used for so many wallets.
pub(crate) fn suits(wallets: u32) -> bool {
    wallets == 1 || wallets >= WALLETS_MIN
}

/// One row of its table.
#[derive(Debug, PartialEq, Eq)]
struct Row {
    rate: u64,
    p50_us: u64,
    p99_us: u64,
    max_us: u64,
}

/// Reads its table: a line of names, and a line of values.
fn row(said: &str) -> Option<Row> {
    let mut lines = said.lines().filter(|line| line.starts_with('"'));
    let names = cells(lines.next()?);
    let values = cells(lines.next()?);
    let value = |name: &str| {
        // From the end: the command, which is the first cell, may have anything in it.
        let from_end = names.iter().rev().position(|cell| cell == name)?;
        thousandths(values.iter().rev().nth(from_end)?)
    };
    Some(Row {
        rate: value("rps")? / 1_000,
        p50_us: value("p50_latency_ms")?,
        p99_us: value("p99_latency_ms")?,
        max_us: value("max_latency_ms")?,
    })
}

fn cells(line: &str) -> Vec<String> {
    line.split("\",\"").map(|cell| cell.trim_matches('"').to_owned()).collect()
}

/// A number in thousandths, such as milliseconds in microseconds.
fn thousandths(text: &str) -> Option<u64> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let part: String = part.chars().chain("000".chars()).take(3).collect();
    whole.parse::<u64>().ok()?.checked_mul(1_000)?.checked_add(part.parse().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_table_is_read() {
        let said = "\"test\",\"rps\",\"avg_latency_ms\",\"min_latency_ms\",\"p50_latency_ms\",\
                    \"p95_latency_ms\",\"p99_latency_ms\",\"max_latency_ms\"\n\
                    \"AUTHORIZE w:__rand_int__ 3 ID h__rand_int__\",\"22471.91\",\"2.083\",\
                    \"0.344\",\"1.607\",\"5.1\",\"9.119\",\"21.000\"\n";
        let expected = Row { rate: 22_471, p50_us: 1_607, p99_us: 9_119, max_us: 21_000 };
        assert_eq!(row(said), Some(expected));
        assert_eq!(row("WARNING: nothing\n"), None);
    }
}
