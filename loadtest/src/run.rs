//! A run: start a server if need be, open the wallets, send the plan, compare, report.
//!
//! The loop is open: requests leave when they are due, whatever the answers. Each lives in a task
//! of its own and ends as an outcome; the outcomes come together in one place, which owns the
//! model and the tally.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail};
use indicatif::{ProgressBar, ProgressStyle};
use tokio::signal::ctrl_c;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Notify, mpsc};

use crate::cli::RunArgs;
use crate::client::Client;
use crate::model::Model;
use crate::pacer::Pacer;
use crate::plan::Planned;
use crate::report::{self, Report};
use crate::request::{Context, Ending, Names, Outcome};
use crate::server::Server;
use crate::tally::Tally;
use crate::wallets;

/// Makes a run against the server that the flags name, and shows its report.
pub(crate) async fn against_a_server(plan: Vec<Planned>, options: &RunArgs) -> Result<Report> {
    if let Some(address) = &options.server {
        let report = unless_stopped(make(plan, options, address)).await?;
        report.show(options)?;
        return Ok(report);
    }
    let mut server = Server::start(options).await?;
    let address = server.address().to_owned();
    let made = unless_stopped(make(plan, options, &address)).await;
    let kept = match &made {
        Ok(report) if report.is_exact() => None,
        Ok(_) | Err(_) => server.keep_data(),
    };
    let stopped = server.stop().await;
    if let Some(folder) = kept {
        eprintln!("purser-loadtest: the server's data is kept in {}", folder.display());
    }
    match (made, stopped) {
        (Ok(report), stopped) => {
            report.show(options)?;
            stopped.map(|()| report)
        }
        (Err(error), Ok(())) => Err(error),
        (Err(error), Err(end)) => Err(anyhow!("{error:#}; {end:#}")),
    }
}

/// Gives up at the second Ctrl-C, or when the program is told to end; the first Ctrl-C only stops
/// the sending, and what was sent is checked.
async fn unless_stopped<T>(run: impl Future<Output = Result<T>>) -> Result<T> {
    let mut terminated = signal(SignalKind::terminate()).context("cannot watch for signals")?;
    let interrupted_twice = async { ctrl_c().await.and(ctrl_c().await) };
    tokio::select! {
        done = run => done,
        _ = interrupted_twice => bail!("interrupted; nothing was checked"),
        _ = terminated.recv() => bail!("terminated; nothing was checked"),
    }
}

async fn make(plan: Vec<Planned>, options: &RunArgs, address: &str) -> Result<Report> {
    let patience = Duration::from_millis(options.timeout);
    let prefix = options.prefix.clone().unwrap_or_else(|| {
        format!("lt{}-{}", options.seed, jiff::Timestamp::now().as_millisecond())
    });
    let context = Arc::new(Context {
        client: Client::connect(address, options.connections, patience).await?,
        pacer: Pacer::start(),
        names: Names { prefix },
        ttl_ms: options.ttl,
    });
    let customers = usize::try_from(options.customers).context("too many customers")?;
    let mut model = Model::new(customers);

    let bar = progress(customers, "wallets opened")?;
    wallets::open(&context, &mut model, &options.currency, options.top_up, &bar).await?;
    bar.finish_and_clear();

    let planned = plan.len();
    let bar = progress(planned, "requests")?;
    let (tally, took) = send(&context, plan, &mut model, &bar).await?;
    bar.finish_and_clear();
    if tally.unknown > 0 {
        bail!(
            "the server at {address} was lost: the outcome of {} requests is unknown, so that \
             nothing can be compared ({})",
            tally.unknown,
            tally.troubles.last().map_or("", String::as_str)
        );
    }

    let bar = progress(customers, "wallets compared")?;
    let (engine, differences) = wallets::compare(&context, &model, &bar).await?;
    bar.finish_and_clear();
    Ok(Report::new(&report::Facts {
        names: &context.names,
        currency: &options.currency,
        customers,
        planned,
        tally: &tally,
        took,
        computed: model.spent()?,
        engine,
        differences: &differences,
    }))
}

/// Sends the plan and collects what became of it, and how long that took.
async fn send(
    context: &Arc<Context>,
    plan: Vec<Planned>,
    model: &mut Model,
    bar: &ProgressBar,
) -> Result<(Tally, Duration)> {
    let mut tally = Tally::new()?;
    let enough = Arc::new(Notify::new());
    let (outcomes, mut ended) = mpsc::unbounded_channel();
    let start = Instant::now();
    tokio::spawn(dispatch(Arc::clone(context), plan, start, outcomes, Arc::clone(&enough)));
    while let Some(outcome) = ended.recv().await {
        match &outcome.ending {
            Ending::Captured(paid) => {
                model.capture(outcome.customer, paid.computed, paid.receipt)?;
            }
            Ending::Unknown { .. } => enough.notify_one(),
            Ending::Declined { .. } | Ending::Refused { .. } => {}
        }
        tally.add(outcome)?;
        bar.inc(1);
        bar.set_message(format!("declined {}, late {}", tally.declines(), tally.late));
    }
    Ok((tally, start.elapsed()))
}

/// Starts every request when it is due, until all are started or it is enough.
async fn dispatch(
    context: Arc<Context>,
    plan: Vec<Planned>,
    start: Instant,
    outcomes: mpsc::UnboundedSender<Outcome>,
    enough: Arc<Notify>,
) {
    let mut interrupted = Box::pin(ctrl_c());
    for (number, request) in plan.into_iter().enumerate() {
        let due = start + request.at;
        tokio::select! {
            () = context.pacer.until(due) => {}
            _ = &mut interrupted => return,
            () = enough.notified() => return,
        }
        let (context, outcomes) = (Arc::clone(&context), outcomes.clone());
        tokio::spawn(async move {
            // Nobody listens any more when the run was given up.
            let _ = outcomes.send(context.make(number, request, due).await);
        });
    }
}

/// A progress bar on the terminal, if there is one.
fn progress(length: usize, what: &str) -> Result<ProgressBar> {
    let template = format!(
        "{{bar:40}} {{human_pos}}/{{human_len}} {what}, {{elapsed}}, {{eta}} left  {{msg}}"
    );
    let style = ProgressStyle::with_template(&template).context("cannot make a progress bar")?;
    Ok(ProgressBar::new(u64::try_from(length).unwrap_or(u64::MAX)).with_style(style))
}
