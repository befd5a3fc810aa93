//! The wallets of a shard that are in memory: taken up when somebody asks for them, put away when
//! nobody has for long, or when they are too many; then the one goes first that was used least lately.
//!
//! An actor's address never leaves its shard, so putting a wallet away is a plain removal: its actor
//! ends with its last address, and the next question finds none and has the wallet taken up.

use super::batch::BatchNo;
use super::keeping::ToKeeper;
use super::live_wallet::LiveWallet;
use super::loader::{Job, Loaded, Recalled};
use super::passivation::{Standing, is_idle, may_passivate};
use super::peers::{Forward, Question};
use super::shard::Shard;
use super::wallet_actor::{Snapshot, Task, Told, WalletActor};
use crate::domain::command::Command;
use crate::domain::id::WalletId;
use crate::domain::outcome::{Outcome, Refusal};
use crate::domain::time::Timestamp;
use actix::{Actor, Addr, Handler, Message};
use hashlink::LinkedHashMap;
use std::rc::Rc;
use std::time::Duration;

/// How often a shard looks for wallets to put away, and at how many at once.
const LOOK_EVERY: Duration = Duration::from_millis(25);
const LOOK_AT: usize = 2_048;
/// So many wallets are taken up at once after a start, when nobody asks for them.
const TAKEN_UP_AT_ONCE: usize = 256;

/// The wallets in memory, the longest unused first.
#[derive(Default)]
pub(super) struct Residents(LinkedHashMap<WalletId, Resident>);

/// A wallet in memory.
enum Resident {
    /// Served by its actor.
    Active(Active),
    /// The loader takes it up; these are its tasks.
    Loading(Vec<Task>),
}

/// The actor of a wallet.
#[derive(Clone)]
struct Active {
    addr: Addr<WalletActor>,
    standing: Rc<Standing>,
}

impl Active {
    /// Gives the actor something to do.
    fn send<M>(&self, message: M)
    where
        WalletActor: Handler<M>,
        M: Message + Send + 'static,
        M::Result: Send,
    {
        self.standing.begin();
        // `do_send` ignores the mailbox's bound; `in_flight` is the bound, and keeps the order.
        #[expect(clippy::disallowed_methods, reason = "the bound is kept by whoever dispatches")]
        self.addr.do_send(message);
    }
}

impl Residents {
    fn active(&self, wallet: &WalletId) -> Option<&Active> {
        match self.0.get(wallet)? {
            Resident::Active(active) => Some(active),
            Resident::Loading(_) => None,
        }
    }

    /// Whether a wallet is being taken up.
    fn is_loading(&self, wallet: &WalletId) -> bool {
        matches!(self.0.get(wallet), Some(Resident::Loading(_)))
    }

    /// Wallets that may go now: those that are idle, and beyond `most` the longest unused ones.
    fn to_put_away(&self, most: usize, shard: &Shard) -> Vec<WalletId> {
        let (now, kept) = (shard.clock.now(), shard.kept());
        let mut excess = self.0.len().saturating_sub(most);
        let mut gone = Vec::new();
        for (wallet, resident) in self.0.iter().take(LOOK_AT) {
            let Resident::Active(Active { standing, .. }) = resident else { continue };
            let is_idle = is_idle(standing, now, shard.settings.passivate_after);
            if !is_idle && excess == 0 {
                break;
            }
            if may_passivate(standing, kept) {
                gone.push(wallet.clone());
                excess = excess.saturating_sub(1);
            }
        }
        gone
    }
}

impl Shard {
    /// Asks a wallet of this shard.
    pub(super) fn dispatch_here(self: &Rc<Self>, asked: Forward) {
        if let Some(refusal) = self.refusal() {
            return self.deliver(asked.reply_to, Outcome::Refused(refusal), BatchNo::NONE);
        }
        let most = self.settings.in_flight_max;
        let mut residents = self.residents.borrow_mut();
        match residents.0.to_back(asked.question.wallet()) {
            Some(Resident::Active(active)) if active.standing.in_flight.get() < most => {
                active.standing.used.set(asked.now);
                active.send(Task::Ask(asked));
            }
            Some(Resident::Loading(tasks)) if tasks.len() < most => tasks.push(Task::Ask(asked)),
            Some(_) => {
                drop(residents);
                self.deliver(asked.reply_to, Outcome::Refused(Refusal::Busy), BatchNo::NONE);
            }
            None => {
                let wallet = asked.question.wallet().clone();
                self.take_up(&mut residents, wallet, Some(Task::Ask(asked)));
            }
        }
    }

    /// Has a wallet taken up, for a task.
    fn take_up(&self, residents: &mut Residents, wallet: WalletId, task: Option<Task>) {
        let tasks = Resident::Loading(task.into_iter().collect());
        residents.0.insert(wallet.clone(), tasks);
        self.ask_loader(Job::TakeUp { shard: self.index, wallet });
    }

    /// The loader has found a wallet, or that there is none.
    pub(super) fn loaded(self: &Rc<Self>, loaded: Loaded) {
        let Loaded { wallet, found } = loaded;
        let Some(Resident::Loading(tasks)) = self.residents.borrow_mut().0.remove(&wallet) else {
            return;
        };
        let mut tasks = tasks.into_iter().peekable();
        let is_saved = found.as_ref().is_none_or(|taken| taken.is_saved);
        let live = if let Some(taken) = found {
            LiveWallet::taken_up(wallet.clone(), taken)
        } else {
            // Nobody but its opening can do anything with a wallet that is not there.
            while let Some(task) = tasks.next_if(|task| !opens(task)) {
                self.refuse(&task);
            }
            if tasks.peek().is_none() {
                return;
            }
            LiveWallet::unopened(wallet.clone())
        };
        let standing = Rc::new(Standing::default());
        standing.used.set(self.clock.now());
        if !is_saved {
            self.changed(&wallet, &standing);
        }
        self.signal.activated();
        let addr = WalletActor::new(live, Rc::clone(self), Rc::clone(&standing)).start();
        let active = Active { addr, standing };
        tasks.for_each(|task| active.send(task));
        self.residents.borrow_mut().0.insert(wallet, Resident::Active(active));
    }

    /// Answers a task of a wallet that does not exist.
    fn refuse(&self, task: &Task) {
        match task {
            Task::Ask(Forward { reply_to, .. }) => {
                self.deliver(*reply_to, Outcome::Refused(Refusal::NoWallet), BatchNo::NONE);
            }
            Task::Settle(_) => self.signal.due_done(),
        }
    }

    /// The loader has looked for operations that a wallet had forgotten.
    pub(super) fn recalled(&self, recalled: Box<Recalled>) {
        // It waits for them, so it is there.
        if let Some(active) = self.residents.borrow().active(&recalled.wallet) {
            active.send(Told(recalled));
        }
    }

    /// Has wallets do what is due.
    pub(super) fn settle(&self, wallets: Vec<WalletId>, now: Timestamp) {
        for wallet in wallets {
            let mut residents = self.residents.borrow_mut();
            match residents.0.get_mut(&wallet) {
                Some(Resident::Active(active)) => active.send(Task::Settle(now)),
                Some(Resident::Loading(tasks)) => tasks.push(Task::Settle(now)),
                None => self.take_up(&mut residents, wallet, Some(Task::Settle(now))),
            }
        }
    }

    /// Has an active wallet give its snapshot; whether there is one.
    pub(super) fn ask_snapshot(&self, wallet: &WalletId) -> bool {
        let residents = self.residents.borrow();
        let active = residents.active(wallet);
        if let Some(active) = active {
            active.send(Snapshot);
        }
        active.is_some()
    }

    /// Takes up the wallets that have changed since the last checkpoint, a few at a time: the next
    /// one has to have them.
    pub(super) async fn take_up_all(self: Rc<Self>, changed: Vec<WalletId>) {
        for some in changed.chunks(TAKEN_UP_AT_ONCE) {
            for wallet in some {
                let mut residents = self.residents.borrow_mut();
                if !residents.0.contains_key(wallet) {
                    self.take_up(&mut residents, wallet.clone(), None);
                }
            }
            let is_waiting = || {
                let residents = self.residents.borrow();
                some.iter().any(|wallet| residents.is_loading(wallet))
            };
            while is_waiting() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
        self.saving.may_begin.set(true);
        self.wake();
    }

    /// Puts away, now and then, wallets that nobody uses, as long as the shard lives.
    pub(super) async fn passivate_idle(self: Rc<Self>) {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let most = self.settings.active_max;
            let mut residents = self.residents.borrow_mut();
            let gone = residents.to_put_away(most, &self);
            for wallet in &gone {
                residents.0.remove(wallet);
            }
            if residents.0.len() > most && gone.is_empty() {
                self.tell_keeper(ToKeeper::Hurry);
            }
            self.signal.set_active(residents.0.len());
            self.signal.passivated(gone.len());
        }
    }
}

/// Whether a task may open its wallet.
fn opens(task: &Task) -> bool {
    match task {
        Task::Ask(Forward { question: Question::Request(request), .. }) => {
            matches!(request.command, Command::Open(_))
        }
        _ => false,
    }
}
