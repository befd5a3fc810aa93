//! The prices that are kept beside a store: each version that an operation or a hold refers to is there,
//! and is what it was.

use super::support::{Server, data, folder};
use super::world::{copy, fails, figure, files, succeeds, verify, written};
use std::path::{Path, PathBuf};

fn card(price: u32) -> String {
    format!("[[card]]\nmodel = \"m\"\ncurrency = \"USD\"\nprice.images = {price}\n")
}

/// A folder of prices beside the data, and a configuration that names it.
fn config(folder: &Path, more: &str) -> String {
    let prices = folder.join("book");
    std::fs::create_dir_all(&prices).unwrap();
    std::fs::write(prices.join("a.toml"), card(2)).unwrap();
    let prices = prices.to_str().unwrap();
    written(folder, &format!("shards = 1\nprices = {prices:?}\n{more}"))
}

/// Holds by one version and charges by the next; answers the names of both.
fn hold_and_charge(folder: &Path, server: &Server) -> [String; 2] {
    let mut client = server.client();
    for wallet in ["w", "v"] {
        client.map(&format!("WALLET.OPEN {wallet} CURRENCY USD"));
        client.map(&format!("TOPUP {wallet} 100 ID t"));
    }
    let held = client.map("AUTHORIZE w RATED MODEL m QTY images 3 ID h TTL 3600000");
    std::fs::write(folder.join("book/a.toml"), card(5)).unwrap();
    client.call("PRICES.RELOAD");
    let charged = client.map("CHARGE v RATED MODEL m QTY images 1 ID c");
    // So that there is a checkpoint, and a snapshot has the hold.
    std::thread::sleep(std::time::Duration::from_millis(500));
    [held["price_version"].clone(), charged["price_version"].clone()]
}

/// A store whose operations were priced by two versions, the first of which an open hold pins; answers
/// the names of both.
fn priced(folder: &Path, data: &Path) -> [String; 2] {
    let config = config(folder, "checkpoint_every_ms = 200\n");
    let server = Server::start_with(data, &["--config", &config]);
    let versions = hold_and_charge(folder, &server);
    server.kill();
    versions
}

/// Removes what says which versions there were.
fn forget(data: &Path) {
    std::fs::remove_file(data.join("prices/history")).unwrap();
    std::fs::remove_file(data.join("prices.mark")).unwrap();
}

fn kept(data: &Path, version: &str) -> PathBuf {
    data.join(format!("prices/{version}.json"))
}

/// `verify` never looked at the prices: a store whose operations nobody could have priced again was `ok`.
#[test]
fn versions_that_are_gone_or_damaged_are_named() {
    let folder = folder();
    let original = data(&folder);
    let versions = priced(folder.path(), &original);
    let before = files(&original);
    let said = verify(&original);
    assert_eq!(figure(&said, "", "price versions"), "2", "{said}");
    assert_eq!(files(&original), before, "nothing in the directory changes");

    for (number, version) in versions.iter().enumerate() {
        let data = original.with_file_name(format!("flipped-{number}"));
        copy(&original, &data);
        let path = kept(&data, version);
        let sound = std::fs::read(&path).unwrap();
        for place in (0..sound.len()).step_by(9) {
            let mut bytes = sound.clone();
            bytes[place] ^= 1;
            std::fs::write(&path, bytes).unwrap();
            let refused = fails(&["verify", "--data", data.to_str().unwrap()]);
            assert!(refused.contains(path.to_str().unwrap()), "{place}: {refused}");
            assert!(refused.contains("its content is not the version's"), "{place}: {refused}");
        }
        std::fs::remove_file(&path).unwrap();
        let refused = fails(&["verify", "--data", data.to_str().unwrap()]);
        assert!(refused.contains(&format!("{version}.json")), "{refused}");
        assert!(refused.contains("is missing"), "{refused}");
    }
    for name in ["prices/history", "prices.mark"] {
        let data = original.with_file_name(format!("flipped-{}", name.len()));
        copy(&original, &data);
        let mut bytes = std::fs::read(data.join(name)).unwrap();
        bytes[0] ^= 1;
        std::fs::write(data.join(name), bytes).unwrap();
        let refused = fails(&["verify", "--data", data.to_str().unwrap()]);
        assert!(refused.contains("restore it from a backup"), "{name}: {refused}");
    }
}

/// A copy that somebody made without the prices, and without what says that there were any: only the
/// records and the snapshots know of them.
#[test]
fn records_and_snapshots_say_which_versions_there_must_be() {
    let folder = folder();
    let original = data(&folder);
    let [first, second] = priced(folder.path(), &original);
    forget(&original);
    assert_eq!(figure(&verify(&original), "", "price versions"), "2");
    for (version, wallet, what) in [(&first, "w", "event 3"), (&second, "v", "event 3")] {
        let data = original.with_file_name(version);
        copy(&original, &data);
        std::fs::remove_file(kept(&data, version)).unwrap();
        let refused = fails(&["verify", "--data", data.to_str().unwrap()]);
        let named = format!("{what} is priced by prices/{version}.json, which is missing");
        let of_wallet = refused.contains(&format!("wallet {wallet}"));
        assert!(refused.contains(&named) && of_wallet, "{refused}");
    }
    let data = original.with_file_name("without");
    copy(&original, &data);
    std::fs::remove_dir_all(data.join("prices")).unwrap();
    assert!(fails(&["verify", "--data", data.to_str().unwrap()]).contains("which is missing"));
}

/// Where the record of a hold was given up with the oldest history, its snapshot says what it pins.
#[test]
fn a_hold_without_its_record_has_its_version() {
    let folder = folder();
    let data = data(&folder);
    let more = "checkpoint_every_ms = 150\narchive_bytes_max = 1\ndedup_window_ms = 1\n\
                archive_keep_ms = 1\n";
    let config = config(folder.path(), more);
    let start = || Server::start_with(&data, &["--config", &config]);
    let server = start();
    let [first, _] = hold_and_charge(folder.path(), &server);
    server.kill();
    for round in 0..4 {
        let server = start();
        let mut client = server.client();
        (0..5).for_each(|n| drop(client.map(&format!("CHARGE v 0.01 ID c{round}-{n}"))));
        std::thread::sleep(std::time::Duration::from_millis(400));
        server.kill();
    }
    let path = data.to_str().unwrap();
    let rows = succeeds(&["export", "--data", path, "--wallet", "w"]);
    assert_eq!(rows, "", "its records are gone");
    forget(&data);
    verify(&data);
    std::fs::remove_file(kept(&data, &first)).unwrap();
    let refused = fails(&["verify", "--data", path]);
    let named =
        format!("hold h of its snapshot is priced by prices/{first}.json, which is missing");
    assert!(refused.contains(&named), "{refused}");
}

/// A backup has what its records refer to.
#[test]
fn a_backup_has_the_versions() {
    let folder = folder();
    let original = data(&folder);
    priced(folder.path(), &original);
    let to = folder.path().join("backup");
    succeeds(&["backup", "--data", original.to_str().unwrap(), "--to", to.to_str().unwrap()]);
    assert_eq!(figure(&verify(&to), "", "price versions"), "2");
}
