//! The lean engine of the synthetic profiles: one thread, many pipelined connections.
//!
//! The driver owns sockets and time, and knows nothing of what the commands mean: that is the
//! [`Work`]'s. It sends in two ways:
//!
//! - [`Driver::open`]: when the schedule says so, whatever the answers. It never waits for a reply
//!   before it sends what is due, so a stalled server cannot slow the load down, and every latency
//!   counts from the time at which a command was due.
//! - [`Driver::closed`]: so many unanswered commands on each connection, the next one as soon as
//!   one is answered.
//!
//! What is due at one wake-up goes out together, up to [`PER_WRITE`] commands on a connection
//! before the next one is used.

pub(crate) mod answer;
pub(crate) mod command;
mod queue;
mod socket;
mod work;

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::os::fd::OwnedFd;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::event::{Timespec, epoll};

use crate::rounding::{count, length};
use answer::Stop;
use queue::{Pending, Queue};
use socket::{Socket, Waiting};
pub(crate) use work::{Limits, Then, Times, Work};

/// How many due commands a connection gets before the next one is used.
const PER_WRITE: usize = 8;
/// How many commands are sent before replies are looked after again.
const PER_TURN: usize = 512;
/// How long a lost connection rests before it is opened again.
const REOPEN_AFTER: u64 = 50_000_000;
/// The longest sleep, so that a stop is heard.
const SLEEP_MAX: u64 = 20_000_000;
/// How many connections are looked after in one turn.
const EVENTS: usize = 1024;

/// Connections to one server, and the time.
pub(crate) struct Driver<W: Work> {
    address: SocketAddr,
    epoll: OwnedFd,
    slots: Vec<Slot<W::Op>>,
    start: Instant,
    /// The connection that gets the next commands.
    turn: usize,
    in_flight: usize,
    queue: Queue<W::Op>,
    then: Vec<Then<W::Op>>,
    ops: Vec<W::Op>,
    events: Vec<epoll::Event>,
    ready: Vec<usize>,
    /// An open loop reached the most unanswered commands, and waited.
    pub(crate) was_full: bool,
}

/// A place for a connection.
#[derive(Debug)]
enum Slot<O> {
    Open(Socket<O>),
    /// Not to be opened before that time.
    Lost(u64),
}

impl<W: Work> Driver<W> {
    /// Opens all connections. Times count from `start`.
    pub(crate) fn connect(address: &str, connections: u16, start: Instant) -> Result<Self> {
        // Sleeps end on time, not 50 µs later; where that is refused, the lag says so.
        let _ = rustix::thread::set_current_timer_slack(std::num::NonZero::new(1));
        let resolved = address.to_socket_addrs().ok().and_then(|mut found| found.next());
        let address = resolved.with_context(|| format!("cannot find the server {address}"))?;
        let mut driver = Self {
            address,
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC).context("cannot make an epoll")?,
            slots: (0..connections).map(|_| Slot::Lost(0)).collect(),
            start,
            turn: 0,
            in_flight: 0,
            queue: Queue::new(),
            then: Vec::new(),
            ops: Vec::new(),
            events: Vec::with_capacity(EVENTS),
            ready: Vec::new(),
            was_full: false,
        };
        for slot in 0..driver.slots.len() {
            driver.reopen(slot).with_context(|| format!("cannot connect to {address}"))?;
        }
        Ok(driver)
    }

    /// Begins work at the times of the schedule, whatever the answers. Answers how many of them
    /// could not be begun before it was over: none, if the generator kept up.
    pub(crate) fn open(
        &mut self,
        work: &mut W,
        mut arrivals: impl Iterator<Item = u64>,
        limits: &Limits<'_>,
    ) -> Result<u64> {
        let mut next = arrivals.next();
        let overdue = limits.end.saturating_add(nanos(limits.overrun));
        let mut heard = self.now();
        loop {
            let now = self.now();
            work.turn(now);
            if limits.stop.load(Ordering::Relaxed) {
                next = None;
            } else if now > overdue && next.is_some() {
                // Far too slow: what is left of the schedule is given up.
                let given_up = 1 + count(arrivals.count());
                self.finish(work, limits)?;
                return Ok(given_up);
            }
            self.send_due(work, &mut next, &mut arrivals, limits);
            let pending = self.queue.next_due();
            let is_full = self.in_flight >= limits.in_flight_max;
            self.was_full |= is_full;
            let is_all_sent = next.is_none() && pending.is_none();
            if is_all_sent && self.in_flight == 0 {
                return Ok(0);
            }
            let silence = self.now().saturating_sub(heard);
            if (is_all_sent || is_full) && silence > nanos(limits.patience) {
                self.give_up(work);
                heard = self.now();
                continue;
            }
            let until = match (next, pending) {
                (Some(next), Some(pending)) => next.min(pending),
                (next, pending) => next.or(pending).unwrap_or(u64::MAX),
            };
            if self.wait(if is_full { u64::MAX } else { until })? {
                heard = self.now();
            }
            let ready = std::mem::take(&mut self.ready);
            for &slot in &ready {
                self.receive(slot, work)?;
            }
            self.ready = ready;
        }
    }

    /// Keeps `depth` commands unanswered on every connection, until the end or until nothing
    /// begins any more, and then waits for the answers.
    pub(crate) fn closed(&mut self, work: &mut W, depth: usize, limits: &Limits<'_>) -> Result<()> {
        for slot in 0..self.slots.len() {
            self.refill(slot, work, depth, limits);
        }
        let mut heard = self.now();
        loop {
            work.turn(self.now());
            if self.is_idle() {
                // All is answered; a lost connection may have left something to be begun.
                for slot in 0..self.slots.len() {
                    self.refill(slot, work, depth, limits);
                }
                let is_connected = self.slots.iter().any(|slot| matches!(slot, Slot::Open(_)));
                if self.is_idle() && is_connected {
                    return Ok(());
                }
            }
            // What is due already waits for room on a connection, and so for an answer.
            let later = self.queue.next_due().filter(|&due| due > self.now());
            if self.wait(later.unwrap_or(u64::MAX))? {
                heard = self.now();
            } else if self.now().saturating_sub(heard) > nanos(limits.patience) {
                self.give_up(work);
                return Ok(());
            }
            let ready = std::mem::take(&mut self.ready);
            for &slot in &ready {
                self.receive(slot, work)?;
                self.refill(slot, work, depth, limits);
            }
            if ready.is_empty() {
                for slot in 0..self.slots.len() {
                    self.refill(slot, work, depth, limits);
                }
            }
            self.ready = ready;
        }
    }

    /// Nothing is unanswered, and nothing waits for its time.
    fn is_idle(&self) -> bool {
        self.in_flight == 0 && self.queue.next_due().is_none()
    }

    /// Waits for what is in flight, and for what follows from it.
    fn finish(&mut self, work: &mut W, limits: &Limits<'_>) -> Result<()> {
        let limits = Limits { end: 0, ..*limits };
        self.closed(work, PER_WRITE, &limits)
    }

    /// Sends what is due, in the order of the times.
    fn send_due(
        &mut self,
        work: &mut W,
        next: &mut Option<u64>,
        arrivals: &mut impl Iterator<Item = u64>,
        limits: &Limits<'_>,
    ) {
        let mut budget = PER_TURN;
        while budget > 0 && self.in_flight < limits.in_flight_max {
            let now = self.now();
            let mut taken = 0;
            let slot = self.next_slot();
            while taken < PER_WRITE {
                let pending = self.queue.next_due().filter(|&due| due <= now);
                let arrival = next.filter(|&due| due <= now);
                match (arrival, pending) {
                    (Some(due), pending) if pending.is_none_or(|pending| due < pending) => {
                        self.ops.clear();
                        work.begin(&mut self.ops);
                        let ops = std::mem::take(&mut self.ops);
                        for op in &ops {
                            self.send(slot, work, *op, due, due, now);
                            taken += 1;
                        }
                        self.ops = ops;
                        *next = arrivals.next();
                    }
                    (_, Some(_)) => {
                        let Some(Pending { due, ready, op }) = self.queue.pop() else { break };
                        self.send(slot, work, op, due, ready, now);
                        taken += 1;
                    }
                    (_, None) => break,
                }
            }
            if taken == 0 {
                return;
            }
            self.flush(slot, work);
            budget = budget.saturating_sub(taken);
        }
    }

    /// Fills a connection up to its depth: what had to wait first, then something new.
    fn refill(&mut self, slot: usize, work: &mut W, depth: usize, limits: &Limits<'_>) {
        let now = self.now();
        let begins = now < limits.end && !limits.stop.load(Ordering::Relaxed);
        if self.depth_of(slot).is_none() && self.reopen(slot).is_err() {
            return;
        }
        while self.depth_of(slot).is_some_and(|waiting| waiting < depth) {
            if self.queue.next_due().is_some_and(|due| due <= now) {
                let Some(Pending { ready, op, .. }) = self.queue.pop() else { break };
                self.send(slot, work, op, now, ready, now);
                continue;
            }
            if !begins {
                break;
            }
            self.ops.clear();
            work.begin(&mut self.ops);
            if self.ops.is_empty() {
                break;
            }
            let ops = std::mem::take(&mut self.ops);
            for op in &ops {
                self.send(slot, work, *op, now, now, now);
            }
            self.ops = ops;
        }
        self.flush(slot, work);
    }

    /// How many commands a connection has not answered; nothing if it is lost.
    fn depth_of(&self, slot: usize) -> Option<usize> {
        match self.slots.get(slot) {
            Some(Slot::Open(socket)) => Some(socket.waiting.len()),
            Some(Slot::Lost(_)) | None => None,
        }
    }

    /// Hands a command to a connection; it leaves with the next flush.
    fn send(&mut self, slot: usize, work: &mut W, op: W::Op, due: u64, ready: u64, now: u64) {
        let Some(Slot::Open(socket)) = self.slots.get_mut(slot) else {
            work.lost(op, now);
            return;
        };
        work.write(&op, &mut socket.out);
        socket.waiting.push_back(Waiting { op, due, sent: now });
        self.in_flight += 1;
        work.sent(&op, due, ready, now);
    }

    fn flush(&mut self, slot: usize, work: &mut W) {
        let Some(Slot::Open(socket)) = self.slots.get_mut(slot) else { return };
        let was_blocked = socket.is_blocked;
        if socket.flush().is_err() {
            self.lose(slot, work);
            return;
        }
        if socket.is_blocked != was_blocked {
            let flags = events_of(socket.is_blocked);
            let data = epoll::EventData::new_u64(count(slot));
            if epoll::modify(&self.epoll, &*socket, data, flags).is_err() {
                self.lose(slot, work);
            }
        }
    }

    /// Reads what is there, has the answers judged, and queues what follows from them.
    fn receive(&mut self, slot: usize, work: &mut W) -> Result<()> {
        let now = self.now();
        let Some(Slot::Open(socket)) = self.slots.get_mut(slot) else { return Ok(()) };
        if socket.fill().is_err() {
            self.lose(slot, work);
            return Ok(());
        }
        let (mut bytes, waiting) = socket.read();
        loop {
            match answer::take(&mut bytes) {
                Ok(answer) => {
                    let Some(Waiting { op, due, sent }) = waiting.pop_front() else {
                        bail!("the server sent a reply that nobody asked for");
                    };
                    self.in_flight = self.in_flight.saturating_sub(1);
                    let times = Times { due, sent, arrived: now };
                    work.answered(op, times, answer, &mut self.then)?;
                    for Then { after, op } in self.then.drain(..) {
                        let due = due.saturating_add(after);
                        self.queue.push(Pending { due, ready: due.max(now), op });
                    }
                }
                Err(Stop::Incomplete) => break,
                Err(Stop::Malformed) => bail!("the server sent something that is no RESP2"),
            }
        }
        let left = bytes.len();
        socket.keep(left);
        self.flush(slot, work);
        Ok(())
    }

    /// The connection for what is due now: the next one that is open, in turn.
    fn next_slot(&mut self) -> usize {
        let slots = self.slots.len();
        for _ in 0..slots {
            self.turn = (self.turn + 1).checked_rem(slots).unwrap_or_default();
            if self.depth_of(self.turn).is_some() || self.reopen(self.turn).is_ok() {
                break;
            }
        }
        self.turn
    }

    fn reopen(&mut self, slot: usize) -> io::Result<()> {
        let now = self.now();
        let Some(place) = self.slots.get_mut(slot) else { return Ok(()) };
        if matches!(place, Slot::Lost(not_before) if *not_before > now) {
            return Err(io::ErrorKind::NotConnected.into());
        }
        *place = Slot::Lost(now.saturating_add(REOPEN_AFTER));
        let socket = Socket::open(self.address)?;
        let data = epoll::EventData::new_u64(count(slot));
        epoll::add(&self.epoll, &socket, data, events_of(false))?;
        *place = Slot::Open(socket);
        Ok(())
    }

    /// A connection is gone, and with it the answers to all that was sent on it.
    fn lose(&mut self, slot: usize, work: &mut W) {
        let rest = Slot::Lost(self.now().saturating_add(REOPEN_AFTER));
        let Some(place) = self.slots.get_mut(slot) else { return };
        if let Slot::Open(socket) = std::mem::replace(place, rest) {
            self.in_flight = self.in_flight.saturating_sub(socket.waiting.len());
            for waiting in socket.waiting {
                work.lost(waiting.op, waiting.sent);
            }
        }
    }

    /// No answer comes any more.
    fn give_up(&mut self, work: &mut W) {
        for slot in 0..self.slots.len() {
            self.lose(slot, work);
        }
    }

    /// Sleeps until something arrives or that time has come; whether something arrived.
    fn wait(&mut self, until: u64) -> Result<bool> {
        let sleep = until.saturating_sub(self.now()).min(SLEEP_MAX);
        let timeout = Timespec { tv_sec: 0, tv_nsec: i64::try_from(sleep).unwrap_or_default() };
        self.events.clear();
        self.ready.clear();
        let events = rustix::buffer::spare_capacity(&mut self.events);
        match epoll::wait(&self.epoll, events, Some(&timeout)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error).context("cannot wait for replies"),
        }
        self.ready.extend(self.events.iter().map(|event| length(event.data.u64())));
        Ok(!self.ready.is_empty())
    }

    pub(crate) fn now(&self) -> u64 {
        nanos(self.start.elapsed())
    }
}

/// A duration in nanoseconds.
pub(crate) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

fn events_of(is_blocked: bool) -> epoll::EventFlags {
    if is_blocked { epoll::EventFlags::IN | epoll::EventFlags::OUT } else { epoll::EventFlags::IN }
}
