//! The threads under the engine: the committer, the loaders and the keeper. They are started when the
//! store is recovered, and end together.

use crate::config::Config;
use crate::control::Control;
use crate::domain::id::WalletId;
use crate::domain::memory::Era;
use crate::domain::time::{Span, Timestamp};
use crate::engine::committer::{self, Submission};
use crate::engine::directory::Directory;
use crate::engine::keeping::{Keeping, ToKeeper};
use crate::engine::loader::{self, Job, Loaders};
use crate::engine::peers::{Inheritance, PeerMessage, owner_among};
use crate::engine::prices::PriceShelf;
use crate::engine::signal::ShardSignal;
use crate::engine::sweep::Sweep;
use crate::server::Context;
use crate::store::archive;
use crate::store::data_dir::DataDir;
use crate::store::history::{self, History};
use crate::store::keeper::{Keeper, Places};
use crate::store::pace::give_way;
use crate::store::recovery::{self, Loss, Recovered, Start};
use crate::store::sled::{SledJournal, SledState};
use crate::store::state::{self, State};
use crate::store::tail::TailRecords;
use crate::store::writer::{JournalWriter, Tail};
use crate::store::{Journal as _, StoreError};
use crossbeam::channel::{Receiver, Sender, unbounded};
use sd_notify::NotifyState;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::oneshot;

/// A journal whose last event is further ahead of the clock is not served: its holds would not
/// expire, and new events would be dated in the future.
const AHEAD_MAX: Span = Span::from_millis(5 * 60_000);

/// How the store ended.
pub(crate) type Ended = oneshot::Receiver<Result<(), StoreError>>;

/// What the threads serve.
pub(crate) struct StoreThreads {
    pub(crate) context: Arc<Context>,
    pub(crate) prices: Arc<dyn PriceShelf>,
    pub(crate) signals: Vec<Arc<ShardSignal>>,
    pub(crate) submit: Sender<Submission>,
    pub(crate) submissions: Receiver<Submission>,
}

/// What is recovered and ready to run.
struct Recovery {
    writer: JournalWriter<SledJournal>,
    keeper: Keeper,
    history: Arc<History>,
    tails: Vec<Tail>,
    /// Wallets with records since the checkpoint, by shard.
    changed: Vec<Unsaved>,
    wallets: u64,
}

/// Wallets of a shard with records since the checkpoint, in the order that the state has.
#[derive(Default)]
struct Unsaved {
    all: Vec<WalletId>,
    /// Those that the checkpoint does not have, with their order.
    fresh: Vec<(u64, WalletId)>,
}

impl StoreThreads {
    /// Recovers the store and runs it, on threads of its own. The receiver gets the reason when that
    /// ends.
    pub(crate) fn start(self, dir: DataDir, loss: Loss) -> anyhow::Result<Ended> {
        let (done, is_done) = oneshot::channel();
        std::thread::Builder::new().name("committer".to_owned()).spawn(move || {
            let result = self.run(dir, loss);
            // The main thread waits for it as long as it lives.
            drop(done.send(result));
        })?;
        Ok(is_done)
    }

    fn run(self, dir: DataDir, loss: Loss) -> Result<(), StoreError> {
        let mut recovery = self.recover(&dir, loss)?;
        let (written, complete) = (Arc::default(), Arc::default());
        let (urgent, urgent_jobs) = unbounded();
        let (patient, patient_jobs) = unbounded();
        let (to_keeper, inbox) = unbounded();
        let loaders = Loaders { urgent, patient, stop: Arc::default() };
        // Without it there are no backups of the running server; all else works.
        let control = Control::start(&dir, to_keeper.clone());
        if let Err(error) = &control {
            tracing::warn!("`purser backup` cannot reach this server: {}", error.in_words());
        }
        self.hand_out(&mut recovery, &loaders, &to_keeper);
        let Recovery { writer, keeper, history, tails, .. } = recovery;
        let keeping = Keeping {
            keeper,
            history: Arc::clone(&history),
            inbox,
            shards: self.signals.clone(),
            clock: Arc::clone(&self.context.clock),
            timing: self.context.config.timing(),
            old_ends: tails
                .iter()
                .map(|tail| tail.next)
                .filter(|end| usize::from(end.log()) >= self.signals.len())
                .collect(),
            written: Arc::clone(&written),
            complete: Arc::clone(&complete),
            stop: Arc::clone(&loaders.stop),
            figures: Arc::clone(&self.context.figures),
        };
        let (stop_sweep, stop) = unbounded();
        let sweep = Sweep {
            history: Arc::clone(&history),
            shards: self.signals.clone(),
            clock: Arc::clone(&self.context.clock),
            woken_at_once: self.context.config.woken_at_once(),
            complete,
            stop,
        };
        let look_up = |jobs: Receiver<Job>| {
            let (history, signals, stop) = (&history, &self.signals, &loaders.stop);
            let prices = &*self.prices;
            move || loader::run(history, prices, &jobs, signals, stop)
        };
        std::thread::scope(|scope| {
            let threads = [
                self.spawn(scope, "loader", look_up(urgent_jobs))?,
                self.spawn(scope, "reader", look_up(patient_jobs))?,
                self.spawn(scope, "keeper", move || keeping.run())?,
                self.spawn(scope, "sweep", move || sweep.run())?,
            ];
            let committed = committer::run(
                writer,
                &self.submissions,
                &self.signals,
                &written,
                self.context.live().config.durability(),
            );
            loaders.stop();
            drop(to_keeper.send(ToKeeper::Stop));
            drop(stop_sweep);
            // A thread that panics ends the process.
            let ended = threads.map(|thread| thread.join().unwrap_or(Ok(())));
            ended.into_iter().fold(committed, Result::and)
        })?;
        drop(control);
        dir.close()
    }

    /// Starts one of the threads. When it fails, nothing may be acknowledged any more, and all stop.
    fn spawn<'scope>(
        &'scope self,
        scope: &'scope std::thread::Scope<'scope, '_>,
        name: &'static str,
        run: impl FnOnce() -> Result<(), StoreError> + Send + 'scope,
    ) -> Result<std::thread::ScopedJoinHandle<'scope, Result<(), StoreError>>, StoreError> {
        let run = move || {
            // Wallets wait for the loader; the keeper gives way where there is no hurry.
            if !["loader", "keeper"].contains(&name) {
                give_way();
            }
            let result = run();
            if let Err(error) = &result {
                heal(error);
                self.signals.iter().for_each(|signal| signal.fail());
                drop(self.submit.send(Submission::Stop));
            }
            result
        };
        let spawned = std::thread::Builder::new().name(name.to_owned()).spawn_scoped(scope, run);
        spawned.map_err(StoreError::io("start a thread for", name))
    }

    /// Opens what lies in the data directory, and reads what came after the last checkpoint.
    fn recover(&self, dir: &DataDir, loss: Loss) -> Result<Recovery, StoreError> {
        if let Some(reason) = dir.copy_if_unclean() {
            tracing::warn!("no copy of the journal was kept before recovery: {reason}");
        }
        let (mut journal, state) = open_both(dir)?;
        let reader = journal.reader();
        let settings = self.context.config.archive();
        let keeper = Keeper::open(Places::of(dir), state, Arc::clone(&reader), settings, random())?;
        let state = keeper.state();
        let start = Start {
            anchors: &keeper.checkpoint().tails,
            archived: &keeper.archive_tails(),
            base: &|wallet| history::kept_seq(&*state, wallet),
        };
        let recovered = recovery::recover(&mut journal, &start, loss)?;
        let last_time = recovered.tail.last_time().max(keeper.checkpoint().last_time);
        check_clock(last_time, self.context.clock.now())?;
        report(&recovered, loss);
        if loss == Loss::Refuse {
            dir.drop_copy();
        } else if let Some(kept) = dir.keep_copy() {
            tracing::warn!("the journal as it was is kept in {}", kept.display());
        }
        if let Some(signal) = self.signals.first() {
            signal.owe_all(&keeper.checkpoint().debts);
        }
        let Recovered { tail, tails, .. } = recovered;
        let changed = self.changed(&tail);
        let history = History::new(state, reader, keeper.view(), tail, keeper.secret());
        let wallets = keeper.checkpoint().wallets;
        let writer = JournalWriter::new(journal, tails.clone());
        Ok(Recovery { writer, keeper, history: Arc::new(history), tails, changed, wallets })
    }

    /// The wallets of each shard with records since the checkpoint.
    fn changed(&self, tail: &TailRecords) -> Vec<Unsaved> {
        let mut changed: Vec<_> = self.signals.iter().map(|_| Unsaved::default()).collect();
        let ordered = |(wallet, first)| (state::order(wallet), wallet, first);
        let mut wallets: Vec<_> = tail.wallets().map(ordered).collect();
        wallets.sort_unstable();
        for (order, wallet, first) in wallets {
            let owner = usize::from(owner_among(wallet, self.signals.len()));
            if let Some(of_shard) = changed.get_mut(owner) {
                of_shard.all.push(wallet.clone());
                of_shard.fresh.extend((first == 1).then(|| (order, wallet.clone())));
            }
        }
        changed
    }

    /// Gives each shard what it takes over; the last one that has it opens the server.
    fn hand_out(&self, recovery: &mut Recovery, loaders: &Loaders, keeper: &Sender<ToKeeper>) {
        let shards = self.signals.len();
        let changed = std::mem::take(&mut recovery.changed);
        let waiting = Arc::new(AtomicUsize::new(shards));
        for ((log, signal), changed) in (0..).zip(&self.signals).zip(changed) {
            let tail = recovery.tails.iter().find(|tail| tail.next.log() == log).copied();
            let (context, waiting) = (Arc::clone(&self.context), Arc::clone(&waiting));
            let ready = move || {
                if waiting.fetch_sub(1, Ordering::AcqRel) == 1 && context.serve() {
                    announce(&context.config);
                }
            };
            let count = u64::try_from(changed.fresh.len()).unwrap_or(u64::MAX);
            let kept = if log == 0 { recovery.wallets } else { 0 };
            signal.send(PeerMessage::Recovered(Box::new(Inheritance {
                tail: tail.unwrap_or(Tail::empty(log)),
                changed: changed.all,
                fresh: Directory::of(Era::default(), changed.fresh),
                wallets: kept.saturating_add(count),
                history: Arc::clone(&recovery.history),
                prices: Arc::clone(&self.prices),
                loaders: loaders.clone(),
                keeper: keeper.clone(),
                ready: Box::new(ready),
            })));
        }
    }
}

/// Opens the journal and the state, at the same time: both read all of a file.
fn open_both(dir: &DataDir) -> Result<(SledJournal, Arc<dyn State>), StoreError> {
    let (journal, state) = std::thread::scope(|scope| {
        let state = std::thread::Builder::new()
            .name("open-state".to_owned())
            .spawn_scoped(scope, || SledState::open(dir))
            .map_err(StoreError::io("start a thread for", "the state"));
        let journal = SledJournal::open(dir);
        // A thread that panics ends the process; sled's own panics are errors by now.
        let state = state.and_then(|thread| {
            thread.join().unwrap_or(Err(StoreError::Row { reason: "the state was not opened" }))
        });
        (journal, state)
    });
    Ok((journal?, Arc::new(state?)))
}

/// Has the next start serve where this process cannot go on: nothing damaged is served, and an index that is
/// damaged is made again when it is not there.
fn heal(error: &StoreError) {
    match archive::remove_damaged_index(error) {
        Ok(true) => tracing::warn!("a damaged index of the archive is removed, for: {error}"),
        Ok(false) => {}
        Err(error) => {
            let why = error.in_words();
            tracing::warn!("a damaged index of the archive is to be removed by hand, for: {why}");
        }
    }
}

/// Bytes that nobody can foresee: the standard library seeds its hash maps with them.
fn random() -> [u8; 16] {
    let word = || u128::from(RandomState::new().build_hasher().finish());
    ((word() << 64) | word()).to_le_bytes()
}

/// Says what was recovered.
fn report(recovered: &Recovered, loss: Loss) {
    for dropped in &recovered.dropped {
        match loss {
            Loss::Refuse => tracing::warn!("an unfinished write was cut off: {dropped}"),
            Loss::Accept => tracing::warn!("dropped, as --accept-loss says: {dropped}"),
        }
    }
    let records = recovered.tail.read();
    tracing::info!(records, "the journal is recovered, from the last checkpoint on");
}

/// Refuses a journal from the future.
fn check_clock(last: Timestamp, now: Timestamp) -> Result<(), StoreError> {
    if last.since(now) > AHEAD_MAX {
        return Err(StoreError::AheadOfClock { last, now });
    }
    Ok(())
}

/// Says where the server listens, and one line to try.
fn announce(config: &Config) {
    let mut out = std::io::stdout().lock();
    // A closed standard output is nobody who wants to know.
    let _ = writeln!(
        out,
        "purser {} listens for RESP on {}\npurser serves HTTP on {}",
        env!("CARGO_PKG_VERSION"),
        config.resp,
        config.http,
    );
    // With users or TLS it takes more words than a line has.
    if config.users.is_empty() && config.tls_cert.is_none() {
        let port = config.resp.port();
        let _ = writeln!(out, "try: redis-cli -p {port} WALLET.OPEN alice CURRENCY USD");
    }
    let _ = out.flush();
    crate::telemetry::tell_systemd(NotifyState::Ready);
}
