//! Where the oldest history was given up, what is left is verified and exported all the same.

use super::support::{Server, data, folder, spawn};
use super::world::{figure, pico, purser, succeeds, verify, written};
use redis::Value;
use std::time::{Duration, Instant};

#[test]
fn a_store_without_its_oldest_history_is_what_it_says() {
    let folder = folder();
    let data = data(&folder);
    let text = "shards = 2\ncheckpoint_every_ms = 150\narchive_bytes_max = 1\ndedup_window_ms = 1\n\
        archive_keep_ms = 1\n";
    let config = written(folder.path(), text);
    let start = || Server::start_with(&data, &["--config", &config]);
    for round in 0..5 {
        let server = start();
        let mut client = server.client();
        if round == 0 {
            // Nobody ever asks for this one again.
            client.map("WALLET.OPEN quiet CURRENCY EUR");
            client.map("TOPUP quiet 5 ID t");
            client.map("AUTHORIZE quiet 2 ID h TTL 3600000");
        }
        for wallet in 0..6 {
            if round == 0 {
                client.map(&format!("WALLET.OPEN w{wallet} CURRENCY USD CREDITLIMIT 3"));
            }
            client.map(&format!("TOPUP w{wallet} 4 ID t{round}"));
            client.map(&format!("AUTHORIZE w{wallet} 1 ID h{round} TTL 3600000"));
            client.map(&format!("AUTHORIZE w{wallet} 0.5 ID short{round} TTL 50"));
            client.map(&format!("CHARGE w{wallet} 0.25 ID c{round}"));
            if round > 0 {
                client.map(&format!("CAPTURE w{wallet} h{} 0.75 ID k{round}", round - 1));
            }
        }
        std::thread::sleep(Duration::from_millis(400));
        server.kill();
        assert!(verify(&data).ends_with("ok\n"));
    }
    let said = verify(&data);
    assert!(pico(&figure(&said, "USD", "brought forward")) > 0, "{said}");
    assert_eq!(figure(&said, "EUR", "brought forward"), "5");
    assert_eq!(figure(&said, "EUR", "held"), "2");
    // 5 top-ups of 4, less 5 charges of 0.25 and 4 captures of 0.75.
    assert_eq!(figure(&said, "USD", "posted"), "94.5");
    let path = data.to_str().unwrap();
    let all = succeeds(&["export", "--data", path]);
    assert_eq!(all.lines().count().to_string(), figure(&said, "", "records"));
    assert!(all.lines().all(|line| line.contains(r#""currency":"USD""#)), "{all}");
    let one = succeeds(&["export", "--data", path, "--wallet", "w3"]);
    let expected = all.lines().filter(|line| line.contains(r#""wallet":"w3""#)).count();
    assert_eq!(one.lines().count(), expected);
    assert_eq!(succeeds(&["export", "--data", path, "--wallet", "quiet"]), "");
}

/// A refund of a charge that was still in memory, while retention had removed its record, was
/// acknowledged; and no server could start on the store again. A LEDGER that came to where history was
/// removed ended the server, too.
#[test]
fn where_history_was_removed_is_an_end_and_no_damage() {
    let folder = folder();
    let data = data(&folder);
    let text = "shards = 1\ncheckpoint_every_ms = 100\narchive_bytes_max = 1\n\
        dedup_window_ms = 1\narchive_keep_ms = 1\n";
    let config = written(folder.path(), text);
    let start = || Server::start_with(&data, &["--config", &config]);
    let server = start();
    let mut client = server.client();
    for wallet in ["quiet", "third", "late", "busy"] {
        client.map(&format!("WALLET.OPEN {wallet} CURRENCY USD"));
        client.map(&format!("TOPUP {wallet} 100 ID t"));
    }
    client.map("CHARGE quiet 10 ID x");
    client.map("AUTHORIZE late 5 ID h TTL 1900");
    let begun = Instant::now();
    for number in 0.. {
        client.map(&format!("CHARGE busy 0.01 ID c{number}"));
        if begun.elapsed() > Duration::from_secs(2) {
            break;
        }
    }
    assert_eq!(client.field("REFUND quiet x 1 ID r", "status"), "refunded");
    assert_eq!(client.field("TOPUP.REVERSE third t ID b AMOUNT 1", "status"), "reversed");
    assert_eq!(client.field("CAPTURE late h 2 ID late", "late"), "1");
    server.kill();
    let server = start();
    let mut client = server.client();
    assert_eq!(client.field("BALANCE quiet", "posted"), "91");
    assert_eq!(client.field("BALANCE late", "posted"), "98");
    assert_eq!(client.field("REFUND quiet x 1 ID r", "replayed"), "1");
    let Value::Array(rows) = client.call("LEDGER quiet COUNT 1000") else { panic!("no rows") };
    assert!((1..4).contains(&rows.len()), "{}", rows.len());
    assert_eq!(client.field("BALANCE quiet", "posted"), "91");
    assert!(server.terminate().success());
    assert!(verify(&data).ends_with("ok\n"));
}

/// Without its oldest files the archive looked like one whose history retention had removed: old
/// operations counted a second time.
#[test]
fn what_nobody_removed_is_missing() {
    let folder = folder();
    let data = data(&folder);
    let config = written(folder.path(), "checkpoint_every_ms = 100\n");
    let server = Server::start_with(&data, &["--config", &config]);
    let mut client = server.client();
    client.map("WALLET.OPEN w CURRENCY USD");
    for number in 0..3 {
        client.map(&format!("TOPUP w 1 ID t{number}"));
        std::thread::sleep(Duration::from_millis(400));
    }
    assert!(server.terminate().success());
    let mut files: Vec<_> = std::fs::read_dir(data.join("archive")).unwrap().flatten().collect();
    files.sort_by_key(std::fs::DirEntry::file_name);
    assert!(files.len() >= 4, "{files:?}");
    files[..2].iter().for_each(|file| std::fs::remove_file(file.path()).unwrap());
    let output = purser(&["verify", "--data", data.to_str().unwrap()]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && said.contains("append 1, which is missing"), "{said}");
    let mut process = spawn(&data, &["--config", &config]);
    assert!(!process.wait().unwrap().success());
}
