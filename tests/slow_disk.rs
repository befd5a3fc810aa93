//! The engine over a disk whose every sync takes 50 ms: shard, actors and committer as they are in
//! the server, the journal in memory.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test")]

use purser::codec::request::{self, Parsed};
use purser::codec::resp::{Limits, Parser, write_request};
use purser::config::Config;
use purser::domain::command::Request;
use purser::domain::outcome::Outcome;
use purser::domain::rating::{BookAnswer, BookQuestion, NoPrices};
use purser::domain::time::Timestamp;
use purser::engine::batch::BatchNo;
use purser::engine::clock::ManualClock;
use purser::engine::committer::{self, Durability, Submission};
use purser::engine::directory::Directory;
use purser::engine::loader::{self, Loaders};
use purser::engine::peers::{Forward, Inheritance, PeerMessage, Question};
use purser::engine::prices::{PriceShelf, SharedPrices};
use purser::engine::shard::Shard;
use purser::engine::signal::ShardSignal;
use purser::engine::{Replies, ReplyTo};
use purser::store::Journal as _;
use purser::store::history::History;
use purser::store::memory::MemoryJournal;
use purser::store::tail::TailRecords;
use purser::store::writer::{JournalWriter, Tail};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::time::Duration;

const SYNC: Duration = Duration::from_millis(150);
const WALLETS: usize = 50;
/// Requests come in bursts, a burst every few milliseconds, whatever the disk does.
const BURSTS: usize = 100;
const PER_BURST: usize = 400;
const GAP: Duration = Duration::from_millis(5);

/// A connection that sends answers in the order of its requests, each when it is safe.
#[derive(Default)]
struct Answers {
    waiting: RefCell<BTreeMap<u64, (Outcome, BatchNo)>>,
    sent: RefCell<Vec<Outcome>>,
}

impl Replies for Answers {
    fn deliver(&self, reply_to: ReplyTo, outcome: Outcome, after: BatchNo) {
        let earlier = self.waiting.borrow_mut().insert(reply_to.request, (outcome, after));
        assert!(earlier.is_none(), "answered twice");
    }

    fn flush(&self, durable: BatchNo) {
        let mut waiting = self.waiting.borrow_mut();
        let mut sent = self.sent.borrow_mut();
        while let Some(next) = waiting.first_entry() {
            let is_next = usize::try_from(*next.key()).unwrap() == sent.len();
            if !is_next || next.get().1 > durable {
                break;
            }
            sent.push(next.remove().0);
        }
    }

    fn fail(&self) {
        panic!("the store has not failed");
    }
}

/// A shelf without a price book: nothing is rated here.
struct EmptyShelf;

impl PriceShelf for EmptyShelf {
    fn current(&self) -> SharedPrices {
        Arc::new(NoPrices)
    }

    fn answer(&self, _: &BookQuestion, _: Timestamp) -> BookAnswer {
        BookAnswer::Failed("there is none".to_owned())
    }
}

fn parse(line: &str, rules: &request::Rules) -> Request {
    let mut bytes = Vec::new();
    write_request(&mut bytes, &line.split(' ').collect::<Vec<_>>());
    let mut parser = Parser::new(Limits::default());
    parser.next(&bytes).unwrap();
    match request::parse(parser.args(&bytes), rules).unwrap() {
        Parsed::Wallet { request, .. } => request,
        _ => panic!("{line}"),
    }
}

/// Opens wallets and charges them, burst by burst; answers what was answered and how often the disk
/// was synced meanwhile.
async fn charge_in_bursts() -> (Vec<Outcome>, u64) {
    let journal = MemoryJournal::default();
    journal.set_sync_delay(SYNC);
    let (submit, submissions) = crossbeam::channel::unbounded();
    let signal = ShardSignal::new();
    let signals = vec![Arc::clone(&signal)];
    let committer = std::thread::spawn({
        let (journal, signals) = (journal.clone(), signals.clone());
        let writer = JournalWriter::new(journal, Vec::new());
        let written = AtomicU64::new(0);
        move || committer::run(writer, &submissions, &signals, &written, Durability::Commit)
    });
    let now = Timestamp::from_millis(1_700_000_000_000);
    let clock = Arc::new(ManualClock::at(now));
    let settings = Config::default().engine();
    let shard = Shard::new(0, settings, clock, &signals, submit.clone()).unwrap();
    let answers = Rc::new(Answers::default());
    let replies: Rc<dyn Replies> = Rc::<Answers>::clone(&answers);
    shard.connect(replies);
    actix_rt::spawn(Rc::clone(&shard).run());
    let (is_ready, ready) = tokio::sync::oneshot::channel();
    let history = Arc::new(History::of_journal(journal.reader(), TailRecords::default()));
    let (urgent, jobs) = crossbeam::channel::unbounded();
    let loader = std::thread::spawn({
        let (history, signals) = (Arc::clone(&history), signals.clone());
        move || loader::run(&history, &EmptyShelf, &jobs, &signals, &AtomicBool::new(false))
    });
    let loaders = Loaders { patient: urgent.clone(), urgent, stop: Arc::default() };
    signal.send(PeerMessage::Recovered(Box::new(Inheritance {
        tail: Tail::empty(0),
        changed: Vec::new(),
        fresh: Directory::default(),
        wallets: 0,
        history,
        prices: Arc::new(EmptyShelf),
        loaders: loaders.clone(),
        keeper: crossbeam::channel::unbounded().0,
        ready: Box::new(move || is_ready.send(()).unwrap()),
    })));
    ready.await.unwrap();
    let (rules, mut next) = (request::Rules::default(), 0);
    let mut ask = |line: &str| {
        let reply_to = ReplyTo { shard: 0, connection: 1, request: next };
        let question = Question::Request(parse(line, &rules));
        shard.dispatch(Forward { question, reply_to, now });
        next += 1;
    };
    for wallet in 0..WALLETS {
        ask(&format!("WALLET.OPEN w{wallet} CURRENCY USD"));
        ask(&format!("TOPUP w{wallet} 1000 ID t"));
    }
    for burst in 0..BURSTS {
        for number in 0..PER_BURST {
            ask(&format!("CHARGE w{} 1 ID c{burst}-{number}", number % WALLETS));
        }
        tokio::time::sleep(GAP).await;
    }
    while !shard.is_settled() || !answers.waiting.borrow().is_empty() {
        tokio::time::sleep(GAP).await;
    }
    submit.send(Submission::Stop).unwrap();
    loaders.stop();
    loader.join().unwrap().unwrap();
    committer.join().unwrap().unwrap();
    (answers.sent.take(), journal.syncs())
}

#[test]
fn a_slow_disk_gets_larger_commits_and_nothing_is_refused_or_overtaken() {
    let (sent, syncs) = actix::System::new().block_on(charge_in_bursts());
    let opened = 2 * WALLETS;
    assert_eq!(sent.len(), opened + BURSTS * PER_BURST);
    let mut left = [1_000_i128; WALLETS];
    for (place, outcome) in sent.iter().enumerate() {
        let Some(charge) = place.checked_sub(opened) else { continue };
        let wallet = charge % PER_BURST % WALLETS;
        left[wallet] -= 1;
        let Outcome::Receipt(receipt) = outcome else { panic!("{outcome:?}") };
        assert_eq!(receipt.balances.available.pico(), left[wallet] * 1_000_000_000_000);
    }
    // Every burst fits into the commits that are under way: there are not more commits than bursts,
    // by far, although each burst alone would have been a commit on a fast disk.
    let bursts = u64::try_from(BURSTS).unwrap();
    assert!(syncs < bursts / 2, "{syncs} commits of {bursts} bursts");
}
