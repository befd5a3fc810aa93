//! What the server tells clients about its commands: `COMMAND`, `COMMAND COUNT`, `INFO`, `DOCS`.
//!
//! One static table, in the shape of Redis 7, so that `redis-cli` completes and shows hints. What
//! a request may really hold is judged in [`super::request`]; a test keeps the two in step.

mod engine;
mod role;
mod server;
mod write;

pub use role::{CommandSet, Role};
pub use write::{write_all, write_count, write_docs, write_help, write_info};

use std::sync::LazyLock;

/// A command or, inside one, a subcommand.
#[derive(Debug, Clone, Copy)]
pub struct Command {
    /// In lower case; of a subcommand with its container, as in `client|id`.
    pub name: &'static str,
    /// How many arguments it takes, its name included; at least so many when negative.
    pub arity: i32,
    /// What Redis says of commands: `write`, `readonly`, `fast`, …
    pub flags: &'static [&'static str],
    /// The classes of commands that it is in: `@write`, …
    pub categories: &'static [&'static str],
    /// What it does, in a line.
    pub summary: &'static str,
    /// `module` for the engine's commands, else as Redis sorts its own.
    pub group: &'static str,
    /// What it takes.
    pub args: &'static [Arg],
    /// What it does to the wallet that its first argument names, if it names one.
    pub wallet: Option<Access>,
    /// Who may use it.
    pub role: Role,
    /// The commands that it contains.
    pub subcommands: &'static [Command],
}

impl Command {
    /// Whether `count` arguments, the name included, are as many as it takes.
    pub fn takes(&self, count: usize) -> bool {
        let bound = usize::try_from(self.arity.unsigned_abs()).unwrap_or(usize::MAX);
        if self.arity < 0 { count >= bound } else { count == bound }
    }

    /// Whether this is its name, in any case.
    fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }

    /// The subcommand of this name, in any case.
    pub fn subcommand(&self, name: &[u8]) -> Option<&'static Command> {
        self.subcommands.iter().find(|sub| sub.own_name().as_bytes().eq_ignore_ascii_case(name))
    }

    /// Its name without its container's.
    fn own_name(&self) -> &'static str {
        self.name.split_once('|').map_or(self.name, |(_, own)| own)
    }
}

/// What a command does to a wallet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// It shows it.
    Read,
    /// It changes it.
    Write,
}

/// An argument, or a group of them.
#[derive(Debug, Clone, Copy)]
pub struct Arg {
    /// Its name in hints.
    pub name: &'static str,
    /// What it holds.
    pub kind: ArgKind,
    /// The keyword in front of it.
    pub token: Option<&'static str>,
    /// Whether it can be left out.
    pub optional: bool,
    /// Whether it can be there more than once.
    pub multiple: bool,
}

/// What an argument holds.
#[derive(Debug, Clone, Copy)]
pub enum ArgKind {
    /// The name of a wallet.
    Key,
    /// Any text, amounts among them.
    Text,
    /// A whole number.
    Integer,
    /// Unix milliseconds.
    Time,
    /// A glob.
    Pattern,
    /// The keyword alone.
    Flag,
    /// All of these.
    Block(&'static [Arg]),
    /// One of these.
    OneOf(&'static [Arg]),
}

impl Arg {
    const fn new(name: &'static str, kind: ArgKind) -> Self {
        Self { name, kind, token: None, optional: false, multiple: false }
    }

    /// Its value follows the keyword `token`.
    const fn after(self, token: &'static str) -> Self {
        Self { token: Some(token), ..self }
    }

    const fn optional(self) -> Self {
        Self { optional: true, ..self }
    }

    const fn multiple(self) -> Self {
        Self { multiple: true, ..self }
    }
}

/// A positional text.
const fn text(name: &'static str) -> Arg {
    Arg::new(name, ArgKind::Text)
}

/// A positional integer.
const fn integer(name: &'static str) -> Arg {
    Arg::new(name, ArgKind::Integer)
}

/// An option with a value that may be left out.
const fn option(token: &'static str, name: &'static str, kind: ArgKind) -> Arg {
    Arg::new(name, kind).after(token).optional()
}

/// A keyword that may be left out.
const fn flag(token: &'static str, name: &'static str) -> Arg {
    option(token, name, ArgKind::Flag)
}

/// A keyword that is one choice of several.
const fn choice(token: &'static str, name: &'static str) -> Arg {
    Arg::new(name, ArgKind::Flag).after(token)
}

/// All commands: the engine's, then the server's.
pub fn all() -> impl Iterator<Item = &'static Command> {
    engine::COMMANDS.iter().chain(&server::COMMANDS)
}

/// All commands with those that they contain, each with its place, which does not change while the
/// process runs. Those to the engine come first, in the order in which [`super::request`] looks for
/// them.
pub fn places() -> impl Iterator<Item = (usize, &'static Command)> {
    let is_known = |command: &&Command| super::request::names().any(|name| command.is(name));
    let first = super::request::names().filter_map(|name| find(name.as_bytes()));
    let others = all().filter(move |command| !is_known(command));
    let others = others.flat_map(|command| std::iter::once(command).chain(command.subcommands));
    first.chain(others).enumerate()
}

/// The commands in the order of their places.
static PLACED: LazyLock<Vec<&'static Command>> =
    LazyLock::new(|| places().map(|(_, command)| command).collect());

/// Where a command of the table has its place.
pub fn place_of(command: &Command) -> Option<usize> {
    PLACED.iter().position(|placed| std::ptr::eq(*placed, command))
}

/// The command that has this place.
pub fn at_place(place: usize) -> Option<&'static Command> {
    PLACED.get(place).copied()
}

/// How many places there are.
pub fn place_count() -> usize {
    PLACED.len()
}

/// The command of this name in any case; `client|id` names a subcommand.
pub fn find(name: &[u8]) -> Option<&'static Command> {
    let mut parts = name.splitn(2, |&byte| byte == b'|');
    let own = parts.next().unwrap_or_default();
    let command = all().find(|command| command.name.as_bytes().eq_ignore_ascii_case(own))?;
    match parts.next() {
        Some(sub) => command.subcommand(sub),
        None => Some(command),
    }
}

#[cfg(test)]
mod tests;
