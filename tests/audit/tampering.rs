//! What no checksum can see, because it was written as it is: `verify` sees it.

use super::support::{data, folder};
use super::world::{build, copy, fails, verify};
use purser::codec::record::{self, Position, RecordRef, Sums};
use purser::codec::snapshot;
use purser::domain::amount::Amount;
use purser::domain::hold::HoldPage;
use purser::domain::id::WalletId;
use purser::domain::time::Timestamp;
use purser::store::Journal as _;
use purser::store::data_dir::DataDir;
use purser::store::sled::{SledJournal, SledState};
use purser::store::state::{Row, State, Table, page_key, place, timer_key};
use purser::store::still::StillCopy;
use purser::store::writer::{Batch, JournalWriter, Tail};
use std::path::Path;

fn wallet(name: &str) -> WalletId {
    WalletId::new(name.as_bytes()).unwrap()
}

fn first_key(state: &dyn State, table: Table) -> Vec<u8> {
    let mut first = Vec::new();
    let mut note = |key: &[u8], _: &[u8]| {
        first = key.to_vec();
        Ok(false)
    };
    state.range(table, &[], &mut note).unwrap();
    assert!(!first.is_empty());
    first
}

/// Has something tampered with in a copy of a store; answers why `verify` refuses that.
fn tampered(original: &Path, name: &str, tamper: impl FnOnce(&DataDir)) -> String {
    let data = original.with_file_name(name);
    copy(original, &data);
    let dir = DataDir::take(&data).unwrap();
    tamper(&dir);
    drop(dir);
    fails(&["verify", "--data", data.to_str().unwrap()])
}

#[test]
fn a_state_that_is_not_what_the_records_come_to_is_refused() {
    let folder = folder();
    let original = data(&folder);
    build(folder.path(), &original);
    verify(&original);
    let put = |rows: fn(&SledState) -> Vec<Row>| {
        move |dir: &DataDir| {
            let state = SledState::open(dir).unwrap();
            for row in rows(&state) {
                state.put(&row).unwrap();
            }
            state.sync().unwrap();
        }
    };
    let changed = |change: fn(&mut snapshot::Snapshot)| {
        move |dir: &DataDir| {
            let state = SledState::open(dir).unwrap();
            let key = place(&wallet("w2"));
            let bytes = state.get(Table::Wallets, &key).unwrap().unwrap();
            let mut snapshot = snapshot::decode(&bytes).unwrap();
            change(&mut snapshot);
            let bytes = snapshot::encode(&snapshot).unwrap();
            state.put(&Row::put(Table::Wallets, key, bytes)).unwrap();
            state.sync().unwrap();
        }
    };
    let refused = |name: &str, tamper: &dyn Fn(&DataDir), expected: &str| {
        let said = tampered(&original, name, tamper);
        assert!(said.contains(expected), "{name}: {said}");
    };
    let lost = put(|_| vec![Row::delete(Table::Wallets, place(&wallet("w2")))]);
    refused("lost", &lost, "w2");
    let no_timer = put(|state| vec![Row::delete(Table::Timers, first_key(state, Table::Timers))]);
    refused("no-timer", &no_timer, "a timer is missing");
    let more_timers = put(|_| {
        let key = timer_key(Timestamp::from_millis(5), &wallet("w2"));
        vec![Row::put(Table::Timers, key, Vec::new())]
    });
    refused("more-timers", &more_timers, "left over");
    let no_page = put(|state| vec![Row::delete(Table::Pages, first_key(state, Table::Pages))]);
    refused("no-page", &no_page, "not all of its holds");
    let more_pages = put(|_| {
        let key = page_key(&wallet("w2"), HoldPage(1));
        vec![Row::put(Table::Pages, key, vec![1])]
    });
    refused("more-pages", &more_pages, "left over");
    let stranger = put(|state| {
        let bytes = state.get(Table::Wallets, &place(&wallet("w2"))).unwrap().unwrap();
        let snapshot = snapshot::decode(&bytes).unwrap();
        let snapshot = snapshot::Snapshot { wallet: wallet("stranger"), ..snapshot };
        let bytes = snapshot::encode(&snapshot).unwrap();
        vec![Row::put(Table::Wallets, place(&wallet("stranger")), bytes)]
    });
    refused("stranger", &stranger, "no records");
    let money = changed(|snapshot| snapshot.core.terms.credit_limit = Amount::from_pico(1));
    refused("money", &money, "w2");
    let hold = changed(|snapshot| snapshot.holds[0].amount = Amount::from_pico(1));
    refused("hold", &hold, "is not what its records come to");
    let later = changed(|snapshot| snapshot.core.opened_at = Timestamp::from_millis(7));
    refused("later", &later, "is not what its records come to");
    let deadline = changed(|snapshot| snapshot.deadline = None);
    refused("deadline", &deadline, "left over");
}

/// A record with sound checksums, chain and mark, whose money is wrong by 10^-12.
#[test]
fn a_record_whose_money_is_not_what_its_event_makes_is_refused() {
    let folder = folder();
    let original = data(&folder);
    build(folder.path(), &original);
    let (last, position) = {
        let copy = StillCopy::of(&original).unwrap();
        let still = copy.open().unwrap();
        let taken = still.history.take_up(&wallet("w2")).unwrap().unwrap();
        (still.history.record(taken.last).unwrap(), taken.last)
    };
    let forge = |seq: u64, previous: Position, more: i128| {
        let last = last.clone();
        move |dir: &DataDir| {
            let log = position.log();
            let mut journal = SledJournal::open(dir).unwrap();
            let marks = journal.marks().unwrap();
            let mark = marks.iter().find(|mark| mark.last.log() == log).unwrap();
            let tail = Tail { next: mark.last.plus(1), chain: mark.chain };
            let posted = Amount::from_pico(last.sums.posted.pico() + more);
            let mut event = last.event.clone();
            event.op = None;
            event.kind = purser::domain::event::EventKind::Unfrozen;
            event.postings.clear();
            let record = RecordRef {
                wallet: &last.wallet,
                seq,
                previous,
                event: &event,
                sums: Sums { posted, ..last.sums },
                status: purser::domain::outcome::WalletStatus::Open,
                burned: &[],
            };
            let mut frames = Vec::new();
            record::encode(&record, &mut frames).unwrap();
            journal.sync().unwrap();
            let mut writer = JournalWriter::new(journal, vec![tail]);
            let batch = Batch { first: tail.next, frames };
            writer.append(&batch).unwrap();
            writer.sync().unwrap();
            writer.mark([&batch]).unwrap();
        }
    };
    let data = original.with_file_name("right");
    copy(&original, &data);
    forge(last.seq + 1, position, 0)(&DataDir::take(&data).unwrap());
    assert!(verify(&data).ends_with("ok\n"), "the forger's tools work");
    let money = tampered(&original, "money", forge(last.seq + 1, position, 1));
    assert!(money.contains("its money after event"), "{money}");
    let link = tampered(&original, "link", forge(last.seq + 1, last.previous, 0));
    assert!(link.contains("does not follow"), "{link}");
    let gap = tampered(&original, "gap", forge(last.seq + 2, position, 0));
    assert!(gap.contains("w2"), "{gap}");
}
