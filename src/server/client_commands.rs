//! `CLIENT`: who is connected, and what it calls itself.

use super::clients::Client;
use super::session::{Action, Call};

/// The refusal of a name.
pub(super) const BAD_NAME: &str =
    "Client names cannot contain spaces, newlines or special characters.";

/// A name that a client may give itself; empty takes it away.
pub(super) fn valid_name(name: &[u8]) -> Option<String> {
    let valid = name.iter().all(u8::is_ascii_graphic);
    valid.then(|| String::from_utf8_lossy(name).into_owned())
}

/// Answers `CLIENT <subcommand> …`.
pub(super) fn handle(call: &Call<'_>) -> Action {
    let client = &call.connection.client;
    let subcommand = call.arg(1).to_ascii_lowercase();
    match (subcommand.as_slice(), call.args.len()) {
        (b"id", 2) => call.reply(|writer| writer.integer(client.id)),
        (b"getname", 2) => {
            let name = client.names().name.clone();
            call.reply(|writer| if name.is_empty() { writer.null() } else { writer.text(&name) })
        }
        (b"setname", 3) => match valid_name(call.arg(2)) {
            Some(name) => {
                client.names().name = name;
                call.ok()
            }
            None => call.error(BAD_NAME),
        },
        (b"setinfo", 4) => set_info(call),
        (b"list", _) => list(call),
        (b"info", 2) => {
            let line = format!("{}\n", client.line());
            call.reply(|writer| writer.bulk(line.as_bytes()))
        }
        (b"kill", 3..) => kill(call),
        // Nothing is evicted and no key is touched here, so both hold already.
        (b"no-evict" | b"no-touch", 3) if call.is(2, "on") || call.is(2, "off") => call.ok(),
        (b"no-evict" | b"no-touch", 3) => call.error("syntax error"),
        _ => call.unknown_subcommand(),
    }
}

/// `CLIENT SETINFO LIB-NAME|LIB-VER value`
fn set_info(call: &Call<'_>) -> Action {
    let Some(value) = valid_name(call.arg(3)) else {
        return call
            .error("lib-name and lib-ver cannot contain spaces, newlines or special characters.");
    };
    let mut names = call.connection.client.names();
    if call.is(2, "lib-name") {
        names.lib_name = value;
    } else if call.is(2, "lib-ver") {
        names.lib_version = value;
    } else {
        drop(names);
        let attribute = String::from_utf8_lossy(call.arg(2)).into_owned();
        return call.error(&format!("Unrecognized option '{attribute}'"));
    }
    drop(names);
    call.ok()
}

/// `CLIENT LIST [TYPE normal] [ID id …]`
fn list(call: &Call<'_>) -> Action {
    let mut clients = call.context.clients.all();
    if call.is(2, "id") && call.args.len() > 3 {
        let ids: Vec<_> = call.args.iter_from(3).map(parse_id).collect();
        clients.retain(|client| ids.contains(&Some(client.id)));
    } else if call.is(2, "type") && call.args.len() == 4 {
        // All clients are of one type.
        if !call.is(3, "normal") {
            clients.clear();
        }
    } else if call.args.len() != 2 {
        return call.error("syntax error");
    }
    let mut text = String::new();
    for client in clients {
        text.push_str(&client.line());
        text.push('\n');
    }
    call.reply(|writer| writer.bulk(text.as_bytes()))
}

/// `CLIENT KILL address`, or `CLIENT KILL [ID id] [ADDR address] [SKIPME yes|no]`
fn kill(call: &Call<'_>) -> Action {
    let clients = &call.context.clients;
    if call.args.len() == 3 {
        let address = call.arg(2);
        return match clients.kill(|client| has_address(client, address)) {
            0 => call.error("No such client"),
            _ => call.ok(),
        };
    }
    let (mut id, mut address, mut skip_me) = (None, None, true);
    for place in (2..call.args.len()).step_by(2) {
        let value = call.arg(place.saturating_add(1));
        if call.is(place, "id") {
            let Some(parsed) = parse_id(value) else {
                return call.error("client-id should be greater than 0");
            };
            id = Some(parsed);
        } else if call.is(place, "addr") {
            address = Some(value);
        } else if call.is(place, "skipme") {
            skip_me = !value.eq_ignore_ascii_case(b"no");
        } else {
            return call.error("syntax error");
        }
    }
    let me = call.connection.client.id;
    let killed = clients.kill(|client| {
        id.is_none_or(|id| client.id == id)
            && address.is_none_or(|address| has_address(client, address))
            && !(skip_me && client.id == me)
    });
    call.reply(|writer| writer.integer(killed))
}

fn parse_id(text: &[u8]) -> Option<u64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

fn has_address(client: &Client, address: &[u8]) -> bool {
    client.address.to_string().as_bytes() == address
}
