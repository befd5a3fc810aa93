//! Who may use which command.

use super::{Command, places};

/// What a user may do; each role may do what those before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// What every client may do that is allowed in: no role of a user, but of commands.
    Anybody,
    /// Read wallets.
    Read,
    /// Also spend their money.
    Spend,
    /// Also fund and change them, and govern the server.
    Admin,
}

impl Role {
    /// The roles that a user can have.
    pub const OF_USERS: [Self; 3] = [Self::Read, Self::Spend, Self::Admin];

    /// Its word in the configuration.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Anybody => "anybody",
            Self::Read => "read",
            Self::Spend => "spend",
            Self::Admin => "admin",
        }
    }

    /// A user's role of this word.
    pub fn named(word: &str) -> Option<Self> {
        Self::OF_USERS.into_iter().find(|role| role.word() == word)
    }
}

/// A set of commands, by their places.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CommandSet([u64; 4]);

impl CommandSet {
    /// How many commands there can be; a test counts them.
    pub const PLACES: usize = 256;

    /// Those that a role may use, narrowed to those that are named if any are. What anybody may use
    /// is always in it.
    pub fn new(role: Role, names: &[String]) -> Self {
        let mut set = Self::default();
        let is_named = |command: &Command| {
            let container = command.name.split('|').next().unwrap_or_default();
            names.iter().any(|name| command.is(name) || name.eq_ignore_ascii_case(container))
        };
        for (place, command) in places() {
            let in_role = command.role <= role && (names.is_empty() || is_named(command));
            if in_role || command.role == Role::Anybody {
                set.insert(place);
            }
        }
        set
    }

    fn insert(&mut self, place: usize) {
        if let Some(word) = self.0.get_mut(place / 64) {
            *word |= 1 << (place % 64);
        }
    }

    /// Whether the command at this place is in it.
    pub fn contains(&self, place: usize) -> bool {
        self.0.get(place / 64).is_some_and(|word| word >> (place % 64) & 1 == 1)
    }

    /// Whether a command is in it; slower than by its place.
    pub fn has(&self, command: &Command) -> bool {
        let mut all = places();
        all.find(|(_, other)| other.name == command.name)
            .is_some_and(|(place, _)| self.contains(place))
    }
}
