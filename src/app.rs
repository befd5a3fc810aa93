//! The composition root: takes the data directory, binds, recovers, serves, and stops in order.

use crate::config::{Config, Loaded, Sources};
use crate::disk;
use crate::engine::clock::{Clock, SystemClock};
use crate::engine::committer::{Durability, Submission};
use crate::engine::prices::PriceShelf;
use crate::engine::shard::Shard;
use crate::engine::signal::ShardSignal;
use crate::files;
use crate::price_shelf::Shelf;
use crate::prices::{PriceBooks, Source};
use crate::reload::Reload;
use crate::server::tls::{self, Tls};
use crate::server::{self, Context, Phase, ShardServer};
use crate::store::StoreError;
use crate::store::data_dir::DataDir;
use crate::store::recovery::Loss;
use crate::store_threads::StoreThreads;
use crate::telemetry::{self, Logs};
use anyhow::Context as _;
use crossbeam::channel::Sender;
use sd_notify::NotifyState;
use socket2::{Domain, Protocol, Socket, Type};
use std::backtrace::{Backtrace, BacktraceStatus};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

/// How long a stop after a failure waits for clients to hear of it.
const FAILURE_GRACE: Duration = Duration::from_millis(500);
/// So many connections may wait to be accepted; the system may allow fewer.
const BACKLOG: i32 = 4_096;

/// Runs the server until it is told to stop, or its store fails.
pub fn run(sources: &Sources, loss: Loss) -> anyhow::Result<()> {
    let loaded = sources.load()?;
    let log_lines = Logs::start(&loaded.config)?;
    abort_on_panic(Some(log_lines.clone()));
    let served = serve(sources, &loaded, loss, &log_lines);
    log_lines.end();
    served
}

fn serve(sources: &Sources, loaded: &Loaded, loss: Loss, log_lines: &Logs) -> anyhow::Result<()> {
    let config = loaded.config.clone();
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
    if let Durability::Interval(interval) = config.durability() {
        let ms = interval.as_millis();
        tracing::warn!(
            "durability = \"interval\": what is acknowledged may be missing on the disk for {ms} ms; \
             a crash or a power loss takes it"
        );
    }
    let tls = tls::load(&config, loaded)?.map(|material| Tls::new(&material)).transpose()?;
    let connections_fit = files::allow(config.connections_max, &config.data);
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::start());
    let prometheus = telemetry::init_metrics(&*clock)?;
    let (resp, http) = (bind(config.resp, "--resp")?, bind(config.http, "--http")?);
    let dir = DataDir::take(&config.data)?;
    telemetry::note_unclean_start(dir.was_unclean);
    let started = config.clone();
    let config = Config { resp: resp.local_addr()?, http: http.local_addr()?, ..config };
    let system = actix::System::new();
    system.block_on(async move {
        let _heard = outlive_large_files()?;
        // From here on, a stop is heeded.
        let [mut terminate, mut interrupt] =
            [signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?];
        let signals: Vec<_> = (0..config.shards()).map(|_| ShardSignal::new()).collect();
        let prices =
            PriceBooks::open(&config.data, Source::of(config.prices.as_deref()), clock.now())?;
        let prices = Arc::new(Shelf::new(prices));
        let shelf: Arc<dyn PriceShelf> = Arc::<Shelf>::clone(&prices);
        let context = Context::new(config, clock, signals.clone(), shelf);
        context.fit(connections_fit);
        let (submit, submissions) = crossbeam::channel::unbounded();
        let shards = start_shards(&context, &signals, &submit);
        resp.set_nonblocking(true)?;
        let listener = tokio::net::TcpListener::from_std(resp)?;
        let acceptor = server::accept(listener, Arc::clone(&context), shards.clone(), tls.clone());
        let acceptor = actix_rt::spawn(acceptor);
        let reload = Reload {
            context: Arc::clone(&context),
            shards: shards.clone(),
            sources: sources.clone(),
            prices: Arc::clone(&prices),
            started,
            logs: log_lines.clone(),
            tls: tls.clone(),
        };
        actix_rt::spawn(reload.run());
        actix_rt::spawn(disk::watch(Arc::clone(&context)));
        actix_rt::spawn(telemetry::keep_up(prometheus.clone(), log_lines.clone()));
        let http = server::http::serve(http, Arc::clone(&context), prometheus, tls)?;
        actix_rt::spawn(http);
        let threads = StoreThreads {
            context: Arc::clone(&context),
            prices,
            signals,
            submit: submit.clone(),
            submissions,
        };
        let mut store = threads.start(dir, loss)?;
        let stopped = tokio::select! {
            result = &mut store => Err(result),
            _ = terminate.recv() => Ok(()),
            _ = interrupt.recv() => Ok(()),
            () = context.stop_asked.notified() => Ok(()),
        };
        match stopped {
            Ok(()) => {
                acceptor.abort();
                telemetry::tell_systemd(NotifyState::Stopping);
                if context.stop() == Phase::Loading {
                    // Nothing was acknowledged yet, and the next start does all of it again.
                    tracing::info!("stopped before it served");
                    return Ok(());
                }
                settle(&context, &shards).await;
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
    bound(address)
        .with_context(|| format!("cannot listen on {address}; name another address with {flag}"))
}

/// A socket that clients connect to. When very many come at once, as many wait as the system allows.
fn bound(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // A start need not wait until the connections of the last process are forgotten.
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// A panic is a bug, and memory may be wrong after it: the process ends, the journal has all that
/// was acknowledged. Only the guarded parts of the store may panic, over damaged files. What was logged
/// before is written first.
pub fn abort_on_panic(logs: Option<Logs>) {
    std::panic::set_hook(Box::new(move |panic| {
        if crate::store::is_guarded() {
            return;
        }
        if let Some(logs) = &logs {
            logs.end();
        }
        let thread = std::thread::current();
        let name = thread.name().unwrap_or("<unnamed>");
        // It is there when RUST_BACKTRACE asks for it.
        let trace = Backtrace::capture();
        let trace = match trace.status() {
            BacktraceStatus::Captured => format!("\nstack backtrace:\n{trace}"),
            _ => String::new(),
        };
        telemetry::last_words(&format!("thread '{name}' {panic}{trace}\n"));
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
            let clock = Arc::clone(&context.clock);
            if let Some(shard) = Shard::new(index, settings, clock, &signals, submit) {
                actix_rt::spawn(server::serve_shard(shard, context, orders));
            }
        });
        server
    };
    (0..context.config.shards()).map(start).collect()
}

/// Answers what is in flight.
async fn settle(context: &Context, shards: &[ShardServer]) {
    tracing::info!("stopping: what is in flight is answered first");
    let all = async {
        for shard in shards {
            shard.stop().await;
        }
    };
    let timeout = Duration::from_millis(context.live().config.stop_timeout_ms);
    if tokio::time::timeout(timeout, all).await.is_err() {
        tracing::warn!(
            "not all clients were answered, or read their replies, within stop_timeout_ms: these have to ask again"
        );
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
