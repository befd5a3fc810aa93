//! The connections of one shard: takes its answers and flushes them once a turn.

use super::connection::{Connection, Life};
use super::meters::Meters;
use super::{Context, Live};
use crate::domain::outcome::Outcome;
use crate::engine::batch::BatchNo;
use crate::engine::shard::Shard;
use crate::engine::{Replies, ReplyTo};
use hashbrown::HashMap;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use tokio::sync::Notify;

/// So many slow requests are noted in a turn, at most.
const SLOW_NOTED: u32 = 8;

/// The connections of one shard.
pub(super) struct Connections {
    pub(super) shard: Rc<Shard>,
    pub(super) context: Arc<Context>,
    /// What is counted of them.
    pub(super) meters: Arc<Meters>,
    /// How many slow requests may still be noted in this turn.
    slow_left: Cell<u32>,
    /// What may change while the server runs, as this shard knows it.
    live: RefCell<Rc<Live>>,
    by_id: RefCell<HashMap<u64, Rc<Connection>>>,
    /// Those with something to send.
    touched: RefCell<Vec<Rc<Connection>>>,
    /// The list being flushed; kept for its memory.
    flushing: RefCell<Vec<Rc<Connection>>>,
    /// Wakes readers that wait for the filling batch to have room.
    pub(super) room: Notify,
    /// Tells those who wait for a client that reads nothing that the server is to stop.
    pub(super) stopping: Notify,
    is_stopping: Cell<bool>,
    /// How many bytes all of them hold: requests that are not whole, replies that did not leave.
    held: Cell<usize>,
}

impl Connections {
    pub(super) fn new(shard: &Rc<Shard>, context: Arc<Context>) -> Rc<Self> {
        let live = RefCell::new(Rc::new(Live::clone(&context.live())));
        let this = Rc::new(Self {
            shard: Rc::clone(shard),
            meters: context.meters_of(shard.index),
            slow_left: Cell::new(SLOW_NOTED),
            context,
            live,
            by_id: RefCell::default(),
            touched: RefCell::default(),
            flushing: RefCell::default(),
            room: Notify::new(),
            stopping: Notify::new(),
            is_stopping: Cell::new(false),
            held: Cell::new(0),
        });
        let replies: Rc<dyn Replies> = Rc::<Self>::clone(&this);
        shard.connect(replies);
        this
    }

    pub(super) fn add(&self, connection: &Rc<Connection>) {
        self.by_id.borrow_mut().insert(connection.id, Rc::clone(connection));
        if self.is_stopping.get() {
            connection.drain();
        }
    }

    /// What may change while the server runs, as it is now.
    pub(super) fn live(&self) -> Rc<Live> {
        Rc::clone(&self.live.borrow())
    }

    /// Goes by a configuration that was read again.
    pub(super) fn reload(&self, live: &Live) {
        for connection in self.by_id.borrow().values() {
            connection.reconsider(&live.access);
            // Who waits goes by new limits.
            connection.changed.notify_one();
        }
        *self.live.borrow_mut() = Rc::new(live.clone());
        self.room.notify_waiters();
    }

    /// A connection that must be dead.
    pub(super) fn remove(&self, connection: &Connection) {
        connection.recount();
        self.by_id.borrow_mut().remove(&connection.id);
    }

    /// A connection holds so many bytes now, and did so many before.
    pub(super) fn count_held(&self, before: usize, now: usize) {
        self.held.set(self.held.get().saturating_sub(before).saturating_add(now));
    }

    /// While all together hold too much, whoever holds the most goes, as Redis does it: those who send
    /// whole requests and read their replies hold next to nothing.
    pub(super) fn make_room(&self) {
        let max = self.live().config.clients_memory_max;
        let share = max / self.context.shards.len().max(1);
        while max > 0 && self.held.get() > share {
            let by_id = self.by_id.borrow();
            let largest = by_id.values().max_by_key(|connection| connection.held());
            match largest.filter(|connection| connection.held() > 0) {
                Some(connection) => connection.give_way(),
                None => break,
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.by_id.borrow().is_empty()
    }

    /// Lets no connection be read any more; each ends when all that it asked is answered.
    pub(super) fn stop(&self) {
        self.is_stopping.set(true);
        for connection in self.by_id.borrow().values() {
            connection.drain();
        }
        self.room.notify_waiters();
        self.stopping.notify_waiters();
    }

    /// Whether one slow request more may be noted in this turn.
    pub(super) fn may_note_slow(&self) -> bool {
        let left = self.slow_left.get();
        self.slow_left.set(left.saturating_sub(1));
        left > 0
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.is_stopping.get()
    }

    /// Flushes a connection in the coming turn.
    pub(super) fn touch(&self, connection: &Rc<Connection>) {
        if connection.touch() {
            self.touched.borrow_mut().push(Rc::clone(connection));
        }
        self.shard.wake();
    }
}

impl Replies for Connections {
    fn deliver(&self, reply_to: ReplyTo, outcome: Outcome, after: BatchNo) {
        // A client that has gone gets no answer; what it asked for stands.
        let by_id = self.by_id.borrow();
        let Some(connection) = by_id.get(&reply_to.connection) else { return };
        if connection.fill(reply_to.request, outcome, after) {
            self.touched.borrow_mut().push(Rc::clone(connection));
        }
    }

    fn flush(&self, durable: BatchNo) {
        let mut flushing = self.flushing.borrow_mut();
        std::mem::swap(&mut *flushing, &mut *self.touched.borrow_mut());
        // One look at the clock for all replies of a turn.
        let now = if flushing.is_empty() { 0 } else { self.meters.now() };
        self.slow_left.set(SLOW_NOTED);
        for connection in flushing.drain(..) {
            let is_alive = connection.life() != Life::Dead;
            if is_alive && connection.flush(durable, now) {
                self.touched.borrow_mut().push(connection);
            }
        }
        self.make_room();
        if !self.shard.is_full() {
            self.room.notify_waiters();
        }
    }

    fn fail(&self) {
        let durable = self.shard.durable();
        for connection in self.by_id.borrow().values() {
            connection.fail(durable);
            connection.drain();
            if connection.touch() {
                self.touched.borrow_mut().push(Rc::clone(connection));
            }
        }
        self.context.failed.notify_one();
    }
}
