//! Who is connected, as `CLIENT LIST` shows it. Shared by all shards; touched when a client comes,
//! goes or names itself, and with plain numbers when it was read or written.

use super::meters::Count;
use crate::codec::commands;
use crate::domain::time::Timestamp;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::os::fd::RawFd;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU16, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use tokio::sync::Notify;

/// A client of the server.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) id: u64,
    pub(super) address: SocketAddr,
    pub(super) local: SocketAddr,
    socket: RawFd,
    since: Instant,
    /// When it last sent a whole request, in Unix milliseconds; 0: it never has.
    asked_at: AtomicI64,
    /// The place of its last command; none when there is no such command.
    command: AtomicU16,
    holding: Shared,
    /// Bytes of its requests and of its replies, and how many requests they were.
    pub(super) received: Count,
    pub(super) sent: Count,
    pub(super) asked: Count,
    names: Mutex<Names>,
    is_killed: AtomicBool,
    /// Wakes its reader when it is killed.
    pub(super) killed: Notify,
}

/// What a client says of itself.
#[derive(Debug, Clone, Default)]
pub(super) struct Names {
    pub(super) name: String,
    pub(super) lib_name: String,
    pub(super) lib_version: String,
    /// Who it is; empty before it has said so.
    pub(super) user: String,
    /// 2 or 3.
    pub(super) proto: u8,
}

/// What a client holds, in bytes where nothing else is said.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Holding {
    /// Requests that are not whole.
    pub(super) input: usize,
    /// Requests that are kept for the slow log.
    pub(super) kept: usize,
    /// How many requests have no reply that has been encoded.
    pub(super) waiting: usize,
    /// Replies that are encoded and did not leave.
    pub(super) encoded: usize,
    /// Replies that did not leave, about; those to come included.
    pub(super) unsent: usize,
    /// Its socket takes no more.
    pub(super) is_blocked: bool,
}

impl Holding {
    /// All of it.
    pub(super) fn total(&self) -> usize {
        self.unsent.saturating_add(self.input).saturating_add(self.kept)
    }
}

/// The same, for others to read.
#[derive(Debug, Default)]
struct Shared {
    input: AtomicUsize,
    kept: AtomicUsize,
    waiting: AtomicUsize,
    encoded: AtomicUsize,
    unsent: AtomicUsize,
    is_blocked: AtomicBool,
}

impl Shared {
    fn set(&self, now: &Holding) {
        self.input.store(now.input, Ordering::Relaxed);
        self.kept.store(now.kept, Ordering::Relaxed);
        self.waiting.store(now.waiting, Ordering::Relaxed);
        self.encoded.store(now.encoded, Ordering::Relaxed);
        self.unsent.store(now.unsent, Ordering::Relaxed);
        self.is_blocked.store(now.is_blocked, Ordering::Relaxed);
    }

    fn get(&self) -> Holding {
        Holding {
            input: self.input.load(Ordering::Relaxed),
            kept: self.kept.load(Ordering::Relaxed),
            waiting: self.waiting.load(Ordering::Relaxed),
            encoded: self.encoded.load(Ordering::Relaxed),
            unsent: self.unsent.load(Ordering::Relaxed),
            is_blocked: self.is_blocked.load(Ordering::Relaxed),
        }
    }
}

impl Client {
    /// What it says of itself, to read or change.
    pub(super) fn names(&self) -> MutexGuard<'_, Names> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends its connection soon.
    pub(super) fn kill(&self) {
        self.is_killed.store(true, Ordering::Release);
        self.killed.notify_one();
    }

    pub(super) fn is_killed(&self) -> bool {
        self.is_killed.load(Ordering::Acquire)
    }

    /// It has sent so many whole requests.
    pub(super) fn asks(&self, requests: u64, now: Timestamp) {
        self.asked_at.store(now.millis(), Ordering::Relaxed);
        self.asked.add(requests);
    }

    /// Its last request is for the command at this place.
    pub(super) fn is_for(&self, place: u16) {
        self.command.store(place, Ordering::Relaxed);
    }

    /// It holds this from now on.
    pub(super) fn hold(&self, now: &Holding) {
        self.holding.set(now);
    }

    /// When it came.
    pub(super) const fn since(&self) -> Instant {
        self.since
    }

    /// Its line in `CLIENT LIST`, as Redis writes it.
    pub(super) fn line(&self, now: Timestamp) -> String {
        let names = self.names().clone();
        let age = self.since.elapsed().as_secs();
        let idle = match self.asked_at.load(Ordering::Relaxed) {
            0 => age,
            asked_at => u64::try_from(now.millis().saturating_sub(asked_at) / 1_000).unwrap_or(0),
        };
        let command = usize::from(self.command.load(Ordering::Relaxed));
        let command = commands::at_place(command).map_or("NULL", |command| command.name);
        let flags = if self.is_killed() { "A" } else { "N" };
        let held = self.holding.get();
        let events = if held.is_blocked { "rw" } else { "r" };
        let mut line = String::new();
        // Writing to a string cannot fail. What purser has nothing of is what Redis writes then.
        let _ = write!(
            line,
            "id={} addr={} laddr={} fd={} name={} age={age} idle={idle} flags={flags} db=0 sub=0 psub=0 \
             ssub=0 multi=-1 watch=0 qbuf={} qbuf-free=0 argv-mem={} multi-mem=0 rbs={} rbp=0 obl={} oll={} \
             omem={} tot-mem={} events={events} cmd={command} user={} redir=-1 resp={} lib-name={} lib-ver={} \
             tot-net-in={} tot-net-out={} tot-cmds={}",
            self.id,
            self.address,
            self.local,
            self.socket,
            names.name,
            held.input,
            held.kept,
            held.encoded,
            held.encoded,
            held.waiting,
            held.unsent,
            held.total(),
            names.user,
            names.proto,
            names.lib_name,
            names.lib_version,
            self.received.get(),
            self.sent.get(),
            self.asked.get(),
        );
        line
    }
}

/// All clients.
#[derive(Debug, Default)]
pub(super) struct Clients {
    by_id: Mutex<BTreeMap<u64, Arc<Client>>>,
    last_id: AtomicU64,
}

impl Clients {
    /// Lists a new client, unless there are `max` already.
    pub(super) fn add(
        &self,
        address: SocketAddr,
        local: SocketAddr,
        socket: RawFd,
        user: &str,
        max: usize,
    ) -> Option<Arc<Client>> {
        let mut by_id = self.by_id();
        if by_id.len() >= max {
            return None;
        }
        let client = Arc::new(Client {
            id: self.last_id.fetch_add(1, Ordering::Relaxed).saturating_add(1),
            address,
            local,
            socket,
            since: Instant::now(),
            asked_at: AtomicI64::new(0),
            command: AtomicU16::new(u16::MAX),
            holding: Shared::default(),
            received: Count::default(),
            sent: Count::default(),
            asked: Count::default(),
            names: Mutex::new(Names { proto: 2, user: user.to_owned(), ..Names::default() }),
            is_killed: AtomicBool::new(false),
            killed: Notify::new(),
        });
        by_id.insert(client.id, Arc::clone(&client));
        Some(client)
    }

    pub(super) fn remove(&self, client: &Client) {
        self.by_id().remove(&client.id);
    }

    /// All of them, the oldest first.
    pub(super) fn all(&self) -> Vec<Arc<Client>> {
        self.by_id().values().cloned().collect()
    }

    pub(super) fn len(&self) -> usize {
        self.by_id().len()
    }

    /// How many there ever were.
    pub(super) fn total(&self) -> u64 {
        self.last_id.load(Ordering::Relaxed)
    }

    /// Ends the connections that `choose` names; answers how many they are.
    pub(super) fn kill(&self, choose: impl Fn(&Client) -> bool) -> usize {
        let chosen = self.all().into_iter().filter(|client| choose(client));
        chosen.map(|client| client.kill()).count()
    }

    fn by_id(&self) -> MutexGuard<'_, BTreeMap<u64, Arc<Client>>> {
        self.by_id.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
