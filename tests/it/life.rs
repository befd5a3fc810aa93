//! The life of a wallet on disk, as its users meet it: wallets that leave memory and come back, ids
//! and history that outlive checkpoints, holds that end while nobody looks.

use crate::support::{Client, Server, data, folder, map_of, text_of};
use redis::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

/// Checkpoints all the time, and wallets that leave memory as soon as nobody asks for them.
const RESTLESS: &str = "checkpoint_every_ms = 100\npassivate_after_ms = 50\n";
/// How long anything that the server does by itself may take.
const PATIENCE: Duration = Duration::from_secs(30);

struct Restless {
    folder: tempfile::TempDir,
    server: Server,
}

impl Restless {
    fn start() -> Self {
        let folder = folder();
        std::fs::write(folder.path().join("purser.toml"), RESTLESS).unwrap();
        let server = Self::server(&folder);
        Self { folder, server }
    }

    fn server(folder: &tempfile::TempDir) -> Server {
        let config = folder.path().join("purser.toml");
        Server::start_with(&data(folder), &["--config", config.to_str().unwrap()])
    }

    fn again(self, is_killed: bool) -> Self {
        if is_killed {
            self.server.kill();
        } else {
            assert!(self.server.terminate().success());
        }
        let server = Self::server(&self.folder);
        Self { folder: self.folder, server }
    }

    fn metric(&self, name: &str) -> f64 {
        self.server.series(name).map_or(0.0, |value| value.parse().unwrap())
    }

    /// Waits until no wallet is in memory: a checkpoint has everything.
    fn rest(&self) {
        self.wait("no wallet is in memory", |this| {
            this.metric("purser_checkpoints_total") > 0.0
                && this.metric("purser_wallets_active") == 0.0
        });
    }

    fn wait(&self, what: &str, is_so: impl Fn(&Self) -> bool) {
        let begun = Instant::now();
        while !is_so(self) {
            assert!(begun.elapsed() < PATIENCE, "{what} takes too long");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

fn rows(client: &mut Client, line: &str) -> Vec<BTreeMap<String, String>> {
    match client.call(line) {
        Value::Array(rows) => rows.iter().map(map_of).collect(),
        other => panic!("{line}: {other:?}"),
    }
}

/// Everything that is asked of the wallet, and what it answered.
fn lead_a_life(client: &mut Client) -> Vec<(String, BTreeMap<String, String>)> {
    let lines = [
        "TOPUP w 100 ID t1",
        "TOPUP w 5 ID t2 KIND promo TTL 86400000",
        "AUTHORIZE w 10 ID h1 TAG model m1",
        "EXTEND w h1 2 ID x1",
        "CAPTURE w h1 4 ID c1 KEEP",
        "CAPTURE w h1 3 ID c2",
        "CHARGE w 1.5 ID d1",
        "REFUND w c1 1 ID r1",
        "AUTHORIZE w 3 ID h2",
        "VOID w h2 ID v2",
        "AUTHORIZE w 7 ID h3 TTL 86400000",
        "WITHDRAW w 2 ID p1",
        "TOPUP.REVERSE w t1 ID b1 AMOUNT 1",
        "WALLET.SET w CREDITLIMIT 5 ID s1",
    ];
    lines.iter().map(|line| ((*line).to_owned(), client.map(line))).collect()
}

#[test]
fn what_was_done_is_remembered_when_the_wallet_has_left_memory_and_after_restarts() {
    let mut restless = Restless::start();
    restless.server.client().map("WALLET.OPEN w CURRENCY USD");
    let life = lead_a_life(&mut restless.server.client());
    for round in 0..3 {
        restless.rest();
        let mut client = restless.server.client();
        for (line, first) in &life {
            let mut again = client.map(line);
            assert_eq!(again.remove("replayed").as_deref(), Some("1"), "{round}: {line}");
            again.remove("state");
            assert_eq!(&again, first, "{round}: {line}");
        }
        assert!(client.error("CHARGE w 2 ID t1").starts_with("IDREUSED"));
        assert_eq!(client.field("OP.GET w c1", "refundable"), "3");
        assert_eq!(client.field("HOLD.GET w h1", "state"), "captured");
        assert_eq!(client.field("HOLD.GET w h2", "state"), "voided");
        assert_eq!(client.field("HOLD.GET w h3", "remaining"), "7");
        assert!(client.error("EXTEND w h2 1 ID late").starts_with("HOLDDONE state=voided"));
        assert_eq!(client.field("BALANCE w", "credit_limit"), "5");
        restless = restless.again(round == 0);
    }
    // An operation that only the archive has is refunded like any other, and only once.
    let mut client = restless.server.client();
    assert_eq!(client.field("REFUND w d1 1 ID r2", "status"), "refunded");
    restless.rest();
    assert!(client.error("REFUND w d1 1 ID r3").starts_with("OVERREFUND refundable=0.5"));
    assert_eq!(client.field("REFUND w d1 0.5 ID r4", "status"), "refunded");
}

#[test]
fn the_ledger_is_one_wherever_its_records_lie() {
    let mut restless = Restless::start();
    let mut client = restless.server.client();
    client.map("WALLET.OPEN w CURRENCY USD");
    client.map("WALLET.OPEN other CURRENCY USD");
    let mut whole = Vec::new();
    for round in 0..3 {
        for number in 0..40 {
            client.map(&format!("TOPUP w 1 ID t{round}-{number}"));
            client.map(&format!("TOPUP other 1 ID t{round}-{number}"));
        }
        client.map(&format!("AUTHORIZE w 2 ID h{round}"));
        client.map(&format!("CAPTURE w h{round} 1 ID c{round}"));
        // Some of it is in the archive, some in the journal.
        whole = rows(&mut client, "LEDGER w COUNT 1000");
        if round < 2 {
            restless.rest();
            assert_eq!(rows(&mut client, "LEDGER w COUNT 1000"), whole);
        }
    }
    let seqs: Vec<u64> = whole.iter().map(|row| row["seq"].parse().unwrap()).collect();
    assert_eq!(seqs, (1..=127).rev().collect::<Vec<_>>());
    restless = restless.again(true);
    client = restless.server.client();
    assert_eq!(rows(&mut client, "LEDGER w COUNT 1000"), whole);
    // Page by page, and by each filter.
    let mut paged = Vec::new();
    let mut before = 1_000;
    loop {
        let page = rows(&mut client, &format!("LEDGER w COUNT 10 BEFORE {before}"));
        let Some(last) = page.last() else { break };
        before = last["seq"].parse().unwrap();
        paged.extend(page);
    }
    assert_eq!(paged, whole);
    let of_kind = |kind: &str| {
        let rows = whole.iter().filter(|row| row["kind"] == kind).cloned();
        rows.collect::<Vec<_>>()
    };
    assert_eq!(rows(&mut client, "LEDGER w COUNT 1000 KIND captured"), of_kind("captured"));
    let of_hold = rows(&mut client, "LEDGER w HOLD h0");
    assert_eq!(of_hold.len(), 2);
    assert!(of_hold.iter().all(|row| row["hold"] == "h0"));
    let at = whole[60]["at"].clone();
    let since = rows(&mut client, &format!("LEDGER w COUNT 1000 FROM {at}"));
    let until = rows(&mut client, &format!("LEDGER w COUNT 1000 TO {at}"));
    assert_eq!([since, until].concat(), whole);
    assert!(client.error("LEDGER nobody").starts_with("NOWALLET"));
}

#[test]
fn holds_and_grants_end_while_their_wallet_is_not_in_memory() {
    let restless = Restless::start();
    let mut client = restless.server.client();
    let wallets: Vec<_> = (0..20).map(|number| format!("w{number}")).collect();
    for wallet in &wallets {
        client.map(&format!("WALLET.OPEN {wallet} CURRENCY USD"));
        client.map(&format!("TOPUP {wallet} 5 ID g TTL 4000"));
        client.map(&format!("AUTHORIZE {wallet} 2 ID h TTL 1000"));
    }
    // Nobody asks for them again: 3 records each, then 2 more, made by the sweep.
    restless.wait("the sweep", |this| this.metric("purser_journal_records_total") >= 100.0);
    restless.rest();
    for wallet in &wallets {
        let rows = rows(&mut client, &format!("LEDGER {wallet} COUNT 2"));
        assert_eq!([&*rows[0]["kind"], &*rows[1]["kind"]], ["lapsed", "expired"]);
        let hold = client.map(&format!("HOLD.GET {wallet} h"));
        assert_eq!(rows[1]["at"], hold["expires_at"], "dated when it was due");
        assert_eq!(client.field(&format!("BALANCE {wallet}"), "posted"), "0");
    }
}

#[test]
fn a_wallet_with_many_holds_comes_back_with_all_of_them() {
    let mut restless = Restless::start();
    let mut client = restless.server.client();
    client.map("WALLET.OPEN w CURRENCY USD");
    client.map("TOPUP w 1000 ID t");
    let mut open = BTreeSet::new();
    for number in 0..400 {
        client.map(&format!("AUTHORIZE w 1 ID h{number:03} TTL 86400000"));
        open.insert(format!("h{number:03}"));
    }
    for round in 0..3 {
        restless.rest();
        restless = restless.again(round == 1);
        client = restless.server.client();
        // Some end, from the oldest and the youngest pages, until few are left.
        let gone: Vec<_> = open.iter().step_by(2).cloned().collect();
        for hold in gone {
            client.map(&format!("CAPTURE w {hold} 0.5 ID c-{hold}"));
            open.remove(&hold);
        }
        restless.rest();
        let listed = rows(&mut client, "HOLD.LIST w COUNT 1000");
        let listed: BTreeSet<_> = listed.iter().map(|hold| hold["hold"].clone()).collect();
        assert_eq!(listed, open);
        assert_eq!(client.field("BALANCE w", "held"), open.len().to_string());
    }
    let late = client.map("AUTHORIZE w 1 ID h001 TTL 86400000");
    assert_eq!((&*late["replayed"], &*late["amount"]), ("1", "1"));
}

#[test]
fn a_walk_shows_wallets_in_memory_and_at_rest() {
    let mut restless = Restless::start();
    let mut expected = BTreeSet::new();
    for round in 0..3 {
        let mut client = restless.server.client();
        for number in 0..150 {
            let wallet = format!("w{round}-{number}");
            client.map(&format!("WALLET.OPEN {wallet} CURRENCY USD"));
            expected.insert(wallet);
        }
        let mut seen = BTreeSet::new();
        let mut cursor = "0".to_owned();
        loop {
            let Value::Array(page) = client.call(&format!("WALLET.SCAN {cursor} COUNT 20")) else {
                panic!("not a page");
            };
            let Value::Array(names) = &page[1] else { panic!("no names") };
            seen.extend(names.iter().map(text_of));
            cursor = text_of(&page[0]);
            if cursor == "0" {
                break;
            }
        }
        assert_eq!(seen, expected);
        if round == 1 {
            restless.rest();
        }
        restless = restless.again(round == 0);
        let known = restless.server.client().call("INFO purser");
        let known = text_of(&known);
        let count = 150 * (round + 1);
        assert!(known.lines().any(|line| line == format!("wallets:{count}")), "{known}");
    }
}

/// Walks over all wallets; with the first page that shows any, the process starts again with two shards.
fn walk_over_a_start(mut restless: Restless, settings: &str) -> BTreeSet<String> {
    let config = restless.folder.path().join("purser.toml");
    let (mut seen, mut cursor) = (BTreeSet::new(), "0".to_owned());
    loop {
        let page = restless.server.client().call(&format!("WALLET.SCAN {cursor} COUNT 100"));
        let Value::Array(page) = page else { panic!("not a page") };
        let Value::Array(names) = &page[1] else { panic!("no names") };
        let is_first = seen.is_empty() && !names.is_empty();
        seen.extend(names.iter().map(text_of));
        cursor = text_of(&page[0]);
        if cursor == "0" {
            return seen;
        }
        if is_first {
            std::fs::write(&config, format!("{settings}shards = 2\n")).unwrap();
            restless = restless.again(true);
        }
    }
}

/// A server of three shards with so many wallets, and their names.
fn three_shards(settings: &str) -> (Restless, BTreeSet<String>) {
    let mut restless = Restless::start();
    let config = restless.folder.path().join("purser.toml");
    std::fs::write(&config, format!("{settings}shards = 3\n")).unwrap();
    restless = restless.again(false);
    let mut client = restless.server.client();
    let wallets: BTreeSet<_> = (0..300).map(|number| format!("w{number}")).collect();
    for wallet in &wallets {
        client.map(&format!("WALLET.OPEN {wallet} CURRENCY USD"));
    }
    (restless, wallets)
}

/// A cursor of a time with more shards ended the walk, and left out all that it had not come to.
#[test]
fn a_walk_goes_on_when_the_number_of_shards_changes() {
    let (restless, expected) = three_shards(RESTLESS);
    restless.rest();
    assert_eq!(walk_over_a_start(restless, RESTLESS), expected);
}

/// Wallets that no checkpoint has are walked shard by shard: after a start with fewer shards the walk went
/// on in the second of them, and never showed what had moved to the first.
#[test]
fn a_walk_begins_again_when_wallets_moved_to_other_shards() {
    const NO_CHECKPOINTS: &str = "checkpoint_every_ms = 3600000\n";
    let (restless, expected) = three_shards(NO_CHECKPOINTS);
    assert_eq!(walk_over_a_start(restless, NO_CHECKPOINTS), expected);
}

/// What customers owe was nowhere to be seen; a sum over wallets in memory would forget who sleeps.
#[test]
fn debts_are_counted_of_wallets_in_memory_and_at_rest() {
    let mut restless = Restless::start();
    let mut client = restless.server.client();
    for (wallet, currency) in [("a", "USD"), ("b", "USD"), ("c", "EUR")] {
        client.call(&format!("WALLET.OPEN {wallet} CURRENCY {currency} CREDITLIMIT 10"));
    }
    let owes = |restless: &Restless, usd: &str, eur: &str| {
        let begun = Instant::now();
        loop {
            let of = |currency: &str| {
                let name = format!("purser_debt{{currency=\"{currency}\"}}");
                restless.server.series(&name).unwrap_or_default()
            };
            let owed = (of("USD"), of("EUR"));
            if owed == (usd.to_owned(), eur.to_owned()) {
                break;
            }
            assert!(begun.elapsed() < PATIENCE, "{usd}, {eur}: {owed:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    owes(&restless, "", "");
    client.map("CHARGE a 2.5 ID c1");
    client.map("CHARGE b 1 ID c1");
    client.map("CHARGE c 0.000001 ID c1");
    owes(&restless, "3.5", "0.000001");
    restless.rest();
    for is_killed in [true, false] {
        owes(&restless, "3.5", "0.000001");
        restless = restless.again(is_killed);
    }
    let mut client = restless.server.client();
    client.map("TOPUP a 2 ID t1");
    client.map("TOPUP c 5 ID t1");
    owes(&restless, "1.5", "");
    // Perhaps before a checkpoint has it.
    restless = restless.again(true);
    owes(&restless, "1.5", "");
    restless.rest();
    owes(&restless, "1.5", "");
}

/// The indexes of the archive, with their bytes.
fn indexes(folder: &tempfile::TempDir) -> BTreeMap<PathBuf, Vec<u8>> {
    let archive = data(folder).join("archive");
    let paths = std::fs::read_dir(archive).unwrap().map(|entry| entry.unwrap().path());
    let of_indexes = paths.filter(|path| path.extension().is_some_and(|end| end == "idx"));
    of_indexes.map(|path| (path.clone(), std::fs::read(&path).unwrap())).collect()
}

/// A store at rest that has an old operation in its archive only.
fn archived() -> tempfile::TempDir {
    let restless = Restless::start();
    let mut client = restless.server.client();
    client.map("WALLET.OPEN w CURRENCY USD");
    client.map("TOPUP w 5 ID old");
    restless.rest();
    let Restless { folder, server } = restless;
    assert!(server.terminate().success());
    folder
}

/// A server that came upon a damaged page of an index ended, and so did the next one, until somebody removed
/// the file by hand.
#[test]
fn a_damaged_page_of_an_index_ends_one_server_and_not_the_next() {
    let folder = archived();
    let sound = indexes(&folder);
    for (path, bytes) in &sound {
        let mut damaged = bytes.clone();
        damaged[2_000] ^= 1;
        std::fs::write(path, damaged).unwrap();
    }
    // Who only looks removes nothing.
    let damaged = indexes(&folder);
    let data = data(&folder);
    let mut verify = Command::new(env!("CARGO_BIN_EXE_purser"));
    let said = verify.arg("verify").arg("--data").arg(&data).output().unwrap();
    assert!(!said.status.success());
    let said = String::from_utf8_lossy(&said.stderr).into_owned();
    assert!(said.contains(".idx is damaged: page 0 is damaged"), "{said}");
    assert_eq!(indexes(&folder), damaged);
    let mut ended = 0;
    // Each server that ends comes upon another one.
    let again = loop {
        let mut server = Server::start(&data);
        let mut client = server.client();
        client.send("TOPUP w 5 ID old").unwrap();
        match client.receive() {
            Ok(reply @ Value::Array(_)) => break map_of(&reply),
            other => assert!(!matches!(other, Ok(Value::Map(_))), "{other:?}"),
        }
        assert_eq!(server.wait().code(), Some(1), "{}", server.log());
        let log = server.log();
        assert!(log.contains("without it, the next start makes it again"), "{log}");
        ended += 1;
        assert!(ended <= sound.len(), "they come upon the same one again and again");
    };
    assert!(ended > 0);
    assert_eq!((again["replayed"].as_str(), again["available"].as_str()), ("1", "5"));
    let made_again = |(path, bytes): &(&PathBuf, &Vec<u8>)| sound[*path] == **bytes;
    assert!(indexes(&folder).iter().filter(made_again).count() >= ended);
}

/// A start read the filters of all history before it served. Now one that is damaged is found while the
/// server serves, and its index is made again then.
#[test]
fn a_damaged_filter_is_made_again_while_the_server_serves() {
    let folder = archived();
    let sound = indexes(&folder);
    for (path, bytes) in &sound {
        let mut damaged = bytes.clone();
        // The trailer has 72 bytes.
        let place = damaged.len() - 73;
        damaged[place] ^= 1;
        std::fs::write(path, damaged).unwrap();
    }
    let restless = Restless { server: Restless::server(&folder), folder };
    let mut client = restless.server.client();
    assert_eq!(client.field("TOPUP w 5 ID old", "replayed"), "1");
    assert_eq!(client.field("TOPUP w 5 ID new", "available"), "10");
    restless.wait("all filters are read", |this| {
        let now = indexes(&this.folder);
        sound.iter().all(|(path, bytes)| now.get(path) == Some(bytes))
    });
    assert_eq!(client.field("TOPUP w 5 ID old", "replayed"), "1");
    assert!(restless.metric("purser_archive_filter_bytes") > 0.0);
}
