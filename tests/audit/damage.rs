//! Whatever byte of a store flips: `verify` says so, or the byte means nothing.

use super::support::{data, folder};
use super::world::{build, copy, files, purser, verify};
use std::path::{Path, PathBuf};

/// How many places of a file are tried.
const PLACES: usize = 16;

/// Flips a byte, has the store verified, and flips it back. Answers what `verify` says when it says
/// that all is well.
fn flipped(data: &Path, file: &Path, place: usize) -> Option<String> {
    let sound = std::fs::read(file).unwrap();
    let mut bytes = sound.clone();
    bytes[place] ^= 0x20;
    std::fs::write(file, &bytes).unwrap();
    let output = purser(&["verify", "--data", data.to_str().unwrap()]);
    std::fs::write(file, &sound).unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.success(), said.ends_with("ok\n"), "{said}");
    output.status.success().then_some(said)
}

fn places(length: usize) -> impl Iterator<Item = usize> {
    // Odd steps meet every kind of field; both ends are tried whole.
    let step = (length / PLACES).max(1) | 1;
    (0..length).step_by(step).chain(length.saturating_sub(4)..length)
}

/// A folder with a store, and a copy of it, to be damaged.
fn a_copy() -> (tempfile::TempDir, PathBuf) {
    let folder = folder();
    let original = data(&folder);
    build(folder.path(), &original);
    let data = folder.path().join("copy");
    copy(&original, &data);
    (folder, data)
}

#[test]
fn no_flipped_byte_goes_unseen() {
    let (folder, data) = a_copy();
    let sound = verify(&data);
    assert_eq!(sound, verify(&super::support::data(&folder)));
    let (mut archive, mut others) = (0, 0);
    for (path, bytes) in files(&data) {
        let name = path.strip_prefix(&data).unwrap().to_string_lossy().into_owned();
        let is_archive = name.starts_with("archive/");
        let is_prices = name.starts_with("prices/");
        for place in places(bytes.len()) {
            match flipped(&data, &path, place) {
                None if is_archive => archive += 1,
                None => others += 1,
                Some(said) => {
                    let is_missed = is_archive || is_prices;
                    assert!(!is_missed, "byte {place} of {name} was not missed");
                    assert_eq!(said, sound, "byte {place} of {name}");
                }
            }
        }
    }
    // How many segments there are is a matter of time.
    assert!(archive > 30, "{archive}");
    assert!(others > 10, "{others}");
}

/// The databases open with other settings than they wrote, and say nothing.
#[test]
fn flipped_settings_of_a_database_are_found() {
    let (_folder, data) = a_copy();
    verify(&data);
    for database in ["journal", "state"] {
        let path = data.join(database).join("conf");
        let length = usize::try_from(path.metadata().unwrap().len()).unwrap();
        for place in [0, length - 5, length - 4, length - 1] {
            let said = flipped(&data, &path, place);
            assert_eq!(said, None, "byte {place} of {database}/conf");
        }
    }
}

#[test]
fn a_lost_file_is_named() {
    let folder = folder();
    let original = data(&folder);
    build(folder.path(), &original);
    let ends = ["seg", "idx"];
    for end in ends {
        let data = folder.path().join(end);
        copy(&original, &data);
        let mut of_kind = std::fs::read_dir(data.join("archive")).unwrap().flatten();
        let lost = of_kind.find(|entry| entry.path().extension().is_some_and(|is| is == end));
        std::fs::remove_file(lost.unwrap().path()).unwrap();
        let output = purser(&["verify", "--data", data.to_str().unwrap()]);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{end}: {error}");
        assert!(error.contains(data.to_str().unwrap()) || error.contains("log"), "{error}");
    }
    for folder_name in ["journal", "state", "archive"] {
        let data = folder.path().join(format!("without-{folder_name}"));
        copy(&original, &data);
        std::fs::remove_dir_all(data.join(folder_name)).unwrap();
        let output = purser(&["verify", "--data", data.to_str().unwrap()]);
        assert_eq!(output.status.code(), Some(1), "{folder_name}");
    }
}
