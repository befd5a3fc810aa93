//! What fuzzing found worth keeping, replayed: see `fuzz/README.md`.

#[cfg(test)]
#[path = "../fuzz/harness.rs"]
mod harness;

#[test]
fn requests() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/corpus/requests");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        let replayed = std::panic::catch_unwind(|| harness::requests(&bytes));
        assert!(replayed.is_ok(), "{}", path.display());
        count += 1;
    }
    assert!(count > 50, "{count}");
}
