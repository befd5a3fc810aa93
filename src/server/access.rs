//! Who may ask for what.
//!
//! What a user may do is worked out when the configuration is read; a request costs a few comparisons.

use crate::codec::commands::{Command, CommandSet, Role};
use crate::config::UserSettings;
use crate::config::secret::Secret;
use crate::domain::id::{User, WalletId};
use hashbrown::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};

/// A second, in nanoseconds.
const SECOND: i64 = 1_000_000_000;
/// A millisecond, in nanoseconds.
const MILLI: i64 = 1_000_000;

/// The users of the server. Without any, everybody may do everything.
#[derive(Debug)]
pub(super) struct Access {
    accounts: HashMap<String, Arc<Account>>,
    /// What a password is held against when nobody has that name: it takes as long.
    nobody: Option<Secret>,
}

/// A user.
#[derive(Debug)]
pub(super) struct Account {
    pub(super) name: User,
    secret: Secret,
    commands: CommandSet,
    /// All wallets when there are none.
    wallets: Vec<Pattern>,
    in_flight_max: u32,
    /// The time between two requests at its rate, in nanoseconds; 0: any.
    interval: i64,
    usage: Arc<Usage>,
}

/// Which wallets a user may use.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Pattern {
    Exact(String),
    Prefix(String),
}

/// What all connections of a user do, of all shards.
#[derive(Debug, Default)]
struct Usage {
    in_flight: AtomicU32,
    /// When the requests so far would be done at the user's rate, in nanoseconds.
    done_at: AtomicI64,
}

/// What a connection may do.
#[derive(Debug, Clone)]
pub(super) enum Standing {
    /// There are no users: everything.
    Open,
    /// Nothing but say who it is.
    Stranger,
    /// What this user may.
    Known(Arc<Account>),
}

/// Why a request is not passed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Denied {
    /// The user may not use the command.
    Command,
    /// The user may not use the wallet.
    Wallet,
    /// The user has more requests in flight than it may.
    InFlight,
    /// The user asks faster than it may.
    Rate,
}

impl Standing {
    /// The user as `CLIENT LIST` shows it.
    pub(super) fn shown(&self) -> &str {
        match self {
            Self::Open => "default",
            Self::Stranger => "",
            Self::Known(account) => account.name.as_str(),
        }
    }
}

impl Pattern {
    fn new(text: &str) -> Self {
        match text.strip_suffix('*') {
            Some(prefix) => Self::Prefix(prefix.to_owned()),
            None => Self::Exact(text.to_owned()),
        }
    }

    fn covers(&self, wallet: &str) -> bool {
        match self {
            Self::Exact(name) => name == wallet,
            Self::Prefix(prefix) => wallet.starts_with(prefix.as_str()),
        }
    }
}

impl Access {
    /// The users as configured. Those that were there before keep what is counted of them.
    pub(super) fn new(users: &[UserSettings], before: Option<&Self>) -> Self {
        let account = |user: &UserSettings| {
            let known = before.and_then(|before| before.accounts.get(user.name.as_str()));
            let usage = known.map(|known| Arc::clone(&known.usage)).unwrap_or_default();
            (user.name.as_str().to_owned(), Arc::new(Account::new(user, usage)))
        };
        Self {
            accounts: users.iter().map(account).collect(),
            nobody: users.first().map(|user| user.secret.clone()),
        }
    }

    /// Whether there are no users.
    pub(super) fn is_open(&self) -> bool {
        self.accounts.is_empty()
    }

    /// What a connection may do before it says anything.
    pub(super) fn first_standing(&self) -> Standing {
        if self.is_open() { Standing::Open } else { Standing::Stranger }
    }

    /// The user of that name and password. It does the same work whether there is one or not.
    pub(super) fn verify(&self, name: &[u8], password: &[u8]) -> Option<Arc<Account>> {
        let name = std::str::from_utf8(name).unwrap_or_default();
        let account = self.accounts.get(name);
        let secret = account.map(|account| &account.secret).or(self.nobody.as_ref())?;
        let is_right = secret.matches(password);
        account.filter(|_| is_right).cloned()
    }

    /// What has become of a user, if it is still there with the same secret.
    pub(super) fn current(&self, account: &Account) -> Option<Arc<Account>> {
        let now = self.accounts.get(account.name.as_str());
        now.filter(|now| now.secret == account.secret).cloned()
    }

    /// Whether there is a user of that name.
    pub(super) fn knows(&self, name: &[u8]) -> bool {
        std::str::from_utf8(name).is_ok_and(|name| self.accounts.contains_key(name))
    }
}

impl Account {
    fn new(user: &UserSettings, usage: Arc<Usage>) -> Self {
        let interval = SECOND.checked_div(i64::from(user.rate_per_second)).unwrap_or(0);
        Self {
            name: user.name.clone(),
            secret: user.secret.clone(),
            commands: CommandSet::new(user.role, &user.commands),
            wallets: user.wallets.iter().map(|text| Pattern::new(text)).collect(),
            in_flight_max: user.in_flight_max,
            interval,
            usage,
        }
    }

    /// Whether it may use a command of the server.
    pub(super) fn may(&self, command: &Command) -> bool {
        command.role == Role::Anybody || self.commands.has(command)
    }

    /// Whether it may use the command at this place, for this wallet.
    pub(super) fn permits(&self, place: usize, wallet: Option<&WalletId>) -> Result<(), Denied> {
        if !self.commands.contains(place) {
            return Err(Denied::Command);
        }
        match wallet {
            Some(wallet) if !self.sees(wallet.as_str()) => Err(Denied::Wallet),
            _ => Ok(()),
        }
    }

    /// Whether a wallet is one of its own.
    pub(super) fn sees(&self, wallet: &str) -> bool {
        self.wallets.is_empty() || self.wallets.iter().any(|pattern| pattern.covers(wallet))
    }

    /// Whether it sees every wallet.
    pub(super) fn sees_all(&self) -> bool {
        self.wallets.is_empty()
    }

    /// Counts a request at this time, in milliseconds; answers whether it is now in flight, and must be
    /// [settled](Self::settle). A second's worth of requests may come at once.
    pub(super) fn admit(&self, now: i64) -> Result<bool, Denied> {
        if self.interval > 0 {
            let now = now.saturating_mul(MILLI);
            let next = |done_at: i64| {
                let next = done_at.max(now).saturating_add(self.interval);
                (next.saturating_sub(now) <= SECOND.max(self.interval)).then_some(next)
            };
            let done_at = &self.usage.done_at;
            let taken = done_at.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next);
            taken.map_err(|_| Denied::Rate)?;
        }
        if self.in_flight_max == 0 {
            return Ok(false);
        }
        let before = self.usage.in_flight.fetch_add(1, Ordering::Relaxed);
        if before >= self.in_flight_max {
            self.settle(1);
            return Err(Denied::InFlight);
        }
        Ok(true)
    }

    /// So many requests are not in flight any more.
    pub(super) fn settle(&self, count: u32) {
        self.usage.in_flight.fetch_sub(count, Ordering::Relaxed);
    }
}

impl Denied {
    /// The code of the error and its words, those of Redis where it has them.
    pub(super) fn words(self, command: &str) -> String {
        let command = command.to_ascii_lowercase();
        match self {
            Self::Command => {
                format!("this user has no permissions to run the '{command}' command")
            }
            Self::Wallet => {
                "this user has no permissions to access one of the keys used as arguments"
                    .to_owned()
            }
            Self::InFlight => {
                "this user has in_flight_max requests unanswered; nothing happened, retry later"
                    .to_owned()
            }
            Self::Rate => {
                "this user asks for more than its rate_per_second; nothing happened, retry later"
                    .to_owned()
            }
        }
    }
}

#[cfg(test)]
mod tests;
