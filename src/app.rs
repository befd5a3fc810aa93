//! The composition root: takes the data directory, binds, recovers, serves, and stops in order.

use crate::config::Config;
use crate::domain::time::{Span, Timestamp};
use crate::engine::clock::{Clock, SystemClock};
use crate::engine::committer::{self, Submission};
use crate::engine::live_wallet::LiveWallet;
use crate::engine::peers::{PeerMessage, owner_among};
use crate::engine::shard::{Shard, ShardSignal};
use crate::server::{self, Context, ShardServer};
use crate::store::StoreError;
use crate::store::data_dir::DataDir;
use crate::store::recovery::{self, Loss, Recovered};
use crate::store::sled::SledJournal;
use crate::store::writer::{JournalWriter, Tail};
use crate::telemetry;
use anyhow::Context as _;
use crossbeam::channel::{Receiver, Sender};
use std::io::Write as _;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

/// A journal whose last event is further ahead of the clock is not served: its holds would not
/// expire, and new events would be dated in the future.
const AHEAD_MAX: Span = Span::from_millis(5 * 60_000);
/// How long a stop after a failure waits for clients to hear of it.
const FAILURE_GRACE: Duration = Duration::from_millis(500);

/// Runs the server until it is told to stop, or its store fails.
pub fn run(config: Config, loss: Loss) -> anyhow::Result<()> {
    telemetry::init_logs(&config)?;
    abort_on_panic();
    let prometheus = telemetry::init_metrics()?;
    let (resp, http) = (bind(config.resp, "--resp")?, bind(config.http, "--http")?);
    let dir = DataDir::take(&config.data)?;
    let config = Config { resp: resp.local_addr()?, http: http.local_addr()?, ..config };
    let system = actix::System::new();
    system.block_on(async move {
        let _heard = outlive_large_files()?;
        let signals: Vec<_> = (0..config.shards()).map(|_| ShardSignal::new()).collect();
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::start());
        let context = Context::new(config, clock, signals.clone());
        let (submit, submissions) = crossbeam::channel::unbounded();
        let shards = start_shards(&context, &signals, &submit);
        resp.set_nonblocking(true)?;
        let listener = tokio::net::TcpListener::from_std(resp)?;
        let acceptor =
            actix_rt::spawn(server::accept(listener, Arc::clone(&context), shards.clone()));
        actix_rt::spawn(telemetry::keep_up(prometheus.clone()));
        let http = server::http::serve(http, Arc::clone(&context), prometheus)?;
        actix_rt::spawn(http);
        let mut store = start_store(dir, loss, &context, signals, submissions)?;
        let stopped = tokio::select! {
            result = &mut store => Err(result),
            () = stop_requested(&context) => Ok(()),
        };
        match stopped {
            Ok(()) => {
                acceptor.abort();
                stop(&context, &shards).await;
                drop(submit.send(Submission::Stop));
                finish(store.await)
            }
            Err(result) => {
                // Clients that wait are told before the process ends.
                let told = tokio::time::timeout(FAILURE_GRACE, context.failed.notified()).await;
                if told.is_ok() {
                    tokio::time::sleep(FAILURE_GRACE).await;
                }
                finish(result)
            }
        }
    })
}

/// Takes an address.
fn bind(address: SocketAddr, flag: &str) -> anyhow::Result<TcpListener> {
    let bound = TcpListener::bind(address);
    bound.with_context(|| format!("cannot listen on {address}; name another address with {flag}"))
}

/// A panic is a bug, and memory may be wrong after it: the process ends, the journal has all that
/// was acknowledged. Only the guarded parts of the store may panic, over damaged files.
fn abort_on_panic() {
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if crate::store::is_guarded() {
            return;
        }
        report(panic);
        std::process::abort();
    }));
}

/// A write beyond the limit on the size of files is to fail, and be reported; without a handler the
/// process would end without a word.
fn outlive_large_files() -> std::io::Result<Signal> {
    signal(SignalKind::from_raw(libc::SIGXFSZ))
}

/// Starts an arbiter for each shard.
fn start_shards(
    context: &Arc<Context>,
    signals: &[Arc<ShardSignal>],
    submit: &Sender<Submission>,
) -> Vec<ShardServer> {
    let start = |index: u8| {
        let (server, orders) = ShardServer::new();
        let (context, signals, submit) = (Arc::clone(context), signals.to_vec(), submit.clone());
        let settings = context.config.engine();
        actix::Arbiter::new().spawn_fn(move || {
            if let Some(shard) = Shard::new(index, settings, &signals, submit) {
                actix_rt::spawn(server::serve_shard(shard, context, orders));
            }
        });
        server
    };
    (0..context.config.shards()).map(start).collect()
}

/// Recovers the journal and commits to it, on a thread of its own. The receiver gets the reason
/// when that ends.
fn start_store(
    dir: DataDir,
    loss: Loss,
    context: &Arc<Context>,
    signals: Vec<Arc<ShardSignal>>,
    submissions: Receiver<Submission>,
) -> anyhow::Result<oneshot::Receiver<Result<(), StoreError>>> {
    let (done, is_done) = oneshot::channel();
    let context = Arc::clone(context);
    std::thread::Builder::new().name("committer".to_owned()).spawn(move || {
        let result = keep_store(dir, loss, &context, &signals, &submissions);
        // The main thread waits for it as long as it lives.
        drop(done.send(result));
    })?;
    Ok(is_done)
}

fn keep_store(
    dir: DataDir,
    loss: Loss,
    context: &Arc<Context>,
    signals: &[Arc<ShardSignal>],
    submissions: &Receiver<Submission>,
) -> Result<(), StoreError> {
    if let Some(reason) = dir.copy_if_unclean() {
        tracing::warn!("no copy of the journal was kept before recovery: {reason}");
    }
    let mut journal = SledJournal::open(&dir)?;
    let mut recovered = recovery::recover(&mut journal, loss)?;
    check_clock(&recovered, context.clock.now())?;
    for dropped in &recovered.dropped {
        match loss {
            Loss::Refuse => tracing::warn!("an unfinished write was cut off: {dropped}"),
            Loss::Accept => tracing::warn!("dropped, as --accept-loss says: {dropped}"),
        }
    }
    tracing::info!(
        records = recovered.records,
        wallets = recovered.wallets.len(),
        "the journal is recovered"
    );
    if loss == Loss::Refuse {
        dir.drop_copy();
    } else if let Some(kept) = dir.keep_copy() {
        tracing::warn!("the journal as it was is kept in {}", kept.display());
    }
    let tails = std::mem::take(&mut recovered.tails);
    distribute(recovered, &tails, context, signals);
    committer::run(JournalWriter::new(journal, tails), submissions, signals)?;
    dir.close()
}

/// Refuses a journal from the future.
fn check_clock(recovered: &Recovered, now: Timestamp) -> Result<(), StoreError> {
    if recovered.last_time.since(now) > AHEAD_MAX {
        return Err(StoreError::AheadOfClock { last: recovered.last_time, now });
    }
    Ok(())
}

/// Gives each shard its wallets; the last one that has them opens the server.
fn distribute(
    recovered: Recovered,
    tails: &[Tail],
    context: &Arc<Context>,
    signals: &[Arc<ShardSignal>],
) {
    let mut wallets: Vec<Vec<LiveWallet>> = signals.iter().map(|_| Vec::new()).collect();
    for (id, known) in recovered.wallets {
        let owner = usize::from(owner_among(&id, signals.len()));
        if let Some(of_shard) = wallets.get_mut(owner) {
            of_shard.push(LiveWallet::recovered(id, known.wallet, known.last));
        }
    }
    let waiting = Arc::new(AtomicUsize::new(signals.len()));
    for ((log, signal), wallets) in (0..).zip(signals).zip(wallets) {
        let tail = tails.iter().find(|tail| tail.next.log() == log).copied();
        let (context, waiting) = (Arc::clone(context), Arc::clone(&waiting));
        let ready = move || {
            if waiting.fetch_sub(1, Ordering::AcqRel) == 1 && context.serve() {
                announce(&context.config);
            }
        };
        signal.send(PeerMessage::Recovered {
            tail: tail.unwrap_or(Tail::empty(log)),
            wallets,
            ready: Box::new(ready),
        });
    }
}

/// Says where the server listens, and one line to try.
fn announce(config: &Config) {
    let mut out = std::io::stdout().lock();
    // A closed standard output is nobody who wants to know.
    let _ = writeln!(
        out,
        "purser {} listens for RESP on {}\npurser serves HTTP on {}\ntry: redis-cli -p {} \
         WALLET.OPEN alice CURRENCY USD",
        env!("CARGO_PKG_VERSION"),
        config.resp,
        config.http,
        config.resp.port()
    );
    let _ = out.flush();
}

/// Resolves when somebody asks the server to stop.
async fn stop_requested(context: &Context) {
    let (Ok(mut terminate), Ok(mut interrupt)) =
        (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        return context.stop_asked.notified().await;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        () = context.stop_asked.notified() => {}
    }
}

/// Answers what is in flight.
async fn stop(context: &Context, shards: &[ShardServer]) {
    tracing::info!("stopping: what is in flight is answered first");
    context.stop();
    let all = async {
        for shard in shards {
            shard.stop().await;
        }
    };
    let timeout = Duration::from_millis(context.config.stop_timeout_ms);
    if tokio::time::timeout(timeout, all).await.is_err() {
        tracing::warn!("some clients did not read their replies in time");
    }
}

/// How the store ended.
fn finish(result: Result<Result<(), StoreError>, oneshot::error::RecvError>) -> anyhow::Result<()> {
    match result {
        Ok(Ok(())) => {
            tracing::info!("stopped; everything acknowledged is on disk");
            Ok(())
        }
        Ok(Err(error)) => Err(error.into()),
        Err(_) => Err(anyhow::anyhow!("the committer ended without a reason")),
    }
}
