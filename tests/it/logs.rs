//! Logs: nobody waits for whoever reads them.

use super::support::{Client, PATIENCE, data, folder, signal, spawn, text_of};
use rustix::process::Signal;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, ExitStatus};
use std::time::Instant;

/// A server that logs much, to a pipe that nobody reads: its process, RESP and HTTP.
fn unread(data: &Path) -> (Child, SocketAddr, SocketAddr) {
    let mut process = spawn(data, &["--log-level", "debug"]);
    let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
    let mut address = |what: &str| -> SocketAddr {
        let line = lines.next().unwrap().unwrap();
        line.split_once(what).unwrap().1.parse().unwrap()
    };
    let (resp, http) = (address("RESP on "), address("HTTP on "));
    (process, resp, http)
}

/// Has the server log a line for each of so many errors.
fn log(client: &mut Client, lines: usize) {
    for _ in 0..lines / 1_000 {
        client.send_raw(&b"NOTHING\r\n".repeat(1_000)).unwrap();
        (0..1_000).for_each(|_| drop(client.receive().unwrap()));
    }
}

fn metrics(http: SocketAddr) -> String {
    let mut stream = TcpStream::connect(http).unwrap();
    write!(stream, "GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

fn wait(process: &mut Child) -> ExitStatus {
    let start = Instant::now();
    loop {
        if let Some(status) = process.try_wait().unwrap() {
            return status;
        }
        assert!(start.elapsed() < PATIENCE, "the server does not end");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}

/// When whoever read the log stopped to read, the pipe was full after some hundred lines, and then no shard
/// answered any more, and a stop never ended.
#[test]
fn a_log_that_nobody_reads_holds_up_nobody() {
    let folder = folder();
    let (mut process, resp, http) = unread(&data(&folder));
    let mut client = Client::connect(resp);
    // More than the pipe and the queue before it hold.
    log(&mut client, 20_000);
    assert_eq!(text_of(&client.call("PING")), "PONG");
    client.call("WALLET.OPEN w CURRENCY USD");
    let start = Instant::now();
    loop {
        let text = metrics(http);
        let dropped = |line: &str| -> Option<u64> {
            line.strip_prefix("purser_log_lines_dropped_total ")?.parse().ok()
        };
        if text.lines().find_map(dropped).is_some_and(|lines| lines > 0) {
            break;
        }
        assert!(start.elapsed() < PATIENCE, "{text}");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    signal(process.id(), Signal::TERM);
    assert!(wait(&mut process).success());
}

/// What was logged last is what tells why a server ended: a queue before the log must not swallow it.
#[test]
fn a_log_that_is_read_is_whole_and_in_order_to_its_end() {
    let folder = folder();
    let (mut process, resp, _) = unread(&data(&folder));
    let mut client = Client::connect(resp);
    log(&mut client, 2_000);
    let mut log = BufReader::new(process.stderr.take().unwrap());
    let reader = std::thread::spawn(move || {
        let mut text = String::new();
        log.read_to_string(&mut text).unwrap();
        text
    });
    signal(process.id(), Signal::TERM);
    assert!(wait(&mut process).success());
    let text = reader.join().unwrap();
    let numbers = text.lines().filter_map(|line| {
        let (_, number) = line.split_once("request=")?;
        number.split(' ').next()?.parse::<usize>().ok()
    });
    assert!(numbers.eq(1..=2_000), "{text}");
    assert!(text.ends_with("stopped; everything acknowledged is on disk\n"), "{text}");
}
