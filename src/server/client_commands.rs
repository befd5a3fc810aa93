//! `CLIENT`: who is connected, and what it calls itself.

use super::clients::Client;
use super::session::{Action, Call, integer};
use std::net::SocketAddr;

/// The most bytes of a name that a client gives itself: `CLIENT LIST` shows those of all.
const NAME_MAX: usize = 256;

/// The refusal of what `what` says.
pub(super) fn bad_name(what: &str) -> String {
    format!(
        "{what} cannot contain spaces, newlines or special characters, and have at most {NAME_MAX} bytes."
    )
}

/// What is refused in `CLIENT SETNAME` and `HELLO`.
pub(super) const NAMES: &str = "Client names";

/// A name that a client may give itself; empty takes it away.
pub(super) fn valid_name(name: &[u8]) -> Option<String> {
    let valid = name.len() <= NAME_MAX && name.iter().all(u8::is_ascii_graphic);
    valid.then(|| String::from_utf8_lossy(name).into_owned())
}

/// Answers `CLIENT <subcommand> …`.
pub(super) fn handle(call: &Call<'_>) -> Action {
    let client = &call.connection.client;
    let subcommand = call.arg(1).to_ascii_lowercase();
    match subcommand.as_slice() {
        b"id" => call.reply(|writer| writer.integer(client.id)),
        b"getname" => {
            let name = client.names().name.clone();
            call.reply(|writer| if name.is_empty() { writer.null() } else { writer.text(&name) })
        }
        b"setname" => match valid_name(call.arg(2)) {
            Some(name) => {
                client.names().name = name;
                call.ok()
            }
            None => call.error(&bad_name(NAMES)),
        },
        b"setinfo" => set_info(call),
        b"list" => list(call),
        b"info" => {
            let line = format!("{}\n", client.line(call.context.clock.now()));
            call.reply(|writer| writer.verbatim(&line))
        }
        b"kill" => kill(call),
        // Nothing is evicted and no key is touched here, so both hold already.
        b"no-evict" | b"no-touch" if call.is(2, "on") || call.is(2, "off") => call.ok(),
        b"no-evict" | b"no-touch" => call.error("syntax error"),
        _ => call.unknown_subcommand(),
    }
}

/// `CLIENT SETINFO LIB-NAME|LIB-VER value`
fn set_info(call: &Call<'_>) -> Action {
    let Some(value) = valid_name(call.arg(3)) else {
        return call.error(&bad_name("lib-name and lib-ver"));
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

/// `CLIENT LIST [TYPE type | ID id …]`
fn list(call: &Call<'_>) -> Action {
    let mut clients = call.context.clients.all();
    if call.is(2, "id") && call.args.len() > 3 {
        let ids: Option<Vec<_>> = call.args.iter_from(3).map(client_id).collect();
        let Some(ids) = ids else { return call.error("Invalid client ID") };
        clients.retain(|client| ids.contains(&client.id));
    } else if call.is(2, "type") && call.args.len() == 4 {
        match is_type_of_clients(call.arg(3)) {
            Some(true) => {}
            Some(false) => clients.clear(),
            None => return unknown_type(call, call.arg(3)),
        }
    } else if call.args.len() != 2 {
        return call.error("syntax error");
    }
    let (mut text, now) = (String::new(), call.context.clock.now());
    for client in clients {
        text.push_str(&client.line(now));
        text.push('\n');
    }
    call.reply(|writer| writer.verbatim(&text))
}

/// Whether clients of this type are what connects here: all are `normal`. None when there is no
/// such type.
fn is_type_of_clients(name: &[u8]) -> Option<bool> {
    match name.to_ascii_lowercase().as_slice() {
        b"normal" => Some(true),
        b"master" | b"replica" | b"slave" | b"pubsub" => Some(false),
        _ => None,
    }
}

fn unknown_type(call: &Call<'_>, name: &[u8]) -> Action {
    call.error(&format!("Unknown client type '{}'", String::from_utf8_lossy(name)))
}

/// Which clients `CLIENT KILL` ends: those that pass all that is given.
struct Filter<'a> {
    id: Option<u64>,
    user: Option<&'a [u8]>,
    address: Option<&'a [u8]>,
    local: Option<&'a [u8]>,
    is_possible: bool,
    skip_me: bool,
}

impl Filter<'_> {
    fn chooses(&self, client: &Client, me: u64) -> bool {
        let is = |address: &SocketAddr, text: &[u8]| address.to_string().as_bytes() == text;
        self.is_possible
            && self.id.is_none_or(|id| client.id == id)
            && self.user.is_none_or(|user| client.names().user.as_bytes() == user)
            && self.address.is_none_or(|text| is(&client.address, text))
            && self.local.is_none_or(|text| is(&client.local, text))
            && !(self.skip_me && client.id == me)
    }
}

/// `CLIENT KILL address`, or
/// `CLIENT KILL [ID id] [TYPE type] [USER name] [ADDR address] [LADDR address] [SKIPME yes|no]`
fn kill(call: &Call<'_>) -> Action {
    let is_old = call.args.len() == 3;
    let filter = if is_old {
        let address = Some(call.arg(2));
        Filter { id: None, user: None, address, local: None, is_possible: true, skip_me: false }
    } else {
        match filter(call) {
            Ok(filter) => filter,
            Err(refusal) => return refusal,
        }
    };
    let me = call.connection.client.id;
    let includes_me = filter.chooses(&call.connection.client, me);
    let others = |client: &Client| client.id != me && filter.chooses(client, me);
    let killed = call.context.clients.kill(others).saturating_add(usize::from(includes_me));
    let reply = match (is_old, killed) {
        (true, 0) => call.error("No such client"),
        (true, _) => call.ok(),
        (false, killed) => call.reply(|writer| writer.integer(killed)),
    };
    match reply {
        // Who ends itself still hears of it.
        Action::Reply(reply) if includes_me => Action::Quit(reply),
        reply => reply,
    }
}

fn filter<'a>(call: &Call<'a>) -> Result<Filter<'a>, Action> {
    let mut filter = Filter {
        id: None,
        user: None,
        address: None,
        local: None,
        is_possible: true,
        skip_me: true,
    };
    for place in (2..call.args.len()).step_by(2) {
        let Some(value) = call.args.get(place.saturating_add(1)) else {
            return Err(call.error("syntax error"));
        };
        if call.is(place, "id") {
            let id = client_id(value);
            filter.id = Some(id.ok_or_else(|| call.error("client-id should be greater than 0"))?);
        } else if call.is(place, "addr") {
            filter.address = Some(value);
        } else if call.is(place, "laddr") {
            filter.local = Some(value);
        } else if call.is(place, "user") {
            let access = &call.connection.live().access;
            let is_known = access.knows(value) || (access.is_open() && value == b"default");
            if !is_known {
                let name = String::from_utf8_lossy(value);
                return Err(call.error(&format!("No such user '{name}'")));
            }
            filter.user = Some(value);
        } else if call.is(place, "type") {
            let is_possible = is_type_of_clients(value);
            filter.is_possible &= is_possible.ok_or_else(|| unknown_type(call, value))?;
        } else if call.is(place, "skipme") && value.eq_ignore_ascii_case(b"yes") {
            filter.skip_me = true;
        } else if call.is(place, "skipme") && value.eq_ignore_ascii_case(b"no") {
            filter.skip_me = false;
        } else {
            return Err(call.error("syntax error"));
        }
    }
    Ok(filter)
}

/// The number of a client, above 0.
fn client_id(text: &[u8]) -> Option<u64> {
    integer(text).and_then(|id| u64::try_from(id).ok()).filter(|id| *id > 0)
}
