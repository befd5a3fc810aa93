//! The replies that describe commands, element by element as Redis 7 writes them.

use super::{Access, Arg, ArgKind, Command, all, find};
use crate::codec::resp::{Args, Proto, Writer};
use std::sync::OnceLock;

/// The release that has all of these commands.
const SINCE: &str = "0.1.0";

/// `COMMAND`: every command, as [`write_info`] shows it.
pub fn write_all(writer: &mut Writer<'_>) {
    static FRAMES: Frames = Frames::new();
    FRAMES.write(writer, |writer| {
        writer.array_header(all().count());
        for command in all() {
            write_entry(command, writer);
        }
    });
}

/// A reply that is always the same, written once for each protocol: it is long, and a flood of clients
/// that ask for it must not take the time of others.
struct Frames {
    resp2: OnceLock<Vec<u8>>,
    resp3: OnceLock<Vec<u8>>,
}

impl Frames {
    const fn new() -> Self {
        Self { resp2: OnceLock::new(), resp3: OnceLock::new() }
    }

    fn write(&self, writer: &mut Writer<'_>, first: impl FnOnce(&mut Writer<'_>)) {
        let proto = writer.proto();
        let frame = match proto {
            Proto::Resp2 => &self.resp2,
            Proto::Resp3 => &self.resp3,
        };
        writer.written(frame.get_or_init(|| {
            let mut bytes = Vec::new();
            first(&mut Writer::new(&mut bytes, proto));
            bytes
        }));
    }
}

/// `COMMAND COUNT`: how many there are.
pub fn write_count(writer: &mut Writer<'_>) {
    writer.integer(all().count());
}

/// `COMMAND INFO [name…]`: the named commands, null for unknown ones; all when none is named.
pub fn write_info(args: Args<'_>, writer: &mut Writer<'_>) {
    if args.len() <= 2 {
        return write_all(writer);
    }
    writer.array_header(args.len().saturating_sub(2));
    for name in args.iter_from(2) {
        match find(name) {
            Some(command) => write_entry(command, writer),
            None => writer.null_array(),
        }
    }
}

/// `COMMAND DOCS [name…]`: what the named commands are for, without unknown ones; all when none
/// is named.
pub fn write_docs(args: Args<'_>, writer: &mut Writer<'_>) {
    static FRAMES: Frames = Frames::new();
    if args.len() <= 2 {
        return FRAMES.write(writer, |writer| {
            writer.map_header(all().count());
            for command in all() {
                write_doc(command, writer);
            }
        });
    }
    writer.map_header(args.iter_from(2).filter_map(find).count());
    for command in args.iter_from(2).filter_map(find) {
        write_doc(command, writer);
    }
}

/// `… HELP`: what a command's subcommands are for.
pub fn write_help(command: &Command, writer: &mut Writer<'_>) {
    let lines = command.subcommands.len().saturating_mul(2);
    writer.array_header(lines.saturating_add(1));
    let name = command.name.to_ascii_uppercase();
    writer.simple(&format!("{name} <subcommand> [<argument> ...]. Subcommands are:"));
    for sub in command.subcommands {
        writer.simple(&sub.own_name().to_ascii_uppercase());
        writer.simple(&format!("    {}.", sub.summary));
    }
}

fn write_entry(command: &Command, writer: &mut Writer<'_>) {
    let key = i64::from(command.wallet.is_some());
    writer.array_header(10);
    writer.text(command.name);
    writer.integer(command.arity);
    write_set(command.flags, writer);
    for _first_last_step in 0..3 {
        writer.integer(key);
    }
    write_set(command.categories, writer);
    write_set(&[], writer); // Tips for proxies: none.
    match command.wallet {
        Some(access) => write_key_spec(access, writer),
        None => writer.set_header(0),
    }
    if command.subcommands.is_empty() {
        writer.set_header(0);
    } else {
        writer.array_header(command.subcommands.len());
        for sub in command.subcommands {
            write_entry(sub, writer);
        }
    }
}

/// Where the wallet is: the first argument.
fn write_key_spec(access: Access, writer: &mut Writer<'_>) {
    writer.set_header(1);
    writer.map_header(3);
    writer.text("flags");
    write_set(
        match access {
            Access::Read => &["RO", "access"],
            Access::Write => &["RW", "access", "update"],
        },
        writer,
    );
    writer.text("begin_search");
    writer.map_header(2);
    writer.text("type");
    writer.text("index");
    writer.text("spec");
    writer.map_header(1);
    writer.text("index");
    writer.integer(1);
    writer.text("find_keys");
    writer.map_header(2);
    writer.text("type");
    writer.text("range");
    writer.text("spec");
    writer.map_header(3);
    for (name, value) in [("lastkey", 0), ("keystep", 1), ("limit", 0)] {
        writer.text(name);
        writer.integer(value);
    }
}

fn write_set(words: &[&str], writer: &mut Writer<'_>) {
    writer.set_header(words.len());
    for word in words {
        writer.simple(word);
    }
}

fn write_doc(command: &Command, writer: &mut Writer<'_>) {
    let (args, subcommands) = (command.args, command.subcommands);
    writer.text(command.name);
    let more = usize::from(!args.is_empty()).saturating_add(usize::from(!subcommands.is_empty()));
    writer.map_header(more.saturating_add(3));
    for (name, value) in [("summary", command.summary), ("since", SINCE), ("group", command.group)]
    {
        writer.text(name);
        writer.text(value);
    }
    if !args.is_empty() {
        writer.text("arguments");
        write_args(args, writer);
    }
    if !subcommands.is_empty() {
        writer.text("subcommands");
        writer.map_header(subcommands.len());
        for sub in subcommands {
            write_doc(sub, writer);
        }
    }
}

fn write_args(args: &[Arg], writer: &mut Writer<'_>) {
    writer.array_header(args.len());
    for arg in args {
        write_arg(arg, writer);
    }
}

fn write_arg(arg: &Arg, writer: &mut Writer<'_>) {
    let (kind, inner): (&str, &[Arg]) = match arg.kind {
        ArgKind::Key => ("key", &[]),
        ArgKind::Text => ("string", &[]),
        ArgKind::Integer => ("integer", &[]),
        ArgKind::Time => ("unix-time", &[]),
        ArgKind::Pattern => ("pattern", &[]),
        ArgKind::Flag => ("pure-token", &[]),
        ArgKind::Block(inner) => ("block", inner),
        ArgKind::OneOf(inner) => ("oneof", inner),
    };
    let is_key = matches!(arg.kind, ArgKind::Key);
    let flags: &[&str] = match (arg.optional, arg.multiple, arg.token.is_some()) {
        (false, false, _) => &[],
        (true, false, _) => &["optional"],
        (false, true, false) => &["multiple"],
        (false, true, true) => &["multiple", "multiple_token"],
        (true, true, false) => &["optional", "multiple"],
        (true, true, true) => &["optional", "multiple", "multiple_token"],
    };
    let optional = [is_key, arg.token.is_some(), !flags.is_empty(), !inner.is_empty()];
    let more = optional.iter().filter(|there| **there).count();
    writer.map_header(more.saturating_add(2));
    writer.text("name");
    writer.text(arg.name);
    writer.text("type");
    writer.text(kind);
    if is_key {
        writer.text("key_spec_index");
        writer.integer(0);
    }
    if let Some(token) = arg.token {
        writer.text("token");
        writer.text(token);
    }
    if !flags.is_empty() {
        writer.text("flags");
        write_set(flags, writer);
    }
    if !inner.is_empty() {
        writer.text("arguments");
        write_args(inner, writer);
    }
}
