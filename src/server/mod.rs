//! The edges: sockets, sessions, reply rings, HTTP. It knows neither the store nor sled.
//!
//! A connection belongs to the shard that accepted it and stays on its thread. `reader` takes
//! requests to the engine, `ring` keeps their replies in order, `connections` writes them once
//! a turn.

mod access;
mod client_commands;
mod clients;
mod connection;
mod connections;
mod drops;
mod handshakes;
pub mod http;
mod info;
mod meters;
pub mod publish;
mod reader;
mod ring;
mod seldom;
mod session;
mod slow_log;
mod socket;
pub mod tls;
mod watching;
mod weight;

use crate::codec::record::Position;
use crate::codec::request;
use crate::config::Config;
use crate::engine::clock::Clock;
use crate::engine::figures::Figures;
use crate::engine::prices::PriceShelf;
use crate::engine::shard::Shard;
use crate::engine::signal::ShardSignal;
use access::Access;
use clients::{Client, Clients};
use connections::Connections;
use drops::Drops;
use handshakes::Handshakes;
use meters::{AllMeters, Meters};
use rustls::ServerConnection;
use seldom::Seldom;
use slow_log::SlowLog;
use socket2::{SockRef, TcpKeepalive};
use std::os::fd::AsRawFd as _;
use std::rc::Rc;
use std::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};
use tls::Tls;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, mpsc, oneshot};

/// So many bytes lie unsent in a socket before it takes no more.
const UNSENT_MAX: u32 = 128 * 1024;

/// How often it is said that connections cannot be accepted, as long as that lasts.
const WARN_EVERY: Duration = Duration::from_secs(10);
/// So often a silent client is asked before it counts as gone.
const KEEPALIVE_PROBES: u32 = 3;

/// What the server is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// It reads its journal; wallets are not served yet.
    Loading,
    /// It serves.
    Ready,
    /// It finishes what is in flight.
    Stopping,
}

const LOADING: u8 = 0;
const READY: u8 = 1;
const STOPPING: u8 = 2;

impl Phase {
    const fn of(number: u8) -> Self {
        match number {
            LOADING => Self::Loading,
            READY => Self::Ready,
            _ => Self::Stopping,
        }
    }
}

/// What may change while the server runs.
#[derive(Debug, Clone)]
pub struct Live {
    /// The settings in force.
    pub config: Config,
    access: Arc<Access>,
}

/// What all parts of the server share.
pub struct Context {
    /// What the operator set at the start, with the addresses that were really bound. What may change
    /// meanwhile is in [`Self::live`].
    pub config: Config,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Told when a client asks the server to stop.
    pub stop_asked: Notify,
    /// Told when a shard has learned that the store failed.
    pub failed: Notify,
    /// How checkpoints, the archive and the disk stand.
    pub figures: Arc<Figures>,
    /// The prices that are current.
    pub prices: Arc<dyn PriceShelf>,
    shards: Vec<Arc<ShardSignal>>,
    requests_rules: request::Rules,
    clients: Clients,
    started: Instant,
    phase: AtomicU8,
    live: RwLock<Arc<Live>>,
    /// Failed attempts to authenticate.
    failures: Seldom,
    /// Connections that were ended.
    drops: Drops,
    handshakes: Handshakes,
    handshakes_failed: AtomicU64,
    /// Connections beyond `connections_max`.
    rejected: Seldom,
    /// How many connections fit into the files that the process may open.
    connections_fit: AtomicUsize,
    meters: AllMeters,
    slow_log: SlowLog,
}

impl Context {
    /// The context of a server that is loading.
    pub fn new(
        config: Config,
        clock: Arc<dyn Clock>,
        shards: Vec<Arc<ShardSignal>>,
        prices: Arc<dyn PriceShelf>,
    ) -> Arc<Self> {
        let meters = AllMeters(shards.iter().map(|_| Meters::new()).collect());
        let access = Arc::new(Access::new(&config.users, None));
        Arc::new(Self {
            live: RwLock::new(Arc::new(Live { config: config.clone(), access })),
            failures: Seldom::default(),
            drops: Drops::default(),
            handshakes: Handshakes::default(),
            handshakes_failed: AtomicU64::new(0),
            requests_rules: request::Rules::new(config.tags_max),
            config,
            clock,
            stop_asked: Notify::new(),
            failed: Notify::new(),
            figures: Arc::default(),
            prices,
            shards,
            clients: Clients::default(),
            started: Instant::now(),
            phase: AtomicU8::new(LOADING),
            rejected: Seldom::default(),
            connections_fit: AtomicUsize::new(usize::MAX),
            meters,
            slow_log: SlowLog::default(),
        })
    }

    /// What the server is doing.
    pub fn phase(&self) -> Phase {
        Phase::of(self.phase.load(Ordering::Acquire))
    }

    /// What may change while the server runs, as it is now. Shards know it without asking.
    pub fn live(&self) -> Arc<Live> {
        Arc::clone(&self.live.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Goes by these settings from now on, all of which may change while the server runs. When it is
    /// done, every shard does.
    pub async fn reload(&self, config: Config, shards: &[ShardServer]) {
        let access = Arc::new(Access::new(&config.users, Some(&self.live().access)));
        self.slow_log.truncate(config.slowlog_max_len);
        let live = Arc::new(Live { config, access });
        *self.live.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&live);
        for shard in shards {
            shard.reload(Arc::clone(&live)).await;
        }
    }

    /// No more connections than so many are taken, whatever `connections_max` says: the store must always be
    /// able to open a file.
    pub fn fit(&self, connections: usize) {
        self.connections_fit.store(connections, Ordering::Relaxed);
    }

    /// It serves from now on, unless it was told to stop meanwhile. Answers whether it does.
    pub fn serve(&self) -> bool {
        self.phase.compare_exchange(LOADING, READY, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// It finishes what is in flight from now on. Answers what it did before.
    pub fn stop(&self) -> Phase {
        Phase::of(self.phase.swap(STOPPING, Ordering::AcqRel))
    }

    fn wallets(&self) -> u64 {
        self.shards.iter().map(|shard| shard.wallets()).fold(0, u64::saturating_add)
    }

    fn active(&self) -> u64 {
        self.shards.iter().map(|shard| shard.active()).fold(0, u64::saturating_add)
    }

    /// The last numbers of all logs, added up.
    fn journal_numbers(&self) -> u64 {
        let last = self.shards.iter().map(|shard| shard.last_position());
        last.map(Position::number).fold(0, u64::saturating_add)
    }

    /// What a shard counts.
    fn meters_of(&self, shard: u8) -> Arc<Meters> {
        self.meters.0.get(usize::from(shard)).map_or_else(Meters::new, Arc::clone)
    }
}

/// What a shard's server is told.
enum Order {
    /// Serve a client.
    Serve(std::net::TcpStream, Option<Box<ServerConnection>>, Arc<Client>),
    /// Go by settings that were read again; told when it does.
    Reload(Arc<Live>, oneshot::Sender<()>),
    /// Answer what is in flight and end; told when it is done.
    Stop(oneshot::Sender<()>),
}

/// How the acceptor and the stop reach a shard's server.
#[derive(Clone)]
pub struct ShardServer(mpsc::UnboundedSender<Order>);

impl ShardServer {
    /// A server for a shard, and what its thread must run.
    pub fn new() -> (Self, Orders) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (Self(sender), Orders(receiver))
    }

    /// Answers what is in flight and ends its connections.
    pub async fn stop(&self) {
        self.order(Order::Stop).await;
    }

    /// Goes by settings that were read again.
    async fn reload(&self, live: Arc<Live>) {
        self.order(|done| Order::Reload(live, done)).await;
    }

    /// Gives an order and waits until it is done. A shard that is gone has nothing left to do.
    async fn order(&self, order: impl FnOnce(oneshot::Sender<()>) -> Order) {
        let (done, is_done) = oneshot::channel();
        if self.0.send(order(done)).is_ok() {
            let _ = is_done.await;
        }
    }
}

/// What a shard's server is told, at its end.
pub struct Orders(mpsc::UnboundedReceiver<Order>);

/// Serves the connections of a shard, on its thread, until it is told to stop.
pub async fn serve_shard(shard: Rc<Shard>, context: Arc<Context>, mut orders: Orders) {
    let connections = Connections::new(&shard, Arc::clone(&context));
    actix_rt::spawn(Rc::clone(&shard).run());
    actix_rt::spawn(publish::of_shard(Rc::clone(&shard)));
    while let Some(order) = orders.0.recv().await {
        match order {
            Order::Serve(stream, session, client) => {
                let keepalive = Duration::from_millis(context.live().config.tcp_keepalive_ms);
                let prepared = prepare(&stream, keepalive);
                match prepared.and_then(|()| TcpStream::from_std(stream)) {
                    Ok(stream) => {
                        let halves = socket::split(stream, session);
                        actix_rt::spawn(reader::serve(Rc::clone(&connections), halves, client));
                    }
                    Err(error) => {
                        tracing::warn!(%error, "a connection cannot be served");
                        context.clients.remove(&client);
                    }
                }
            }
            Order::Reload(live, done) => {
                connections.reload(&live);
                let _ = done.send(());
            }
            Order::Stop(done) => {
                connections.stop();
                while !(connections.is_empty() && shard.is_settled()) {
                    tokio::time::sleep(Duration::from_millis(2)).await;
                }
                // Nobody waits any more only when the stop has timed out.
                let _ = done.send(());
            }
        }
    }
}

/// Sets what a client's socket needs; `keepalive` is after how long a silence the system asks whether
/// the client is still there.
fn prepare(stream: &std::net::TcpStream, keepalive: Duration) -> std::io::Result<()> {
    stream.set_nonblocking(true)?;
    stream.set_nodelay(true)?;
    if !keepalive.is_zero() {
        // Three times, as Redis does; the system knows whole seconds.
        let between = Duration::from_secs((keepalive / KEEPALIVE_PROBES).as_secs().max(1));
        let first = Duration::from_secs(keepalive.as_secs().max(1));
        let asks = TcpKeepalive::new().with_time(first).with_interval(between);
        SockRef::from(stream).set_tcp_keepalive(&asks.with_retries(KEEPALIVE_PROBES))?;
    }
    // A socket takes more as soon as half of this was read. Without it the system would wait until
    // a large part of its own buffer is free, and a slow reader would look like none.
    SockRef::from(stream).set_tcp_notsent_lowat(UNSENT_MAX)
}

/// Accepts connections and gives each to a shard in turn, until dropped.
pub async fn accept(
    listener: TcpListener,
    context: Arc<Context>,
    shards: Vec<ShardServer>,
    tls: Option<Arc<Tls>>,
) {
    let mut warned: Option<Instant> = None;
    for shard in shards.iter().cycle() {
        if tls.is_some() {
            context.handshakes.room(&context).await;
        }
        let (stream, address) = loop {
            match listener.accept().await {
                Ok(accepted) => break accepted,
                Err(error) => {
                    // Out of file descriptors, most likely: others must go first.
                    if warned.is_none_or(|warned| warned.elapsed() >= WARN_EVERY) {
                        tracing::warn!(%error, "cannot accept a connection");
                        warned = Some(Instant::now());
                    }
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        };
        let local = stream.local_addr().unwrap_or(context.config.resp);
        let live = context.live();
        let max = live.config.connections_max.min(context.connections_fit.load(Ordering::Relaxed));
        let first = live.access.first_standing();
        let Some(client) =
            context.clients.add(address, local, stream.as_raw_fd(), first.shown(), max)
        else {
            if let Some(others) = context.rejected.count() {
                tracing::warn!(client = %address, others, "refused: there are connections_max clients");
            }
            // Whether the client still hears it does not matter; with TLS it does not.
            if tls.is_none() {
                let _ = stream.try_write(b"-ERR max number of clients reached\r\n");
            }
            continue;
        };
        match &tls {
            None => hand_over(stream, None, client, &context, shard),
            Some(tls) => handshakes::begin(stream, tls.config(), client, &context, shard),
        }
    }
}

/// Gives a connection to a shard.
fn hand_over(
    stream: TcpStream,
    session: Option<Box<ServerConnection>>,
    client: Arc<Client>,
    context: &Context,
    shard: &ShardServer,
) {
    match stream.into_std() {
        Ok(stream) => drop(shard.0.send(Order::Serve(stream, session, client))),
        Err(_) => context.clients.remove(&client),
    }
}
