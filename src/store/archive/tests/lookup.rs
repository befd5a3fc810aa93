//! Looking up keys in an index of many pages.

use super::super::folder::{Appends, Folder};
use super::super::index::{Index, IndexWriter};
use super::super::page::Entry;
use super::*;
use std::collections::BTreeMap;

/// Keys as hashes are: without any order.
fn key(number: u64) -> OpKey {
    OpKey(xxhash_rust::xxh3::xxh3_128_with_seed(&number.to_le_bytes(), 1) & !1)
}

/// An index of these entries.
fn index(folder: &Path, mut entries: Vec<Entry>) -> (Index, Filter) {
    entries.sort_unstable();
    let appends = Appends { first: 1, last: 1 };
    let mut writer = IndexWriter::new(&Folder::take(folder).unwrap(), appends).unwrap();
    entries.into_iter().try_for_each(|entry| writer.add(entry)).unwrap();
    writer.finish(0, secret()).unwrap()
}

/// Checks that each key is found with all its positions, and no other.
fn check(entries: &[Entry]) {
    let folder = tempfile::tempdir().unwrap();
    let (index, filter) = index(folder.path(), entries.to_vec());
    let mut filed = BTreeMap::<OpKey, Vec<Position>>::new();
    for (key, position) in entries {
        filed.entry(*key).or_default().push(*position);
    }
    assert_eq!(index.ops, u64::try_from(filed.len()).unwrap());
    for (key, positions) in &mut filed {
        positions.sort();
        let mut found = Vec::new();
        index.find(*key, &mut found).unwrap();
        assert_eq!(&found, positions);
        assert!(filter.may_have(*key));
    }
    for stranger in (0..500).map(|number| key(number + (1 << 50))).chain([OpKey(0), OpKey(!1)]) {
        let mut found = Vec::new();
        index.find(stranger, &mut found).unwrap();
        assert_eq!(found, []);
    }
}

fn at(number: u64) -> Position {
    Position::new(0, number + 1)
}

#[test]
fn of_many_keys_each_is_found() {
    let entries: Vec<_> = (0..20_000).map(|number| (key(number / 2), at(number))).collect();
    check(&entries);
}

/// A hold that was captured thousands of times fills pages of its own.
#[test]
fn a_key_with_very_many_records_is_found_whole() {
    for hot in [key(77), OpKey(2), OpKey(!3)] {
        let others = (0..1_000).map(|number| (key(number), at(number)));
        let hot = (1_000..4_000).map(|number| (hot, at(number)));
        check(&others.chain(hot).collect::<Vec<_>>());
    }
}

/// Hashes are not like this, but a lookup must end all the same.
#[test]
fn keys_that_are_not_spread_evenly_are_found() {
    let low = (1..3_000).map(|number| (OpKey(u128::from(number) << 1), at(number)));
    check(&low.collect::<Vec<_>>());
    let bent = (2..3_000_u64).map(|number| (OpKey(u128::from(number).pow(10) & !1), at(number)));
    check(&bent.collect::<Vec<_>>());
}
