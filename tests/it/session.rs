//! What Redis clients send before and between requests, and how bytes that are no requests end.

use super::support::{Client, PATIENCE, Server, data, folder, map_of, text_of};
use redis::Value;

#[test]
fn the_handshakes_of_common_clients_pass() {
    let folder = folder();
    let server = Server::start(&data(&folder));
    let mut client = server.client();
    // redis-py
    let hello = map_of(&client.call("HELLO 3"));
    assert_eq!(hello["server"], "redis");
    assert_eq!(hello["proto"], "3");
    assert_eq!(text_of(&client.call("CLIENT SETINFO LIB-NAME redis-py")), "OK");
    assert_eq!(text_of(&client.call("CLIENT SETINFO LIB-VER 8.1.0")), "OK");
    assert!(client.error("CLIENT MAINT_NOTIFICATIONS ON").contains("unknown subcommand"));
    // ioredis
    let mut client = server.client();
    map_of(&client.call("hello 3"));
    assert!(text_of(&client.call("info")).contains("loading:0"));
    // redis-cli and redis-benchmark
    let mut client = server.client();
    assert!(matches!(client.call("COMMAND DOCS"), Value::Array(docs) if docs.len() > 40));
    assert_eq!(map_of(&client.call("CONFIG GET save"))["save"], "");
    assert_eq!(map_of(&client.call("CONFIG GET append*"))["appendonly"], "yes");
    // all
    assert_eq!(text_of(&client.call("SELECT 0")), "OK");
    assert!(client.error("SELECT 1").contains("out of range"));
    assert_eq!(text_of(&client.call("ECHO hi")), "hi");
    assert_eq!(text_of(&client.call("CLIENT SETNAME worker-1")), "OK");
    assert_eq!(text_of(&client.call("CLIENT GETNAME")), "worker-1");
    assert!(text_of(&client.call("CLIENT LIST")).contains("name=worker-1"));
    assert!(client.error("HELLO 4").starts_with("NOPROTO"));
    assert!(client.error("AUTH secret").contains("without any password"));
    assert!(client.error("AUTH eve secret").starts_with("WRONGPASS"));
}

#[test]
fn the_redis_client_library_connects_and_pipelines() {
    let folder = folder();
    let server = Server::start(&data(&folder));
    for protocol in ["resp2", "resp3"] {
        let client = redis::Client::open(format!("redis://{}/?protocol={protocol}", server.resp));
        let mut connection = client.unwrap().get_connection().unwrap();
        let wallet = format!("w-{protocol}");
        let mut pipe = redis::pipe();
        pipe.cmd("WALLET.OPEN").arg(&wallet).arg("CURRENCY").arg("USD");
        pipe.cmd("TOPUP").arg(&wallet).arg("5").arg("ID").arg("t");
        for number in 0..500 {
            pipe.cmd("CHARGE").arg(&wallet).arg("0.01").arg("ID").arg(format!("c{number}"));
        }
        let replies: Vec<Value> = pipe.query(&mut connection).unwrap();
        assert_eq!(replies.len(), 502);
        // In the order of requests: each sees what the one before it left.
        for (number, reply) in (1..).zip(&replies[2..]) {
            let left = format!("{}", f64::from(500 - number) / 100.0);
            assert_eq!(map_of(reply)["available"], left);
        }
    }
}

#[test]
fn hello_and_reset_switch_the_protocol_between_replies_not_within() {
    let folder = folder();
    let server = Server::start(&data(&folder));
    let mut client = server.client();
    client.call("WALLET.OPEN w CURRENCY USD");
    for request in ["BALANCE w", "HELLO 3", "BALANCE w", "RESET", "BALANCE w"] {
        client.send(request).unwrap();
    }
    assert!(matches!(client.receive().unwrap(), Value::Array(_)));
    assert!(matches!(client.receive().unwrap(), Value::Map(_)));
    assert!(matches!(client.receive().unwrap(), Value::Map(_)));
    assert_eq!(text_of(&client.receive().unwrap()), "RESET");
    assert!(matches!(client.receive().unwrap(), Value::Array(_)));
}

#[test]
fn inline_commands_work_and_quit_answers_what_came_before_it() {
    let folder = folder();
    let server = Server::start(&data(&folder));
    let mut client = server.client();
    let lines = b"PING\r\nwallet.open \"w\" currency USD\r\n\r\nTOPUP w 1 ID t\r\nQUIT\r\nPING\r\n";
    client.send_raw(lines).unwrap();
    assert_eq!(text_of(&client.receive().unwrap()), "PONG");
    assert_eq!(map_of(&client.receive().unwrap())["status"], "open");
    assert_eq!(map_of(&client.receive().unwrap())["status"], "toppedup");
    assert_eq!(text_of(&client.receive().unwrap()), "OK");
    assert_eq!(client.rest(), b"");
}

#[test]
fn a_malformed_frame_is_answered_after_the_requests_before_it_and_closes() {
    let folder = folder();
    let server = Server::start(&data(&folder));
    for (bytes, error) in [
        (&b"*x\r\n"[..], "Protocol error: invalid multibulk length"),
        (b"*1\r\n:4\r\nPING\r\n", "Protocol error: expected '$', got ':'"),
        (b"*1\r\n$99999999999\r\n", "Protocol error: invalid bulk length"),
        (b"PING \"\r\n", "Protocol error: unbalanced quotes in request"),
    ] {
        let mut client = server.client();
        client.send_raw(&[b"BALANCE nobody\r\nPING\r\n", bytes].concat()).unwrap();
        let answer = String::from_utf8(client.rest()).unwrap();
        let lines: Vec<&str> = answer.split("\r\n").collect();
        assert!(lines[0].starts_with("-NOWALLET"), "{answer}");
        assert_eq!(lines[1], "+PONG");
        assert_eq!(lines[2], format!("-ERR {error}"));
        assert_eq!(lines[3..], [""]);
    }
}

#[test]
fn a_client_can_be_killed_by_another() {
    let folder = folder();
    let server = Server::start(&data(&folder));
    let (mut victim, mut other) = (server.client(), server.client());
    let id = text_of(&victim.call("CLIENT ID"));
    assert_eq!(text_of(&other.call(&format!("CLIENT KILL ID {id}"))), "1");
    assert_eq!(victim.rest(), b"");
    assert!(other.error("CLIENT KILL 127.0.0.1:1").contains("No such client"));
}

#[test]
fn commands_that_nobody_knows_and_bad_arguments_leave_the_connection_usable() {
    let folder = folder();
    let server = Server::start(&data(&folder));
    let mut client: Client = server.client();
    assert!(client.error("SET a b").starts_with("ERR unknown command 'SET'"));
    assert!(client.error("BALANCE").contains("wrong number of arguments for 'balance' command"));
    assert!(client.error("BALANCE w EXTRA 1").starts_with("ERR syntax error"));
    assert!(client.error("BALANCE nobody").starts_with("NOWALLET"));
    assert!(client.error("CLIENT FROB").contains("unknown subcommand"));
    assert_eq!(text_of(&client.call("PING")), "PONG");
}

#[test]
fn what_a_client_misuses_is_refused_in_the_words_of_redis() {
    let folder = folder();
    let server = Server::start(&data(&folder));
    let mut client = server.client();
    for (command, error) in [
        ("HELLO -1", "NOPROTO unsupported protocol version"),
        ("AUTH a b c", "ERR syntax error"),
        ("SELECT -1", "ERR DB index is out of range"),
        ("SELECT x", "ERR value is not an integer or out of range"),
        ("CLIENT ID x", "ERR wrong number of arguments for 'client|id' command"),
        ("CLIENT KILL", "ERR wrong number of arguments for 'client|kill' command"),
        ("CLIENT KILL ID 0", "ERR client-id should be greater than 0"),
        ("CLIENT KILL ID 5 SKIPME", "ERR syntax error"),
        ("CLIENT KILL ID 5 SKIPME maybe", "ERR syntax error"),
        ("CLIENT KILL TYPE foo SKIPME yes", "ERR Unknown client type 'foo'"),
        ("CLIENT KILL USER nobody SKIPME yes", "ERR No such user 'nobody'"),
        ("CLIENT LIST TYPE foo", "ERR Unknown client type 'foo'"),
        ("CLIENT LIST ID abc", "ERR Invalid client ID"),
        ("CLIENT FOO", "ERR unknown subcommand 'FOO'. Try CLIENT HELP."),
        ("CONFIG GET", "ERR wrong number of arguments for 'config|get' command"),
        ("COMMAND COUNT x", "ERR wrong number of arguments for 'command|count' command"),
        ("SHUTDOWN FOO", "ERR syntax error"),
        ("SHUTDOWN SAVE NOSAVE", "ERR syntax error"),
        ("SHUTDOWN ABORT", "ERR No shutdown in progress."),
    ] {
        assert_eq!(client.error(command), error, "{command}");
    }
    assert_eq!(text_of(&client.call("CLIENT KILL TYPE normal SKIPME yes")), "0");
    assert_eq!(text_of(&client.call("CLIENT KILL TYPE pubsub SKIPME no")), "0");
    assert_eq!(text_of(&client.call("CLIENT KILL LADDR 1.2.3.4:5")), "0");
}

/// Patterns used to be globs of another kind, in which braces and an open bracket mean something.
#[test]
fn patterns_are_those_of_redis() {
    let folder = folder();
    let server = Server::start(&data(&folder));
    let mut client = server.client();
    for wallet in ["a1", "a2", "{a1,a2}", "a[1"] {
        client.call(&format!("WALLET.OPEN {wallet} CURRENCY USD"));
    }
    let mut found = |pattern: &str| -> Vec<String> {
        let reply = client.call(&format!("WALLET.SCAN 0 COUNT 100 MATCH {pattern}"));
        let Value::Array(parts) = reply else { panic!("{reply:?}") };
        let Value::Array(wallets) = &parts[1] else { panic!("{parts:?}") };
        let mut wallets: Vec<_> = wallets.iter().map(text_of).collect();
        wallets.sort();
        wallets
    };
    assert_eq!(found("{a1,a2}"), ["{a1,a2}"]);
    assert_eq!(found("a[12"), ["a1", "a2"]);
    assert_eq!(found("a?"), ["a1", "a2"]);
    assert_eq!(found("a\\[*"), ["a[1"]);
}

#[test]
fn who_kills_itself_still_hears_of_it() {
    let folder = folder();
    let server = Server::start(&data(&folder));
    let mut client = server.client();
    assert_eq!(text_of(&client.call("CLIENT KILL TYPE normal SKIPME no")), "1");
    assert_eq!(client.rest(), b"");
}

/// Any web page can make a browser send a request to a port of the same machine. Its lines used to be
/// answered one by one, those of its body too, and a body can hold a top-up.
#[test]
fn a_request_of_a_web_page_ends_before_its_body() {
    let folder = folder();
    let server = Server::start(&data(&folder));
    let body = "WALLET.OPEN evil CURRENCY USD\r\nTOPUP evil 1000000 ID x\r\n";
    for head in ["POST / HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\r\nHost: here\r\n\r\n"] {
        let mut page = server.client();
        // The server may close while bytes are still on their way.
        let _ = page.send_raw(format!("{head}{body}").as_bytes());
        page.rest();
    }
    assert!(server.client().error("BALANCE evil").starts_with("NOWALLET"));
}

/// `CLIENT LIST` lacked half of what tools read of it, and showed no command to a wallet.
#[test]
fn clients_are_shown_with_the_fields_of_redis_and_their_last_command() {
    let folder = folder();
    let server = Server::start(&data(&folder));
    let (mut client, mut other) = (server.client(), server.client());
    let line = text_of(&client.call("CLIENT INFO"));
    let fields: Vec<&str> =
        line.trim_end().split(' ').map(|field| field.split_once('=').unwrap().0).collect();
    let of_redis = "id addr laddr fd name age idle flags db sub psub ssub multi watch qbuf qbuf-free \
                    argv-mem multi-mem rbs rbp obl oll omem tot-mem events cmd user redir resp lib-name \
                    lib-ver tot-net-in tot-net-out tot-cmds";
    assert_eq!(fields, of_redis.split(' ').collect::<Vec<_>>());
    assert!(line.contains(" cmd=client|info ") && line.contains(" events=r "), "{line}");
    let id = text_of(&other.call("CLIENT ID"));
    let mut shown = |of: &str| text_of(&client.call(&format!("CLIENT LIST ID {of}")));
    assert!(shown(&id).contains(" cmd=client|id "));
    other.call("WALLET.OPEN w CURRENCY USD");
    assert!(shown(&id).contains(" cmd=wallet.open "));
    other.call("TOPUP w");
    assert!(shown(&id).contains(" cmd=topup "), "a refused one, too");
    let line = shown(&id);
    for field in [" tot-cmds=3", " oll=0 ", " omem=0 ", " qbuf=0 ", " flags=N "] {
        assert!(line.contains(field), "{field} in {line}");
    }
    other.call("NOTHING");
    assert!(shown(&id).contains(" cmd=NULL "));
    // A request that is not whole yet.
    other.send_raw(b"*2\r\n$4\r\nPING\r\n$5\r\nab").unwrap();
    let start = std::time::Instant::now();
    while !shown(&id).contains(" qbuf=20 ") {
        assert!(start.elapsed() < PATIENCE, "{}", shown(&id));
    }
}
