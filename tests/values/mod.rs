//! Damage to the values of a journal: cut, flipped, missing, swapped, repeated.

use crate::small::{State, begins_record, fill, read, state};
use purser::codec::record::Position;
use purser::codec::value::{self, Content};
use purser::store::memory::{CrashImage, MemoryJournal};
use purser::store::recovery::{Loss, Start, recover};
use purser::store::writer::Tail;
use purser::store::{Journal, Mark, StoreError};

/// A journal with all its values, the wallets after each of them, and its mark.
struct Sample {
    values: Vec<(Position, Vec<u8>)>,
    /// The wallets before each value, and after the last.
    states: Vec<State>,
    /// The chain after each value.
    marks: Vec<Mark>,
}

fn copy(values: &[(Position, Vec<u8>)], marks: &[Mark]) -> MemoryJournal {
    let mut journal = MemoryJournal::default();
    for (position, value) in values {
        journal.append(*position, value).expect("memory");
    }
    journal.sync().expect("memory");
    journal.reset_marks(marks).expect("memory");
    journal
}

fn sample() -> Sample {
    let disk = MemoryJournal::default();
    drop(fill(disk.clone(), false));
    let values = disk.values();
    let states = (0..=values.len()).map(|count| {
        read(&mut copy(&values[..count], &[]), Loss::Refuse).expect("a prefix is sound")
    });
    let states = states.collect();
    let mut chain = 0;
    let marks = values.iter().map(|(position, value)| {
        chain = value::chain_after(value, chain);
        Mark { last: *position, chain }
    });
    let marks = marks.collect();
    Sample { values, states, marks }
}

/// How many values a record that spans `index` begins with.
fn start_of(sample: &Sample, index: usize) -> usize {
    (0..=index).rev().find(|&at| begins_record(&sample.values[at].1)).expect("one begins")
}

/// One damaged value, or none in its place: refused below the mark; cut off beyond it, if nothing
/// sound follows; and gone with all that follows it when the loss is accepted, which is tried when `thorough`.
fn check(sample: &Sample, index: usize, damaged: Option<&[u8]>, thorough: bool) {
    let last = sample.values.len() - 1;
    let place = sample.values[index].0;
    let with = |marks: &[Mark]| {
        let journal = copy(&sample.values, marks);
        journal.damage(place, damaged.map(<[u8]>::to_vec));
        journal
    };
    let all = &sample.marks[last..];
    let refused = read(&mut with(all), Loss::Refuse).expect_err("it was acknowledged");
    let text = refused.to_string();
    assert!(text.contains("missing") || text.contains("damaged"), "{text}");
    assert!(damaged.is_none() || matches!(refused, StoreError::Damaged { .. }), "{text}");
    let newer = damaged.is_some_and(|value| value.len() >= 32 && value[0] != 1);
    let start = start_of(sample, index);
    if start > 0 && !newer {
        let beyond = &sample.marks[start - 1..start];
        let result = read(&mut with(beyond), Loss::Refuse);
        if index == last || (damaged.is_none() && start_of(sample, last) == start) {
            assert_eq!(result.expect("a torn end"), sample.states[start]);
        } else {
            assert!(result.is_err(), "sound values follow");
        }
    }
    if !thorough {
        return;
    }
    let mut accepted = with(all);
    let result = read(&mut accepted, Loss::Accept);
    if newer {
        // To go on without what a newer purser wrote is not for this one to offer.
        assert!(result.expect_err("a newer version").to_string().contains("version"));
        return;
    }
    assert_eq!(result.expect("accepted"), sample.states[start]);
    let after = read(&mut accepted.crash(CrashImage::default()), Loss::Refuse);
    assert_eq!(after.expect("it was accepted once and for all"), sample.states[start]);
}

#[test]
fn every_cut_is_refused_or_cut_off() {
    let sample = sample();
    assert!(sample.values.len() >= 28, "{}", sample.values.len());
    assert!(sample.values.iter().any(|(_, value)| !begins_record(value)), "one in fragments");
    for (index, (_, value)) in sample.values.iter().enumerate() {
        for length in (0..value.len()).step_by(if value.len() > 1_000 { 37 } else { 1 }) {
            check(&sample, index, Some(&value[..length]), length % 5 == 0);
        }
    }
}

#[test]
fn every_flipped_byte_is_refused_or_cut_off() {
    let sample = sample();
    for (index, (_, value)) in sample.values.iter().enumerate() {
        for place in (0..value.len()).step_by(if value.len() > 1_000 { 37 } else { 1 }) {
            let mut damaged = value.clone();
            damaged[place] ^= 1 << (place % 8);
            check(&sample, index, Some(&damaged), place % 5 == 0);
        }
    }
}

#[test]
fn every_missing_value_is_noticed() {
    let sample = sample();
    for index in 0..sample.values.len() {
        check(&sample, index, None, true);
    }
}

#[test]
fn swapped_and_repeated_values_are_refused() {
    let sample = sample();
    let last = sample.values.len() - 1;
    for index in 0..last {
        for other in [index + 1, last] {
            let journal = copy(&sample.values, &sample.marks[last..]);
            journal.damage(sample.values[index].0, Some(sample.values[other].1.clone()));
            journal.damage(sample.values[other].0, Some(sample.values[index].1.clone()));
            assert!(read(&mut journal.clone(), Loss::Refuse).is_err(), "{index} and {other}");
        }
        let journal = copy(&sample.values, &sample.marks[last..]);
        journal.damage(sample.values[index + 1].0, Some(sample.values[index].1.clone()));
        assert!(read(&mut journal.clone(), Loss::Refuse).is_err(), "{index} twice");
    }
    // Behind the end, nobody was told of it.
    let mut journal = copy(&sample.values, &sample.marks[last..]);
    let end = sample.values[last].0.plus(1);
    journal.append(end, &sample.values[last].1).expect("memory");
    assert_eq!(read(&mut journal, Loss::Refuse).expect("a torn end"), sample.states[last + 1]);
    assert_eq!(journal.values().len(), last + 1, "what was torn is gone");
}

#[test]
fn a_log_that_ends_before_its_mark_names_what_is_missing() {
    let sample = sample();
    let last = sample.values.len() - 1;
    for count in 0..=last {
        let mut journal = copy(&sample.values[..count], &sample.marks[last..]);
        let refused = read(&mut journal, Loss::Refuse).expect_err("it was acknowledged");
        let StoreError::Missing { log: 0, found, acknowledged } = refused else {
            panic!("{refused}");
        };
        assert_eq!(acknowledged, sample.values[last].0.number());
        assert!(found <= u64::try_from(count).expect("few"), "{found} of {count}");
        assert_eq!(journal.values().len(), count, "a refusal changes nothing");
    }
}

/// A wallet's records lie in two logs once the number of shards has changed. With a hole in the
/// first log, accepting the loss was refused as well, for the records in the second log that had
/// lost what they stood on: there was no way out but a backup.
#[test]
fn an_accepted_loss_takes_what_stood_on_it_in_other_logs() {
    let disk = MemoryJournal::default();
    drop(fill(disk.clone(), true));
    let whole = read(&mut disk.clone(), Loss::Refuse).expect("it is sound");
    let values = disk.values();
    assert!(values.iter().any(|(position, _)| position.log() == 1));
    for (place, value) in &values {
        let mut journal = disk.crash(CrashImage::default());
        journal.damage(*place, Some(value[..value.len() / 2].to_vec()));
        let refused = read(&mut journal, Loss::Refuse);
        assert!(refused.is_err(), "{place}");
        let left = read(&mut journal, Loss::Accept).expect("accepted");
        for (name, wallet) in &left {
            assert!(wallet.seq() <= whole[name].seq());
        }
        let after = read(&mut journal.crash(CrashImage::default()), Loss::Refuse);
        assert_eq!(after.expect("once and for all"), left, "{place}");
        assert!(journal.values().len() < values.len());
    }
}

/// A process that stops in the middle of a commit: what is left begins where no record is half
/// there, and the next one goes right behind it.
#[test]
fn a_torn_end_leaves_whole_records_and_where_to_go_on() {
    let sample = sample();
    for count in 1..=sample.values.len() {
        let whole = sample.values.get(count).is_none_or(|(_, value)| begins_record(value));
        let start = if whole { count } else { start_of(&sample, count) };
        let mut journal = copy(&sample.values[..count], &sample.marks[start - 1..start]);
        let recovered = recover(&mut journal, &Start::BEGINNING, Loss::Refuse)
            .expect("nobody was told of the rest");
        let next = sample.values[start - 1].0.plus(
            match value::decode(&sample.values[start - 1].1).expect("it is sound").content {
                Content::Whole { records } => u64::from(records),
                Content::Fragment { .. } => 1,
            },
        );
        let chain = sample.marks[start - 1].chain;
        assert_eq!(recovered.tails, [Tail { next, chain }], "after {count} values");
        assert_eq!(journal.values(), sample.values[..start], "after {count} values");
        let state = state(&journal, recovered).expect("it is sound");
        assert_eq!(state, sample.states[start]);
    }
}

/// Sound by itself and at the right place, but not what followed the value before it.
#[test]
fn a_value_of_another_history_is_refused() {
    let sample = sample();
    let last = sample.values.len() - 1;
    for (index, (place, bytes)) in sample.values.iter().enumerate().skip(1) {
        let old = value::decode(bytes).expect("it is sound");
        let mut other = Vec::new();
        let chain = old.chain ^ 1;
        value::encode(*place, chain, old.content, old.body, &mut other).expect("it is sound");
        for mark in [&sample.marks[last..], &sample.marks[..1]] {
            let mut journal = copy(&sample.values, mark);
            journal.damage(*place, Some(other.clone()));
            let refused = read(&mut journal, Loss::Refuse).expect_err("another history");
            assert!(refused.to_string().contains("chain"), "{index}: {refused}");
        }
    }
}

/// A crash after a checkpoint's archive and before the rest, then damage to the journal, and a loss that was
/// accepted: retries were answered from the archive, and no balance had what they said. The server ended at
/// its next checkpoint.
#[test]
fn a_journal_that_ends_before_the_archive_is_refused_also_where_a_loss_is_accepted() {
    let sample = sample();
    for cut in 1..sample.values.len() {
        for archived in cut..sample.values.len() {
            let archived_to = [Tail { next: sample.values[archived].0, chain: 0 }];
            let start = Start { archived: &archived_to, ..Start::BEGINNING };
            for loss in [Loss::Refuse, Loss::Accept] {
                let mut journal = copy(&sample.values[..cut], &[]);
                let recovered = recover(&mut journal, &start, loss);
                if archived > cut {
                    let error = recovered.unwrap_err();
                    assert!(matches!(error, StoreError::ArchiveAhead { .. }), "{cut}: {error}");
                    assert_eq!(journal.values(), sample.values[..cut], "nothing is cut off");
                } else if begins_record(&sample.values[cut].1) {
                    recovered.unwrap();
                }
            }
        }
    }
}
