//! The plan of a run: every request with its time, customer, estimate, usage and work.
//!
//! A plan is made before the first command is sent, from the input and the seed alone, so that two
//! runs with the same flags ask for the same things at the same times.

use std::time::Duration;

use anyhow::{Context, Result};
use purser::domain::amount::{Amount, Overflow};
use rand::SeedableRng;
use rand::distr::Distribution;
use rand::distr::weighted::WeightedIndex;
use rand::rngs::Xoshiro256PlusPlus;

use crate::cli::TraceArgs;
use crate::rated::{RatedModel, Tokens};
use crate::trace::Row;

/// One request to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Planned {
    /// When it leaves, counted from the start of the run.
    pub(crate) at: Duration,
    pub(crate) customer: usize,
    /// What is authorized before the work.
    pub(crate) estimate: Amount,
    /// What is captured after it.
    pub(crate) actual: Amount,
    /// The tokens of the estimate.
    pub(crate) expected: Tokens,
    /// The tokens that were used.
    pub(crate) used: Tokens,
    /// How long the work takes, from the authorization's answer to the capture.
    pub(crate) work: Duration,
}

/// The plan that replays a trace, ordered by time.
pub(crate) fn from_trace(rows: &[Row], args: &TraceArgs) -> Result<Vec<Planned>> {
    let prices = Prices { input: args.input_price, output: args.output_price };
    let mut crowd = Crowd::new(args.customers, args.zipf, args.run.seed)?;
    let start = rows.iter().map(|row| row.at).min().unwrap_or_default();
    let mut plan = Vec::with_capacity(rows.len());
    for row in rows {
        let since_start = Duration::try_from(row.at.duration_since(start))
            .context("the trace spans too long a time")?;
        let work =
            args.first_token.saturating_add(args.per_token.saturating_mul(row.output_tokens));
        plan.push(Planned {
            at: since_start.div_f64(args.speed),
            customer: crowd.draw(),
            estimate: prices.cost(row.input_tokens, args.max_output)?,
            actual: prices.cost(row.input_tokens, row.output_tokens)?,
            expected: tokens(row, args.max_output, args.cached),
            used: tokens(row, row.output_tokens, args.cached),
            work: work.div_f64(args.speed),
        });
    }
    plan.sort_by_key(|request| request.at);
    Ok(plan)
}

/// The tokens of a row, of whose input a cache had some hundredths.
fn tokens(row: &Row, output: u32, cached_percent: u8) -> Tokens {
    let cached = u64::from(row.input_tokens) * u64::from(cached_percent) / 100;
    let cached = u32::try_from(cached).unwrap_or(row.input_tokens);
    Tokens { input: row.input_tokens - cached, cached, output }
}

/// Prices a plan by the engine's own price book.
pub(crate) fn rate(plan: &mut [Planned], model: &RatedModel) -> Result<()> {
    for request in plan {
        request.estimate = model.cost(request.expected)?;
        request.actual = model.cost(request.used)?;
    }
    Ok(())
}

/// What a token costs.
struct Prices {
    input: Amount,
    output: Amount,
}

impl Prices {
    /// Prices times tokens, exactly.
    fn cost(&self, input_tokens: u32, output_tokens: u32) -> Result<Amount> {
        times(self.input, input_tokens)
            .and_then(|input| input.plus(times(self.output, output_tokens)?))
            .with_context(|| format!("the price of {input_tokens} + {output_tokens} tokens"))
    }
}

fn times(price: Amount, tokens: u32) -> Result<Amount, Overflow> {
    let product = price.pico().checked_mul(i128::from(tokens)).ok_or(Overflow)?;
    Amount::ZERO.plus(Amount::from_pico(product))
}

/// The customers, of whom a few make most requests: the k-th busiest in proportion to 1/k^s.
struct Crowd {
    shares: WeightedIndex<f64>,
    random: Xoshiro256PlusPlus,
}

impl Crowd {
    fn new(customers: u32, s: f64, seed: u64) -> Result<Self> {
        let shares = WeightedIndex::new((1..=customers).map(|k| f64::from(k).powf(-s)))
            .context("cannot draw customers")?;
        // A generator by name: it stays the same from release to release, as plans must.
        Ok(Self { shares, random: Xoshiro256PlusPlus::seed_from_u64(seed) })
    }

    fn draw(&mut self) -> usize {
        self.shares.sample(&mut self.random)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Cli, Command};
    use clap::Parser;

    fn args(flags: &str) -> TraceArgs {
        let words = ["purser-loadtest", "trace", "x.csv"].into_iter();
        let cli = Cli::parse_from(words.chain(flags.split_whitespace()));
        let Command::Trace(args) = cli.command else { panic!("not a trace") };
        *args
    }

    fn row(second: i8, input_tokens: u32, output_tokens: u32) -> Row {
        let at = jiff::civil::datetime(2023, 11, 16, 18, 0, second, 0);
        Row { at, input_tokens, output_tokens }
    }

    fn draws(customers: u32, s: f64, seed: u64, count: usize) -> Vec<usize> {
        let mut crowd = Crowd::new(customers, s, seed).unwrap();
        (0..count).map(|_| crowd.draw()).collect()
    }

    #[test]
    fn scales_time_and_work_by_the_speed_and_orders_by_time() {
        let rows = [row(10, 1, 100), row(0, 1, 0)];
        let plan =
            from_trace(&rows, &args("--speed 10 --first-token 200 --per-token 0.5")).unwrap();
        assert_eq!(plan[0].at, Duration::ZERO);
        assert_eq!(plan[0].work, Duration::from_millis(20));
        assert_eq!(plan[1].at, Duration::from_secs(1));
        assert_eq!(plan[1].work, Duration::from_millis(25));
    }

    #[test]
    fn prices_are_exact_to_the_last_digit() {
        let flags = "--input-price 0.000000000001 --output-price 0.0000033 --max-output 7";
        let plan = from_trace(&[row(0, u32::MAX, 3)], &args(flags)).unwrap();
        assert_eq!(plan[0].actual.to_string(), "0.004304867295");
        assert_eq!(plan[0].estimate.to_string(), "0.004318067295");
    }

    #[test]
    fn a_price_beyond_all_amounts_is_an_error() {
        let flags = args("--input-price 1000000000000000000");
        assert!(from_trace(&[row(0, u32::MAX, 0)], &flags).is_err());
    }

    #[test]
    fn the_seed_decides_who_asks() {
        // Pinned: a new release of the generator or of the sampling must not change old plans.
        assert_eq!(draws(100, 1.0, 1, 8), [37, 26, 0, 26, 0, 11, 93, 7]);
        assert_ne!(draws(100, 1.0, 1, 100), draws(100, 1.0, 2, 100));
    }

    #[test]
    fn the_busiest_customer_gets_the_share_that_zipf_says() {
        let of = |s| draws(10, s, 7, 100_000).iter().filter(|&&drawn| drawn == 0).count();
        // 1 / (1 + 1/2 + … + 1/10) is 34.1 %, and an even share of ten is 10 %.
        assert!((33_500..34_700).contains(&of(1.0)), "{}", of(1.0));
        assert!((9_600..10_400).contains(&of(0.0)), "{}", of(0.0));
    }
}
