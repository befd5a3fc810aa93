//! The commands of the server itself: what Redis clients send before and between requests.

use super::access::{Account, Denied, Standing};
use super::connection::Connection;
use super::drops::Dropped;
use super::{Context, Phase};
use super::{client_commands, info, watching};
use crate::codec::commands;
use crate::codec::glob::{self, PATTERN_MAX};
use crate::codec::reply::{self, ErrorCode};
use crate::codec::request::RequestError;
use crate::codec::resp::{Args, Proto, Writer};
use crate::config::secret;
use crate::domain::outcome::Refusal;
use std::rc::Rc;
use std::sync::Arc;

/// The most bytes that are logged of the name that somebody failed to authenticate with.
const NAME_SHOWN: usize = 64;

/// The server's own commands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ServerCommand {
    Ping,
    Echo,
    Quit,
    Hello,
    Auth,
    Client,
    Table,
    Info,
    Config,
    Time,
    Shutdown,
    Reset,
    Select,
    Latency,
    SlowLog,
    /// A line of an HTTP request. Web pages can make a browser send one to any address, with commands
    /// in its body: as in Redis the connection ends there.
    Http,
}

/// What a command of the server does.
pub(super) enum Action {
    /// It is answered, in the order of requests.
    Reply(Vec<u8>),
    /// A barrier: the protocol and the user change, then this is the answer.
    Switch { proto: Proto, user: UserChange, reply: Vec<u8> },
    /// A barrier: this is the answer, then the connection ends.
    Quit(Vec<u8>),
    /// A barrier: the server stops.
    Shutdown,
}

/// What a command does to the user of its connection.
pub(super) enum UserChange {
    Stay,
    LogIn(Arc<Account>),
    LogOut,
}

/// The error of a user or password that is wrong.
pub(super) const WRONG_PASS: &str = "invalid username-password pair or user is disabled.";

impl ServerCommand {
    const ALL: [(&'static str, Self); 17] = [
        ("ping", Self::Ping),
        ("echo", Self::Echo),
        ("quit", Self::Quit),
        ("hello", Self::Hello),
        ("auth", Self::Auth),
        ("client", Self::Client),
        ("command", Self::Table),
        ("info", Self::Info),
        ("config", Self::Config),
        ("time", Self::Time),
        ("shutdown", Self::Shutdown),
        ("reset", Self::Reset),
        ("select", Self::Select),
        ("latency", Self::Latency),
        ("slowlog", Self::SlowLog),
        ("post", Self::Http),
        ("host:", Self::Http),
    ];

    /// The command of that name, in any case.
    pub(super) fn named(name: &[u8]) -> Option<Self> {
        let same = |own: &str| own.as_bytes().eq_ignore_ascii_case(name);
        Self::ALL.iter().find(|(own, _)| same(own)).map(|(_, command)| *command)
    }

    /// Whether a client may use it that has not said yet who it is.
    pub(super) const fn is_for_strangers(self) -> bool {
        matches!(self, Self::Auth | Self::Hello | Self::Quit | Self::Reset | Self::Http)
    }

    /// Whether its arguments must never be shown.
    pub(super) const fn has_secrets(self) -> bool {
        matches!(self, Self::Auth | Self::Hello | Self::Http)
    }

    fn name(self) -> &'static str {
        let own = Self::ALL.iter().find(|(_, command)| *command == self);
        own.map_or("", |(name, _)| name)
    }
}

/// A session's request: its arguments, who sent it, and what the server knows.
pub(super) struct Call<'a> {
    pub(super) args: Args<'a>,
    pub(super) connection: &'a Rc<Connection>,
    pub(super) context: &'a Arc<Context>,
    pub(super) proto: Proto,
}

impl<'a> Call<'a> {
    /// An argument; empty when absent.
    pub(super) fn arg(&self, index: usize) -> &'a [u8] {
        self.args.get(index).unwrap_or_default()
    }

    /// Whether an argument is that keyword, in any case.
    pub(super) fn is(&self, index: usize, keyword: &str) -> bool {
        self.arg(index).eq_ignore_ascii_case(keyword.as_bytes())
    }

    /// A reply.
    pub(super) fn reply(&self, write: impl FnOnce(&mut Writer<'_>)) -> Action {
        Action::Reply(encode(self.proto, write))
    }

    pub(super) fn ok(&self) -> Action {
        self.reply(|writer| writer.simple("OK"))
    }

    pub(super) fn error(&self, text: &str) -> Action {
        self.coded_error(ErrorCode::Err, text)
    }

    pub(super) fn coded_error(&self, code: ErrorCode, text: &str) -> Action {
        self.reply(|writer| writer.error(code.as_str(), text.as_bytes()))
    }

    pub(super) fn refuse(&self, error: &RequestError) -> Action {
        self.reply(|writer| error.write(writer))
    }

    fn wrong_arity(&self, name: &str) -> Action {
        self.refuse(&RequestError::wrong_arity(name))
    }

    pub(super) fn unknown_subcommand(&self) -> Action {
        self.refuse(&RequestError::unknown_subcommand(self.args))
    }
}

fn encode(proto: Proto, write: impl FnOnce(&mut Writer<'_>)) -> Vec<u8> {
    let mut bytes = Vec::new();
    write(&mut Writer::new(&mut bytes, proto));
    bytes
}

/// Answers a command of the server.
pub(super) fn handle(
    command: ServerCommand,
    args: Args<'_>,
    connection: &Rc<Connection>,
    context: &Arc<Context>,
) -> Action {
    let call = Call { args, connection, context, proto: connection.proto() };
    let count = args.len();
    if let Some(answer) = answer_by_table(&call, command) {
        return answer;
    }
    match (command, count) {
        // As in Redis: whoever waits for a pong may use wallets after it.
        (ServerCommand::Ping, 1 | 2) if context.phase() == Phase::Loading => {
            call.reply(|writer| reply::write_refusal(&Refusal::Loading, writer))
        }
        (ServerCommand::Ping, 1) => call.reply(|writer| writer.simple("PONG")),
        (ServerCommand::Ping | ServerCommand::Echo, 2) => {
            call.reply(|writer| writer.bulk(call.arg(1)))
        }
        (ServerCommand::Quit, _) => Action::Quit(encode(call.proto, |writer| writer.simple("OK"))),
        (ServerCommand::Hello, _) => hello(&call),
        (ServerCommand::Auth, 2 | 3) => match auth(&call, 1, count == 3) {
            Ok(user) => {
                let reply = encode(call.proto, |writer| writer.simple("OK"));
                Action::Switch { proto: call.proto, user, reply }
            }
            Err(refusal) => refusal,
        },
        (ServerCommand::Auth, _) => call.error("syntax error"),
        (ServerCommand::Client, _) => client_commands::handle(&call),
        (ServerCommand::Table, _) => command_table(&call),
        (ServerCommand::Info, _) => {
            let text = info::text(context, args.iter_from(1));
            call.reply(|writer| writer.verbatim(&text))
        }
        (ServerCommand::Config, _) => config_get(&call),
        (ServerCommand::Latency, _) => watching::latency(&call),
        (ServerCommand::SlowLog, _) => watching::slow_log(&call),
        (ServerCommand::Time, _) => time(&call),
        (ServerCommand::Shutdown, _) => shutdown(&call),
        (ServerCommand::Reset, _) => {
            connection.client.names().name.clear();
            let reply = encode(call.proto, |writer| writer.simple("RESET"));
            connection.client.names().proto = 2;
            Action::Switch { proto: Proto::Resp2, user: UserChange::LogOut, reply }
        }
        (ServerCommand::Select, _) => match integer(call.arg(1)) {
            Some(0) => call.ok(),
            Some(_) => call.error("DB index is out of range"),
            None => call.error("value is not an integer or out of range"),
        },
        (ServerCommand::Http, _) => {
            let what = "it speaks HTTP; a web page may have tried to send commands";
            connection.note_dropped(Dropped::Http, &what);
            Action::Quit(Vec::new())
        }
        (command, _) => call.wrong_arity(command.name()),
    }
}

/// What the table of commands answers by itself: a refusal of a subcommand or of a number of arguments
/// that it does not have, and `HELP`.
fn answer_by_table(call: &Call<'_>, command: ServerCommand) -> Option<Action> {
    let known = commands::find(command.name().as_bytes())?;
    let sub = call.args.get(1).filter(|_| !known.subcommands.is_empty());
    let asked = match sub {
        None => known,
        Some(sub) => match known.subcommand(sub) {
            Some(sub) => sub,
            None => return Some(call.unknown_subcommand()),
        },
    };
    if let Some(place) = commands::place_of(asked) {
        call.connection.is_for(place);
        // `CLIENT LIST` shows itself.
        call.connection.show_command();
    }
    if !asked.takes(call.args.len()) {
        call.connection.reject();
        return Some(call.wrong_arity(asked.name));
    }
    if let Standing::Known(account) = &*call.connection.standing()
        && !account.may(asked)
    {
        call.connection.reject();
        return Some(call.coded_error(ErrorCode::NoPerm, &Denied::Command.words(asked.name)));
    }
    let is_help = sub.is_some_and(|sub| sub.eq_ignore_ascii_case(b"help"));
    is_help.then(|| call.reply(|writer| commands::write_help(known, writer)))
}

/// A whole number, as Redis reads it in the arguments of its commands.
pub(super) fn integer(text: &[u8]) -> Option<i64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// `SHUTDOWN [NOSAVE|SAVE] [NOW] [FORCE] [ABORT]`. Everything acknowledged is on disk already, so
/// that there is nothing to choose; a stop is not taken back.
fn shutdown(call: &Call<'_>) -> Action {
    let has = |word: &str| (1..call.args.len()).any(|place| call.is(place, word));
    let words = ["nosave", "save", "now", "force", "abort"];
    let known = words.iter().filter(|word| has(word)).count();
    let is_understood = known == call.args.len().saturating_sub(1)
        && !(has("save") && has("nosave"))
        && !(has("abort") && known > 1);
    match is_understood {
        false => call.error("syntax error"),
        true if has("abort") => call.error("No shutdown in progress."),
        true => Action::Shutdown,
    }
}

/// `HELLO [2|3] [AUTH user pass] [SETNAME name]`
fn hello(call: &Call<'_>) -> Action {
    let mut proto = call.proto;
    match call.args.get(1) {
        None => {}
        Some(b"2") => proto = Proto::Resp2,
        Some(b"3") => proto = Proto::Resp3,
        Some(other) if integer(other).is_some() => {
            return call.coded_error(ErrorCode::NoProto, "unsupported protocol version");
        }
        Some(_) => return call.error("Protocol version is not an integer or out of range"),
    }
    let mut name = None;
    let mut user = UserChange::Stay;
    let mut next = 2;
    while let Some(option) = call.args.get(next) {
        let left = call.args.len().saturating_sub(next);
        if option.eq_ignore_ascii_case(b"auth") && left >= 3 {
            match auth(call, next.saturating_add(1), true) {
                Ok(change) => user = change,
                Err(refusal) => return refusal,
            }
            next = next.saturating_add(3);
        } else if option.eq_ignore_ascii_case(b"setname") && left >= 2 {
            match client_commands::valid_name(call.arg(next.saturating_add(1))) {
                Some(valid) => name = Some(valid),
                None => {
                    return call.error(&client_commands::bad_name(client_commands::NAMES));
                }
            }
            next = next.saturating_add(2);
        } else {
            let option = String::from_utf8_lossy(option).into_owned();
            return call.error(&format!("Syntax error in HELLO option '{option}'"));
        }
    }
    if call.connection.is_stranger() && matches!(user, UserChange::Stay) {
        return call.coded_error(ErrorCode::NoAuth, HELLO_FIRST);
    }
    let client = &call.connection.client;
    let mut names = client.names();
    if let Some(name) = name {
        names.name = name;
    }
    names.proto = if proto == Proto::Resp3 { 3 } else { 2 };
    let version = names.proto;
    drop(names);
    let id = client.id;
    let reply = encode(proto, |writer| {
        writer.map_header(8);
        // Clients look for Redis and a version of it that they know.
        for (key, value) in [("server", "redis"), ("version", info::REDIS_VERSION)] {
            writer.text(key);
            writer.text(value);
        }
        writer.text("purser_version");
        writer.text(env!("CARGO_PKG_VERSION"));
        writer.text("proto");
        writer.integer(version);
        writer.text("id");
        writer.integer(id);
        for (key, value) in [("mode", "standalone"), ("role", "master")] {
            writer.text(key);
            writer.text(value);
        }
        writer.text("modules");
        writer.array_header(0);
    });
    Action::Switch { proto, user, reply }
}

/// What `HELLO` answers a client that has not said who it is, in the words of Redis.
const HELLO_FIRST: &str = "HELLO must be called with the client already authenticated, otherwise the \
                           HELLO AUTH <user> <pass> option can be used to authenticate the client and \
                           select the RESP protocol version at the same time";

/// Checks a user and password, or a password alone, from the argument at `index` on.
fn auth(call: &Call<'_>, index: usize, with_user: bool) -> Result<UserChange, Action> {
    let (name, password) = if with_user {
        (call.arg(index), call.arg(index.saturating_add(1)))
    } else {
        (&b"default"[..], call.arg(index))
    };
    let access = &call.connection.live().access;
    if access.is_open() {
        // As in Redis, the default user needs no password.
        return match (with_user, name) {
            (true, b"default") => Ok(UserChange::Stay),
            (true, _) => Err(call.coded_error(ErrorCode::WrongPass, WRONG_PASS)),
            (false, _) => Err(call.error(
                "AUTH <password> called without any password configured for the default user. Are \
                 you sure your configuration is correct?",
            )),
        };
    }
    access.verify(name, password).map(UserChange::LogIn).ok_or_else(|| {
        if let Some(others) = call.context.failures.count() {
            // No secret is in a log, not even where it was sent in the place of the name.
            let is_secret = name.starts_with(secret::MARK.as_bytes());
            let name = if is_secret { b"(a secret)" } else { name };
            let user = name.get(..NAME_SHOWN).unwrap_or(name).escape_ascii();
            let client = call.connection.client.address;
            tracing::warn!(%client, %user, others, "a client failed to authenticate");
        }
        call.coded_error(ErrorCode::WrongPass, WRONG_PASS)
    })
}

/// `COMMAND [COUNT|INFO|DOCS …]`
fn command_table(call: &Call<'_>) -> Action {
    match call.args.get(1) {
        None => call.reply(commands::write_all),
        Some(sub) if sub.eq_ignore_ascii_case(b"count") => call.reply(commands::write_count),
        Some(sub) if sub.eq_ignore_ascii_case(b"info") => {
            call.reply(|writer| commands::write_info(call.args, writer))
        }
        Some(sub) if sub.eq_ignore_ascii_case(b"docs") => {
            call.reply(|writer| commands::write_docs(call.args, writer))
        }
        Some(_) => call.unknown_subcommand(),
    }
}

/// `CONFIG GET pattern …`
fn config_get(call: &Call<'_>) -> Action {
    let patterns: Vec<_> = call.args.iter_from(2).map(<[u8]>::to_ascii_lowercase).collect();
    if patterns.iter().any(|pattern| pattern.len() > PATTERN_MAX) {
        return call.error(&format!("a pattern has at most {PATTERN_MAX} bytes"));
    }
    let is_chosen =
        |name: &str| patterns.iter().any(|pattern| glob::matches(pattern, name.as_bytes()));
    let settings = info::settings(&call.connection.live().config);
    let chosen: Vec<_> = settings.iter().filter(|(name, _)| is_chosen(name)).collect();
    call.reply(|writer| {
        writer.map_header(chosen.len());
        for (name, value) in &chosen {
            writer.text(name);
            writer.text(value);
        }
    })
}

/// `TIME`: seconds and microseconds.
fn time(call: &Call<'_>) -> Action {
    let millis = call.context.clock.now().millis();
    let (seconds, micros) = (millis.div_euclid(1_000), millis.rem_euclid(1_000) * 1_000);
    call.reply(|writer| {
        writer.array_header(2);
        writer.text(&seconds.to_string());
        writer.text(&micros.to_string());
    })
}
