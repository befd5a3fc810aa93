//! What the server does not let anybody do to it.

use super::support::{Client, PATIENCE, Server, data, folder, map_of, text_of};
use super::users::serve;
use redis::Value;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// A server with settings of its own.
fn resident_bytes(server: &Server) -> usize {
    let path = format!("/proc/{}/statm", server.id());
    let statm = std::fs::read_to_string(path).unwrap();
    statm.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

#[test]
fn a_client_that_does_not_read_is_paused_and_gets_everything_when_it_does() {
    const REQUEST: &str = "ECHO 0123456789012345678901234567890123456789\r\n";
    const SENT_MAX: usize = 512 * 1024 * 1024;
    let folder = folder();
    let server = Server::start(&data(&folder));
    let mut other = server.client();
    other.call("WALLET.OPEN w CURRENCY USD");
    let before = resident_bytes(&server);
    let mut stream = TcpStream::connect(server.resp).unwrap();
    stream.set_write_timeout(Some(Duration::from_millis(500))).unwrap();
    // How much the system keeps for both sides differs between machines: send until it is enough.
    let chunk = REQUEST.repeat(1_000);
    let mut sent = 0;
    while let Ok(written) = stream.write(&chunk.as_bytes()[sent % chunk.len()..]) {
        sent += written;
        assert!(sent < SENT_MAX, "the server must stop reading a client that does not read");
    }
    let grown = resident_bytes(&server).saturating_sub(before);
    assert!(grown < 32 * 1024 * 1024, "it grew by {grown} bytes");
    assert_eq!(other.field("BALANCE w", "status"), "open");
    let mut reader = std::io::BufReader::new(stream);
    let mut parser = redis::Parser::new();
    for _ in 0..sent / REQUEST.len() {
        let reply = parser.parse_value(&mut reader).unwrap();
        assert_eq!(text_of(&reply).len(), 40);
    }
}

/// Outcomes are encoded when they leave, so a list that nobody read yet used to count as one
/// request: a client that asked for many and read none filled the memory.
#[test]
fn lists_that_nobody_reads_are_not_piled_up() {
    const HOLDS: usize = 1_000;
    let folder = folder();
    let server = Server::start(&data(&folder));
    let mut client = server.client();
    client.call("WALLET.OPEN w CURRENCY USD");
    client.map("TOPUP w 1000 ID t");
    let tags: Vec<String> = (0..16).map(|tag| format!("TAG k{tag} {}", "v".repeat(256))).collect();
    let tags = tags.join(" ");
    for number in 0..HOLDS {
        client.send(&format!("AUTHORIZE w 1 ID h{number} {tags}")).unwrap();
    }
    for _ in 0..HOLDS {
        assert_eq!(map_of(&client.receive().unwrap())["status"], "held");
    }
    let before = resident_bytes(&server);
    for _ in 0..60 {
        client.send("HOLD.LIST w COUNT 1000").unwrap();
    }
    std::thread::sleep(Duration::from_secs(1));
    let grown = resident_bytes(&server).saturating_sub(before);
    assert!(grown < 60 * 1024 * 1024, "it grew by {grown} bytes");
    for _ in 0..4 {
        let Value::Array(holds) = client.receive().unwrap() else { panic!("no list") };
        assert_eq!(holds.len(), HOLDS);
    }
}

/// Only lists used to be thought of as large: a wallet with many grants makes a single hold large.
#[test]
fn large_views_that_nobody_reads_are_not_piled_up() {
    const GRANTS: usize = 1_000;
    let folder = folder();
    let server = Server::start(&data(&folder));
    let mut client = server.client();
    client.call("WALLET.OPEN w CURRENCY USD");
    for number in 0..GRANTS {
        client.send(&format!("TOPUP w 1 ID t{number}")).unwrap();
    }
    for _ in 0..GRANTS {
        assert_eq!(map_of(&client.receive().unwrap())["status"], "toppedup");
    }
    client.map(&format!("AUTHORIZE w {GRANTS} ID h"));
    let before = resident_bytes(&server);
    for _ in 0..1_000 {
        client.send("HOLD.GET w h").unwrap();
    }
    std::thread::sleep(Duration::from_secs(1));
    let grown = resident_bytes(&server).saturating_sub(before);
    assert!(grown < 24 * 1024 * 1024, "it grew by {grown} bytes");
    for _ in 0..3 {
        assert_eq!(map_of(&client.receive().unwrap())["remaining"], GRANTS.to_string());
    }
}

/// Whether a client reads used to be told by whether its socket took more, which the system says only
/// when a large part of its buffer is free: who read slowly, but all the time, was dropped.
#[test]
fn a_client_that_reads_slowly_is_not_taken_for_one_that_does_not_read() {
    let folder = folder();
    let server = serve(&folder, "write_stall_max_ms = 1000\n");
    let mut stream = TcpStream::connect(server.resp).unwrap();
    let mut writer = stream.try_clone().unwrap();
    let sending = std::thread::spawn(move || {
        let request = format!("ECHO {}\r\n", "x".repeat(1_000));
        while writer.write_all(request.as_bytes()).is_ok() {}
    });
    let mut part = [0; 16 * 1024];
    for _ in 0..100 {
        std::thread::sleep(Duration::from_millis(40));
        assert!(stream.read(&mut part).unwrap() > 0, "it was dropped");
    }
    stream.shutdown(std::net::Shutdown::Both).unwrap();
    sending.join().unwrap();
}

/// A killed client that did not read used to keep its socket until its time for reading was over.
#[test]
fn a_killed_client_that_does_not_read_is_gone_at_once() {
    let folder = folder();
    let server = serve(&folder, "write_stall_max_ms = 3600000\n");
    let mut stream = TcpStream::connect(server.resp).unwrap();
    stream.set_write_timeout(Some(Duration::from_millis(500))).unwrap();
    let request = format!("ECHO {}\r\n", "x".repeat(1_000)).repeat(100);
    while stream.write_all(request.as_bytes()).is_ok() {}
    let address = stream.local_addr().unwrap();
    let mut other = server.client();
    let sockets = || std::fs::read_dir(format!("/proc/{}/fd", server.id())).unwrap().count();
    assert_eq!(text_of(&other.call("PING")), "PONG");
    let before = sockets();
    assert_eq!(text_of(&other.call(&format!("CLIENT KILL {address}"))), "OK");
    let start = Instant::now();
    while sockets() >= before {
        assert!(start.elapsed() < PATIENCE, "its socket is still there");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn clients_that_say_nothing_are_dropped_where_that_is_set() {
    let folder = folder();
    let server = serve(&folder, "handshake_timeout_ms = 300\nidle_timeout_ms = 1000\n");
    let mut silent = server.client();
    let mut half = server.client();
    half.send_raw(b"*1\r\n$4\r\nPI").unwrap();
    let mut known = server.client();
    known.call("PING");
    assert_eq!(silent.rest(), b"");
    assert_eq!(half.rest(), b"");
    assert_eq!(text_of(&known.call("PING")), "PONG", "it had longer");
    assert_eq!(known.rest(), b"");
    assert_eq!(text_of(&server.client().call("PING")), "PONG");
}

/// A client whose machine is gone kept its place for ever: nobody asked whether it was still there. Linux
/// shows in `/proc/net/tcp` what a socket waits for: 02 is the time to ask.
#[test]
fn silent_clients_are_asked_whether_they_are_there() {
    let folder = folder();
    for (settings, asks) in [("", true), ("tcp_keepalive_ms = 0\n", false)] {
        let server = serve(&folder, settings);
        let mut client = server.client();
        assert_eq!(text_of(&client.call("PING")), "PONG");
        let here = format!(" 0100007F:{:04X} ", server.resp.port());
        let start = Instant::now();
        // What was just sent may still wait to be confirmed.
        loop {
            let sockets = std::fs::read_to_string("/proc/net/tcp").unwrap();
            let of_client = |line: &&str| line.contains(&here) && line.contains(" 01 ");
            let local = sockets.lines().filter(of_client);
            let mut local = local.filter(|line| line.find(&here).is_some_and(|at| at < 10));
            let line = local.next().expect("the server's side of the connection");
            if line.contains(if asks { " 02:" } else { " 00:" }) {
                break;
            }
            assert!(start.elapsed() < PATIENCE, "{line}");
            std::thread::sleep(Duration::from_millis(5));
        }
        server.kill();
    }
}

#[test]
fn a_client_that_never_reads_is_dropped() {
    let folder = folder();
    let server = serve(&folder, "write_stall_max_ms = 300\nreply_bytes_max = 16384\n");
    let mut stream = TcpStream::connect(server.resp).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    let chunk = "ECHO 0123456789012345678901234567890123456789\r\n".repeat(1_000);
    let start = Instant::now();
    while stream.write_all(chunk.as_bytes()).is_ok() {
        assert!(start.elapsed() < PATIENCE, "it is never dropped");
    }
    assert_eq!(text_of(&server.client().call("PING")), "PONG");
    let clients = text_of(&server.client().call("INFO clients"));
    assert!(clients.contains("connected_clients:1"), "{clients}");
}

#[test]
fn connections_beyond_the_limit_are_refused_with_a_reason() {
    let folder = folder();
    let server = serve(&folder, "connections_max = 2\n");
    let mut first = server.client();
    let mut second = server.client();
    assert_eq!(text_of(&first.call("PING")), "PONG");
    assert_eq!(text_of(&second.call("PING")), "PONG");
    let refused = server.client().rest();
    assert_eq!(refused, b"-ERR max number of clients reached\r\n");
    drop(second);
    let start = Instant::now();
    while server.client().send("PING").is_err() || first.call("INFO clients") == Value::Nil {
        assert!(start.elapsed() < PATIENCE);
    }
}

#[test]
fn a_wallet_past_its_bound_is_busy_and_nothing_has_happened() {
    let folder = folder();
    let server = serve(&folder, "wallet_in_flight_max = 10\n");
    let mut client = server.client();
    client.call("WALLET.OPEN w CURRENCY USD");
    client.map("TOPUP w 1000 ID t");
    let mut bytes = Vec::new();
    for number in 0..500 {
        let line = format!("CHARGE w 1 ID c{number}");
        let args: Vec<&str> = line.split(' ').collect();
        purser::codec::resp::write_request(&mut bytes, &args);
    }
    client.send_raw(&bytes).unwrap();
    let (mut charged, mut busy) = (0, Vec::new());
    for number in 0..500 {
        match client.receive().unwrap() {
            Value::ServerError(error) => {
                assert_eq!(error.code(), "BUSY");
                busy.push(number);
            }
            reply => {
                assert_eq!(map_of(&reply)["status"], "charged");
                charged += 1;
            }
        }
    }
    assert!(!busy.is_empty(), "500 requests at once must not fit 10");
    assert_eq!(client.field("BALANCE w", "available"), (1000 - charged).to_string());
    for number in busy {
        assert_eq!(client.field(&format!("CHARGE w 1 ID c{number}"), "replayed"), "");
    }
    assert_eq!(client.field("BALANCE w", "available"), "500");
}

#[test]
fn requests_beyond_the_limits_end_the_connection_with_a_reason() {
    let folder = folder();
    let server = Server::start(&data(&folder));
    let huge = format!("*2\r\n$4\r\nECHO\r\n${}\r\n", 1024 * 1024 * 1024);
    let many = "*1000\r\n".to_owned();
    let endless = "x".repeat(100_000);
    for bytes in [huge, many, endless] {
        let mut client: Client = server.client();
        // The server may close while bytes are still on their way.
        let _ = client.send_raw(bytes.as_bytes());
        let answer = client.rest();
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.starts_with("-ERR Protocol error") || answer.is_empty(), "{answer}");
    }
    assert_eq!(text_of(&server.client().call("PING")), "PONG");
}

/// A wallet with very many deadlines at once used to work them all off in one go: its actor's
/// message to itself was taken in the same poll, and everybody else on the thread waited.
#[test]
fn a_wallet_with_many_expiries_lets_other_wallets_answer_meanwhile() {
    const HOLDS: usize = 30_000;
    let folder = folder();
    let server = serve(&folder, "shards = 1\nhold_ttl_ms = 5000\n");
    let (mut busy, mut other) = (server.client(), server.client());
    for wallet in ["many", "few"] {
        busy.call(&format!("WALLET.OPEN {wallet} CURRENCY USD"));
        busy.map(&format!("TOPUP {wallet} 1000000 ID t"));
    }
    let mut last = 0;
    for part in 0..HOLDS / 500 {
        for number in 0..500 {
            busy.send(&format!("AUTHORIZE many 1 ID h{part}-{number}")).unwrap();
        }
        for _ in 0..500 {
            last = map_of(&busy.receive().unwrap())["expires_at"].parse().unwrap();
        }
    }
    let now = || -> i64 {
        let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap();
        now.as_millis().try_into().unwrap()
    };
    std::thread::sleep(Duration::from_millis(u64::try_from(last - now() + 100).unwrap_or(0)));
    let start = Instant::now();
    busy.send("BALANCE many").unwrap();
    // The wallet is in the middle of it when the other one is asked.
    std::thread::sleep(Duration::from_millis(5));
    assert_eq!(other.field("BALANCE few", "held"), "0");
    let one_slice = start.elapsed();
    assert_eq!(map_of(&busy.receive().unwrap())["held"], "0");
    // Not a matter of speed but of order: a slice or two of many, not all of them.
    assert!(one_slice * 2 < start.elapsed(), "{one_slice:?} of {:?}", start.elapsed());
}

/// A buffer of 64 KiB was kept for each connection, and large pages made all of it resident: ten
/// thousand idle clients took 700 MB.
#[test]
fn idle_clients_hold_next_to_nothing() {
    const CLIENTS: usize = 600;
    let folder = folder();
    let server = serve(&folder, "shards = 1\n");
    server.client().call("PING");
    let before = resident_bytes(&server);
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let mut client = server.client();
            client.call("PING");
            client
        })
        .collect();
    let each = resident_bytes(&server).saturating_sub(before) / clients.len();
    assert!(each < 24 * 1024, "{each} bytes a client");
}

#[test]
fn who_holds_the_most_goes_when_all_together_hold_too_much() {
    let folder = folder();
    let server =
        serve(&folder, "shards = 1\nreply_bytes_max = 1048576\nclients_memory_max = 4194304\n");
    let mut good = server.client();
    good.call("WALLET.OPEN w CURRENCY USD");
    let docs = b"*2\r\n$7\r\nCOMMAND\r\n$4\r\nDOCS\r\n".repeat(400);
    let mut bad: Vec<_> = (0..12).map(|_| TcpStream::connect(server.resp).unwrap()).collect();
    for stream in &mut bad {
        stream.set_nonblocking(true).unwrap();
        // However much of it the socket takes.
        let _ = stream.write(&docs);
    }
    let start = Instant::now();
    while !server.log().contains("clients_memory_max") {
        assert!(start.elapsed() < PATIENCE, "nobody was dropped: {}", server.log());
        assert_eq!(good.field("BALANCE w", "status"), "open");
    }
    assert_eq!(good.field("BALANCE w", "status"), "open");
    let dropped = dropped(&server, "memory");
    assert!((1..12).contains(&dropped), "not all had to go: {dropped}");
}

/// The room for a thousand replies stayed with a connection that had asked for them once, and nobody counted
/// it: strangers took gigabytes.
#[test]
fn idle_clients_that_asked_for_much_once_hold_next_to_nothing() {
    const CLIENTS: usize = 200;
    let folder = folder();
    let server = serve(&folder, "shards = 1\n");
    let before = resident_bytes(&server);
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let mut client = server.client();
            client.send_raw(&b"PING\r\n".repeat(1_000)).unwrap();
            (0..1_000).for_each(|_| drop(client.receive().unwrap()));
            client
        })
        .collect();
    let each = resident_bytes(&server).saturating_sub(before) / clients.len();
    // The room was 280 KB; what the allocator keeps for all of them is some tens, each.
    assert!(each < 128 * 1024, "{each} bytes a client");
}

#[test]
fn names_of_clients_are_short() {
    let folder = folder();
    let server = Server::start(&data(&folder));
    let mut client = server.client();
    assert_eq!(text_of(&client.call(&format!("CLIENT SETNAME {}", "n".repeat(256)))), "OK");
    for line in ["CLIENT SETNAME", "CLIENT SETINFO LIB-NAME", "CLIENT SETINFO LIB-VER"] {
        let refused = client.error(&format!("{line} {}", "n".repeat(257)));
        assert!(refused.contains("at most 256 bytes"), "{refused}");
    }
    let line = text_of(&client.call("CLIENT LIST"));
    for field in [" age=", " idle=0 ", " flags=N ", " tot-mem=", " resp=2"] {
        assert!(line.contains(field), "{field} in {line}");
    }
}

/// How many connections the server has ended for a reason.
fn dropped(server: &Server, reason: &str) -> usize {
    let name = format!("purser_connections_dropped_total{{reason=\"{reason}\"}}");
    server.series(&name).map_or(0, |count| count.parse().unwrap())
}

/// Each connection that the server ended was a line in its log: who sent garbage all the time filled a disk.
#[test]
fn a_flood_of_bad_connections_does_not_fill_the_log() {
    const BAD: usize = 400;
    let folder = folder();
    let server = Server::start(&data(&folder));
    let begun = Instant::now();
    for _ in 0..BAD {
        let mut bad = server.client();
        bad.send_raw(b"*1\r\n+1\r\n").unwrap();
        bad.rest();
    }
    assert_eq!(dropped(&server, "protocol"), BAD);
    let seconds = usize::try_from(begun.elapsed().as_secs()).unwrap() + 1;
    let lines = server.log().matches("dropped: ").count();
    assert!((1..=seconds + 1).contains(&lines), "{lines} lines in {seconds} s");
}

/// A client that does not read its replies was looked at in every turn of its shard, and each look
/// began another turn: a few of them took a whole core, and everybody else waited behind them.
#[test]
fn who_does_not_read_costs_no_time() {
    let folder = folder();
    let server = serve(&folder, "shards = 1\nwrite_stall_max_ms = 600000\n");
    let mut good = server.client();
    let docs = b"*2\r\n$7\r\nCOMMAND\r\n$4\r\nDOCS\r\n".repeat(400);
    let mut bad: Vec<_> = (0..8).map(|_| TcpStream::connect(server.resp).unwrap()).collect();
    for stream in &mut bad {
        stream.write_all(&docs).unwrap();
    }
    let mut busy = || -> f64 {
        let info = text_of(&good.call("INFO cpu"));
        let used = info.lines().filter_map(|line| line.strip_prefix("used_cpu_")?.split_once(':'));
        used.filter(|(of, _)| ["sys", "user"].contains(of))
            .map(|(_, seconds)| seconds.trim().parse::<f64>().unwrap())
            .sum()
    };
    let start = Instant::now();
    let window = Duration::from_millis(500);
    // Until what they asked for is written, as far as it goes. On a busy machine one window says little.
    let mut quiet = 0;
    while quiet < 4 {
        let before = busy();
        std::thread::sleep(window);
        let share = (busy() - before) / window.as_secs_f64();
        quiet = if share < 0.25 { quiet + 1 } else { 0 };
        assert!(start.elapsed() < PATIENCE, "it is busy with nothing: {share} of a core");
    }
}
