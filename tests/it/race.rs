//! Races: many connections, one purse. The wallet's mailbox decides, and never by one unit too much.

use super::support::{Server, data, folder, map_of};
use redis::Value;
use std::sync::{Arc, Barrier};

/// A small generator, so that runs differ in nothing but their interleaving.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963);
        (self.0 >> 33) % bound
    }
}

#[test]
fn fifty_connections_race_for_the_last_money_of_one_wallet() {
    let folder = folder();
    let server = Server::start_with(&data(&folder), &["--config", &two_shards(&folder)]);
    for round in 0..5 {
        let mut client = server.client();
        client.call(&format!("WALLET.OPEN w{round} CURRENCY USD"));
        client.map(&format!("TOPUP w{round} 10 ID t"));
        let start = Arc::new(Barrier::new(50));
        let racers: Vec<_> = (0..50)
            .map(|racer| {
                let (mut client, start) = (server.client(), Arc::clone(&start));
                std::thread::spawn(move || {
                    start.wait();
                    for number in 0..10 {
                        client
                            .send(&format!("AUTHORIZE w{round} 0.7 ID h{racer}-{number}"))
                            .unwrap();
                    }
                    let replies = (0..10).map(|_| map_of(&client.receive().unwrap()));
                    replies.filter(|reply| reply["status"] == "held").count()
                })
            })
            .collect();
        let won: usize = racers.into_iter().map(|racer| racer.join().unwrap()).sum();
        assert_eq!(won, 14, "0.7 fits 14 times into 10");
        let balance = client.map(&format!("BALANCE w{round}"));
        assert_eq!((balance["available"].as_str(), balance["held"].as_str()), ("0.2", "9.8"));
    }
}

#[test]
fn two_hundred_wallets_with_voids_expiries_and_captures_never_overspend() {
    const WALLETS: u64 = 200;
    let folder = folder();
    let server = Server::start_with(&data(&folder), &["--config", &two_shards(&folder)]);
    let mut client = server.client();
    for wallet in 0..WALLETS {
        client.call(&format!("WALLET.OPEN w{wallet} CURRENCY USD"));
        client.map(&format!("TOPUP w{wallet} 5 ID t"));
    }
    let racers = (0..50).map(|racer| {
        let mut client = server.client();
        std::thread::spawn(move || spend(&mut client, racer, WALLETS))
    });
    let mut captured = vec![0_u64; usize::try_from(WALLETS).unwrap()];
    for racer in racers.collect::<Vec<_>>() {
        for (wallet, tenths) in racer.join().unwrap() {
            captured[usize::try_from(wallet).unwrap()] += tenths;
        }
    }
    std::thread::sleep(std::time::Duration::from_millis(60));
    for (wallet, tenths) in captured.iter().enumerate() {
        assert!(*tenths <= 50, "wallet {wallet} spent {tenths} tenths of 50");
        let balance = client.map(&format!("BALANCE w{wallet}"));
        let left: purser::domain::amount::Amount = balance["posted"].parse().unwrap();
        let tenth: purser::domain::amount::Amount = "0.1".parse().unwrap();
        assert_eq!(left.pico() / tenth.pico() + i128::from(*tenths), 50, "wallet {wallet}");
        assert_eq!(balance["held"], "0", "wallet {wallet}");
    }
}

/// Authorizes, voids, captures and lets expire at random; answers what it captured, in tenths.
fn spend(client: &mut super::support::Client, racer: u64, wallets: u64) -> Vec<(u64, u64)> {
    let mut random = Random(racer + 1);
    let mut captured = Vec::new();
    for number in 0..60 {
        let (wallet, tenths) = (random.below(wallets), 1 + random.below(20));
        let amount = format!("{}.{}", tenths / 10, tenths % 10);
        let ttl = 1 + random.below(50);
        let hold = format!("h{racer}-{number}");
        let asked = format!("AUTHORIZE w{wallet} {amount} ID {hold} TTL {ttl} OVERAGE reject");
        let reply = client.map(&asked);
        assert!(!reply["available"].starts_with('-'), "{asked}: {reply:?}");
        if reply["status"] != "held" {
            continue;
        }
        match random.below(4) {
            0 => drop(client.call(&format!("VOID w{wallet} {hold}"))),
            // It is left to expire.
            1 => {}
            _ => {
                // In time or late; late only what is there. Either way never too much.
                let reply = client.call(&format!("CAPTURE w{wallet} {hold} {amount} ID c{hold}"));
                if !matches!(reply, Value::ServerError(_)) {
                    captured.push((wallet, tenths));
                }
            }
        }
    }
    captured
}

/// A configuration with several shards, so that requests cross between them.
fn two_shards(folder: &tempfile::TempDir) -> String {
    let path = folder.path().join("purser.toml");
    std::fs::write(&path, "shards = 2\n").unwrap();
    path.display().to_string()
}
