//! A run: start a server if need be, open the wallets, send the plan, compare, report.
//!
//! The loop is open: requests leave when they are due, whatever the answers. Each lives in a task
//! of its own and ends as an outcome; the outcomes come together in one place, which owns the
//! model and the tally.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail};
use indicatif::ProgressBar;
use tokio::signal::ctrl_c;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Notify, mpsc};

use crate::checkpoints::Sightings;
use crate::cli::{RunArgs, TraceArgs};
use crate::client::Client;
use crate::disk;
use crate::identity::Identity;
use crate::model::Model;
use crate::observer::Observer;
use crate::pacer::Pacer;
use crate::plan::{self, Planned};
use crate::progress;
use crate::rated::{self, RatedModel};
use crate::report::{self, Report};
use crate::request::{Context, Ending, Names, Outcome};
use crate::rounding::count;
use crate::server::Server;
use crate::tally::Tally;
use crate::wallets;

/// A trace takes as long as it takes; what is observed ends with it.
const OBSERVED_MAX: Duration = Duration::from_hours(24 * 365);

/// Replays a plan against the server that the flags name.
pub(crate) async fn replay(
    plan: Vec<Planned>,
    options: &TraceArgs,
    settings: BTreeMap<String, String>,
) -> Result<Report> {
    against_a_server(&options.run, Report::is_exact, async |address| {
        make(plan, options, settings, address).await
    })
    .await
}

/// Makes something against the server that the flags name, or against one that is started for it.
/// The data of a run that was not fine is kept.
pub(crate) async fn against_a_server<T>(
    options: &RunArgs,
    is_fine: impl FnOnce(&T) -> bool,
    work: impl AsyncFnOnce(&str) -> Result<T>,
) -> Result<T> {
    if let Some(address) = &options.server {
        return unless_stopped(work(address)).await;
    }
    let mut server = Server::start(options).await?;
    let address = server.address().to_owned();
    let made = unless_stopped(work(&address)).await;
    let kept = if made.as_ref().is_ok_and(is_fine) { None } else { server.keep_data() };
    let stopped = server.stop().await;
    if let Some(folder) = kept {
        eprintln!("purser-loadtest: the server's data is kept in {}", folder.display());
    }
    match (made, stopped) {
        (made, Ok(())) => made,
        (Ok(_), Err(end)) => Err(end),
        (Err(error), Err(end)) => Err(anyhow!("{error:#}; {end:#}")),
    }
}

/// The rate card of a model, as the server shows it.
async fn rate_card(client: &Client, model: &str, currency: &str) -> Result<RatedModel> {
    let answered = client.call(0, &rated::ask(model)).await;
    let answered = answered.map_err(|unknown| anyhow!("{unknown}"))?;
    RatedModel::read(model, currency, &answered.answer.reply)
        .with_context(|| format!("cannot use the rate card of {model}"))
}

/// The time now, as reports show it.
pub(crate) fn made_at() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// The start of all names, made of the seed and the time if none is given.
pub(crate) fn prefix(options: &RunArgs) -> String {
    options.prefix.clone().unwrap_or_else(|| {
        format!("lt{}-{}", options.seed, jiff::Timestamp::now().as_millisecond())
    })
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

async fn make(
    mut plan: Vec<Planned>,
    options: &TraceArgs,
    settings: BTreeMap<String, String>,
    address: &str,
) -> Result<Report> {
    let made_at = made_at();
    let patience = Duration::from_millis(options.run.timeout);
    let prefix = prefix(&options.run);
    let client = Client::connect(address, options.connections, patience).await?;
    let rated = match &options.rated {
        Some(model) => Some(rate_card(&client, model, &options.run.currency).await?),
        None => None,
    };
    if let Some(model) = &rated {
        plan::rate(&mut plan, model)?;
    }
    let context = Arc::new(Context {
        client,
        rated,
        pacer: Pacer::start(),
        names: Names { prefix },
        ttl_ms: options.run.ttl,
    });
    let customers = usize::try_from(options.customers).context("too many customers")?;
    let mut model = Model::new(customers);

    let bar = progress::bar(count(customers), "wallets opened")?;
    wallets::open(&context, &mut model, &options.run.currency, options.top_up, &bar).await?;
    bar.finish_and_clear();

    let planned = plan.len();
    let bar = progress::bar(count(planned), "requests")?;
    let identity = Identity::of(&context.client, address).await;
    let answers = Arc::new(AtomicU64::new(0));
    let start = Instant::now();
    let watched = Arc::clone(&answers);
    let observer = Observer::start(&identity, watched, start, Duration::ZERO, OBSERVED_MAX);
    let looks = Looks { answers: &answers, sightings: &observer.sightings, bar: &bar };
    let (mut tally, took) = send(&context, plan, start, &mut model, &looks).await?;
    let seen = observer.finish();
    tally.apart.settle();
    bar.finish_and_clear();
    if tally.unknown > 0 {
        bail!(
            "the server at {address} was lost: the outcome of {} requests is unknown, so that \
             nothing can be compared ({})",
            tally.unknown,
            tally.troubles.last().map_or("", String::as_str)
        );
    }

    let bar = progress::bar(count(customers), "wallets compared")?;
    let (engine, differences) = wallets::compare(&context, &model, &bar).await?;
    bar.finish_and_clear();
    let disk = disk::beside_a_run(&identity, &seen);
    Ok(Report::new(report::Facts {
        names: &context.names,
        currency: &options.run.currency,
        customers,
        planned,
        tally: &tally,
        took,
        computed: model.spent()?,
        engine,
        differences: &differences,
        made_at,
        seed: options.run.seed,
        settings,
        identity: &identity,
        stopped_early: tally.requests() < count(planned),
        seen,
        disk,
    }))
}

/// Those who look on, and what they see.
struct Looks<'a> {
    answers: &'a AtomicU64,
    sightings: &'a Sightings,
    bar: &'a ProgressBar,
}

/// Sends the plan and collects what became of it, and how long that took.
async fn send(
    context: &Arc<Context>,
    plan: Vec<Planned>,
    start: Instant,
    model: &mut Model,
    looks: &Looks<'_>,
) -> Result<(Tally, Duration)> {
    let about = plan.last().map_or(Duration::ZERO, |last| last.at + last.work);
    let mut tally = Tally::new(start, about, looks.sightings.clone())?;
    let enough = Arc::new(Notify::new());
    let (outcomes, mut ended) = mpsc::unbounded_channel();
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
        looks.answers.store(tally.all.count(), Ordering::Relaxed);
        looks.bar.inc(1);
        looks.bar.set_message(format!("declined {}, late {}", tally.declines(), tally.late));
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
