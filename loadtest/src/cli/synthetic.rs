//! The flags of the synthetic profiles and of the disk probe.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use purser::domain::amount::Amount;

use super::RunArgs;
use super::values::{factor, milliseconds, rate, seconds, share, skew, some_seconds};
use crate::schedule::Spacing;
use crate::traffic::Shares;

/// What every synthetic profile needs.
#[derive(Debug, Clone, Args)]
pub(crate) struct LoadArgs {
    /// How long to measure, in seconds.
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = some_seconds)]
    pub(crate) duration: Duration,

    /// How long to send before that, in seconds; it is not measured.
    #[arg(long, value_name = "SECONDS", default_value = "2", value_parser = seconds)]
    pub(crate) warmup: Duration,

    /// How many connections to send on.
    #[arg(long, value_name = "N", default_value = "50",
          value_parser = clap::value_parser!(u16).range(1..=10_000))]
    pub(crate) connections: u16,

    /// Money that each wallet gets at the start, in its currency; a small one shows declines.
    #[arg(long, value_name = "AMOUNT", default_value = "1000000")]
    pub(crate) top_up: Amount,

    /// The share of authorizations that are captured; the others are left to expire.
    #[arg(long, value_name = "SHARE", default_value = "1", value_parser = share)]
    pub(crate) captures: f64,

    /// The share of captures that are above their estimate, by up to as much again.
    #[arg(long, value_name = "SHARE", default_value = "0.02", value_parser = share)]
    pub(crate) above: f64,

    /// In the end, compare every wallet's balances with what was computed here, to the last digit.
    #[arg(long)]
    pub(crate) verify: bool,

    #[command(flatten)]
    pub(crate) run: RunArgs,
}

/// How an open loop sends.
#[derive(Debug, Args)]
pub(crate) struct OpenArgs {
    /// How many commands a second are offered, authorizations and captures together.
    #[arg(long, value_name = "N", default_value = "10000", value_parser = rate)]
    pub(crate) rate: f64,

    /// How they are spaced.
    #[arg(long, value_enum, default_value = "poisson")]
    pub(crate) arrivals: Spacing,

    /// The work between an authorization and its capture, in milliseconds, counted from when the
    /// authorization was due.
    #[arg(long, value_name = "MS", default_value = "20", value_parser = milliseconds)]
    pub(crate) work: Duration,

    /// The most unanswered commands; when they are reached the run is invalid.
    #[arg(long, value_name = "N", default_value = "1000000",
          value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) in_flight_max: u32,
}

/// Whose wallets.
#[derive(Debug, Args)]
pub(crate) struct CrowdArgs {
    /// How many wallets there are.
    #[arg(long, value_name = "N", default_value = "10000",
          value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    pub(crate) wallets: u32,

    /// Skew of the wallets: the k-th busiest gets a share in proportion to 1/k^S; 0 is even.
    #[arg(long, value_name = "S", default_value = "0", value_parser = skew)]
    pub(crate) zipf: f64,
}

/// An open loop over a crowd.
#[derive(Debug, Args)]
pub(crate) struct SteadyArgs {
    #[command(flatten)]
    pub(crate) open: OpenArgs,
    #[command(flatten)]
    pub(crate) crowd: CrowdArgs,
    #[command(flatten)]
    pub(crate) load: LoadArgs,
}

#[derive(Debug, Args)]
pub(crate) struct HotArgs {
    #[command(flatten)]
    pub(crate) open: OpenArgs,
    #[command(flatten)]
    pub(crate) load: LoadArgs,
}

#[derive(Debug, Args)]
pub(crate) struct SpreadArgs {
    /// How many wallets there are.
    #[arg(long, value_name = "N", default_value = "1000000",
          value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    pub(crate) wallets: u32,

    /// Skew of the wallets: the k-th busiest gets a share in proportion to 1/k^S; 0 is even.
    #[arg(long, value_name = "S", default_value = "1", value_parser = skew)]
    pub(crate) zipf: f64,

    #[command(flatten)]
    pub(crate) open: OpenArgs,
    #[command(flatten)]
    pub(crate) load: LoadArgs,
}

#[derive(Debug, Args)]
pub(crate) struct BurstArgs {
    /// How many times the rate a burst has.
    #[arg(long, value_name = "X", default_value = "10", value_parser = factor)]
    pub(crate) burst_factor: f64,

    /// How long a burst is, in milliseconds.
    #[arg(long, value_name = "MS", default_value = "1000",
          value_parser = clap::value_parser!(u64).range(20..=600_000))]
    pub(crate) burst_ms: u64,

    /// How often a burst begins, in milliseconds; the first one after half of that.
    #[arg(long, value_name = "MS", default_value = "5000",
          value_parser = clap::value_parser!(u64).range(100..=3_600_000))]
    pub(crate) every_ms: u64,

    #[command(flatten)]
    pub(crate) steady: SteadyArgs,
}

#[derive(Debug, Args)]
pub(crate) struct RampArgs {
    /// The bound: what the 99th percentile must stay under, in milliseconds.
    #[arg(long, value_name = "MS", default_value = "10", value_parser = milliseconds)]
    pub(crate) p99_ms: Duration,

    /// How much higher each step is, until one fails; then the gap is halved.
    #[arg(long, value_name = "X", default_value = "1.5", value_parser = factor)]
    pub(crate) step_factor: f64,

    /// How often the gap between the highest good and the lowest bad rate is halved.
    #[arg(long, value_name = "N", default_value = "4",
          value_parser = clap::value_parser!(u32).range(0..=20))]
    pub(crate) halvings: u32,

    #[command(flatten)]
    pub(crate) steady: SteadyArgs,
}

#[derive(Debug, Args)]
pub(crate) struct MixArgs {
    /// How often each command is sent, by weight. `ledger` reads the last ten rows of a wallet; it
    /// has no share unless it is given one.
    #[arg(
        long,
        value_name = "KIND=WEIGHT,…",
        default_value = "authorize=40,extend=5,capture=35,void=3,charge=10,refund=2,balance=5"
    )]
    pub(crate) shares: Shares,

    /// The share of holds that are left to expire.
    #[arg(long, value_name = "SHARE", default_value = "0.05", value_parser = share)]
    pub(crate) expire: f64,

    /// How long those live, in milliseconds.
    #[arg(long, value_name = "MS", default_value = "500",
          value_parser = clap::value_parser!(u64).range(1..=600_000))]
    pub(crate) expire_ttl: u64,

    /// The share of commands that are sent again with the same id: half of them right behind the
    /// first, half of them up to two seconds after its answer.
    #[arg(long, value_name = "SHARE", default_value = "0.02", value_parser = share)]
    pub(crate) retries: f64,

    #[command(flatten)]
    pub(crate) steady: SteadyArgs,
}

#[derive(Debug, Args)]
pub(crate) struct MaxArgs {
    /// How many commands are unanswered on each connection.
    #[arg(long, value_name = "N", default_value = "16",
          value_parser = clap::value_parser!(u16).range(1..=10_000))]
    pub(crate) depth: u16,

    #[command(flatten)]
    pub(crate) crowd: CrowdArgs,
    #[command(flatten)]
    pub(crate) load: LoadArgs,
}

#[derive(Debug, Args)]
pub(crate) struct DiskArgs {
    /// The folder to write in; best that of the server's data.
    #[arg(value_name = "DIR", default_value = ".")]
    pub(crate) dir: PathBuf,

    /// How many bytes to append before each sync.
    #[arg(long, value_name = "BYTES", default_value = "6144",
          value_parser = clap::value_parser!(u64).range(1..=16_777_216))]
    pub(crate) bytes: u64,

    /// How often, at most.
    #[arg(long, value_name = "N", default_value = "5000",
          value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) count: u32,

    /// How long, in seconds, at most.
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = some_seconds)]
    pub(crate) seconds: Duration,

    /// How many bytes a second the journal's store is given [default: as many as it takes].
    #[arg(long, value_name = "BYTES")]
    pub(crate) bytes_per_second: Option<u64>,
}

#[derive(Debug, Args)]
pub(crate) struct MisbehaveArgs {
    /// The server, which runs.
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:7411")]
    pub(crate) server: String,

    /// How many come and go.
    #[arg(long, value_name = "N", default_value = "1000",
          value_parser = clap::value_parser!(u32).range(1..=60_000))]
    pub(crate) clients: u32,

    /// How long, in seconds.
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = some_seconds)]
    pub(crate) duration: Duration,

    /// Seed of what is done when.
    #[arg(long, value_name = "N", default_value = "1")]
    pub(crate) seed: u64,
}
