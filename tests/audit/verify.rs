//! A sound store is found sound, with the right totals, and stays as it is.

use super::support::{data, folder};
use super::world::{WALLETS, build, fails, figure, files, pico, start, verify};

#[test]
fn a_store_with_some_of_everything_is_what_it_says() {
    let folder = folder();
    let data = data(&folder);
    let ledgers = build(folder.path(), &data);
    let before = files(&data);
    let said = verify(&data);
    assert!(said.ends_with("ok\n"), "{said}");
    assert_eq!(files(&data), before, "nothing in the directory changes");
    // However soon wallets forget their operations, the archive tells them again.
    for forget_every in [1, 7, 300] {
        let totals = purser::audit::verify::verify(&data, forget_every).unwrap();
        assert_eq!(format!("{totals}ok\n"), said);
    }
    let leftovers: Vec<_> = std::fs::read_dir(folder.path()).unwrap().flatten().collect();
    assert_eq!(leftovers.len(), 2, "the copy is gone: {leftovers:?}");

    let rows: usize = ledgers.iter().map(Vec::len).sum();
    assert_eq!(figure(&said, "", "records"), rows.to_string());
    assert_eq!(figure(&said, "", "wallets"), WALLETS.to_string());
    assert_eq!(figure(&said, "EUR", "wallets"), "2");
    let (archived, journaled) =
        (figure(&said, "", "archived"), figure(&said, "", "in the journal"));
    assert!(archived != "0", "{said}");
    assert!(journaled.parse::<usize>().unwrap() > 0, "{said}");
    for (currency, of) in [("USD", &ledgers[..WALLETS - 2]), ("EUR", &ledgers[WALLETS - 2..])] {
        for name in ["posted", "held", "debt"] {
            let sum: i128 = of.iter().map(|ledger| pico(&ledger.last().unwrap()[name])).sum();
            assert_eq!(pico(&figure(&said, currency, name)), sum, "{name} {currency}\n{said}");
        }
        let of_kind = |kind: &str| -> i128 {
            let rows = of.iter().flatten().filter(|row| row["kind"] == kind);
            rows.map(|row| pico(&row["amount"])).sum()
        };
        for (name, kind) in
            [("topped up", "toppedup"), ("refunded", "refunded"), ("withdrawn", "withdrawn")]
        {
            assert_eq!(pico(&figure(&said, currency, name)), of_kind(kind), "{name}\n{said}");
        }
        let get = |name| pico(&figure(&said, currency, name));
        let others = ["expired", "withdrawn", "reversed", "revoked", "written off"];
        let used = get("used") - get("refunded") + others.into_iter().map(get).sum::<i128>();
        assert_eq!(get("topped up") + get("debt"), get("posted") + used, "rule 8");
    }
}

#[test]
fn a_store_in_use_and_what_is_no_store_are_refused() {
    let folder = folder();
    let data = data(&folder);
    let server = start(folder.path(), &data);
    let path = data.to_str().unwrap();
    for command in ["verify", "export"] {
        let refused = fails(&[command, "--data", path]);
        assert!(refused.contains("running") && refused.contains("purser backup"), "{refused}");
    }
    assert!(server.terminate().success());
    verify(&data);
    let refused = fails(&["verify", "--data", folder.path().to_str().unwrap()]);
    assert!(refused.contains("holds no purser data"), "{refused}");
    assert!(!folder.path().join("lock").exists());
}
