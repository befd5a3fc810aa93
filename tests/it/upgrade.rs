//! Stores that earlier versions have written, in `tests/stores/`: every later version reads them, for ever.
//!
//! Each is a data directory, left by a kill, its files compressed: history in the archive, wallets and
//! pages of holds in the state, newer records in the journal. Beside it stand questions and what they were
//! answered. With every release that changes a format one more is made, and none is ever changed:
//!
//! `cargo test --test it -- --ignored write_a_store`

use super::support::{Client, PATIENCE, Server, data, folder, text_of, verify};
use super::users::serve;
use redis::Value;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const STORES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/stores");

/// When the holds and the grant end that the store has, so that no answer depends on when it is asked.
const END: Duration = Duration::from_secs(8);

/// What is done before a checkpoint has it.
const BEFORE: &[&str] = &[
    "WALLET.OPEN acme CURRENCY USD CREDITLIMIT 5 PLAN pro TZ Europe/Berlin",
    "TOPUP acme 100.5 ID t1 NOTE invoice-7",
    "TOPUP acme 20 ID t2 KIND promo",
    "TOPUP acme 3 ID t3 KIND allowance TTL 8000",
    "AUTHORIZE acme 2.5 ID h1 TTL 8000 TAG user 7 TAG feature chat",
    "CAPTURE acme h1 1.25 ID k1 KEEP",
    "AUTHORIZE acme 200 ID h2",
    "CHARGE acme 0.000000123 ID c1",
    "CHARGE acme RATED MODEL gpt-4o-mini QTY input_tokens 1200 QTY output_tokens 87 ID r1",
    "REFUND acme k1 0.25 ID f1",
    "WITHDRAW acme 10 ID w1",
    "WALLET.FREEZE acme NOTE review",
    "WALLET.OPEN holds CURRENCY EUR",
    "TOPUP holds 1000 ID t1",
    "WALLET.OPEN shut CURRENCY USD",
    "WALLET.CLOSE shut",
    "WALLET.OPEN owes CURRENCY GBP CREDITLIMIT 10",
    "CHARGE owes 3.5 ID c1",
];

/// What only the journal has.
const AFTER: &[&str] = &[
    "WALLET.UNFREEZE acme",
    "EXTEND acme h1 0.5 ID e1",
    "CHARGE acme 500 ID d1 OVERAGE debt",
    "TOPUP acme 4 ID t4",
    "TOPUP.REVERSE acme t2 ID v1",
    "CAPTURE holds h7 0.5 ID k7",
    "VOID holds h8",
    "WALLET.OPEN late CURRENCY JPY",
    "TOPUP late 12 ID t1",
];

/// What is asked of it, when all has ended that ends.
const QUESTIONS: &[&str] = &[
    "WALLET.GET acme",
    "BALANCE acme",
    "LEDGER acme COUNT 100",
    "LEDGER acme KIND charge",
    "HOLD.GET acme h1",
    "OP.GET acme k1",
    "EXPLAIN acme r1",
    "CHARGE acme RATED MODEL gpt-4o-mini QTY input_tokens 1200 QTY output_tokens 87 ID r1",
    "CHARGE acme 0.000000123 ID c1",
    "CHARGE acme 1 ID c1",
    "TOPUP acme 100.5 ID t1 NOTE invoice-7",
    "EXTEND acme h1 0.5 ID e1",
    "TOPUP.REVERSE acme t2 ID v1",
    "BALANCE holds",
    "HOLD.LIST holds",
    "HOLD.GET holds h7",
    "HOLD.GET holds h99",
    "LEDGER holds COUNT 4",
    "WALLET.GET shut",
    "BALANCE owes",
    "BALANCE late",
    "LEDGER late",
];

/// A reply in a line.
fn shown(value: &Value) -> String {
    match value {
        Value::Array(parts) => {
            let parts: Vec<_> = parts.iter().map(shown).collect();
            format!("[{}]", parts.join(" "))
        }
        Value::ServerError(error) => {
            format!("{} {}", error.code(), error.details().unwrap_or_default())
        }
        scalar => text_of(scalar),
    }
}

/// All questions with their answers.
fn asked(client: &mut Client) -> String {
    let mut text = String::new();
    for question in QUESTIONS {
        writeln!(text, "> {question}\n{}", shown(&client.call(question))).unwrap();
    }
    text
}

/// Writes what a folder has into another one, each file as `change` has it.
fn copy(from: &Path, to: &Path, change: &dyn Fn(&[u8]) -> Vec<u8>) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().flatten() {
        let (here, there) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            copy(&here, &there, change);
        } else if kind.is_file() {
            std::fs::write(there, change(&std::fs::read(here).unwrap())).unwrap();
        }
    }
}

/// Where the questions to a store stand, with their answers.
fn answers_of(store: &Path) -> PathBuf {
    store.with_added_extension("txt")
}

/// Whoever has run an earlier version starts a later one on the same data.
#[test]
fn stores_of_all_versions_are_read() {
    let stores = std::fs::read_dir(STORES).unwrap().map(|entry| entry.unwrap().path());
    let stores: Vec<PathBuf> = stores.filter(|path| path.is_dir()).collect();
    assert!(!stores.is_empty());
    for store in stores {
        let folder = folder();
        copy(&store, &data(&folder), &|bytes| zstd::decode_all(bytes).unwrap());
        verify(&data(&folder));
        let server = serve(&folder, "");
        let answers = std::fs::read_to_string(answers_of(&store)).unwrap();
        let now = asked(&mut server.client());
        assert_eq!(now.lines().count(), answers.lines().count());
        for (now, then) in now.lines().zip(answers.lines()) {
            assert_eq!(now, then, "{}", store.display());
        }
        // Whatever is done with it goes on from there.
        assert_eq!(server.client().field("CHARGE late 2 ID c1", "available"), "10");
        assert!(server.terminate().success());
        verify(&data(&folder));
    }
}

#[test]
#[ignore = "writes into the source tree"]
fn write_a_store() {
    let folder = folder();
    let begun = Instant::now();
    let restless = serve(&folder, "checkpoint_every_ms = 100\nshards = 2\n");
    let mut client = restless.client();
    for line in BEFORE {
        client.call(line);
    }
    for number in 0..100 {
        client.map(&format!("AUTHORIZE holds 1 ID h{number} TTL {}", END.as_millis()));
    }
    let kept = |server: &Server| {
        let kept = server.series("purser_archive_operations");
        kept.is_some_and(|kept| kept.parse::<f64>().unwrap() >= 100.0)
    };
    while !kept(&restless) {
        assert!(begun.elapsed() < PATIENCE);
        std::thread::sleep(Duration::from_millis(50));
    }
    restless.kill();
    let calm = serve(&folder, "checkpoint_every_ms = 3600000\nshards = 2\n");
    let mut client = calm.client();
    for line in AFTER {
        client.call(line);
    }
    calm.kill();
    assert!(begun.elapsed() < END, "too slow: open holds are to be in the store");
    let store = Path::new(STORES).join(env!("CARGO_PKG_VERSION"));
    copy(&data(&folder), &store, &|bytes| zstd::encode_all(bytes, 19).unwrap());
    std::thread::sleep(END.saturating_sub(begun.elapsed()) + Duration::from_secs(1));
    let answers = asked(&mut serve(&folder, "").client());
    std::fs::write(answers_of(&store), answers).unwrap();
}
