//! The actor of a wallet: a shell around [`LiveWallet`]. It judges, folds and records a request and
//! takes the next one; it never waits for the disk. Whoever asked gets the outcome when the batch
//! that it depends on is safe.
//!
//! The order in one turn of the actor: what is due, then the request; both are recorded in the
//! shard's filling batch. A request waits in the actor, and those behind it in order, when
//!
//! - very many deadlines come before it: the wallet works them off in slices and lets others run;
//! - it names an operation that the wallet has forgotten and the archive may have: the loader looks.

use super::batch::BatchNo;
use super::live_wallet::{Broken, LiveWallet};
use super::loader::{Job, Recalled};
use super::passivation::Standing;
use super::peers::{Forward, Question};
use super::shard::Shard;
use super::signal::Tally;
use super::{ReplyTo, die};
use crate::codec::record::Position;
use crate::domain::amount::Amount;
use crate::domain::command::Request;
use crate::domain::id::OpId;
use crate::domain::outcome::{Outcome, Refusal};
use crate::domain::rating::{NoPrices, Prices};
use crate::domain::time::Timestamp;
use crate::domain::wallet::Wallet;
use actix::fut::{ActorFutureExt as _, wrap_future};
use actix::{Actor, AsyncContext as _, Context, Handler, Message};
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// How many deadlines a wallet works off before it lets others run.
const DUE_SLICE: usize = 128;
/// How long it waits before the next slice when the disk is behind.
const BEHIND: Duration = Duration::from_millis(1);
/// How many operations that the archive has a wallet forgets with each request.
const FORGOTTEN: usize = 4;
/// How many it forgets with each snapshot: so many that others hardly notice.
const FORGOTTEN_AT_ONCE: usize = 4_096;

/// How many pages of holds it gives to a checkpoint before it lets others run.
const PAGES_AT_ONCE: usize = 64;

/// Something for the wallet to do, in the order of arrival.
#[derive(Debug, Message)]
#[rtype(result = "()")]
#[expect(clippy::large_enum_variant, reason = "a box would cost an allocation a request")]
pub enum Task {
    /// To answer a question.
    Ask(Forward),
    /// To make happen what is due.
    Settle(Timestamp),
}

/// The state is to have the wallet as it is now.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Snapshot;

/// What the loader recalled.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Told(pub Box<Recalled>);

/// Why a task is not done.
enum Wait {
    /// More is due before it than fits a slice.
    Due,
    /// The loader looks for what it names.
    Recall,
}

/// The actor of a wallet.
pub struct WalletActor {
    live: LiveWallet,
    shard: Rc<Shard>,
    /// The batch of the wallet's last record: reads wait for it too.
    last_batch: BatchNo,
    /// What the shard knows of it.
    standing: Rc<Standing>,
    /// Tasks that wait.
    waiting: VecDeque<Task>,
    /// The operations of the first task that the loader has looked for.
    recalled: Vec<OpId>,
    /// What the shard has counted of it.
    tally: Tally,
    /// What it owes, as the shard has counted it.
    debt: Amount,
}

impl WalletActor {
    /// An actor around a wallet.
    pub const fn new(live: LiveWallet, shard: Rc<Shard>, standing: Rc<Standing>) -> Self {
        Self {
            // Of a wallet that is not in memory, what its snapshot owes counts.
            debt: live.kept_debt(),
            live,
            shard,
            last_batch: BatchNo::NONE,
            standing,
            waiting: VecDeque::new(),
            recalled: Vec::new(),
            tally: Tally { remembered: 0, holds: 0 },
        }
    }

    /// Has the shard count what the wallet has at hand, and what it owes.
    fn tally(&mut self) {
        let known = self.live.wallet();
        if let Some(wallet) = known
            && wallet.debt() != self.debt
        {
            let before = std::mem::replace(&mut self.debt, wallet.debt());
            self.shard.signal.owe(wallet.currency(), before, self.debt);
        }
        let now = known.map_or_else(Tally::default, |wallet| Tally {
            remembered: wallet.memory().len(),
            holds: wallet.holds().len(),
        });
        if now != self.tally {
            self.shard.signal.tally(self.tally, now);
            self.tally = now;
        }
    }

    /// Does a task; gives it back when it has to wait.
    fn perform(&mut self, task: Task) -> Option<(Task, Wait)> {
        let now = match &task {
            Task::Ask(asked) => asked.now,
            Task::Settle(now) => *now,
        };
        if !self.settle_due(now) {
            return Some((task, Wait::Due));
        }
        match task {
            Task::Ask(Forward { question: Question::Request(request), reply_to, now }) => {
                if self.recall(&request) {
                    let question = Question::Request(request);
                    let task = Task::Ask(Forward { question, reply_to, now });
                    return Some((task, Wait::Recall));
                }
                self.execute(&request, reply_to, now);
            }
            Task::Ask(Forward { question: Question::Ledger(wallet, query), reply_to, .. }) => {
                self.look_up(reply_to, |_, head| Job::Ledger { head, wallet, query, reply_to });
            }
            Task::Ask(Forward { question: Question::Explain(wallet, op), reply_to, .. }) => {
                self.look_up(reply_to, |known, head| {
                    let currency = known.currency().clone();
                    Job::Explain { head, wallet, op, currency, reply_to }
                });
            }
            Task::Settle(_) => self.shard.signal.due_done(),
        }
        self.recalled.clear();
        self.standing.end();
        None
    }

    /// Makes happen what is due, a slice of it; answers whether nothing more is due.
    fn settle_due(&mut self, now: Timestamp) -> bool {
        let rules = &self.shard.settings.rules;
        let mut filling = self.shard.filling.borrow_mut();
        let (number, before) = (filling.number(), filling.next());
        let settled = self.live.settle_due(now, rules, DUE_SLICE, &mut *filling);
        let is_changed = filling.next() != before;
        drop(filling);
        if is_changed {
            self.changed(number);
        }
        settled.unwrap_or_else(|broken| self.die(&broken))
    }

    /// Asks the loader for what a request names and the wallet has forgotten; answers whether it did.
    fn recall(&self, request: &Request) -> bool {
        let Some(wallet) = self.live.wallet() else { return false };
        let lacks = wallet.memory().lacks(request).into_iter();
        let lacks = lacks.filter(|op| !self.recalled.contains(op));
        let ops: Vec<OpId> =
            lacks.filter(|op| self.shard.may_be_archived(self.live.id(), op)).cloned().collect();
        if ops.is_empty() {
            return false;
        }
        let wallet = self.live.id().clone();
        self.shard.ask_loader(Job::Recall { shard: self.shard.index, wallet, ops });
        true
    }

    /// Judges a request.
    fn execute(&mut self, request: &Request, reply_to: ReplyTo, now: Timestamp) {
        let mut filling = self.shard.filling.borrow_mut();
        let number = filling.number();
        let was_opened = self.live.wallet().is_some();
        let rules = &self.shard.settings.rules;
        let prices = self.shard.prices_for(&request.command);
        let prices: &dyn Prices = match &prices {
            Some(prices) => &**prices,
            None => &NoPrices,
        };
        let executed = match self.live.execute(request, now, rules, prices, &mut *filling) {
            Ok(executed) => executed,
            Err(broken) => self.die(&broken),
        };
        drop(filling);
        if executed.changed {
            self.changed(number);
            if !was_opened {
                self.shard.opened(self.live.id());
            }
        }
        if let (Some(kept), Some(memory)) = (self.shard.kept(), self.live.memory_mut()) {
            memory.forget(kept, FORGOTTEN);
        }
        self.shard.counters.count(&request.command, &executed.outcome);
        self.shard.deliver(reply_to, executed.outcome, self.last_batch);
    }

    /// Has the loader look something up in the wallet's history, from its last record back, once that is
    /// safe.
    fn look_up(&self, reply_to: ReplyTo, job: impl FnOnce(&Wallet, Position) -> Job) {
        let Some(wallet) = self.live.wallet() else {
            let refused = Outcome::Refused(Refusal::NoWallet);
            return self.shard.deliver(reply_to, refused, BatchNo::NONE);
        };
        self.shard.ask_loader_after(self.last_batch, job(wallet, self.live.last()));
    }

    /// The wallet has a record in that batch.
    fn changed(&mut self, number: BatchNo) {
        self.last_batch = number;
        self.shard.changed(self.live.id(), &self.standing);
    }

    /// Does what waits, as far as it can.
    fn go_on(&mut self, context: &mut Context<Self>) {
        while let Some(task) = self.waiting.pop_front() {
            if let Some((task, wait)) = self.perform(task) {
                self.wait(task, &wait, context);
                break;
            }
        }
        self.tally();
        self.shard.wake();
    }

    /// Keeps a task that has to wait, before all others.
    fn wait(&mut self, task: Task, wait: &Wait, context: &mut Context<Self>) {
        self.waiting.push_front(task);
        if matches!(wait, Wait::Due) {
            // A message to itself would not do: a context takes all its messages in one poll.
            self.let_others_run(context, Self::go_on);
        }
    }

    /// Goes on when everybody else on the thread had a turn.
    fn let_others_run(
        &self,
        context: &mut Context<Self>,
        go_on: fn(&mut Self, &mut Context<Self>),
    ) {
        let is_behind = self.shard.is_behind();
        let others = wrap_future::<_, Self>(async move {
            if is_behind {
                // The disk is: what nobody waits for must not go before those who ask.
                tokio::time::sleep(BEHIND).await;
            } else {
                tokio::task::yield_now().await;
            }
        });
        context.spawn(others.map(move |(), actor, context| go_on(actor, context)));
    }

    /// A wallet that breaks its own rules must not serve anybody, nor may its shard: the process
    /// stops, and what it acknowledged is recovered from the journal.
    fn die(&self, broken: &Broken) -> ! {
        die(&format!("wallet {} is broken: {broken}", self.live.id()))
    }
}

impl Actor for WalletActor {
    type Context = Context<Self>;

    fn started(&mut self, _: &mut Self::Context) {
        self.tally();
    }
}

impl Drop for WalletActor {
    fn drop(&mut self) {
        self.shard.signal.tally(self.tally, Tally::default());
    }
}

impl Handler<Task> for WalletActor {
    type Result = ();

    fn handle(&mut self, task: Task, context: &mut Self::Context) {
        if !self.waiting.is_empty() {
            self.waiting.push_back(task);
            return;
        }
        if let Some((task, wait)) = self.perform(task) {
            self.wait(task, &wait, context);
        }
        self.tally();
        self.shard.wake();
    }
}

impl Handler<Snapshot> for WalletActor {
    type Result = ();

    fn handle(&mut self, _: Snapshot, context: &mut Self::Context) {
        let begun = Instant::now();
        let some = self.live.some_pages(PAGES_AT_ONCE);
        if let Some(rows) = some.unwrap_or_else(|broken| self.die(&broken)) {
            self.shard.saved_in_part(rows);
            self.shard.saving.spend(begun.elapsed());
            return self.let_others_run(context, |actor, context| {
                Handler::<Snapshot>::handle(actor, Snapshot, context);
            });
        }
        let rows =
            self.shard.saving.owing(|owed| self.live.snapshot(&self.shard.settings.rules, owed));
        let rows = rows.unwrap_or_else(|broken| self.die(&broken));
        self.shard.saved(rows, self.last_batch);
        // A task that waits may wait for what was just recalled: forgetting that now would let it
        // happen a second time.
        if self.waiting.is_empty()
            && let (Some(kept), Some(memory)) = (self.shard.kept(), self.live.memory_mut())
        {
            memory.forget(kept, FORGOTTEN_AT_ONCE);
        }
        self.tally();
        self.standing.end();
        self.shard.saving.spend(begun.elapsed());
    }
}

impl Handler<Told> for WalletActor {
    type Result = ();

    fn handle(&mut self, Told(recalled): Told, context: &mut Self::Context) {
        for (op, remembered) in recalled.ops {
            if let (Some(remembered), Some(memory)) = (remembered, self.live.memory_mut()) {
                memory.tell(op.clone(), remembered);
            }
            self.recalled.push(op);
        }
        self.standing.end();
        self.go_on(context);
    }
}
