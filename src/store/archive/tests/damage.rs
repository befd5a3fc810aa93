//! No damage goes unseen: it is an error that names the file, or is repaired.

use super::world::{World, open, secret};
use super::*;
use std::path::PathBuf;

/// A small archive of three segments, and the files of the second.
fn small(folder: &Path) -> (World, PathBuf, PathBuf) {
    let mut archive = open(folder);
    let mut world = World::new(99);
    for _ in 0..3 {
        world.write_batch(6);
        world.archive(&mut archive);
    }
    assert_eq!(archive.view().segments().len(), 3);
    let name = archive.view().segments().nth(1).unwrap().name;
    let path = |ending: &str| folder.join(format!("{name}.{ending}"));
    (world, path("seg"), path("idx"))
}

/// Whether the archive is whole, or says which file is not.
fn is_whole(folder: &Path, world: &World) -> Result<(), StoreError> {
    let mut archive = Archive::open(folder, secret(), Settings::default())?;
    // Before the filters are read, and then.
    find_all(&archive.view(), world);
    archive.read_filters()?;
    let view = archive.view();
    find_all(&view, world);
    view.scan(&mut |_, _| Ok(()))?;
    view.check_indexes()?;
    for (position, record) in &world.records {
        if let Some(found) = view.record(*position)? {
            assert_eq!(found, *record);
        } else {
            panic!("{position} is silently lost");
        }
        for key in World::keys(record) {
            assert!(view.may_have(key));
            assert!(view.find(key)?.contains(position), "{position} is silently lost");
        }
    }
    Ok(())
}

/// Asks for every operation: the answer is an error or everything.
fn find_all(view: &View, world: &World) {
    for (position, record) in &world.records {
        for key in World::keys(record) {
            match view.find(key) {
                Ok(found) => assert!(found.contains(position), "{position} is silently lost"),
                Err(error) => assert!(matches!(error, StoreError::Index { .. }), "{error}"),
            }
        }
    }
}

fn says(result: Result<(), StoreError>, path: &Path) {
    let said = result.unwrap_err().to_string();
    assert!(said.contains(&path.display().to_string()), "{said}");
}

#[test]
fn every_flipped_byte_of_a_segment_is_seen() {
    let folder = tempfile::tempdir().unwrap();
    let (world, segment, _) = small(folder.path());
    let whole = std::fs::read(&segment).unwrap();
    for place in 0..whole.len() {
        let mut damaged = whole.clone();
        damaged[place] ^= 0x10;
        std::fs::write(&segment, &damaged).unwrap();
        says(is_whole(folder.path(), &world), &segment);
        assert!(segment.exists());
    }
    std::fs::write(&segment, &whole).unwrap();
    is_whole(folder.path(), &world).unwrap();
}

/// An index is made in as many goes as the number of records asks for, so a footer that said too many kept
/// a start busy for ever. Fuzzing found it.
#[test]
fn a_footer_that_says_too_many_records_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (world, segment, index) = small(folder.path());
    let mut bytes = std::fs::read(&segment).unwrap();
    let trailer = bytes.len() - 32;
    let length = u64::from_le_bytes(*bytes[trailer..].first_chunk().unwrap());
    let footer = trailer - usize::try_from(length).unwrap();
    bytes[footer + 16..footer + 24].copy_from_slice(&u64::MAX.to_le_bytes());
    let crc = crc32fast::hash(&bytes[footer..trailer]);
    bytes[trailer + 8..trailer + 12].copy_from_slice(&crc.to_le_bytes());
    std::fs::write(&segment, bytes).unwrap();
    std::fs::remove_file(index).unwrap();
    says(is_whole(folder.path(), &world), &segment);
}

#[test]
fn every_cut_of_a_segment_is_seen() {
    let folder = tempfile::tempdir().unwrap();
    let (world, segment, _) = small(folder.path());
    let whole = std::fs::read(&segment).unwrap();
    for length in 0..whole.len() {
        std::fs::write(&segment, &whole[..length]).unwrap();
        says(is_whole(folder.path(), &world), &segment);
    }
    std::fs::write(&segment, [whole.as_slice(), b"\0"].concat()).unwrap();
    says(is_whole(folder.path(), &world), &segment);
}

#[test]
fn flipped_bytes_of_an_index_are_seen_or_repaired() {
    let folder = tempfile::tempdir().unwrap();
    let (world, _, index) = small(folder.path());
    let whole = std::fs::read(&index).unwrap();
    let (mut seen, mut repaired) = (0, 0);
    // Of the page not every byte: the tests of pages flip them all.
    let places: Vec<_> = (0..4096).step_by(5).chain(4096..whole.len()).collect();
    for place in places {
        let mut damaged = whole.clone();
        damaged[place] ^= 0x10;
        std::fs::write(&index, &damaged).unwrap();
        match is_whole(folder.path(), &world) {
            Ok(()) => repaired += 1,
            other => {
                says(other, &index);
                seen += 1;
            }
        }
    }
    assert_eq!((seen, repaired), (820, whole.len() - 4096));
    // As the message says: remove it.
    std::fs::remove_file(&index).unwrap();
    is_whole(folder.path(), &world).unwrap();
    assert!(std::fs::read(&index).unwrap() == whole);
}

#[test]
fn every_cut_of_an_index_is_repaired() {
    let folder = tempfile::tempdir().unwrap();
    let (world, _, index) = small(folder.path());
    let whole = std::fs::read(&index).unwrap();
    for length in (0..whole.len()).step_by(7).chain(whole.len() - 80..whole.len()) {
        std::fs::write(&index, &whole[..length]).unwrap();
        is_whole(folder.path(), &world).unwrap();
        assert!(std::fs::read(&index).unwrap() == whole);
    }
}

#[test]
fn a_segment_that_is_missing_or_in_anothers_place_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let (world, second, _) = small(folder.path());
    let file = |number: u64| folder.path().join(format!("{number:010}-{number:010}.seg"));
    let bytes = std::fs::read(&second).unwrap();
    std::fs::remove_file(&second).unwrap();
    says(is_whole(folder.path(), &world), &file(3));
    std::fs::copy(file(3), &second).unwrap();
    says(is_whole(folder.path(), &world), &second);
    std::fs::write(&second, bytes).unwrap();
    is_whole(folder.path(), &world).unwrap();
    // One of another archive, of the same name.
    let other = tempfile::tempdir().unwrap();
    archived(&mut open(other.path()), 5, 2, 6);
    std::fs::copy(other.path().join(second.file_name().unwrap()), &second).unwrap();
    let said = is_whole(folder.path(), &world).unwrap_err().to_string();
    assert!(said.contains("it does not follow the segment"), "{said}");
}
