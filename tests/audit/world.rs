//! A store with some of everything in it: holds that end in every way, expiry, refunds and chargebacks
//! of operations that are archived, a wallet with pages of holds, crashes in between.

use super::support::{Client, Server, map_of};
use purser::domain::amount::Amount;
use redis::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

/// The wallets; the last two hold euros.
pub(crate) const WALLETS: usize = 12;
/// How many shards the servers have, one after the other: wallets move from log to log.
const SHARDS: [usize; 5] = [2, 3, 1, 2, 2];
/// Holds of one wallet, so many that they lie on pages.
const MANY_HOLDS: usize = 150;

/// A configuration with many checkpoints, beside the data.
fn config(folder: &Path, shards: usize, checkpoint_every_ms: usize) -> String {
    written(folder, &format!("shards = {shards}\ncheckpoint_every_ms = {checkpoint_every_ms}\n"))
}

/// A configuration beside the data.
pub(crate) fn written(folder: &Path, text: &str) -> String {
    let path = folder.join("purser.toml");
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

/// A server with many checkpoints.
pub(crate) fn start(folder: &Path, data: &Path) -> Server {
    Server::start_with(data, &["--config", &config(folder, 2, 200)])
}

/// Traffic, with `kill -9` in between; answers what every wallet's ledger says at the end. The last
/// server is killed, too.
pub(crate) fn build(folder: &Path, data: &Path) -> Vec<Vec<BTreeMap<String, String>>> {
    for (round, shards) in SHARDS.into_iter().enumerate() {
        let server = Server::start_with(data, &["--config", &config(folder, shards, 200)]);
        let mut client = server.client();
        (0..WALLETS).for_each(|wallet| traffic(&mut client, wallet, round));
        // So that there are checkpoints, and short holds and grants expire.
        std::thread::sleep(Duration::from_millis(450));
        server.kill();
    }
    // The last server makes no checkpoint, so that the journal has something.
    let server = Server::start_with(data, &["--config", &config(folder, 2, 3_600_000)]);
    let mut client = server.client();
    (0..WALLETS).for_each(|wallet| tail(&mut client, wallet));
    let ledgers = (0..WALLETS).map(|wallet| ledger(&mut client, wallet)).collect();
    server.kill();
    ledgers
}

fn traffic(client: &mut Client, wallet: usize, round: usize) {
    let w = format!("w{wallet}");
    let currency = if wallet + 2 < WALLETS { "USD" } else { "EUR" };
    client.map(&format!("WALLET.OPEN {w} CURRENCY {currency} CREDITLIMIT 5"));
    let mut call = |line: String| client.map(&line);
    call(format!("TOPUP {w} 100.25 ID t{round}"));
    call(format!("TOPUP {w} 7.000000000001 ID promo{round} KIND promo TTL 150"));
    for number in 0..8 {
        call(format!("CHARGE {w} 0.{number}1 ID c{round}-{number} TAG model m{number}"));
        call(format!("AUTHORIZE {w} 1.5 ID h{round}-{number} TTL 3600000"));
    }
    call(format!("CAPTURE {w} h{round}-0 1.2 ID k{round}-0"));
    call(format!("CAPTURE {w} h{round}-1 0.5 ID k{round}-1 KEEP"));
    call(format!("CAPTURE {w} h{round}-2 4.75 ID k{round}-2"));
    call(format!("VOID {w} h{round}-3"));
    call(format!("AUTHORIZE {w} 2 ID short{round} TTL 100"));
    call(format!("WITHDRAW {w} 3 ID out{round}"));
    if wallet == 1 && round == 0 {
        for number in 0..MANY_HOLDS {
            call(format!("AUTHORIZE {w} 0.01 ID many{number} TTL 3600000"));
        }
    }
    if round > 0 {
        let before = round - 1;
        call(format!("REFUND {w} c{before}-3 0.11 ID r{round}"));
        call(format!("CAPTURE {w} h{before}-4 1.5 ID k{before}-4"));
        call(format!("EXTEND {w} h{before}-5 0.5 ID x{before}-5"));
        call(format!("CAPTURE {w} short{before} 0.3 ID late{before}"));
        call(format!("TOPUP.REVERSE {w} t{before} ID back{before} AMOUNT 90"));
        if wallet == 1 {
            call(format!("VOID {w} many{before}"));
            call(format!("VOID {w} many{}", 100 + before));
        }
    }
}

/// What happens right before the end; nothing is due soon.
fn tail(client: &mut Client, wallet: usize) {
    let w = format!("w{wallet}");
    client.map(&format!("CHARGE {w} 0.5 ID last"));
    client.map(&format!("REFUND {w} c0-4 0.02 ID last-refund"));
    if wallet == 3 {
        client.call(&format!("WALLET.CLOSE {w} FORCE"));
    }
}

/// A wallet's ledger, oldest row first.
fn ledger(client: &mut Client, wallet: usize) -> Vec<BTreeMap<String, String>> {
    let mut rows = Vec::new();
    let mut before = String::new();
    loop {
        let Value::Array(page) = client.call(&format!("LEDGER w{wallet} COUNT 100{before}")) else {
            panic!("no ledger");
        };
        let Some(last) = page.last() else { break };
        before = format!(" BEFORE {}", map_of(last)["seq"]);
        rows.extend(page.iter().map(map_of));
    }
    rows.reverse();
    rows
}

/// A run of the command.
pub(crate) fn purser(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_purser")).args(args).output().unwrap()
}

/// A run of the command on a directory that must go well; answers what it says.
pub(crate) fn succeeds(args: &[&str]) -> String {
    let output = purser(args);
    let (out, error) = texts(&output);
    assert!(output.status.success(), "{args:?}: {out}\n{error}");
    out
}

/// A run that must be refused; answers why.
pub(crate) fn fails(args: &[&str]) -> String {
    let output = purser(args);
    let (out, error) = texts(&output);
    assert_eq!(output.status.code(), Some(1), "{args:?}: {out}\n{error}");
    assert!(!out.contains("ok"), "{out}");
    error
}

fn texts(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}

pub(crate) fn verify(data: &Path) -> String {
    succeeds(&["verify", "--data", data.to_str().unwrap()])
}

/// A figure of what `verify` says, of a currency or, with none, of all.
pub(crate) fn figure(said: &str, currency: &str, name: &str) -> String {
    let mut inside = "";
    for line in said.lines() {
        if !line.contains(' ') {
            inside = line;
            continue;
        }
        let is_part = line.contains("archived") || line.contains("in the journal");
        let of_all = !line.starts_with("  ") || is_part;
        let here = if of_all { "" } else { inside };
        let rest = line.trim().strip_prefix(name).filter(|rest| rest.starts_with(' '));
        if let Some(rest) = rest.filter(|_| here == currency) {
            return rest.trim().to_owned();
        }
    }
    panic!("no {name} of {currency} in\n{said}");
}

pub(crate) fn pico(text: &str) -> i128 {
    Amount::parse(text.trim_start_matches('-').as_bytes()).unwrap().pico()
        * if text.starts_with('-') { -1 } else { 1 }
}

/// All files of a directory and what is in them.
pub(crate) fn files(path: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut all = BTreeMap::new();
    for entry in std::fs::read_dir(path).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(files(&path));
            all.insert(path, Vec::new());
        } else {
            // A socket has nothing to read.
            let bytes = std::fs::read(&path).unwrap_or_default();
            all.insert(path, bytes);
        }
    }
    all
}

pub(crate) fn copy(from: &Path, to: &Path) {
    for (path, bytes) in files(from) {
        let target = to.join(path.strip_prefix(from).unwrap());
        if path.is_dir() {
            std::fs::create_dir_all(&target).unwrap();
        } else {
            std::fs::create_dir_all(target.parent().unwrap()).unwrap();
            std::fs::write(target, bytes).unwrap();
        }
    }
}
