//! The actor of a wallet: a shell around [`LiveWallet`]. It judges, folds and records a request and
//! takes the next one; it never waits for the disk. Whoever asked gets the outcome when the batch
//! that it depends on is safe.
//!
//! The order in one turn of the actor: what is due, then the request; both are recorded in the
//! shard's filling batch. A wallet with very many deadlines at once works them off in slices, and
//! keeps the requests that wait for them in order.

use super::batch::BatchNo;
use super::live_wallet::{Broken, LiveWallet};
use super::shard::Shard;
use super::{ReplyTo, die};
use crate::domain::command::Request;
use crate::domain::time::Timestamp;
use actix::fut::{ActorFutureExt as _, wrap_future};
use actix::{Actor, AsyncContext as _, Context, Handler, Message};
use std::cell::Cell;
use std::collections::VecDeque;
use std::rc::Rc;

/// How many deadlines a wallet works off before it lets others run.
const DUE_SLICE: usize = 512;

/// A request to a wallet, parsed at `now`.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Execute {
    /// What is asked.
    pub request: Request,
    /// Who wants to know.
    pub reply_to: ReplyTo,
    /// When it was parsed.
    pub now: Timestamp,
}

/// The actor of a wallet.
pub struct WalletActor {
    live: LiveWallet,
    shard: Rc<Shard>,
    /// The batch of the wallet's last record: reads wait for it too.
    last_batch: BatchNo,
    /// Requests that the shard gave it and that it has not answered; the shard keeps the bound.
    in_flight: Rc<Cell<usize>>,
    /// Requests that wait for what is due before them.
    waiting: VecDeque<Execute>,
}

impl WalletActor {
    /// An actor around a wallet.
    pub const fn new(live: LiveWallet, shard: Rc<Shard>, in_flight: Rc<Cell<usize>>) -> Self {
        let waiting = VecDeque::new();
        Self { live, shard, last_batch: BatchNo::NONE, in_flight, waiting }
    }

    /// Judges a request; gives it back when more is due before it than fits a slice.
    fn execute(&mut self, message: Execute) -> Option<Execute> {
        let rules = &self.shard.settings.rules;
        let mut filling = self.shard.filling.borrow_mut();
        let number = filling.number();
        let before = filling.next();
        let settled = self.live.settle_due(message.now, rules, DUE_SLICE, &mut *filling);
        if filling.next() != before {
            self.last_batch = number;
        }
        match settled {
            Ok(true) => {}
            Ok(false) => return Some(message),
            Err(broken) => self.die(&broken),
        }
        let Execute { request, reply_to, now } = message;
        let was_opened = self.live.wallet().is_some();
        let executed = match self.live.execute(&request, now, rules, &mut *filling) {
            Ok(executed) => executed,
            Err(broken) => self.die(&broken),
        };
        drop(filling);
        if executed.changed {
            self.last_batch = number;
            if !was_opened {
                self.shard.opened(self.live.id());
            }
        }
        self.in_flight.set(self.in_flight.get().saturating_sub(1));
        self.shard.counters.count(&request.command, &executed.outcome);
        self.shard.deliver(reply_to, executed.outcome, self.last_batch);
        None
    }

    /// Goes on after everybody else on the thread had a turn. A message to itself would not do: a
    /// context takes all its messages in one poll.
    fn go_on_later(context: &mut Context<Self>) {
        let others = wrap_future::<_, Self>(tokio::task::yield_now());
        context.spawn(others.map(|(), actor, context| actor.go_on(context)));
    }

    fn go_on(&mut self, context: &mut Context<Self>) {
        while let Some(message) = self.waiting.pop_front() {
            if let Some(message) = self.execute(message) {
                self.waiting.push_front(message);
                Self::go_on_later(context);
                break;
            }
        }
        self.shard.wake();
    }

    /// A wallet that breaks its own rules must not serve anybody, nor may its shard: the process
    /// stops, and what it acknowledged is recovered from the journal.
    fn die(&self, broken: &Broken) -> ! {
        die(&format!("wallet {} is broken: {broken}", self.live.id()))
    }
}

impl Actor for WalletActor {
    type Context = Context<Self>;
}

impl Handler<Execute> for WalletActor {
    type Result = ();

    fn handle(&mut self, message: Execute, context: &mut Self::Context) {
        if !self.waiting.is_empty() {
            self.waiting.push_back(message);
            return;
        }
        if let Some(message) = self.execute(message) {
            self.waiting.push_back(message);
            Self::go_on_later(context);
        }
        self.shard.wake();
    }
}
