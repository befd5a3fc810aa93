//! What a crash leaves after every step is the archive before or after.

use super::super::folder::tests::look_at_each_step;
use super::world::{World, open, secret};
use super::*;
use std::cell::RefCell;
use std::path::PathBuf;
use std::rc::Rc;

/// Copies a folder.
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
    }
}

/// Runs `act`; answers copies of the folder after each of its steps.
fn steps(copies: &Path, act: impl FnOnce()) -> Vec<PathBuf> {
    let taken = Rc::new(RefCell::new(Vec::new()));
    let (looks, to) = (Rc::clone(&taken), copies.to_owned());
    look_at_each_step(Some(Box::new(move |folder| {
        let path = to.join(looks.borrow().len().to_string());
        copy(folder, &path);
        looks.borrow_mut().push(path);
    })));
    act();
    look_at_each_step(None);
    taken.take()
}

/// What stands in an archive: its ends, and the records of its segments.
fn state(archive: &Archive) -> (Vec<Tail>, Vec<u64>) {
    (archive.tails(), archive.view().segments().map(|info| info.records).collect())
}

/// After a crash at any step the archive is as before or as after, and can go on.
fn check(world: &World, mut archive: Archive, act: impl FnOnce(&mut Archive), least: usize) {
    let before = state(&archive);
    let copies = tempfile::tempdir().unwrap();
    let taken = steps(copies.path(), || act(&mut archive));
    let after = state(&archive);
    assert_ne!(before, after);
    assert!(taken.len() >= least, "only {} steps", taken.len());
    let mut seen_after = false;
    for path in taken {
        let mut left = open(&path);
        let found = state(&left);
        assert!(found == before || found == after, "{found:?}");
        assert!(found == after || !seen_after, "what was done is undone");
        seen_after |= found == after;
        world.check(&left.view());
        // All that is left over is gone.
        assert_eq!(std::fs::read_dir(&path).unwrap().count(), found.1.len() * 2);
        // The journal still has everything.
        world.archive(&mut left);
        while left.merge().unwrap() {}
        world.check(&left.view());
        assert_eq!(left.tails(), open(&path).tails());
    }
    assert!(seen_after);
}

#[test]
fn a_crash_while_appending() {
    let folder = tempfile::tempdir().unwrap();
    let mut archive = open(folder.path());
    let mut world = archived(&mut archive, 31, 3, 20);
    (0..20).for_each(|_| world.write());
    check(&world, archive, |archive| world.archive(archive), 4);
}

#[test]
fn a_crash_while_merging() {
    let folder = tempfile::tempdir().unwrap();
    let mut archive = open(folder.path());
    let world = archived(&mut archive, 32, 9, 8);
    check(&world, archive, |archive| assert!(archive.merge().unwrap()), 20);
}

#[test]
fn a_crash_while_opening_what_a_crash_has_left() {
    let folder = tempfile::tempdir().unwrap();
    let mut archive = open(folder.path());
    let world = archived(&mut archive, 33, 9, 6);
    let copies = tempfile::tempdir().unwrap();
    let taken = steps(copies.path(), || assert!(archive.merge().unwrap()));
    for path in taken {
        let again = tempfile::tempdir().unwrap();
        for path in steps(again.path(), || drop(open(&path))) {
            world.check(&open(&path).view());
        }
    }
}

/// Retiring goes from one state to the next, segment by segment; there is never a gap.
#[test]
fn a_crash_while_retiring() {
    let folder = tempfile::tempdir().unwrap();
    let mut archive = open(folder.path());
    let world = archived(&mut archive, 34, 5, 20);
    drop(archive);
    let settings = Settings { retention_bytes: Some(1), ..Settings::default() };
    let mut archive = Archive::open(folder.path(), secret(), settings).unwrap();
    let copies = tempfile::tempdir().unwrap();
    let taken = steps(copies.path(), || {
        let retired = archive.retire(Timestamp::MAX, Timestamp::MAX, &mut |_| Ok(())).unwrap();
        assert_eq!(retired, 4);
    });
    assert_eq!(taken.len(), 8);
    for (step, path) in taken.iter().enumerate() {
        let left = open(path);
        assert_eq!(left.view().segments().len(), 4 - step / 2);
        assert_eq!(left.tails(), archive.tails());
        world.check(&left.view());
    }
}
