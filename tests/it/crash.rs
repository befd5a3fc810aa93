//! `kill -9` at random moments under pipelined load, also while the server recovers. Whatever was
//! acknowledged is there exactly once and answers as a replay with the same receipt; whatever was
//! not counts exactly once when it is retried.
//!
//! `CRASH_ROUNDS=500 cargo test --test it crash` runs longer.

use super::support::{Client, PATIENCE, Server, data, folder, map_of, spawn, verify};
use super::users::serve;
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use std::time::{Duration, Instant};

const CLIENTS: usize = 8;
/// So many rounds share a data directory: at its end everything that was ever asked is asked again.
const ROUNDS_A_DIRECTORY: u64 = 20;
/// Checkpoints all the time, and wallets that leave memory as soon as nobody asks for them.
const RESTLESS: &str = "checkpoint_every_ms = 100\npassivate_after_ms = 50\n";
/// Requests of a client that it has not had an answer to.
const DEPTH: usize = 32;

type Receipt = BTreeMap<String, String>;

/// A client's own wallet: everything it asked of it, in order, and what it was told.
struct Story {
    wallet: String,
    random: u64,
    /// Each request, and its receipt once that has come.
    asked: Vec<(String, Option<Receipt>)>,
    /// What the requests spend if each counts once, in thousandths.
    spent: u64,
    /// The first request that has not been checked after a restart.
    unchecked: usize,
}

impl Story {
    fn new(number: usize) -> Self {
        let wallet = format!("w{number}");
        let asked = vec![
            (format!("WALLET.OPEN {wallet} CURRENCY USD"), None),
            (format!("TOPUP {wallet} 1000000 ID t"), None),
        ];
        let random = u64::try_from(number).unwrap().wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        Self { wallet, random, asked, spent: 0, unchecked: 0 }
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random % bound
    }

    /// Makes up what to ask next: a charge, or a hold and what becomes of it.
    fn ask(&mut self) {
        let number = self.asked.len();
        let thousandths = 1 + self.below(900);
        let (wallet, amount) = (&self.wallet, format!("0.{thousandths:03}"));
        let mut push = |request: String| self.asked.push((request, None));
        match number % 3 {
            0 => {
                push(format!("CHARGE {wallet} {amount} ID c{number}"));
                self.spent += thousandths;
            }
            1 => {
                push(format!("AUTHORIZE {wallet} 1 ID h{number} TAG model m{thousandths}"));
                push(format!("CAPTURE {wallet} h{number} {amount} ID s{number}"));
                self.spent += thousandths;
            }
            _ => {
                push(format!("AUTHORIZE {wallet} {amount} ID h{number}"));
                push(format!("VOID {wallet} h{number} ID v{number}"));
            }
        }
    }

    /// Asks, `DEPTH` requests ahead of the answers, until the server is gone.
    fn run(&mut self, mut client: Client) {
        let mut sent = self.asked.len();
        let mut answered = sent;
        loop {
            while sent < answered + DEPTH {
                if sent == self.asked.len() {
                    self.ask();
                }
                if client.send(&self.asked[sent].0).is_err() {
                    return;
                }
                sent += 1;
            }
            let Ok(reply) = client.receive() else { return };
            assert!(!matches!(reply, redis::Value::ServerError(_)), "{reply:?}");
            self.asked[answered].1 = Some(map_of(&reply));
            answered += 1;
        }
    }

    /// Asks everything since the last check again: what was acknowledged must answer as a replay
    /// with the same receipt, the rest is done now or was done unseen.
    fn check(&mut self, client: &mut Client) {
        let mut sent = self.unchecked;
        for place in self.unchecked..self.asked.len() {
            while sent < self.asked.len().min(place + 500) {
                client.send(&self.asked[sent].0).unwrap();
                sent += 1;
            }
            let mut reply = map_of(&client.receive().unwrap());
            let (request, first) = &mut self.asked[place];
            let replayed = reply.remove("replayed").is_some();
            reply.remove("state");
            if request.starts_with("WALLET.OPEN") {
                continue;
            }
            match first {
                Some(first) => {
                    assert!(replayed, "forgotten: {request}");
                    assert_eq!(&reply, first, "{request}");
                }
                None => *first = Some(reply),
            }
        }
        self.unchecked = self.asked.len();
        let balance = client.map(&format!("BALANCE {}", self.wallet));
        let left = 1_000_000_000 - self.spent;
        let left = format!("{}.{:03}", left / 1_000, left % 1_000);
        let left = left.trim_end_matches('0').trim_end_matches('.');
        assert_eq!(balance["posted"], left, "{}", self.wallet);
    }
}

#[test]
fn killed_at_any_moment_it_loses_and_doubles_nothing() {
    kill_again_and_again("", Duration::from_millis(20)..Duration::from_millis(220));
}

#[test]
fn killed_in_the_middle_of_checkpoints_it_loses_and_doubles_nothing() {
    kill_again_and_again(RESTLESS, Duration::from_millis(50)..Duration::from_millis(700));
}

/// A checkpoint that counts is not all in the state when this kills the server: the next start looks its rows
/// up in the redo file while it serves, and puts them where they belong.
#[test]
fn killed_while_a_checkpoint_goes_into_the_state_it_knows_every_wallet() {
    const WALLETS: usize = 10_000;
    let folder = folder();
    let start = || serve(&folder, RESTLESS);
    let redo = data(&folder).join("redo");
    let ask = |client: &mut Client, line: &dyn Fn(usize) -> String| {
        for from in (0..WALLETS).step_by(500) {
            (from..from + 500).for_each(|number| client.send(&line(number)).unwrap());
            (0..500).for_each(|_| drop(client.receive().unwrap()));
        }
    };
    let mut server = start();
    ask(&mut server.client(), &|number| format!("WALLET.OPEN w{number} CURRENCY USD"));
    let begun = Instant::now();
    for round in 1.. {
        ask(&mut server.client(), &|number| format!("TOPUP w{number} 1 ID t{round}"));
        while !redo.exists() {
            assert!(begun.elapsed() < PATIENCE, "no kill came into the middle");
            std::thread::sleep(Duration::from_micros(200));
        }
        server.kill();
        let is_in_the_middle = redo.exists();
        server = start();
        let mut client = server.client();
        for number in 0..WALLETS {
            client.send(&format!("BALANCE w{number}")).unwrap();
            let balance = map_of(&client.receive().unwrap());
            assert_eq!(balance["available"], round.to_string(), "w{number}");
        }
        if is_in_the_middle {
            break;
        }
    }
    let finished = "the last checkpoint is finished";
    while !server.log().contains(finished) {
        assert!(begun.elapsed() < PATIENCE, "{}", server.log());
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(server.terminate().success());
    let server = start();
    assert!(!server.log().contains(finished));
    assert_eq!(server.client().field(&format!("BALANCE w{}", WALLETS - 1), "posted").len(), 1);
}

/// Kills servers that are set up like this, each after having served for some time.
fn kill_again_and_again(settings: &str, lives: Range<Duration>) {
    let rounds = std::env::var("CRASH_ROUNDS").ok().and_then(|rounds| rounds.parse().ok());
    let mut left: u64 = rounds.unwrap_or(ROUNDS_A_DIRECTORY);
    let mut random = Story::new(CLIENTS);
    while left > 0 {
        let rounds = left.min(ROUNDS_A_DIRECTORY);
        live_and_die(settings, &lives, rounds, &mut random);
        left -= rounds;
        eprintln!("{left} rounds are left");
    }
}

/// So many rounds on one data directory.
fn live_and_die(settings: &str, lives: &Range<Duration>, rounds: u64, random: &mut Story) {
    let folder = folder();
    let config = folder.path().join("purser.toml");
    std::fs::write(&config, settings).unwrap();
    let start = || Server::start_with(&data(&folder), &["--config", config.to_str().unwrap()]);
    let mut stories: Vec<Story> = (0..CLIENTS).map(Story::new).collect();
    // The wallets are opened before the load begins.
    let server = start();
    let mut client = server.client();
    for story in &mut stories {
        story.check(&mut client);
    }
    server.kill();
    for round in 0..rounds {
        for _ in 0..random.below(3) {
            kill_while_it_starts(&data(&folder), &config, Duration::from_millis(random.below(150)));
        }
        let server = start();
        std::thread::scope(|scope| {
            for story in &mut stories {
                // Here, so that nobody comes after the end: on a busy machine some threads began so late.
                let client = server.client();
                scope.spawn(|| story.run(client));
            }
            let more =
                u64::try_from(lives.end.checked_sub(lives.start).unwrap().as_millis()).unwrap();
            std::thread::sleep(lives.start + Duration::from_millis(random.below(more)));
            server.kill();
        });
        let server = start();
        let mut client = server.client();
        for story in &mut stories {
            story.check(&mut client);
        }
        let asked: usize = stories.iter().map(|story| story.asked.len()).sum();
        assert!(asked > CLIENTS * 2, "round {round} asked nothing");
        if round % 2 == 0 {
            server.kill();
        } else {
            assert!(server.terminate().success());
        }
    }
    verify(&data(&folder));
    for database in ["journal", "state"] {
        let blobs = std::fs::read_dir(data(&folder).join(database).join("blobs")).unwrap();
        assert_eq!(blobs.count(), 0, "{database} must keep everything in the file that is synced");
    }
    // At the end everything that was ever asked is still known.
    let server = start();
    let mut client = server.client();
    for story in &mut stories {
        story.unchecked = 0;
        story.check(&mut client);
    }
}

/// Starts a server and kills it, perhaps in the middle of its recovery.
fn kill_while_it_starts(data: &Path, config: &Path, after: Duration) {
    let mut process = spawn(data, &["--config", config.to_str().unwrap()]);
    let start = Instant::now();
    while start.elapsed() < after {
        std::thread::sleep(Duration::from_millis(1));
    }
    assert!(start.elapsed() < PATIENCE);
    process.kill().unwrap();
    process.wait().unwrap();
}
