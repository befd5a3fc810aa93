//! Starting, stopping, watching, and the ways in which a start is refused.

use super::support::{Client, PATIENCE, Server, data, folder, signal, spawn, text_of};
use rustix::process::Signal;
use std::io::Read;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

#[test]
fn a_stop_answers_what_is_in_flight_and_a_restart_knows_everything() {
    let folder = folder();
    let server = Server::start(&data(&folder));
    let mut client = server.client();
    client.call("WALLET.OPEN w CURRENCY USD");
    client.map("TOPUP w 1000 ID t");
    for number in 0..200 {
        client.send(&format!("CHARGE w 1 ID c{number}")).unwrap();
    }
    // The first answer shows that the requests have arrived; a stop lets none of them hang.
    client.receive().unwrap();
    let status = server.terminate();
    assert!(status.success(), "{status}");
    let answered = 1 + (0..199).take_while(|_| client.receive().is_ok()).count();
    let server = Server::start(&data(&folder));
    let mut client = server.client();
    let left: usize = client.field("BALANCE w", "available").parse().unwrap();
    assert_eq!(left, 1000 - answered, "what was answered, and nothing else, has happened");
    assert_eq!(client.field("CHARGE w 1 ID c0", "replayed"), "1");
}

#[test]
fn shutdown_and_interrupt_end_it_with_success() {
    let folder = folder();
    let mut server = Server::start(&data(&folder));
    server.client().send("SHUTDOWN").unwrap();
    assert!(server.wait().success());
    let mut server = Server::start(&data(&folder));
    signal(server.id(), Signal::INT);
    assert!(server.wait().success());
}

#[test]
fn health_and_metrics() {
    let folder = folder();
    let server = Server::start(&data(&folder));
    let mut client = server.client();
    client.call("WALLET.OPEN w CURRENCY USD");
    client.map("AUTHORIZE w 5 ID h");
    assert_eq!(server.get("/livez").0, 200);
    assert_eq!(server.get("/readyz").0, 200);
    assert_eq!(server.get("/nothing").0, 404);
    let start = Instant::now();
    let declined =
        "purser_commands_total{command=\"AUTHORIZE\",outcome=\"declined\",shard=\"0\"} 1";
    loop {
        let (status, metrics) = server.get("/metrics");
        assert_eq!(status, 200);
        let expected = [
            declined,
            "purser_stage_seconds_bucket{stage=\"sync\"",
            "purser_commit_records_sum 1",
            "purser_journal_position{log=\"0\"} 1",
            "purser_wallets 1",
            "purser_build_info{version=",
        ];
        if expected.iter().all(|line| metrics.contains(line)) {
            break;
        }
        assert!(start.elapsed() < PATIENCE, "{metrics}");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    let info = text_of(&client.call("INFO purser"));
    assert!(info.contains("wallets:1"), "{info}");
}

/// A server that takes connections and may not serve yet, and where.
fn starting(data: &Path) -> (Child, SocketAddr) {
    // A port of our own choice, since the server tells its own only when it is ready.
    let free = || TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (resp, http) = (free(), free());
    let process = Command::new(env!("CARGO_BIN_EXE_purser"))
        .arg("--data")
        .arg(data)
        .args(["--resp", &resp.to_string(), "--http", &http.to_string()])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let start = Instant::now();
    while TcpStream::connect(resp).is_err() {
        assert!(start.elapsed() < PATIENCE);
        std::thread::sleep(std::time::Duration::from_micros(200));
    }
    (process, resp)
}

#[test]
fn wallets_are_loading_until_the_journal_is_recovered() {
    let folder = folder();
    let server = Server::start(&data(&folder));
    let mut client = server.client();
    client.call("WALLET.OPEN w CURRENCY USD");
    client.map("TOPUP w 1000000 ID t");
    for part in 0..20 {
        for number in 0..1_000 {
            client.send(&format!("CHARGE w 1 ID c{part}-{number}")).unwrap();
        }
        (0..1_000).for_each(|_| drop(client.receive().unwrap()));
    }
    server.kill();
    let (mut process, resp) = starting(&data(&folder));
    let start = Instant::now();
    let mut client = Client::connect(resp);
    for request in ["PING", "BALANCE w"] {
        let first = client.call(request);
        assert!(format!("{first:?}").contains("LOADING"), "{first:?}");
    }
    assert_eq!(text_of(&client.call("ECHO hi")), "hi");
    loop {
        let balance = client.call("BALANCE w");
        if !format!("{balance:?}").contains("LOADING") {
            break;
        }
        assert!(start.elapsed() < PATIENCE);
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    assert_eq!(client.field("BALANCE w", "available"), "980000");
    process.kill().unwrap();
    process.wait().unwrap();
}

/// A server that was told to stop while it read its journal went on reading, for as long as that took,
/// before it heeded that.
#[test]
fn a_stop_before_it_serves_ends_it_at_once() {
    let folder = folder();
    let server = Server::start(&data(&folder));
    let mut client = server.client();
    client.call("WALLET.OPEN w CURRENCY USD");
    client.map("TOPUP w 5 ID t");
    server.kill();
    // Whoever opens this waits until somebody writes into it.
    let redo = data(&folder).join("redo");
    rustix::fs::mkfifoat(rustix::fs::CWD, &redo, rustix::fs::Mode::RUSR).unwrap();
    for stop in [Signal::TERM, Signal::INT] {
        let (mut process, resp) = starting(&data(&folder));
        let answer = Client::connect(resp).call("PING");
        assert!(format!("{answer:?}").contains("LOADING"), "{answer:?}");
        signal(process.id(), stop);
        let mut log = String::new();
        process.stderr.take().unwrap().read_to_string(&mut log).unwrap();
        assert!(process.wait().unwrap().success());
        assert!(log.contains("stopped before it served"), "{log}");
    }
    std::fs::remove_file(&redo).unwrap();
    let server = Server::start(&data(&folder));
    assert_eq!(server.client().field("BALANCE w", "available"), "5");
}

/// What a server that does not come up says, and that it fails.
fn refusal(mut process: Child) -> String {
    let mut error = String::new();
    process.stderr.take().unwrap().read_to_string(&mut error).unwrap();
    assert!(!process.wait().unwrap().success());
    error
}

#[test]
fn a_start_is_refused_with_the_reason_and_what_to_do() {
    let folder = folder();
    let server = Server::start(&data(&folder));
    server.client().call("WALLET.OPEN w CURRENCY USD");
    let error = refusal(spawn(&data(&folder), &[]));
    assert!(error.contains("used by another purser"), "{error}");

    let other = folder.path().join("other");
    let error = refusal(spawn(&other, &["--config", "/nonexistent.toml"]));
    assert!(error.contains("cannot read /nonexistent.toml"), "{error}");

    let config = folder.path().join("bad.toml");
    std::fs::write(&config, "hold_ttl = 5\n").unwrap();
    let error = refusal(spawn(&other, &["--config", &config.display().to_string()]));
    assert!(error.contains("hold_ttl") && error.contains("line 1"), "{error}");

    std::fs::write(&config, format!("resp = \"{}\"\n", server.resp)).unwrap();
    let config = config.display().to_string();
    let process = Command::new(env!("CARGO_BIN_EXE_purser"))
        .args(["serve", "--http", "127.0.0.1:0", "--config", &config, "--data"])
        .arg(&other)
        .stderr(Stdio::piped())
        .spawn();
    let error = refusal(process.unwrap());
    assert!(error.contains("cannot listen on") && error.contains("--resp"), "{error}");
    assert_eq!(error.matches("os error").count(), 1, "{error}");
    assert!(!other.exists(), "a start that is refused leaves nothing behind");
}

#[test]
fn a_lost_journal_is_never_taken_for_an_empty_one() {
    let folder = folder();
    let server = Server::start(&data(&folder));
    server.client().call("WALLET.OPEN w CURRENCY USD");
    assert!(server.terminate().success());
    std::fs::rename(data(&folder).join("journal"), folder.path().join("elsewhere")).unwrap();
    let error = refusal(spawn(&data(&folder), &[]));
    assert!(error.contains("numbers up to 1 were acknowledged and are missing"), "{error}");
    std::fs::remove_dir_all(data(&folder).join("journal")).unwrap();
    std::fs::rename(folder.path().join("elsewhere"), data(&folder).join("journal")).unwrap();
    std::fs::remove_file(data(&folder).join("mark")).unwrap();
    let error = refusal(spawn(&data(&folder), &[]));
    assert!(error.contains("mark is missing or damaged"), "{error}");
    // With both gone the server used to begin anew, as if nothing had ever been there.
    let journal = data(&folder).join("journal");
    std::fs::rename(&journal, folder.path().join("elsewhere")).unwrap();
    for _ in 0..2 {
        let error = refusal(spawn(&data(&folder), &[]));
        assert!(error.contains("mark is missing or damaged"), "{error}");
    }
    std::fs::remove_dir_all(&journal).unwrap();
    std::fs::rename(folder.path().join("elsewhere"), &journal).unwrap();
    let server = Server::start_with(&data(&folder), &["--accept-loss"]);
    assert_eq!(server.client().field("BALANCE w", "currency"), "USD");
    assert!(server.terminate().success());
    // Accepted once, it is in order again.
    let server = Server::start(&data(&folder));
    assert_eq!(server.client().field("BALANCE w", "currency"), "USD");
}

/// The copy that a repair needs used to be replaced by the next start and removed by the one that
/// accepted the loss, which did not say what it had dropped.
#[test]
fn a_damaged_journal_keeps_its_copy_and_an_accepted_loss_is_named() {
    let folder = folder();
    let server = Server::start(&data(&folder));
    let mut client = server.client();
    client.call("WALLET.OPEN w CURRENCY USD");
    client.map("TOPUP w 1000 ID t");
    for number in 0..500 {
        client.map(&format!("CHARGE w 1 ID c{number}"));
    }
    server.kill();
    let database = data(&folder).join("journal/db");
    let mut bytes = std::fs::read(&database).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x10;
    std::fs::write(&database, &bytes).unwrap();
    for _ in 0..2 {
        refusal(spawn(&data(&folder), &[]));
        let copy = data(&folder).join("journal.before-recovery/db");
        assert!(std::fs::read(copy).unwrap() == bytes, "the copy is of the journal as it was");
    }
    let mut process = spawn(&data(&folder), &["--accept-loss"]);
    let mut line = String::new();
    let mut out = std::io::BufReader::new(process.stdout.take().unwrap());
    std::io::BufRead::read_line(&mut out, &mut line).unwrap();
    signal(process.id(), Signal::TERM);
    let mut log = String::new();
    process.stderr.take().unwrap().read_to_string(&mut log).unwrap();
    assert!(process.wait().unwrap().success(), "{log}");
    assert!(log.contains("dropped, as --accept-loss says: acknowledged numbers"), "{log}");
    let kept = data(&folder).join("journal.before-loss-1/db");
    assert!(std::fs::read(kept).unwrap() == bytes, "the copy is kept for a repair");
}

#[test]
fn a_full_disk_stops_the_server_before_it_acknowledges_anything() {
    let folder = folder();
    // A limit on the size of files is as good as a full disk, and needs no rights. The signal that
    // comes with it used to end the server without a word.
    let script = "ulimit -f 1024; exec \"$0\" \"$@\"";
    let mut process = Command::new("bash")
        .args(["-c", script, env!("CARGO_BIN_EXE_purser")])
        .args(["--resp", "127.0.0.1:0", "--http", "127.0.0.1:0", "--data"])
        .arg(data(&folder))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = std::io::BufReader::new(process.stdout.take().unwrap());
    let mut line = String::new();
    std::io::BufRead::read_line(&mut out, &mut line).unwrap();
    let (_, address) = line.trim().split_once("RESP on ").unwrap();
    let mut client = Client::connect(address.parse().unwrap());
    client.call("WALLET.OPEN w CURRENCY USD");
    client.map("TOPUP w 1000000 ID t");
    let mut acknowledged = 0_u32;
    let mut refused = false;
    'full: for part in 0..100 {
        for number in 0..500 {
            if client.send(&format!("CHARGE w 1 ID c{part}-{number}")).is_err() {
                break 'full;
            }
        }
        for _ in 0..500 {
            match client.receive() {
                Ok(redis::Value::ServerError(error)) => {
                    assert_eq!(error.code(), "UNAVAILABLE", "{error:?}");
                    refused = true;
                }
                Ok(_) if !refused => acknowledged += 1,
                Ok(value) => panic!("acknowledged after a failure: {value:?}"),
                Err(_) => break 'full,
            }
        }
    }
    let error = refusal(process);
    assert!(error.contains("purser:") && error.contains("journal"), "{error}");
    assert!(acknowledged > 0);
    // With room again, everything that was acknowledged is there.
    let server = Server::start(&data(&folder));
    let mut client = server.client();
    let spent = 1_000_000 - client.field("BALANCE w", "available").parse::<u32>().unwrap();
    assert!(spent >= acknowledged, "{acknowledged} were acknowledged, {spent} are there");
}

/// systemd starts what is ordered behind purser when that says it is ready: not before it serves.
#[test]
fn systemd_hears_when_it_serves_and_when_it_stops() {
    let folder = folder();
    let path = folder.path().join("notify");
    let socket = std::os::unix::net::UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(super::support::PATIENCE)).unwrap();
    let mut heard = [0; 256];
    let mut hear = || {
        let length = socket.recv(&mut heard).unwrap();
        String::from_utf8_lossy(&heard[..length]).into_owned()
    };
    let process = std::process::Command::new(env!("CARGO_BIN_EXE_purser"))
        .args(["--resp", "127.0.0.1:0", "--http", "127.0.0.1:0", "--data"])
        .arg(data(&folder))
        .env("NOTIFY_SOCKET", &path)
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    assert_eq!(hear(), "READY=1\n");
    let server = Server::of(process);
    assert_eq!(server.client().map("WALLET.OPEN w CURRENCY USD")["status"], "open");
    assert!(server.terminate().success());
    assert_eq!(hear(), "STOPPING=1\n");
}
