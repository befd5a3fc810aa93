//! That nobody waits for the length of another's history, and a stop neither.

use super::*;
use crate::codec::request::{self, Parsed};
use crate::codec::resp::{Limits, Parser, write_request};
use crate::domain::ledger::RowKind;
use crate::domain::rating::{BookAnswer, NoPrices};
use crate::domain::rules::Rules;
use crate::engine::batch::FillingBatch;
use crate::engine::live_wallet::LiveWallet;
use crate::engine::prices::SharedPrices;
use crate::store::archive::{Archive, Secret, Settings};
use crate::store::memory::MemoryJournal;
use crate::store::memory_state::MemoryState;
use crate::store::tail::TailRecords;
use crate::store::writer::{JournalWriter, Tail};
use crate::store::{Journal as _, JournalReader, Visit};
use crossbeam::channel::unbounded;
use std::sync::atomic::AtomicUsize;

struct EmptyShelf;

impl PriceShelf for EmptyShelf {
    fn current(&self) -> SharedPrices {
        Arc::new(NoPrices)
    }

    fn answer(&self, _: &BookQuestion, _: Timestamp) -> BookAnswer {
        BookAnswer::Failed("there is none".to_owned())
    }
}

/// A journal that counts how often a record is looked for, and has something happen at the first time.
struct Counting {
    journal: Arc<dyn JournalReader>,
    looks: Arc<AtomicUsize>,
    first: Box<dyn Fn() + Send + Sync>,
}

impl JournalReader for Counting {
    fn read(&self, from: Position, to: Position, visit: &mut Visit<'_>) -> Result<(), StoreError> {
        self.journal.read(from, to, visit)
    }

    fn value_at(&self, position: Position) -> Result<Option<(Position, Vec<u8>)>, StoreError> {
        if self.looks.fetch_add(1, Ordering::Relaxed) == 0 {
            (self.first)();
        }
        self.journal.value_at(position)
    }

    fn trim(&self, to: Position) -> Result<(), StoreError> {
        self.journal.trim(to)
    }
}

/// How many captures the wallet's hold has.
const CAPTURES: usize = 1_000;

fn wallet() -> WalletId {
    WalletId::new(b"w").unwrap()
}

fn op(text: &str) -> OpId {
    OpId::new(text.as_bytes()).unwrap()
}

/// A journal with the records of a wallet whose one hold was captured very often; and where its last
/// record is.
fn captured() -> (MemoryJournal, Position) {
    let journal = MemoryJournal::default();
    let mut writer = JournalWriter::new(journal.clone(), Vec::new());
    let mut records = FillingBatch::after(Tail::empty(0));
    let mut live = LiveWallet::unopened(wallet());
    let mut ask = |line: &str, at: usize| {
        let mut bytes = Vec::new();
        write_request(&mut bytes, &line.split(' ').collect::<Vec<_>>());
        let mut parser = Parser::new(Limits::default());
        parser.next(&bytes).unwrap();
        let parsed = request::parse(parser.args(&bytes), &request::Rules::default());
        let Ok(Parsed::Wallet { request, .. }) = parsed else { panic!("{line}") };
        let now = Timestamp::from_millis(i64::try_from(at).unwrap());
        let rules = Rules::default();
        let done = live.execute(&request, now, &rules, &NoPrices, &mut records).unwrap();
        assert!(done.changed, "{line}: {:?}", done.outcome);
    };
    ask("WALLET.OPEN w CURRENCY USD", 1);
    ask("TOPUP w 10000 ID t", 2);
    ask("AUTHORIZE w 9000 ID h TTL 600000", 3);
    (0..CAPTURES).for_each(|number| ask(&format!("CAPTURE w h 1 KEEP ID c{number}"), 4 + number));
    let head = live.last();
    writer.append(&records.seal(Vec::new()).unwrap().batch).unwrap();
    (journal, head)
}

fn reply_to(request: u64) -> ReplyTo {
    ReplyTo { shard: 0, connection: 1, request }
}

/// What asks for rows that the wallet has none of.
fn long_walk(head: Position) -> Job {
    let kinds = &[RowKind::Withdrawn];
    let query = LedgerQuery { count: 10, before: None, from: None, to: None, kinds, hold: None };
    Job::Ledger { head, wallet: wallet(), query: Box::new(query), reply_to: reply_to(1) }
}

fn short_look() -> Job {
    let (asked, now) = (BookQuestion::Reload, Timestamp::from_millis(0));
    Job::Prices { asked, now, reply_to: reply_to(2) }
}

/// The requests that were answered, in order.
fn answered(shard: &ShardSignal) -> Vec<u64> {
    let mut answered = Vec::new();
    while let Some(message) = shard.inbox.pop() {
        match message {
            PeerMessage::Outcomes(outcomes) => {
                answered.extend(outcomes.iter().map(|(reply_to, _)| reply_to.request));
            }
            PeerMessage::Loaded(_) => answered.push(8),
            PeerMessage::Recalled(_) => answered.push(9),
            _ => panic!("nobody asked for this"),
        }
    }
    answered
}

/// Runs a loader on one long walk. `first` is what happens as soon as it looks at the first record.
/// Answers the requests that were answered, and how many records were looked for.
fn walk_along(
    first: impl Fn(&Sender<Job>, &AtomicBool) + Send + Sync + 'static,
) -> (Vec<u64>, usize) {
    let (journal, head) = captured();
    let (jobs, inbox) = unbounded();
    let (looks, stop) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
    jobs.send(long_walk(head)).unwrap();
    // Without a sender the loader ends once all is answered.
    let (jobs, stopping) = (std::sync::Mutex::new(Some(jobs)), Arc::clone(&stop));
    let first = move || first(&jobs.lock().unwrap().take().unwrap(), &stopping);
    let reader =
        Counting { journal: journal.reader(), looks: Arc::clone(&looks), first: Box::new(first) };
    let history = History::of_journal(Arc::new(reader), TailRecords::default());
    let shard = ShardSignal::new();
    run(&history, &EmptyShelf, &inbox, &[Arc::clone(&shard)], &stop).unwrap();
    (answered(&shard), looks.load(Ordering::Relaxed))
}

/// A ledger whose filter met nothing was walked to its end before anybody else had a turn: for half a
/// minute in a wallet of ten million records.
#[test]
fn who_comes_while_a_long_ledger_is_walked_does_not_wait_for_its_end() {
    let (answered, looks) = walk_along(|jobs, _| jobs.send(short_look()).unwrap());
    assert_eq!(answered, [2, 1]);
    assert_eq!(looks, CAPTURES + 3, "it was walked to its end all the same");
}

/// Each of very many ledgers had a page in memory at the same time, counted by nobody: gigabytes.
#[test]
fn only_so_many_rows_are_collected_at_a_time() {
    let (journal, head) = captured();
    let (jobs, inbox) = unbounded();
    let ledger = |request: u64, kinds: &'static [RowKind], count: usize| {
        let query = LedgerQuery { count, before: None, from: None, to: None, kinds, hold: None };
        let (query, reply_to) = (Box::new(query), reply_to(request));
        Job::Ledger { head, wallet: wallet(), query, reply_to }
    };
    let long = u64::try_from(ROWS_MAX / 1_000).unwrap();
    for request in 1..=long {
        jobs.send(ledger(request + 100, &[RowKind::Withdrawn], 1_000)).unwrap();
    }
    // One row, the last one, is quickly found; but there is no room for it yet.
    jobs.send(ledger(1, &[RowKind::Captured], 1)).unwrap();
    jobs.send(short_look()).unwrap();
    drop(jobs);
    let history = History::of_journal(journal.reader(), TailRecords::default());
    let shard = ShardSignal::new();
    run(&history, &EmptyShelf, &inbox, &[Arc::clone(&shard)], &AtomicBool::new(false)).unwrap();
    let answered = answered(&shard);
    assert_eq!(answered[..3], [2, 101, 1]);
    assert_eq!(answered.len(), usize::try_from(long).unwrap() + 2, "all are answered");
}

/// A server that was told to stop walked on to the end of the ledger.
#[test]
fn a_stop_ends_a_walk() {
    let (answered, looks) = walk_along(|_, stop| stop.store(true, Ordering::Relaxed));
    assert!(answered.is_empty(), "{answered:?}");
    assert!(looks <= SLICE, "{looks}");
}

/// A hold with very many captures was recalled at one go, and every wallet that was to be taken up waited.
#[test]
fn a_wallet_does_not_wait_until_an_operation_with_very_many_references_is_recalled() {
    let (journal, _) = captured();
    let folder = tempfile::tempdir().unwrap();
    let secret = Secret::new([1; 16]);
    let mut archive = Archive::open(folder.path(), secret, Settings::default()).unwrap();
    archive.append(&mut |visit| journal.scan(visit)).unwrap();
    let state = Arc::new(MemoryState::default());
    let tail = TailRecords::default();
    let history = History::new(state, journal.reader(), archive.view(), tail, secret);
    let (jobs, inbox) = unbounded();
    jobs.send(Job::Recall { shard: 0, wallet: wallet(), ops: vec![op("h")] }).unwrap();
    jobs.send(Job::TakeUp { shard: 0, wallet: WalletId::new(b"other").unwrap() }).unwrap();
    drop(jobs);
    let shard = ShardSignal::new();
    let stop = AtomicBool::new(false);
    run(&history, &EmptyShelf, &inbox, &[Arc::clone(&shard)], &stop).unwrap();
    assert_eq!(answered(&shard), [8, 9]);
}
