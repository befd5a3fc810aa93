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
use purser::export::Format;
use purser::store::recovery::Loss;
use purser::{app, audit};
use std::fs::File;
use std::io::Write as _;
use std::path::PathBuf;
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
    #[arg(long, value_name = "TIME")]
    from: Option<i64>,
    /// Only what happened before, in Unix milliseconds.
    #[arg(long, value_name = "TIME")]
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

fn wallet_named(name: &str) -> Result<WalletId, String> {
    WalletId::new(name.as_bytes()).map_err(|error| error.to_string())
}

impl VerifyArgs {
    fn run(&self) -> anyhow::Result<()> {
        app::abort_on_panic();
        let totals = audit::verify::verify(&self.data, FORGET_EVERY)?;
        writeln!(std::io::stdout().lock(), "{totals}ok").context("cannot say so")
    }
}

impl ExportArgs {
    fn run(self) -> anyhow::Result<()> {
        app::abort_on_panic();
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
        None => cli.serve.run(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // The last word, also when logs go elsewhere.
            eprintln!("purser: {error:#}");
            ExitCode::FAILURE
        }
    }
}
