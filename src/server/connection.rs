//! One connection: its reply ring, its socket, and whether it is still read.
//!
//! Replies are encoded when they leave and written directly; only a socket that would block gets a
//! task of its own, which waits for it. What a client does not read stays bounded, in requests by
//! `connection_in_flight_max` and in bytes by `reply_bytes_max`: past either the connection is not
//! read.

use super::Live;
use super::access::{Access, Account, Denied, Standing};
use super::clients::{Client, Holding};
use super::connections::Connections;
use super::drops::Dropped;
use super::meters::Stamp;
use super::ring::{Reply, Ring};
use super::slow_log::{self, Entry, Kept};
use super::socket::Outgoing;
use crate::codec::reply;
use crate::codec::resp::{Args, Proto, Writer};
use crate::domain::outcome::Outcome;
use crate::domain::time::Timestamp;
use crate::engine::batch::BatchNo;
use std::cell::{Cell, Ref, RefCell};
use std::fmt::Display;
use std::io::ErrorKind;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

/// A buffer of replies that has grown beyond this is not kept.
const OUT_KEPT: usize = 16 * 1024;

/// How long a client may read nothing when the server stops.
const STALL_AT_STOP_MAX: Duration = Duration::from_secs(2);

/// Whether a connection goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Life {
    /// It is read and written.
    Open,
    /// It is not read any more, and ends when all is answered.
    Draining,
    /// It is gone.
    Dead,
}

/// One connection. Its shard's thread owns it.
pub(super) struct Connection {
    pub(super) id: u64,
    pub(super) client: Arc<Client>,
    stream: Outgoing,
    /// Wakes the reader: replies have left, or the connection is to end.
    pub(super) changed: Notify,
    /// Wakes who waits for the socket: the connection is dead.
    died: Notify,
    /// The reader waits for replies to leave.
    pub(super) awaits_replies: Cell<bool>,
    life: Cell<Life>,
    standing: RefCell<Standing>,
    /// How many of its requests count as in flight for its user.
    counted: Cell<u32>,
    /// The request that is being taken.
    asking: Cell<Stamp>,
    /// The place of the command of the last request that was taken.
    last_place: Cell<u16>,
    /// How many bytes of requests lie here that are not whole.
    input_bytes: Cell<usize>,
    /// What its shard counts for it.
    held: Cell<Holding>,
    state: RefCell<State>,
    /// The connections of its shard.
    home: Rc<Connections>,
}

#[derive(Default)]
struct State {
    ring: Ring,
    /// How many requests were answered. The client's number and this are the id of a request in the log.
    answered: u64,
    /// The requests in the ring, for the slow log.
    kept: Kept,
    /// Encoded replies, from `sent` on not written yet.
    out: Vec<u8>,
    sent: usize,
    proto: Proto,
    /// A task waits for the socket.
    is_blocked: bool,
    /// It is on the list of connections to flush.
    is_touched: bool,
}

impl Connection {
    pub(super) fn new(client: Arc<Client>, stream: Outgoing, home: Rc<Connections>) -> Rc<Self> {
        Rc::new(Self {
            id: client.id,
            client,
            stream,
            changed: Notify::new(),
            died: Notify::new(),
            awaits_replies: Cell::new(false),
            life: Cell::new(Life::Open),
            standing: RefCell::new(home.live().access.first_standing()),
            counted: Cell::new(0),
            asking: Cell::default(),
            last_place: Cell::new(u16::MAX),
            input_bytes: Cell::new(0),
            held: Cell::default(),
            state: RefCell::default(),
            home,
        })
    }

    pub(super) fn life(&self) -> Life {
        self.life.get()
    }

    /// What may change while the server runs, as it is now.
    pub(super) fn live(&self) -> Rc<Live> {
        self.home.live()
    }

    /// What it may do.
    pub(super) fn standing(&self) -> Ref<'_, Standing> {
        self.standing.borrow()
    }

    /// Whether it must say who it is before anything else.
    pub(super) fn is_stranger(&self) -> bool {
        matches!(*self.standing.borrow(), Standing::Stranger)
    }

    /// It is this user from now on, or nobody. Nothing of it may be in flight.
    pub(super) fn set_account(&self, account: Option<Arc<Account>>) {
        let standing = match account {
            Some(account) => Standing::Known(account),
            None => self.live().access.first_standing(),
        };
        standing.shown().clone_into(&mut self.client.names().user);
        *self.standing.borrow_mut() = standing;
    }

    /// The users have changed: its rights are the new ones, or it ends.
    pub(super) fn reconsider(&self, access: &Access) {
        let standing = match &*self.standing.borrow() {
            Standing::Known(account) => match access.current(account) {
                Some(account) => Standing::Known(account),
                None => return self.client.kill(),
            },
            Standing::Open | Standing::Stranger => access.first_standing(),
        };
        standing.shown().clone_into(&mut self.client.names().user);
        *self.standing.borrow_mut() = standing;
    }

    /// Counts a request of its user's.
    pub(super) fn admit(&self, now: Timestamp) -> Result<(), Denied> {
        if let Standing::Known(account) = &*self.standing.borrow()
            && account.admit(now.millis())?
        {
            self.counted.set(self.counted.get().saturating_add(1));
        }
        Ok(())
    }

    /// So many of its requests, at most, are not in flight any more.
    pub(super) fn settle(&self, at_most: u32) {
        let counted = self.counted.get();
        let count = counted.min(at_most);
        if count > 0
            && let Standing::Known(account) = &*self.standing.borrow()
        {
            account.settle(count);
        }
        self.counted.set(counted.saturating_sub(count));
    }

    /// Stops reading; the connection ends when all is answered.
    pub(super) fn drain(&self) {
        if self.life.get() == Life::Open {
            self.life.set(Life::Draining);
        }
        self.changed.notify_one();
    }

    /// Ends the connection at once.
    pub(super) fn kill(&self) {
        if self.life.replace(Life::Dead) != Life::Dead {
            self.stream.say_goodbye();
        }
        self.changed.notify_one();
        self.died.notify_one();
    }

    /// How many requests were not answered yet.
    pub(super) fn in_flight(&self) -> usize {
        self.state.borrow().ring.len()
    }

    /// Whether every reply has been written.
    pub(super) fn is_drained(&self) -> bool {
        let state = self.state.borrow();
        state.ring.len() == 0 && state.out.is_empty()
    }

    pub(super) fn proto(&self) -> Proto {
        self.state.borrow().proto
    }

    pub(super) fn set_proto(&self, proto: Proto) {
        self.state.borrow_mut().proto = proto;
    }

    /// About how many bytes of replies did not leave yet, those to come included.
    pub(super) fn unsent_bytes(&self) -> usize {
        let state = self.state.borrow();
        state.ring.weight().saturating_add(state.out.len())
    }

    /// The request that is taken now was parsed then.
    pub(super) fn begin(&self, at: u64) {
        let stamp = Stamp::at(at);
        self.last_place.set(stamp.place);
        self.asking.set(stamp);
    }

    /// The request that is taken now is for the command at this place.
    pub(super) fn is_for(&self, place: usize) {
        let mut stamp = self.asking.get();
        stamp.set_place(place);
        self.last_place.set(stamp.place);
        self.asking.set(stamp);
    }

    /// Whoever looks sees the last command that was taken.
    pub(super) fn show_command(&self) {
        self.client.is_for(self.last_place.get());
    }

    /// The request that is taken now is refused before it is judged.
    pub(super) fn reject(&self) {
        self.asking.set(Stamp { is_rejected: true, ..self.asking.get() });
    }

    /// Keeps the request that is taken now until it is answered: it may turn out to be slow.
    pub(super) fn keep(&self, raw: &[u8], args: Args<'_>) {
        let kept = self.state.borrow_mut().kept.push(raw, args);
        self.asking.set(Stamp { kept, ..self.asking.get() });
    }

    /// It is ended, for this reason.
    pub(super) fn note_dropped(&self, why: Dropped, what: &dyn Display) {
        self.home.context.drops.note(&self.client, why, what);
    }

    /// So many bytes of requests lie here that are not whole.
    pub(super) fn set_input_bytes(&self, bytes: usize) {
        self.input_bytes.set(bytes);
    }

    /// Tells the shard how much memory it takes, and whoever looks what that is.
    pub(super) fn recount(&self) {
        let now = if self.life.get() == Life::Dead { Holding::default() } else { self.holding() };
        let before = self.held.replace(now);
        if before != now {
            self.client.hold(&now);
        }
        self.home.count_held(before.total(), now.total());
    }

    fn holding(&self) -> Holding {
        let state = self.state.borrow();
        let encoded = state.out.len();
        Holding {
            input: self.input_bytes.get(),
            kept: state.kept.len(),
            waiting: state.ring.len(),
            encoded,
            unsent: state.ring.weight().saturating_add(encoded),
            is_blocked: state.is_blocked,
        }
    }

    /// How many bytes its shard counts for it.
    pub(super) fn held(&self) -> usize {
        self.held.get().total()
    }

    /// Ends the connection, so that others have its memory.
    pub(super) fn give_way(&self) {
        let held = self.held();
        let what =
            format_args!("it holds {held} bytes, and all together more than clients_memory_max");
        self.note_dropped(Dropped::Memory, &what);
        self.kill();
        self.recount();
    }

    /// Makes room for a request whose outcome will come and may take `weight` bytes; answers its
    /// number.
    pub(super) fn expect(&self, weight: usize) -> u64 {
        self.state.borrow_mut().ring.push_waiting(self.asking.take(), weight)
    }

    /// Puts an encoded reply behind all others.
    pub(super) fn reply(&self, bytes: Vec<u8>) {
        self.state.borrow_mut().ring.push_ready(self.asking.take(), Reply::Bytes(bytes));
    }

    /// Puts an outcome that depends on no batch behind all others.
    pub(super) fn reply_outcome(&self, outcome: Outcome) {
        self.state.borrow_mut().ring.push_ready(self.asking.take(), Reply::Outcome(outcome));
    }

    /// The outcome of a request is known. Answers whether the connection must be put on the list of
    /// those to flush.
    pub(super) fn fill(&self, number: u64, outcome: Outcome, after: BatchNo) -> bool {
        if self.counted.get() > 0 {
            self.settle(1);
        }
        let mut state = self.state.borrow_mut();
        state.ring.fill(number, outcome, after);
        !std::mem::replace(&mut state.is_touched, true)
    }

    /// Marks the connection as on the list of those to flush; answers whether it was not.
    pub(super) fn touch(&self) -> bool {
        !std::mem::replace(&mut self.state.borrow_mut().is_touched, true)
    }

    /// After the store failed, nothing that is not safe may be acknowledged.
    pub(super) fn fail(&self, durable: BatchNo) {
        self.state.borrow_mut().ring.fail(durable);
    }

    /// Sends what may be sent. Answers whether it must be flushed again when more is safe.
    pub(super) fn flush(self: &Rc<Self>, durable: BatchNo, now: u64) -> bool {
        loop {
            let is_more = self.encode(durable, now);
            if !self.write() || !is_more {
                break;
            }
        }
        self.recount();
        let mut state = self.state.borrow_mut();
        // A blocked socket flushes again by itself, through its task.
        state.is_touched = state.ring.is_front_known() && !state.is_blocked;
        if self.awaits_replies.get() {
            self.changed.notify_one();
        }
        state.is_touched
    }

    /// Encodes replies until the bound on bytes; answers whether it stopped there.
    fn encode(&self, durable: BatchNo, now: u64) -> bool {
        let live = self.live();
        let state = &mut *self.state.borrow_mut();
        while state.out.len() < live.config.reply_bytes_max {
            let Some((stamp, reply)) = state.ring.pop(durable) else {
                if state.ring.len() == 0 {
                    state.ring.tidy();
                    state.kept.tidy();
                }
                return false;
            };
            let before = state.out.len();
            match reply {
                Reply::Bytes(bytes) => state.out.extend_from_slice(&bytes),
                Reply::Outcome(outcome) => {
                    let mut writer = Writer::new(&mut state.out, state.proto);
                    reply::write_outcome(&outcome, &mut writer);
                    self.home.meters.count_outcome(&outcome);
                }
            }
            self.count(state, &live, &stamp, before, now);
        }
        true
    }

    /// Counts a reply that was just encoded, from `before` on.
    fn count(&self, state: &mut State, live: &Live, stamp: &Stamp, before: usize, now: u64) {
        state.answered = state.answered.saturating_add(1);
        let written = state.out.get(before..).unwrap_or_default();
        let is_error = written.first() == Some(&b'-');
        let nanos = now.saturating_sub(stamp.at);
        self.home.meters.count(stamp, nanos, is_error);
        if is_error && let Some(code) = self.home.meters.count_error(written) {
            tracing::debug!(
                client = %self.client.address,
                id = self.id,
                request = state.answered,
                command = stamp.command().unwrap_or_default(),
                code = code.as_str(),
                "refused"
            );
        }
        if stamp.kept > 0 {
            let kept = state.kept.pop(stamp.kept);
            let bound = live.config.slowlog_log_slower_than_us;
            let is_slow = u64::try_from(bound).is_ok_and(|bound| nanos / 1_000 >= bound);
            if is_slow {
                let (request, max) = (state.answered, live.config.slowlog_max_len);
                self.note_slow(kept, request, stamp, nanos / 1_000, max);
            }
        }
    }

    /// Notes a request that was slow, unless there are many of them in this turn: then something else
    /// is slow, and noting them all would make it slower.
    #[cold]
    fn note_slow(&self, kept: &[u8], request: u64, stamp: &Stamp, micros: u64, max: usize) {
        self.home.meters.slow.add(1);
        if !self.home.may_note_slow() {
            return;
        }
        let command = stamp.command().unwrap_or_default();
        let (client, id) = (self.client.address, self.id);
        tracing::debug!(%client, id, request, command, micros, "a request was slow");
        let entry = Entry {
            id: 0,
            at: self.home.context.clock.now().millis().div_euclid(1_000),
            micros,
            args: slow_log::shown(kept),
            client,
            name: self.client.names().name.clone(),
        };
        self.home.context.slow_log.push(entry, max);
    }

    /// Writes what is encoded; answers whether all of it went out.
    fn write(self: &Rc<Self>) -> bool {
        let state = &mut *self.state.borrow_mut();
        if state.is_blocked {
            return false;
        }
        loop {
            let rest = state.out.get(state.sent..).unwrap_or_default();
            let is_done = rest.is_empty();
            let written = if is_done {
                self.stream.try_flush().map(|()| 0)
            } else {
                self.stream.try_write(rest)
            };
            match written {
                Ok(_) if is_done => break,
                Ok(written) => {
                    state.sent = state.sent.saturating_add(written);
                    let bytes = u64::try_from(written).unwrap_or(0);
                    self.home.meters.bytes_out.add(bytes);
                    self.client.sent.add(bytes);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    state.is_blocked = true;
                    actix_rt::spawn(Rc::clone(self).write_when_possible());
                    return false;
                }
                Err(_) => {
                    // The client is gone; its requests go on, their replies go nowhere.
                    self.kill();
                    break;
                }
            }
        }
        state.out.clear();
        state.sent = 0;
        if state.out.capacity() > OUT_KEPT {
            state.out = Vec::new();
        }
        true
    }

    /// Waits for a socket that would block. A client that reads nothing for too long is dropped.
    async fn write_when_possible(self: Rc<Self>) {
        let can_write = tokio::select! {
            ready = self.stream.writable() => ready.is_ok(),
            () = self.stalled() => false,
            () = self.died.notified() => return,
        };
        self.state.borrow_mut().is_blocked = false;
        if !can_write {
            self.note_dropped(Dropped::Stalled, &"it does not read its replies");
            self.kill();
        }
        // The next turn goes on writing.
        self.home.touch(&self);
    }

    /// Resolves when a client has read nothing for too long; a stop waits less.
    async fn stalled(&self) {
        let stall = Duration::from_millis(self.live().config.write_stall_max_ms);
        if !self.home.is_stopping() {
            tokio::select! {
                () = tokio::time::sleep(stall) => return,
                () = self.home.stopping.notified() => {}
            }
        }
        tokio::time::sleep(stall.min(STALL_AT_STOP_MAX)).await;
    }
}
