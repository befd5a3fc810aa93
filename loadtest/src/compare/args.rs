//! The flags of `purser-loadtest compare`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::shape::{OwnShape, Shape};

/// Which programs send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Tool {
    /// This program's own driver: authorize, then capture; every answer is checked.
    Driver,
    /// `redis-benchmark`, against purser and Redis: authorizations only, for it cannot name a hold
    /// that it placed.
    RedisBenchmark,
}

/// What purser can be compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Against {
    Redis,
    Postgres,
    Tigerbeetle,
}

#[derive(Debug, Args)]
pub(crate) struct CompareArgs {
    /// What to compare with [default: whatever is found].
    #[arg(long, value_name = "PEER", value_delimiter = ',')]
    pub(crate) against: Vec<Against>,

    /// Connections x commands in flight on each; several are separated by commas.
    #[arg(long, value_name = "CxD", value_delimiter = ',', default_value = "32x1")]
    pub(crate) shapes: Vec<Shape>,

    /// One more comparison, each at a shape of its own, such as `purser=50x64,postgres=64x1`;
    /// whoever is not named takes no part in it.
    #[arg(long, value_name = "PEER=CxD", value_delimiter = ',')]
    pub(crate) best: Vec<OwnShape>,

    /// How many wallets, drawn from at random; 1 is one hot wallet. Several are separated by
    /// commas.
    #[arg(long, value_name = "N", value_delimiter = ',', default_value = "10000,1",
          value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    pub(crate) wallets: Vec<u32>,

    /// How often each is measured, in turn.
    #[arg(long, value_name = "N", default_value = "5",
          value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub(crate) rounds: u32,

    /// How long each measurement takes, in seconds; fractions are fine.
    #[arg(long, value_name = "S", default_value = "5", value_parser = seconds)]
    pub(crate) seconds: Duration,

    /// How long to send before each measurement, in seconds.
    #[arg(long, value_name = "S", default_value = "1", value_parser = seconds)]
    pub(crate) warm_up: Duration,

    /// What sends.
    #[arg(long, value_enum, default_value = "driver")]
    pub(crate) tool: Tool,

    /// Folder on the disk to measure on; a folder for each server is made in it and removed
    /// [default: the system's temporary one].
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,

    /// Seed of what is drawn; every server gets the same draws.
    #[arg(long, value_name = "N", default_value = "1")]
    pub(crate) seed: u64,

    /// The purser to measure [default: `purser` beside this program].
    #[arg(long, value_name = "PATH")]
    pub(crate) purser: Option<PathBuf>,

    /// The Redis server [default: `redis-server`, if it is on the path].
    #[arg(long, value_name = "PATH")]
    pub(crate) redis_server: Option<PathBuf>,

    /// The folder of PostgreSQL's programs [default: where `initdb` is on the path, or the newest
    /// under /usr/lib/postgresql].
    #[arg(long, value_name = "DIR")]
    pub(crate) postgres_bin: Option<PathBuf>,

    /// The TigerBeetle binary; it is measured by its own benchmark command [default: left out].
    #[arg(long, value_name = "PATH", env = "TIGERBEETLE")]
    pub(crate) tigerbeetle: Option<PathBuf>,

    /// Also write the report to this file, as JSON [default: no].
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
}

fn seconds(text: &str) -> Result<Duration, String> {
    let wrong = || "a number of seconds from 0.05 to 3600 is needed".to_owned();
    let seconds: f64 = text.parse().map_err(|_| wrong())?;
    if (0.05..=3600.0).contains(&seconds) {
        Duration::try_from_secs_f64(seconds).map_err(|_| wrong())
    } else {
        Err(wrong())
    }
}
