//! The command line: every flag with its unit and its default.

mod synthetic;
mod values;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use purser::domain::amount::Amount;

use crate::compare::CompareArgs;
pub(crate) use synthetic::{
    BurstArgs, DiskArgs, HotArgs, LoadArgs, MaxArgs, MisbehaveArgs, MixArgs, OpenArgs, RampArgs,
    SpreadArgs, SteadyArgs,
};
use values::{milliseconds, prefix, skew, speed};

/// Drives a purser server with load, and checks every balance to the last digit.
#[derive(Debug, Parser)]
#[command(version, after_help = EXIT_CODES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXIT_CODES: &str = "Exit codes: 0 all is well; 1 a wallet differs, or an answer was wrong; \
2 the run could not be made; 3 the generator could not keep its own schedule, so that the figures \
are not the server's.";

const TRACE_EXIT_CODES: &str = "Exit codes: 0 every wallet is equal to the last digit; 1 a \
wallet differs, or a request failed; 2 the run could not be made.";

const COMPARE_EXIT_CODES: &str = "Exit codes: 0 every answer was right; 1 an answer or a balance \
was wrong; 2 the comparison could not be made.";

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Replays a CSV trace of real requests: TIMESTAMP,ContextTokens,GeneratedTokens.
    ///
    /// Each row is a request of one of N customers. It authorizes an estimate (the input length is
    /// known, the output length is not), works for as long as the output takes to generate, and
    /// captures what was used. Requests leave when the trace says so, whether the server has
    /// answered the earlier ones or not, and latencies count from the time at which a command was
    /// due.
    #[command(after_help = TRACE_EXIT_CODES)]
    Trace(Box<TraceArgs>),
    /// Sends at one rate, whatever the answers.
    #[command(after_help = EXIT_CODES)]
    Steady(Box<SteadyArgs>),
    /// Sends at a rate with bursts of a multiple of it, and reports calm, burst and drain apart.
    #[command(after_help = EXIT_CODES)]
    Burst(Box<BurstArgs>),
    /// Looks for the highest rate whose 99th percentile stays under a bound.
    #[command(after_help = EXIT_CODES)]
    Ramp(Box<RampArgs>),
    /// Sends at one rate, all to one wallet.
    #[command(after_help = EXIT_CODES)]
    Hot(Box<HotArgs>),
    /// Sends at one rate to very many wallets, of which a few are busy.
    #[command(after_help = EXIT_CODES)]
    Spread(Box<SpreadArgs>),
    /// Sends all kinds of commands in given shares; some holds are left to expire, some commands
    /// are sent again.
    #[command(after_help = EXIT_CODES)]
    Mix(Box<MixArgs>),
    /// Sends as fast as the server answers: so many unanswered commands on so many connections.
    ///
    /// The loop is closed: a server that stalls is sent nothing meanwhile, so these latencies say
    /// nothing about what customers would see. It is for throughput and cost.
    #[command(after_help = EXIT_CODES)]
    Max(Box<MaxArgs>),
    /// Measures purser beside Redis, PostgreSQL and TigerBeetle, in turn, on the same workload.
    ///
    /// Starts the servers that it finds, on loopback and in temporary folders, one at a time, and
    /// stops them again. The loop is closed: it is for throughput and cost, not for what customers
    /// would see while a server stalls.
    #[command(after_help = COMPARE_EXIT_CODES)]
    Compare(Box<CompareArgs>),
    /// Measures append + fdatasync, on a plain file and in the journal's own store: what any
    /// durable figure must be held against.
    Disk(DiskArgs),
    /// Clients that misbehave come and go, beside a load of others: slow, half, large, garbage.
    ///
    /// Run it with a lower priority (`nice -n 19`) where it shares the machine with the server, and look
    /// at the latencies of the load beside it. In the end the server must answer.
    Misbehave(MisbehaveArgs),
}

#[derive(Debug, Args)]
pub(crate) struct TraceArgs {
    /// The CSV file; its first line is the header, timestamps are `YYYY-MM-DD HH:MM:SS.fffffff`.
    pub(crate) file: PathBuf,

    /// How many times faster than the trace to send; the work is that much shorter, too.
    #[arg(long, value_name = "X", default_value = "1", value_parser = speed)]
    pub(crate) speed: f64,

    /// Replay only so many rows from the start of the file [default: all].
    #[arg(long, value_name = "ROWS")]
    pub(crate) limit: Option<usize>,

    /// Skew of the customers: the k-th busiest gets a share in proportion to 1/k^S; 0 is even.
    #[arg(long, value_name = "S", default_value = "1", value_parser = skew)]
    pub(crate) zipf: f64,

    /// Price of one input token, in the wallets' currency.
    #[arg(long, value_name = "AMOUNT", default_value = "0.0000025")]
    pub(crate) input_price: Amount,

    /// Price of one output token, in the wallets' currency.
    #[arg(long, value_name = "AMOUNT", default_value = "0.00001")]
    pub(crate) output_price: Amount,

    /// Send usage of this model instead of amounts: the engine prices it by its own price book, and
    /// the same is worked out here from the rate card that it shows.
    #[arg(long, value_name = "MODEL", conflicts_with_all = ["input_price", "output_price"])]
    pub(crate) rated: Option<String>,

    /// Of the input tokens, how many in a hundred a cache had; they cost as the card says.
    #[arg(long, value_name = "PERCENT", default_value = "0", requires = "rated",
          value_parser = clap::value_parser!(u8).range(0..=100))]
    pub(crate) cached: u8,

    /// Output tokens that an estimate assumes; a longer output is captured above its hold.
    #[arg(long, value_name = "TOKENS", default_value = "256")]
    pub(crate) max_output: u32,

    /// Work before the first output token, in milliseconds of the trace's time.
    #[arg(long, value_name = "MS", default_value = "200", value_parser = milliseconds)]
    pub(crate) first_token: Duration,

    /// Work for each output token, in milliseconds of the trace's time; fractions are fine.
    #[arg(long, value_name = "MS", default_value = "15", value_parser = milliseconds)]
    pub(crate) per_token: Duration,

    /// How many customers there are, each with one wallet.
    #[arg(long, value_name = "N", default_value = "100",
          value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    pub(crate) customers: u32,

    /// How many connections to send on.
    #[arg(long, value_name = "N", default_value = "8",
          value_parser = clap::value_parser!(u16).range(1..=10_000))]
    pub(crate) connections: u16,

    /// Money that each wallet gets at the start, in its currency; a small one shows declines.
    #[arg(long, value_name = "AMOUNT", default_value = "100")]
    pub(crate) top_up: Amount,

    #[command(flatten)]
    pub(crate) run: RunArgs,
}

/// What every profile needs: a server, and where to report to.
#[derive(Debug, Clone, Args)]
pub(crate) struct RunArgs {
    /// Use the server that runs at this address [default: start one].
    #[arg(long, value_name = "HOST:PORT", conflicts_with_all = ["purser", "data", "config"])]
    pub(crate) server: Option<String>,

    /// The server to start, and to stop at the end [default: `purser` beside this program].
    #[arg(long, value_name = "PATH")]
    pub(crate) purser: Option<PathBuf>,

    /// Folder for the data of the server that is started [default: a temporary one, removed at the
    /// end unless something was wrong].
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,

    /// Configuration file of the server that is started [default: none].
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,

    /// Seed of everything that is drawn: the same seed gives the same customer to each request.
    #[arg(long, value_name = "N", default_value = "1")]
    pub(crate) seed: u64,

    /// Currency of the wallets.
    #[arg(long, value_name = "CODE", default_value = "USD")]
    pub(crate) currency: String,

    /// How long a hold lives, in milliseconds of the server's clock, whatever the speed; a short
    /// one shows late captures.
    #[arg(long, value_name = "MS", default_value = "900000",
          value_parser = clap::value_parser!(u64).range(1..=2_678_400_000))]
    pub(crate) ttl: u64,

    /// How long to wait for an answer, in milliseconds, before the connection is given up and the
    /// command sent again, with the same id, on a new one.
    #[arg(long, value_name = "MS", default_value = "10000",
          value_parser = clap::value_parser!(u64).range(1..=3_600_000))]
    pub(crate) timeout: u64,

    /// Start of all wallet names and op ids [default: made of the seed and the time, so that runs
    /// on the same server do not collide]. The same prefix on the same data repeats a run: what
    /// the server did then, it replays.
    #[arg(long, value_name = "TEXT", value_parser = prefix)]
    pub(crate) prefix: Option<String>,

    /// Also write the report to this file, as JSON; amounts are strings [default: no].
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,

    /// Also write the report to this file, as one self-contained HTML page [default: no].
    #[arg(long, value_name = "FILE.html")]
    pub(crate) report: Option<PathBuf>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    /// Whoever copies a command from a page gets what the page says.
    #[test]
    fn takes_every_command_that_a_page_shows() {
        let mut seen = 0;
        for page in [
            include_str!("../../README.md"),
            include_str!("../README.md"),
            include_str!("../../docs/load-testing.md"),
            include_str!("../../docs/comparing.md"),
            include_str!("../../docs/performance.md"),
        ] {
            let in_blocks = page.lines().filter(|line| line.starts_with("$ "));
            let examples = in_blocks.filter_map(|line| line.split_once("purser-loadtest "));
            let in_table = page.lines().filter(|line| line.starts_with("| `"));
            let in_table = in_table.filter_map(|line| {
                let example = line.strip_suffix("` |")?.rsplit('`').next()?;
                line.starts_with(&format!("| `{}`", example.split(' ').next()?)).then_some(example)
            });
            for example in examples.map(|(_, words)| words).chain(in_table) {
                let words = ["purser-loadtest"].into_iter().chain(example.split_whitespace());
                let taken = Cli::try_parse_from(words);
                assert!(taken.is_ok(), "{example}: {}", taken.unwrap_err());
                seen += 1;
            }
        }
        assert!(seen >= 20, "{seen}");
    }

    #[test]
    fn refuses_what_cannot_be_meant() {
        for flags in [
            "--speed 0",
            "--speed inf",
            "--speed NaN",
            "--zipf -1",
            "--customers 0",
            "--connections 0",
            "--input-price 1e-6",
            "--per-token -1",
            "--prefix @x",
            "--server a:1 --data d",
        ] {
            let words = ["purser-loadtest", "trace", "x.csv"].into_iter().chain(flags.split(' '));
            assert!(Cli::try_parse_from(words).is_err(), "{flags}");
        }
    }
}
