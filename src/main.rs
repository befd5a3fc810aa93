//! The `purser` command.

use clap::{Args, Parser, Subcommand};
use purser::app;
use purser::config::Config;
use purser::store::recovery::Loss;
use std::net::SocketAddr;
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
}

#[derive(Debug, Args)]
struct ServeArgs {
    /// The directory that keeps everything [default: purser-data].
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Where clients connect; port 0 picks a free one [default: 127.0.0.1:7411].
    #[arg(long, value_name = "ADDR")]
    resp: Option<SocketAddr>,
    /// Where health and metrics are; port 0 picks a free one [default: 127.0.0.1:7412].
    #[arg(long, value_name = "ADDR")]
    http: Option<SocketAddr>,
    /// A configuration file; see config/purser.toml.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Start although acknowledged operations are missing or damaged: what lies behind the damage
    /// is dropped for good.
    #[arg(long)]
    accept_loss: bool,
}

impl ServeArgs {
    fn run(self) -> anyhow::Result<()> {
        let file = self.config.as_deref().map(Config::read).transpose()?.unwrap_or_default();
        let config = Config {
            data: self.data.unwrap_or(file.data),
            resp: self.resp.unwrap_or(file.resp),
            http: self.http.unwrap_or(file.http),
            ..file
        };
        let loss = if self.accept_loss { Loss::Accept } else { Loss::Refuse };
        app::run(config.check()?, loss)
    }
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let result = match cli.command {
        Some(Command::Serve(args)) => args.run(),
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
