//! The commands of the server: those of Redis that clients and tools rely on.

use super::{Arg, ArgKind, Command, Role, choice, flag, integer, option, text};

const ADMIN: &[&str] = &["@admin", "@slow", "@dangerous"];
const CONNECTION: &[&str] = &["@fast", "@connection"];
const SLOW_CONNECTION: &[&str] = &["@slow", "@connection"];

const ADMIN_FLAGS: &[&str] = &["admin", "noscript", "loading", "stale"];
const FAST: &[&str] = &["loading", "stale", "fast"];
const HANDSHAKE: &[&str] = &["noscript", "loading", "stale", "fast", "no_auth", "allow_busy"];
const SESSION: &[&str] = &["noscript", "loading", "stale"];

const fn command(
    name: &'static str,
    arity: i32,
    group: &'static str,
    traits: (&'static [&'static str], &'static [&'static str]),
    summary: &'static str,
    args: &'static [Arg],
) -> Command {
    let (flags, categories) = traits;
    Command {
        name,
        arity,
        flags,
        categories,
        summary,
        group,
        args,
        wallet: None,
        role: Role::Anybody,
        subcommands: &[],
    }
}

/// A command for administrators only.
const fn guarded(command: Command) -> Command {
    Command { role: Role::Admin, ..command }
}

/// A command that is only a name for others.
const fn container(
    name: &'static str,
    arity: i32,
    group: &'static str,
    summary: &'static str,
    subcommands: &'static [Command],
) -> Command {
    Command { subcommands, ..command(name, arity, group, (&[], &["@slow"]), summary, &[]) }
}

const fn client(
    name: &'static str,
    arity: i32,
    summary: &'static str,
    args: &'static [Arg],
) -> Command {
    command(name, arity, "connection", (SESSION, SLOW_CONNECTION), summary, args)
}

const fn client_admin(
    name: &'static str,
    arity: i32,
    summary: &'static str,
    args: &'static [Arg],
) -> Command {
    let categories = &["@admin", "@slow", "@dangerous", "@connection"];
    guarded(command(name, arity, "connection", (ADMIN_FLAGS, categories), summary, args))
}

const fn about(
    name: &'static str,
    arity: i32,
    summary: &'static str,
    args: &'static [Arg],
) -> Command {
    command(name, arity, "server", (&["loading", "stale"], SLOW_CONNECTION), summary, args)
}

const ON_OFF: &[Arg] =
    &[Arg::new("enabled", ArgKind::OneOf(&[choice("ON", "on"), choice("OFF", "off")]))];

const NAMES: &[Arg] = &[text("command-name").optional().multiple()];

/// What every container's `HELP` says of itself.
const HELP: &str = "Explains these subcommands";

static CLIENT: [Command; 10] = [
    client("client|getname", 2, "Shows the name of this connection", &[]),
    client("client|help", 2, HELP, &[]),
    client("client|id", 2, "Shows the id of this connection", &[]),
    client("client|info", 2, "Shows this connection as CLIENT LIST does", &[]),
    client_admin(
        "client|kill",
        -3,
        "Closes connections",
        &[
            text("addr").optional(),
            option("ID", "client-id", ArgKind::Integer),
            option("TYPE", "type", ArgKind::Text),
            option("USER", "username", ArgKind::Text),
            option("ADDR", "addr", ArgKind::Text),
            option("LADDR", "laddr", ArgKind::Text),
            option("SKIPME", "yes|no", ArgKind::Text),
        ],
    ),
    client_admin(
        "client|list",
        -2,
        "Lists the open connections",
        &[
            option("TYPE", "type", ArgKind::Text),
            option("ID", "client-id", ArgKind::Integer).multiple(),
        ],
    ),
    client_admin("client|no-evict", 3, "Accepted; purser evicts no client", ON_OFF),
    client("client|no-touch", 3, "Accepted; purser keeps no key's last use", ON_OFF),
    client(
        "client|setinfo",
        4,
        "Notes the client library of this connection",
        &[Arg::new(
            "attr",
            ArgKind::OneOf(&[text("libname").after("LIB-NAME"), text("libver").after("LIB-VER")]),
        )],
    ),
    client("client|setname", 3, "Names this connection", &[text("connection-name")]),
];

static COMMAND: [Command; 4] = [
    about("command|count", 2, "Counts the commands", &[]),
    about("command|docs", -2, "Explains commands", NAMES),
    about("command|help", 2, HELP, &[]),
    about("command|info", -2, "Describes commands to client libraries", NAMES),
];

static CONFIG: [Command; 2] = [
    guarded(command(
        "config|get",
        -3,
        "server",
        (ADMIN_FLAGS, ADMIN),
        "Shows the configuration",
        &[Arg::new("parameter", ArgKind::Pattern).multiple()],
    )),
    about("config|help", 2, HELP, &[]),
];

const fn watch(
    name: &'static str,
    arity: i32,
    summary: &'static str,
    args: &'static [Arg],
) -> Command {
    guarded(command(name, arity, "server", (ADMIN_FLAGS, ADMIN), summary, args))
}

static LATENCY: [Command; 3] = [
    about("latency|help", 2, HELP, &[]),
    watch(
        "latency|histogram",
        -2,
        "Shows how long requests took, by command",
        &[text("command").optional().multiple()],
    ),
    watch(
        "latency|reset",
        -2,
        "Accepted; purser keeps no latency events",
        &[text("event").optional().multiple()],
    ),
];

static SLOWLOG: [Command; 4] = [
    watch("slowlog|get", -2, "Shows the latest slow requests", &[integer("count").optional()]),
    about("slowlog|help", 2, HELP, &[]),
    watch("slowlog|len", 2, "Counts the entries of the slow log", &[]),
    watch("slowlog|reset", 2, "Empties the slow log", &[]),
];

/// By name.
pub(super) static COMMANDS: [Command; 15] = [
    command(
        "auth",
        -2,
        "connection",
        (HANDSHAKE, CONNECTION),
        "Authenticates this connection",
        &[text("username").optional(), text("password")],
    ),
    container("client", -2, "connection", "Commands about connections", &CLIENT),
    Command { subcommands: &COMMAND, ..about("command", -1, "Describes all commands", &[]) },
    container("config", -2, "server", "Commands about the configuration", &CONFIG),
    command(
        "echo",
        2,
        "connection",
        (FAST, CONNECTION),
        "Answers its argument",
        &[text("message")],
    ),
    command(
        "hello",
        -1,
        "connection",
        (HANDSHAKE, CONNECTION),
        "Chooses the protocol's version",
        &[Arg::new(
            "arguments",
            ArgKind::Block(&[
                integer("protover"),
                option(
                    "AUTH",
                    "username_password",
                    ArgKind::Block(&[text("username"), text("password")]),
                ),
                option("SETNAME", "clientname", ArgKind::Text),
            ]),
        )
        .optional()],
    ),
    guarded(command(
        "info",
        -1,
        "server",
        (&["loading", "stale"], &["@slow", "@dangerous"]),
        "Shows the state of the server",
        &[text("section").optional().multiple()],
    )),
    container("latency", -2, "server", "Commands about latencies", &LATENCY),
    command(
        "ping",
        -1,
        "connection",
        (&["fast"], CONNECTION),
        "Answers PONG, or its argument",
        &[text("message").optional()],
    ),
    command("quit", -1, "connection", (HANDSHAKE, CONNECTION), "Closes this connection", &[]),
    command("reset", 1, "connection", (HANDSHAKE, CONNECTION), "Starts this connection anew", &[]),
    command(
        "select",
        2,
        "connection",
        (FAST, CONNECTION),
        "Accepts database 0, the only one",
        &[integer("index")],
    ),
    guarded(command(
        "shutdown",
        -1,
        "server",
        (&["admin", "noscript", "loading", "stale", "no_multi", "allow_busy"], ADMIN),
        "Stops the server once everything is durable",
        &[
            Arg::new("save", ArgKind::OneOf(&[choice("NOSAVE", "nosave"), choice("SAVE", "save")]))
                .optional(),
            flag("NOW", "now"),
            flag("FORCE", "force"),
            flag("ABORT", "abort"),
        ],
    )),
    container("slowlog", -2, "server", "Commands about the slow log", &SLOWLOG),
    command("time", 1, "server", (FAST, &["@fast"]), "Shows the server's time", &[]),
];
