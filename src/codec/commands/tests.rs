//! What clients are told about commands.

use super::*;
use crate::codec::request::shapes;
use crate::codec::resp::{Limits, Parsed, Parser, Proto, Writer, write_request};

fn written(proto: Proto, args: &[&str]) -> String {
    let (mut request, mut out) = (Vec::new(), Vec::new());
    write_request(&mut request, args);
    let mut parser = Parser::new(Limits::default());
    assert!(matches!(parser.next(&request), Ok(Parsed::Request { .. })));
    let args = parser.args(&request);
    let mut writer = Writer::new(&mut out, proto);
    match args.get(1) {
        None => write_all(&mut writer),
        Some(b"COUNT") => write_count(&mut writer),
        Some(b"INFO") => write_info(args, &mut writer),
        Some(_) => write_docs(args, &mut writer),
    }
    String::from_utf8(out).unwrap()
}

/// Reads one frame off the front of `lines`; how many elements it had at the top.
fn skip_frame<'a>(lines: &mut impl Iterator<Item = &'a str>) -> usize {
    let line = lines.next().expect("a frame");
    let (kind, rest) = line.split_at(1);
    let count = || rest.parse::<usize>().unwrap();
    match kind {
        "$" | "*" if rest == "-1" => 0,
        "$" => {
            assert_eq!(lines.next().unwrap().len(), count());
            0
        }
        "+" | ":" | "_" => 0,
        "*" | "~" => (0..count()).map(|_| skip_frame(lines)).count(),
        "%" => (0..2 * count()).map(|_| skip_frame(lines)).count() / 2,
        other => panic!("frame {other}"),
    }
}

fn elements(reply: &str) -> usize {
    let mut lines = reply.strip_suffix("\r\n").unwrap().split("\r\n");
    let count = skip_frame(&mut lines);
    assert_eq!(lines.next(), None, "something follows the reply");
    count
}

#[test]
fn all_replies_are_whole_frames() {
    let count = all().count();
    for proto in [Proto::Resp2, Proto::Resp3] {
        assert_eq!(elements(&written(proto, &["COMMAND"])), count);
        assert_eq!(elements(&written(proto, &["COMMAND", "INFO"])), count);
        assert_eq!(written(proto, &["COMMAND", "COUNT"]), format!(":{count}\r\n"));
        let known_or_not = written(proto, &["COMMAND", "INFO", "nosuch", "client|id"]);
        assert_eq!(elements(&known_or_not), 2);
        // As with Redis it is no array, not no text.
        let none = if proto == Proto::Resp2 { "*2\r\n*-1\r\n" } else { "*2\r\n_\r\n" };
        assert!(known_or_not.starts_with(none), "{known_or_not}");
    }
    assert_eq!(elements(&written(Proto::Resp2, &["COMMAND", "DOCS"])), 2 * count);
    assert_eq!(elements(&written(Proto::Resp3, &["COMMAND", "DOCS"])), count);
    assert_eq!(elements(&written(Proto::Resp3, &["COMMAND", "DOCS", "nosuch", "Charge"])), 1);
}

/// In the shape in which Redis 7.0.15 describes `GET` and `ECHO`.
#[test]
fn an_entry_has_the_ten_elements_of_redis() {
    let entries = written(Proto::Resp2, &["COMMAND", "INFO", "BALANCE", "echo"]);
    let balance = "*10\r\n$7\r\nbalance\r\n:-2\r\n*2\r\n+readonly\r\n+fast\r\n:1\r\n:1\r\n:1\r\n\
        *2\r\n+@read\r\n+@fast\r\n*0\r\n*1\r\n*6\r\n$5\r\nflags\r\n*2\r\n+RO\r\n+access\r\n\
        $12\r\nbegin_search\r\n*4\r\n$4\r\ntype\r\n$5\r\nindex\r\n$4\r\nspec\r\n*2\r\n$5\r\n\
        index\r\n:1\r\n$9\r\nfind_keys\r\n*4\r\n$4\r\ntype\r\n$5\r\nrange\r\n$4\r\nspec\r\n*6\r\n\
        $7\r\nlastkey\r\n:0\r\n$7\r\nkeystep\r\n:1\r\n$5\r\nlimit\r\n:0\r\n*0\r\n";
    let echo = "*10\r\n$4\r\necho\r\n:2\r\n*3\r\n+loading\r\n+stale\r\n+fast\r\n:0\r\n:0\r\n:0\r\n\
        *2\r\n+@fast\r\n+@connection\r\n*0\r\n*0\r\n*0\r\n";
    assert_eq!(entries, format!("*2\r\n{balance}{echo}"));
}

#[test]
fn names_are_found_in_any_case() {
    assert_eq!(find(b"Wallet.OPEN").unwrap().name, "wallet.open");
    assert_eq!(find(b"CLIENT|SetName").unwrap().name, "client|setname");
    assert!(find(b"client|nosuch").is_none());
    assert!(find(b"nosuch").is_none());
    assert!(find(b"echo").unwrap().takes(2) && !find(b"echo").unwrap().takes(3));
    assert!(find(b"ping").unwrap().takes(2) && !find(b"auth").unwrap().takes(1));
}

/// The keywords of a command, without the choices of a value.
fn tokens(args: &[Arg]) -> Vec<&'static str> {
    args.iter()
        .flat_map(|arg| match (arg.token, arg.kind) {
            (Some(token), _) => vec![token],
            (None, ArgKind::OneOf(inner) | ArgKind::Block(inner)) => tokens(inner),
            (None, _) => vec![],
        })
        .collect()
}

#[test]
fn what_is_told_is_what_is_parsed() {
    let told: Vec<_> = engine::COMMANDS
        .iter()
        .map(|command| {
            let mut options = tokens(command.args);
            options.sort_unstable();
            (command.name.to_ascii_uppercase(), command.arity, options)
        })
        .collect();
    let mut parsed = shapes();
    parsed.sort_unstable();
    assert_eq!(told, parsed);
}

#[test]
fn every_command_has_a_place_of_its_own() {
    let with_subcommands = all().map(|command| command.subcommands.len() + 1).sum::<usize>();
    let names: Vec<_> = places().map(|(_, command)| command.name).collect();
    assert_eq!(names.len(), with_subcommands);
    assert!(names.len() <= CommandSet::PLACES);
    let mut once = names.clone();
    once.sort_unstable();
    once.dedup();
    assert_eq!(once.len(), names.len());
    for (place, name) in crate::codec::request::names().enumerate() {
        assert!(names[place].eq_ignore_ascii_case(name), "{name}");
    }
}

/// What `redis-cli` completes and hints with: every command, and what it contains, says what it is for.
#[test]
fn every_command_is_documented() {
    for (_, command) in places() {
        let container = command.name.split('|').next().unwrap();
        let docs = written(Proto::Resp3, &["COMMAND", "DOCS", container]);
        assert_eq!(elements(&docs), 1, "{}", command.name);
        for part in [command.name, command.summary] {
            assert!(docs.contains(&format!("${}\r\n{part}\r\n", part.len())), "{part}: {docs}");
        }
        assert!(command.summary.len() > 10, "{}", command.name);
    }
    let docs = written(Proto::Resp2, &["COMMAND", "DOCS", "slowlog", "latency"]);
    for name in
        ["slowlog|get", "slowlog|len", "slowlog|reset", "latency|histogram", "latency|reset"]
    {
        assert!(docs.contains(name), "{name}");
    }
}

#[test]
fn a_place_is_found_both_ways() {
    for (place, command) in places() {
        assert_eq!(place_of(command), Some(place), "{}", command.name);
        assert_eq!(at_place(place).unwrap().name, command.name);
    }
    assert_eq!(place_count(), places().count());
    assert!(at_place(place_count()).is_none());
}

#[test]
fn roles_and_named_commands_narrow_what_may_be_used() {
    let may = |role, names: &[&str], command: &str| {
        let names: Vec<_> = names.iter().map(|&name| name.to_owned()).collect();
        CommandSet::new(role, &names).has(find(command.as_bytes()).unwrap())
    };
    for (command, role) in [
        ("ping", Role::Anybody),
        ("client|id", Role::Anybody),
        ("balance", Role::Read),
        ("ledger", Role::Read),
        ("wallet.scan", Role::Read),
        ("authorize", Role::Spend),
        ("extend", Role::Spend),
        ("capture", Role::Spend),
        ("void", Role::Spend),
        ("charge", Role::Spend),
        ("topup", Role::Admin),
        ("refund", Role::Admin),
        ("wallet.open", Role::Admin),
        ("info", Role::Admin),
        ("config|get", Role::Admin),
        ("client|list", Role::Admin),
        ("latency|histogram", Role::Admin),
        ("slowlog|get", Role::Admin),
        ("client|kill", Role::Admin),
        ("shutdown", Role::Admin),
    ] {
        assert_eq!(find(command.as_bytes()).unwrap().role, role, "{command}");
        for user in Role::OF_USERS {
            assert_eq!(may(user, &[], command), role <= user, "{command} {user:?}");
        }
    }
    assert!(may(Role::Spend, &["Charge"], "charge") && may(Role::Spend, &["charge"], "ping"));
    assert!(!may(Role::Spend, &["charge"], "capture") && !may(Role::Spend, &["charge"], "balance"));
    assert!(!may(Role::Read, &["charge"], "charge"));
    assert!(may(Role::Admin, &["client"], "client|list") && !may(Role::Admin, &["client"], "info"));
}
