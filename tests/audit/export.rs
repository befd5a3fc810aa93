//! An exported file has every record, with the money that `LEDGER` shows.

use super::support::{data, folder};
use super::world::{build, files, succeeds};
use serde_json::Value;

#[test]
fn every_row_of_every_ledger_is_exported() {
    let folder = folder();
    let data = data(&folder);
    let ledgers = build(folder.path(), &data);
    let before = files(&data);
    let path = data.to_str().unwrap();
    let export = |more: &[&str]| -> Vec<Value> {
        let args = [&["export", "--data", path, "--format", "jsonl"], more].concat();
        succeeds(&args).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let all = export(&[]);
    assert_eq!(all.len(), ledgers.iter().map(Vec::len).sum::<usize>());
    // A wallet that moved from log to log has rows in several places.
    let of = |wallet: &str| -> Vec<Value> {
        let mut rows: Vec<_> = all.iter().filter(|row| row["wallet"] == wallet).cloned().collect();
        rows.sort_by_key(|row| row["seq"].as_u64());
        rows
    };
    for (number, ledger) in ledgers.iter().enumerate() {
        let of_wallet = of(&format!("w{number}"));
        assert_eq!(of_wallet.len(), ledger.len());
        for (row, shown) in of_wallet.iter().zip(ledger) {
            assert_eq!(row["seq"].to_string(), shown["seq"]);
            assert_eq!(row["at"].to_string(), shown["at"]);
            for field in ["kind", "op", "hold", "amount", "posted", "held", "debt"] {
                let shown = shown.get(field).map_or("", String::as_str);
                assert_eq!(row[field].as_str().unwrap(), shown, "{field} of {row}");
            }
        }
    }
    let one = export(&["--wallet", "w1"]);
    let expected = of("w1");
    assert_eq!(one, expected);

    // Some of it, by time: from there on, and before.
    let at = |row: &Value| row["at"].as_i64().unwrap();
    let (from, to) = (at(&expected[100]), at(&expected[200]));
    let is_between = |row: &&Value| at(row) >= from && at(row) < to;
    let (from, to) = (from.to_string(), to.to_string());
    let between = ["--from", from.as_str(), "--to", to.as_str()];
    let some = export(&between);
    assert_eq!(some, all.iter().filter(is_between).cloned().collect::<Vec<_>>());
    let some = export(&[&between[..], &["--wallet", "w1"]].concat());
    assert_eq!(some, expected.iter().filter(is_between).cloned().collect::<Vec<_>>());

    let csv = succeeds(&["export", "--data", path, "--format", "csv"]);
    assert_eq!(csv.lines().count(), all.len() + 1, "a line of names, and one a row");
    let parquet = folder.path().join("rows.parquet");
    let out = parquet.to_str().unwrap();
    succeeds(&["export", "--data", path, "--format", "parquet", "--out", out]);
    let bytes = std::fs::read(&parquet).unwrap();
    assert!(bytes.starts_with(b"PAR1") && bytes.ends_with(b"PAR1"));
    assert_eq!(files(&data), before, "nothing in the directory changes");
}
