//! The archive against a naive one, and what must hold of its files.

mod crashes;
mod damage;
mod lookup;
mod meanwhile;
mod walks;
mod world;

use super::*;
use crate::codec::record::Position;
use crate::store::Journal;
use proptest::prelude::*;
use world::{World, lasts_of, open, secret};

/// A world in which `appends` appends of some records each were archived.
fn archived(archive: &mut Archive, seed: u64, appends: u64, records: u64) -> World {
    let mut world = World::new(seed);
    for _ in 0..appends {
        (0..records).for_each(|_| world.write());
        world.archive(archive);
    }
    world
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 24,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn the_archive_agrees_with_a_naive_one(seed: u64, steps in 1_u64..25) {
        let folder = tempfile::tempdir().unwrap();
        let mut archive = open(folder.path());
        let mut world = World::new(seed);
        for _ in 0..steps {
            match world.below(8) {
                0 => {
                    archive = Archive::open(folder.path(), secret(), Settings::default()).unwrap();
                    (0..world.below(9)).for_each(|_| assert!(archive.read_filter().is_ok()));
                }
                1 => world.archive(&mut archive),
                2 | 3 => world.archive_some(&mut archive),
                4 => {
                    let count = 1 + world.below(60);
                    world.write_batch(count);
                }
                _ => {
                    let count = 1 + world.below(40);
                    (0..count).for_each(|_| world.write());
                }
            }
            while archive.merge().unwrap() {}
        }
        world.archive(&mut archive);
        world.check(&archive.view());
        world.check(&open(folder.path()).view());
    }
}

#[test]
fn merging_changes_no_answer() {
    let folder = tempfile::tempdir().unwrap();
    let mut archive = open(folder.path());
    let mut world = World::new(77);
    for _ in 0..20 {
        (0..20).for_each(|_| world.write());
        world.archive_some(&mut archive);
    }
    let before = archive.view();
    let records = |view: &View| view.segments().map(|info| info.records).sum::<u64>();
    let tails = archive.tails();
    assert!(archive.merge().unwrap());
    while archive.merge().unwrap() {}
    let after = archive.view();
    assert!(after.segments().len() < 13, "{}", after.segments().len());
    assert_eq!(records(&after), records(&before));
    assert_eq!(archive.tails(), tails);
    world.check(&after);
    // Their files are gone, but whoever had a view of them still has it.
    world.check(&before);
    let files = std::fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(files, after.segments().len() * 2);
}

/// An index must be what its segment says, so that one which is lost can be made again.
#[test]
fn an_index_that_is_made_again_has_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let mut archive = open(folder.path());
    let mut world = World::new(5);
    for _ in 0..9 {
        (0..60).for_each(|_| world.write());
        world.archive_some(&mut archive);
    }
    assert!(archive.merge().unwrap());
    (0..60).for_each(|_| world.write());
    world.archive(&mut archive);
    let indexes = || -> Vec<_> {
        let paths = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path());
        let of_indexes = paths.filter(|path| path.extension().unwrap() == "idx");
        let mut read: Vec<_> =
            of_indexes.map(|path| (path.clone(), std::fs::read(&path).unwrap())).collect();
        read.sort();
        read
    };
    let before = indexes();
    assert!(before.len() > 1);
    for (path, _) in &before {
        std::fs::remove_file(path).unwrap();
    }
    world.check(&open(folder.path()).view());
    assert!(indexes() == before);
    // With another secret nothing would be found, so they are made again, too.
    let other = Secret::new([7; 16]);
    Archive::open(folder.path(), other, Settings::default()).unwrap();
    assert!(indexes() != before);
    open(folder.path());
    assert!(indexes() == before);
}

#[test]
fn what_the_archive_has_is_left_out_and_what_is_missing_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut archive = open(folder.path());
    assert_eq!(archive.tails(), []);
    let mut world = archived(&mut archive, 3, 2, 30);
    let tails = archive.tails();
    assert!(tails.iter().all(|tail| *tail == world.tail(tail.next.log())));
    // The whole journal again: nothing is new.
    let again = archive.append(&mut |visit| world.journal.scan(visit)).unwrap();
    assert_eq!((again, archive.view().segments().len()), (Appended::default(), 2));
    (0..30).for_each(|_| world.write());
    let is_new = |position: Position| {
        tails.iter().all(|tail| tail.next.log() != position.log() || tail.next <= position)
    };
    let mut fresh = world.journal.values();
    fresh.retain(|(position, _)| is_new(*position));
    for place in 0..fresh.len() {
        let mut gap = fresh.clone();
        let (position, _) = gap.remove(place);
        if gap.get(place).is_none_or(|next| next.0.log() != position.log()) {
            // Nobody can know of the last one of a log.
            continue;
        }
        let result = archive.append(&mut |visit| {
            gap.iter().try_for_each(|(position, value)| visit(*position, value))
        });
        assert!(matches!(result, Err(StoreError::Damaged { .. })), "without {position}");
        assert_eq!((archive.tails(), archive.view().segments().len()), (tails.clone(), 2));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 4);
    }
    let mut other = World::new(4);
    (0..200).for_each(|_| other.write());
    let result = archive.append(&mut |visit| other.journal.scan(visit));
    assert!(matches!(result, Err(StoreError::Damaged { .. })), "it is another journal");
    world.archive(&mut archive);
    world.check(&archive.view());
}

#[test]
fn segments_whose_time_is_over_go_from_the_oldest_on() {
    let folder = tempfile::tempdir().unwrap();
    let mut archive = open(folder.path());
    let world = archived(&mut archive, 9, 6, 20);
    let infos: Vec<_> = archive.view().segments().collect();
    let now = Timestamp::from_millis(world.time);
    assert_eq!(
        archive.retire(now, Timestamp::MAX, &mut |_| Ok(())).unwrap(),
        0,
        "nothing limits it"
    );

    let third = infos[2].last_time;
    let retention = Some(now.since(third));
    let settings = Settings { retention, ..Settings::default() };
    archive = Archive::open(folder.path(), secret(), settings).unwrap();
    assert_eq!(
        archive.retire(now, infos[0].last_time, &mut |_| Ok(())).unwrap(),
        0,
        "its events are needed"
    );
    assert_eq!(archive.retire(now, Timestamp::MAX, &mut |_| Ok(())).unwrap(), 2);
    assert_eq!(archive.view().oldest(), Some(infos[2].first_time));
    let reopened = open(folder.path());
    assert_eq!(reopened.view().segments().collect::<Vec<_>>(), infos[2..]);
    world.check(&reopened.view());

    // By bytes: the newest stays whatever it has.
    let settings = Settings { retention_bytes: Some(1), ..Settings::default() };
    archive = Archive::open(folder.path(), secret(), settings).unwrap();
    assert_eq!(archive.retire(now, Timestamp::MAX, &mut |_| Ok(())).unwrap(), 3);
    assert_eq!(archive.view().segments().len(), 1);
    assert_eq!(archive.tails(), open(folder.path()).tails());
    world.check(&archive.view());
}

#[test]
fn filters_without_room_get_coarser_but_deny_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut archive = open(folder.path());
    let mut world = World::new(21);
    for _ in 0..6 {
        (0..120).for_each(|_| world.write());
        world.archive(&mut archive);
    }
    let whole = archive.view().filter_bytes();
    for filter_bytes_max in [whole - 1, whole / 2, whole / 3, 0] {
        let settings = Settings { filter_bytes_max, ..Settings::default() };
        let mut archive = Archive::open(folder.path(), secret(), settings).unwrap();
        while archive.read_filter().unwrap() {
            let bytes = archive.view().filter_bytes();
            assert!(bytes <= filter_bytes_max.max(whole / 8), "{bytes} of {filter_bytes_max}");
        }
        let view = archive.view();
        let bits: Vec<_> = view.segments().map(|info| info.filter_bits_per_op).collect();
        if filter_bytes_max == whole - 1 {
            assert!(bits[0] < bits[5], "the oldest first: {bits:?}");
        }
        world.check(&view);
        while archive.merge().unwrap() {}
        world.check(&archive.view());
    }
}

/// A start read the filters of all history before it served, and folded them when all were in memory:
/// both the time and the memory that it took grew with history.
#[test]
fn a_start_reads_no_filter_and_answers_rightly_without() {
    let folder = tempfile::tempdir().unwrap();
    let mut archive = open(folder.path());
    let world = archived(&mut archive, 31, 4, 60);
    let infos: Vec<_> = archive.view().segments().collect();
    let mut archive = Archive::open(folder.path(), secret(), Settings::default()).unwrap();
    assert_eq!(archive.view().filter_bytes(), 0);
    for read in 1..=4 {
        world.check(&archive.view());
        assert!(archive.read_filter().unwrap());
        let bits: Vec<_> = archive.view().segments().map(|info| info.filter_bits_per_op).collect();
        let (unread, newest) = bits.split_at(4 - read);
        assert!(unread.iter().all(|bits| *bits == 0) && newest.iter().all(|bits| *bits > 0));
    }
    assert!(!archive.read_filter().unwrap());
    assert_eq!(archive.view().segments().collect::<Vec<_>>(), infos);
    world.check(&archive.view());
}

/// The formats are frozen: these files were written by version 1 and must be readable for ever.
#[test]
fn version_1_is_readable_for_ever() {
    let folder = tempfile::tempdir().unwrap();
    let path = |ending: &str| folder.path().join(format!("0000000001-0000000008.{ending}"));
    let index = include_bytes!("golden_v1.idx");
    std::fs::write(path("seg"), include_bytes!("golden_v1.seg")).unwrap();
    std::fs::write(path("idx"), index).unwrap();
    for _ in 0..2 {
        let view = open(folder.path()).view();
        let info = view.segments().next().unwrap();
        assert_eq!((info.records, info.values, info.ops), (16, 17, 20));
        let mut found = 0;
        view.scan(&mut |position, _| {
            let Some(record) = view.record(position)? else { return Ok(()) };
            for key in World::keys(&record) {
                assert!(view.may_have(key) && view.find(key)?.contains(&position));
            }
            let wallet = OpKey::of_wallet(secret(), &record.wallet);
            found += lasts_of(&view, wallet).count();
            Ok(())
        })
        .unwrap();
        assert!(found > 0);
        // What is made again today is what version 1 has written.
        assert!(std::fs::read(path("idx")).unwrap() == index);
        std::fs::remove_file(path("idx")).unwrap();
    }
}

/// Readers on other threads have views; the writer may live on a thread of its own.
#[test]
fn views_are_shared_and_the_writer_can_move() {
    const fn is_shared<T: Send + Sync>() {}
    const fn can_move<T: Send>() {}
    is_shared::<View>();
    can_move::<Archive>();
}

#[test]
fn an_empty_archive_has_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut archive = open(&folder.path().join("archive"));
    World::new(1).check(&archive.view());
    assert_eq!(archive.view().record(Position::new(0, 1)).unwrap(), None);
    assert_eq!(archive.view().oldest(), None);
    assert!(!archive.merge().unwrap());
    let nothing = archive.append(&mut |_| Ok(())).unwrap();
    assert_eq!(nothing, Appended::default());
    assert_eq!(std::fs::read_dir(folder.path().join("archive")).unwrap().count(), 0);
}
