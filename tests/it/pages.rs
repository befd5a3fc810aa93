//! The examples of docs/operations.md, docs/configuration.md and docs/protocol.md work as written; those of
//! README and docs/rating.md have tests of their own, those of the load test stand in its crate.

use super::readme::shown;
use super::support::{Client, Server, data, folder};
use redis::Value;
use std::path::Path;
use std::process::Command;

const OPERATIONS: &str = include_str!("../../docs/operations.md");
const CONFIGURATION: &str = include_str!("../../docs/configuration.md");
const PROTOCOL: &str = include_str!("../../docs/protocol.md");

/// Commands behind a `$`, each with what is shown below it.
fn sessions(page: &str) -> Vec<(&str, &str)> {
    let blocks = page.split("```").skip(1).step_by(2);
    let commands = blocks.flat_map(|block| block.split("\n$ ").skip(1));
    commands.map(|shown| shown.split_once('\n').unwrap_or((shown, ""))).collect()
}

/// Runs a command of this crate's program, which must succeed; answers what it prints.
fn run(words: &str) -> String {
    let words = words.split_whitespace().map(|word| word.trim_matches('\''));
    let mut words = words.collect::<Vec<_>>().into_iter();
    assert_eq!(words.next(), Some("purser"));
    let output = Command::new(env!("CARGO_BIN_EXE_purser")).args(words.clone()).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{:?}: {error}", words.as_slice());
    String::from_utf8(output.stdout).unwrap()
}

/// What a text says whatever the numbers, hashes, sums and paths are.
fn gist(text: &str) -> Vec<String> {
    let kind = |word: &str| {
        let is_long = word.len() >= 16 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
        let is_number = word.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        if word.starts_with('/') {
            "PATH".to_owned()
        } else if is_long || is_number {
            "N".to_owned()
        } else {
            word.to_owned()
        }
    };
    let gist = |line: &str| line.split_whitespace().map(kind).collect::<Vec<_>>().join(" ");
    text.lines().map(gist).collect()
}

fn write_prices(files: &Path) {
    std::fs::create_dir(files).unwrap();
    let now = "currency = \"USD\"\ncard = [\n\
        { model = \"a\", price = { input_tokens = \"1\" } },\n\
        { model = \"b\", price = { input_tokens = \"2\" } },\n]\n";
    let later = "from = \"2026-12-01T00:00:00Z\"\nmarkup = [{ percent = 10 }]\n";
    std::fs::write(files.join("now.toml"), now).unwrap();
    std::fs::write(files.join("later.toml"), later).unwrap();
}

fn spend(client: &mut Client) {
    client.call("WALLET.OPEN alice CURRENCY USD");
    client.map("TOPUP alice 20 ID t");
    client.map("CHARGE alice 0.5 ID c");
}

#[test]
fn what_operators_type_works_as_the_page_shows() {
    let folder = folder();
    let prices = folder.path().join("prices");
    write_prices(&prices);
    let backups = folder.path().join("backups");
    std::fs::create_dir(&backups).unwrap();
    let out = folder.path().join("ledger.parquet");
    let mut server = Some(Server::start(&data(&folder)));
    spend(&mut server.as_ref().unwrap().client());
    let mut ran = 0;
    for (command, expected) in sessions(OPERATIONS) {
        let here = command
            .replace("/var/lib/purser", data(&folder).to_str().unwrap())
            .replace("/backups", backups.to_str().unwrap())
            .replace("ledger.parquet", out.to_str().unwrap())
            .replace("/etc/purser/prices", prices.to_str().unwrap());
        // Only `backup` is of a running server.
        if command.starts_with("purser backup") {
            server.get_or_insert_with(|| Server::start(&data(&folder)));
        } else if let Some(server) = server.take() {
            assert!(server.terminate().success());
        }
        let printed = run(&here);
        if !expected.is_empty() {
            assert_eq!(gist(&printed), gist(expected), "{command}\n{printed}");
        }
        ran += 1;
    }
    assert!(ran >= 6, "{ran}");
    assert!(std::fs::metadata(out).unwrap().len() > 100, "a file with rows");
}

#[test]
fn a_user_is_made_as_the_page_shows() {
    let shown = sessions(CONFIGURATION);
    let (command, expected) =
        shown.iter().find(|(command, _)| command.starts_with("purser user add")).unwrap();
    let printed = run(command);
    // Secrets differ.
    let secrets = |text: &str| -> Vec<String> {
        let hidden = |line: &str| line.split(['_', ':']).next().unwrap().to_owned();
        text.trim().lines().map(hidden).collect()
    };
    assert_eq!(secrets(&printed), secrets(expected), "{printed}");
    let folder = folder();
    let config = folder.path().join("purser.toml");
    std::fs::write(&config, printed).unwrap();
    for form in ["purser config check --config FILE", "purser config show --config FILE"] {
        assert!(CONFIGURATION.contains(form));
        run(&form.replace("FILE", config.to_str().unwrap()));
    }
}

#[test]
fn the_first_requests_of_the_protocol_work() {
    let folder = folder();
    let server = Server::start(&data(&folder));
    let mut client = server.client();
    let block = PROTOCOL.split("```").nth(1).unwrap();
    let requests: Vec<_> = block.lines().filter_map(|line| line.strip_prefix("> ")).collect();
    assert_eq!(requests.len(), 4);
    for request in requests {
        let (request, _) = request.split_once("   ").unwrap_or((request, ""));
        let reply = client.call(request.trim_end());
        assert!(!matches!(reply, Value::ServerError(_)), "{request}: {}", shown(&reply));
    }
    assert_eq!(client.field("BALANCE alice", "available"), "19.9688");
}
