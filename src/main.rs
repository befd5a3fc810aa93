//! The `purser` command.

mod cli;

use anyhow::Context as _;
use clap::{Args, Parser, Subcommand};
use purser::audit::backup::BackedUp;
use purser::audit::export::Wanted;
use purser::audit::verify::FORGET_EVERY;
use purser::config::flags::Flags;
use purser::domain::id::WalletId;
use purser::domain::time::Timestamp;
use purser::engine::clock::{Clock as _, SystemClock};
use purser::export::Format;
use purser::prices::Source;
use purser::pricing::import;
use purser::store::recovery::Loss;
use purser::{app, audit, prices, telemetry};
use std::ffi::OsString;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A real-time balance engine for the billing of AI apps.
#[derive(Debug, Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: ServeArgs,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve wallets (the default).
    Serve(ServeArgs),
    /// Check a store that nobody uses: that nothing is missing or damaged, and every wallet is what
    /// its records come to. Changes nothing.
    Verify(VerifyArgs),
    /// Write all that happened as a file, a row a record. Changes nothing.
    Export(ExportArgs),
    /// Copy a store, also of a running server. To restore, copy it back and start on it.
    Backup(BackupArgs),
    /// The settings: check them, or show those in force and where each came from.
    #[command(subcommand)]
    Config(cli::ConfigCommand),
    /// Who may use the server.
    #[command(subcommand)]
    User(cli::UserCommand),
    /// Check price books, look into them, compare them, make one of a list of model prices.
    #[command(subcommand)]
    Prices(PricesCommand),
}

#[derive(Debug, Subcommand)]
enum PricesCommand {
    /// Check a folder of price files; the shipped book without one.
    Check {
        /// The folder.
        #[arg(value_name = "DIR")]
        folder: Option<PathBuf>,
    },
    /// Show what a model costs.
    Show {
        /// The model.
        model: String,
        /// A folder of price files; the shipped book without it.
        #[arg(long, value_name = "DIR")]
        prices: Option<PathBuf>,
        /// When, as in 2026-12-01T00:00:00Z; now without it.
        #[arg(long, value_name = "TIME", value_parser = prices::commands::time)]
        at: Option<Timestamp>,
    },
    /// Show what differs between two folders of price files.
    Diff {
        /// The old prices; "" is the shipped book.
        old: OsString,
        /// The new prices; "" is the shipped book.
        new: OsString,
        /// When, as in 2026-12-01T00:00:00Z; now without it.
        #[arg(long, value_name = "TIME", value_parser = prices::commands::time)]
        at: Option<Timestamp>,
    },
    /// Make a price file of the JSON list of model prices (keys such as `input_cost_per_token`).
    Import {
        /// The list.
        file: PathBuf,
        /// The price file to write, *.json.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
        /// The date of the figures, as in 2026-11-23.
        #[arg(long, value_name = "DATE")]
        date: Option<String>,
        /// Rate models whose prices are all 0, too: the list has 0 also where nobody knows.
        #[arg(long)]
        with_free: bool,
    },
}

#[derive(Debug, Args)]
struct VerifyArgs {
    /// The directory that keeps everything.
    #[arg(
        long,
        value_name = "DIR",
        default_value = "purser-data",
        env = "PURSER_DATA",
        hide_env = true
    )]
    data: PathBuf,
}

#[derive(Debug, Args)]
struct ExportArgs {
    /// The directory that keeps everything.
    #[arg(
        long,
        value_name = "DIR",
        default_value = "purser-data",
        env = "PURSER_DATA",
        hide_env = true
    )]
    data: PathBuf,
    /// How the file is to look: jsonl, csv or parquet.
    #[arg(long, default_value = "jsonl", value_parser = format_named)]
    format: Format,
    /// Only this wallet, oldest row first.
    #[arg(long, value_parser = wallet_named)]
    wallet: Option<WalletId>,
    /// Only what happened then or later, in Unix milliseconds.
    #[arg(long, value_name = "TIME", value_parser = millis, allow_negative_numbers = true)]
    from: Option<i64>,
    /// Only what happened before, in Unix milliseconds.
    #[arg(long, value_name = "TIME", value_parser = millis, allow_negative_numbers = true)]
    to: Option<i64>,
    /// The file to write; standard output without it.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct BackupArgs {
    /// The directory that keeps everything.
    #[arg(
        long,
        value_name = "DIR",
        default_value = "purser-data",
        env = "PURSER_DATA",
        hide_env = true
    )]
    data: PathBuf,
    /// Where the copy is to be: a directory that is not there, or empty.
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
}

fn format_named(name: &str) -> Result<Format, &'static str> {
    Format::named(name).ok_or("it is none of jsonl, csv, parquet")
}

fn millis(text: &str) -> Result<i64, &'static str> {
    text.parse().map_err(|_| "it must be a whole number of Unix milliseconds")
}

fn wallet_named(name: &str) -> Result<WalletId, String> {
    WalletId::new(name.as_bytes()).map_err(|error| error.to_string())
}

impl VerifyArgs {
    fn run(&self) -> anyhow::Result<()> {
        app::abort_on_panic(None);
        let totals = audit::verify::verify(&self.data, FORGET_EVERY)?;
        writeln!(std::io::stdout().lock(), "{totals}ok").context("cannot say so")
    }
}

impl ExportArgs {
    fn run(self) -> anyhow::Result<()> {
        app::abort_on_panic(None);
        let wanted = Wanted {
            format: self.format,
            wallet: self.wallet,
            from: self.from.map(Timestamp::from_millis),
            to: self.to.map(Timestamp::from_millis),
        };
        let rows = match self.out {
            None => audit::export::export(&self.data, &wanted, std::io::stdout())?,
            Some(path) => {
                let file = File::create(&path);
                let file = file.with_context(|| format!("cannot make {}", path.display()))?;
                audit::export::export(&self.data, &wanted, file)?
            }
        };
        eprintln!("{rows} rows");
        Ok(())
    }
}

impl BackupArgs {
    fn run(&self) -> anyhow::Result<()> {
        let said = match audit::backup::back_up(&self.data, &self.to)? {
            BackedUp::Checkpoint(number) => format!("checkpoint {number} of the running server"),
            BackedUp::Still => "the store as it is; no server runs on it".to_owned(),
        };
        let to = self.to.display();
        writeln!(std::io::stdout().lock(), "{to}: {said}\nok").context("cannot say so")
    }
}

impl PricesCommand {
    fn run(&self) -> anyhow::Result<()> {
        let at = |time: &Option<Timestamp>| time.unwrap_or_else(|| SystemClock::start().now());
        let source = |folder: &Option<PathBuf>| Source::of(folder.as_deref());
        let said = match self {
            Self::Check { folder } => {
                format!("{}ok\n", prices::commands::check(&source(folder))?)
            }
            Self::Show { model, prices, at: time } => {
                prices::commands::show(&source(prices), model, at(time))?
            }
            Self::Diff { old, new, at: time } => {
                let (old, new) =
                    (Source::of(Some(Path::new(old))), Source::of(Some(Path::new(new))));
                prices::commands::differences(&old, &new, at(time))?
            }
            Self::Import { file, out, date, with_free } => {
                let wanted = import::Wanted { figures: date.as_deref(), with_free: *with_free };
                prices::commands::import(file, out, wanted)?.to_string()
            }
        };
        write!(std::io::stdout().lock(), "{said}").context("cannot say so")
    }
}

#[derive(Debug, Args)]
struct ServeArgs {
    #[command(flatten)]
    settings: Flags,
    /// Start although acknowledged operations are missing or damaged: what lies behind the damage
    /// is dropped for good.
    #[arg(long)]
    accept_loss: bool,
}

impl ServeArgs {
    fn run(self) -> anyhow::Result<()> {
        let loss = if self.accept_loss { Loss::Accept } else { Loss::Refuse };
        app::run(&self.settings.sources(), loss)
    }
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let result = match cli.command {
        Some(Command::Serve(args)) => args.run(),
        Some(Command::Verify(args)) => args.run(),
        Some(Command::Export(args)) => args.run(),
        Some(Command::Backup(args)) => args.run(),
        Some(Command::Config(command)) => command.run(),
        Some(Command::User(command)) => command.run(),
        Some(Command::Prices(command)) => command.run(),
        None => cli.serve.run(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // The last word, also when logs go elsewhere.
            telemetry::last_words(&format!("purser: {error:#}\n"));
            ExitCode::FAILURE
        }
    }
}
