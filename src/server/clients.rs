//! Who is connected, as `CLIENT LIST` shows it. Shared by all shards; touched when a client comes,
//! goes or names itself, not on the way of a request.

use crate::domain::time::Timestamp;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use tokio::sync::Notify;

/// A client of the server.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) id: u64,
    pub(super) address: SocketAddr,
    pub(super) local: SocketAddr,
    since: Instant,
    /// When it last sent a whole request, in Unix milliseconds; 0: it never has.
    asked_at: AtomicI64,
    /// How many bytes it holds.
    held: AtomicUsize,
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
    /// The last command that was not to a wallet.
    pub(super) command: &'static str,
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

    /// It sends a whole request.
    pub(super) fn asks(&self, now: Timestamp) {
        self.asked_at.store(now.millis(), Ordering::Relaxed);
    }

    /// It holds so many bytes: requests that are not whole, replies that did not leave.
    pub(super) fn hold(&self, bytes: usize) {
        self.held.store(bytes, Ordering::Relaxed);
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
        let mut line = String::new();
        // Writing to a string cannot fail.
        let _ = write!(
            line,
            "id={} addr={} laddr={} name={} age={age} idle={idle} flags=N db=0 sub=0 psub=0 ssub=0 \
             multi=-1 watch=0 tot-mem={} cmd={} user={} redir=-1 lib-name={} lib-ver={} resp={}",
            self.id,
            self.address,
            self.local,
            names.name,
            self.held.load(Ordering::Relaxed),
            if names.command.is_empty() { "NULL" } else { names.command },
            names.user,
            names.lib_name,
            names.lib_version,
            names.proto,
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
            since: Instant::now(),
            asked_at: AtomicI64::new(0),
            held: AtomicUsize::new(0),
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
