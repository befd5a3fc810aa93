//! A small world around the journal: wallets, clients that retry, shards with their batches, a disk
//! that fails, checkpoints, and a machine that crashes, all driven by one number.

mod crash;
mod keeping;
use self::keeping::{Store, as_first};
use crate::model::Model;
use crate::model::asked::asked;
use crate::model::asked::tariff::Tariff;
use crate::model::asks::{Asker, Dice, opening, random};
use crate::model::told::{Answer, figures, told};
use purser::domain::command::{Command, Request};
use purser::domain::id::WalletId;
use purser::domain::memory::Era;
use purser::domain::outcome::Outcome;
use purser::domain::rules::Rules;
use purser::domain::time::Timestamp;
use purser::engine::batch::{BatchNo, FillingBatch, SealedBatch};
use purser::engine::live_wallet::{LiveWallet, Records as _};
use purser::store::memory::{CrashImage, Fault, MemoryJournal};
use purser::store::writer::{JournalWriter, Tail};
use purser::store::{Journal, Mark, StoreError};
use std::collections::{BTreeMap, VecDeque};

/// What a client knows of one wallet.
struct Account {
    id: WalletId,
    live: LiveWallet,
    model: Model,
    /// The model of the wallet before anything happened.
    unopened: Model,
    asker: Asker,
    opening: Request,
    /// The model after each event that may not be safe yet, by the wallet's sequence number.
    models: BTreeMap<u64, Model>,
    /// The last batch with a record of it, in its shard.
    batch: BatchNo,
    /// What was acknowledged, and the first answer.
    acknowledged: BTreeMap<String, (Request, Answer)>,
    safe_seq: u64,
    /// The era of its last change since it was taken up, if no checkpoint has that.
    changed: Option<Era>,
    /// Sent, and never answered.
    unanswered: VecDeque<Request>,
}

/// An answer that waits for the disk.
struct Waiting {
    account: usize,
    request: Request,
    answer: Answer,
    after: BatchNo,
    seq: u64,
}

struct Shard {
    filling: FillingBatch,
    sealed: VecDeque<SealedBatch>,
    waiting: VecDeque<Waiting>,
    durable: BatchNo,
}

/// What happened in a run, to see that it was worth it.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Seen {
    pub(crate) acknowledged: u64,
    pub(crate) crashes: u64,
    pub(crate) lost: u64,
    pub(crate) survived_unanswered: u64,
    pub(crate) cut_tails: u64,
    pub(crate) failed_syncs: u64,
    pub(crate) short_writes: u64,
    pub(crate) retries_counted_before: u64,
    pub(crate) checkpoints: u64,
    pub(crate) crashed_checkpoints: u64,
    pub(crate) finished_checkpoints: u64,
    pub(crate) recalled: u64,
    pub(crate) passivated: u64,
}

impl Seen {
    pub(crate) fn add(&mut self, other: Self) {
        self.acknowledged += other.acknowledged;
        self.crashes += other.crashes;
        self.lost += other.lost;
        self.survived_unanswered += other.survived_unanswered;
        self.cut_tails += other.cut_tails;
        self.failed_syncs += other.failed_syncs;
        self.short_writes += other.short_writes;
        self.retries_counted_before += other.retries_counted_before;
        self.checkpoints += other.checkpoints;
        self.crashed_checkpoints += other.crashed_checkpoints;
        self.finished_checkpoints += other.finished_checkpoints;
        self.recalled += other.recalled;
        self.passivated += other.passivated;
    }

    /// Whether everything happened that the test is about.
    pub(crate) fn is_worth_it(self) -> bool {
        let counts = [self.crashes, self.lost, self.survived_unanswered, self.cut_tails];
        let faults = [self.failed_syncs, self.short_writes, self.retries_counted_before];
        let kept = [self.checkpoints, self.recalled, self.passivated];
        let crashed = [self.crashed_checkpoints, self.finished_checkpoints, self.acknowledged];
        let counts = counts.iter().chain(&faults).chain(&kept).chain(&crashed);
        counts.into_iter().all(|&count| count > 0)
    }
}

pub(crate) struct World {
    random: Box<dyn FnMut() -> u64>,
    disk: MemoryJournal,
    writer: JournalWriter<MemoryJournal>,
    store: Store,
    accounts: Vec<Account>,
    shards: Vec<Shard>,
    rules: Rules,
    now: i64,
    /// Where each log is safe, and how far marks of it were ever written.
    safe: BTreeMap<u8, Tail>,
    marks: BTreeMap<u8, Vec<Mark>>,
    pub(crate) seen: Seen,
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let mut random = random(seed);
        let disk = MemoryJournal::default();
        let accounts = (0..2 + random() % 5).map(|index| {
            let id = WalletId::new(format!("w{index}").as_bytes()).expect("a good name");
            let (credit, limit) = (random() % 4 * 3, random() % 9);
            let debt_limit = (limit > 2).then_some(limit);
            let model = Model::open((i128::from(credit), debt_limit.map(i128::from)), 0);
            Account {
                live: LiveWallet::unopened(id.clone()),
                model: model.clone(),
                unopened: model,
                asker: Asker::new(id.clone()),
                opening: opening(&id, credit, debt_limit),
                id,
                models: BTreeMap::new(),
                batch: BatchNo::NONE,
                acknowledged: BTreeMap::new(),
                safe_seq: 0,
                changed: None,
                unanswered: VecDeque::new(),
            }
        });
        let accounts = accounts.collect();
        let mut world = Self {
            writer: JournalWriter::new(disk.clone(), Vec::new()),
            random: Box::new(random),
            store: Store::new(&disk),
            disk,
            accounts,
            shards: Vec::new(),
            rules: Rules::default(),
            now: 1_000,
            safe: BTreeMap::new(),
            marks: BTreeMap::new(),
            seen: Seen::default(),
        };
        world.start();
        world
    }

    fn roll(&mut self, sides: u64) -> u64 {
        (self.random)() % sides
    }

    fn below(&mut self, sides: usize) -> usize {
        usize::try_from(self.roll(u64::try_from(sides.max(1)).expect("small"))).expect("small")
    }

    /// One thing happens, whatever is next.
    pub(crate) fn step(&mut self) {
        match self.roll(200) {
            0..=149 => self.request(),
            150..=169 => {
                let shard = self.below(self.shards.len());
                self.seal(shard);
            }
            170..=193 => self.commit(),
            194..=196 => self.crash(),
            197 => {
                self.disk.inject(Fault::FailedSync);
                self.seen.failed_syncs += 1;
                self.commit();
            }
            198 => {
                let bytes = self.below(700);
                self.disk.inject(Fault::ShortWrite { bytes });
                self.seen.short_writes += 1;
                self.commit();
            }
            _ => self.now += 30,
        }
        match self.roll(8) {
            0..=2 => self.go_on_with_checkpoint(),
            3 => self.passivate(),
            _ => {}
        }
    }

    fn shard_of(&self, account: usize) -> usize {
        // Any spread will do, as long as it changes with the number of shards.
        (account * 7 + 3) % self.shards.len()
    }

    /// A client asks something new, or again what was never answered or was answered before.
    fn request(&mut self) {
        let index = self.below(self.accounts.len());
        let (bits, again) = ((self.random)(), self.roll(4));
        let mut dice = Dice(bits);
        let account = &mut self.accounts[index];
        self.now = Asker::time(&mut dice, self.now, &account.model);
        let request = if account.live.wallet().is_none() {
            account.opening.clone()
        } else if let Some(request) = account.unanswered.front().filter(|_| again > 0) {
            let request = request.clone();
            account.unanswered.pop_front();
            request
        } else {
            account.asker.ask(&mut dice, self.now, &account.model)
        };
        self.execute(index, request);
    }

    fn execute(&mut self, index: usize, request: Request) {
        let account = &self.accounts[index];
        let opens = matches!(request.command, Command::Open(_));
        if account.live.wallet().is_none() && !opens {
            self.execute(index, account.opening.clone());
        }
        let (now, shard) = (Timestamp::from_millis(self.now), self.shard_of(index));
        let shard = &mut self.shards[shard];
        let account = &mut self.accounts[index];
        let before = shard.filling.next();
        let settle = account.live.settle_due(now, &self.rules, 1_000, &mut shard.filling);
        assert!(settle.expect("what is due fits"), "so few deadlines are settled at once");
        self.seen.recalled += self.store.tell(&mut account.live, &request);
        let executed =
            account.live.execute(&request, now, &self.rules, &Tariff, &mut shard.filling);
        let executed = executed.expect("what was judged fits");
        if shard.filling.next() != before {
            account.changed = Some(shard.filling.era());
        }
        let wallet = account.live.wallet().expect("it is open");
        let answer = if opens {
            assert!(matches!(executed.outcome, Outcome::Wallet(_)), "opened, perhaps again");
            if executed.changed {
                account.model = account.unopened.clone();
                account.model.time = self.now;
            }
            account.model.settle_due(self.now.max(account.model.time));
            Answer { word: "OPENED".to_owned(), ..Answer::default() }
        } else {
            let told = told(&executed.outcome);
            let asked = asked(&request);
            let (Ok(expected) | Err(expected)) = account.model.ask(&asked, self.now);
            assert_eq!(told, expected, "{request:?}");
            self.seen.retries_counted_before += u64::from(told.has("replayed"));
            told
        };
        assert_eq!(figures(&wallet.balances()), account.model.balances());
        if account.models.last_key_value().is_none_or(|(seq, _)| *seq < wallet.seq()) {
            // As in the engine: what is due and the request itself may both have left records.
            account.batch = shard.filling.number();
            account.models.insert(wallet.seq(), account.model.clone());
        }
        let (after, seq) = (account.batch, wallet.seq());
        shard.waiting.push_back(Waiting { account: index, request, answer, after, seq });
    }

    fn seal(&mut self, shard: usize) {
        let shard = &mut self.shards[shard];
        if shard.sealed.len() < 2
            && let Some(sealed) = shard.filling.seal(Vec::new())
        {
            shard.sealed.push_back(sealed);
        }
    }

    /// The committer takes what waits. Whatever fails, the process stops.
    fn commit(&mut self) {
        let mut taken = Vec::new();
        for shard in 0..self.shards.len() {
            if self.roll(4) > 0 {
                self.seal(shard);
            }
            taken.extend(self.shards[shard].sealed.drain(..).map(|sealed| (shard, sealed)));
        }
        if taken.is_empty() {
            return;
        }
        let stop_at = self.roll(40);
        match self.write(&taken, stop_at) {
            Ok(true) => {}
            Ok(false) | Err(_) => return self.crash(),
        }
        for (shard, sealed) in taken {
            self.acknowledge(shard, sealed.number);
        }
    }

    /// Appends, syncs and marks, unless the machine crashes in between.
    fn write(&mut self, taken: &[(usize, SealedBatch)], stop_at: u64) -> Result<bool, StoreError> {
        for (_, sealed) in taken {
            self.writer.append(&sealed.batch)?;
        }
        if stop_at == 0 {
            return Ok(false);
        }
        self.writer.sync()?;
        for (_, sealed) in taken {
            let log = sealed.batch.first.log();
            self.safe.insert(log, self.writer.tail(log));
        }
        if stop_at == 1 {
            return Ok(false);
        }
        self.writer.mark(taken.iter().map(|(_, sealed)| &sealed.batch))?;
        for mark in self.disk.marks()? {
            self.marks.entry(mark.last.log()).or_default().push(mark);
        }
        Ok(stop_at != 2)
    }

    /// Everything that waited for this batch leaves.
    fn acknowledge(&mut self, shard: usize, durable: BatchNo) {
        let shard = &mut self.shards[shard];
        shard.durable = shard.durable.max(durable);
        let (ready, waiting) = shard.waiting.drain(..).partition(|wait| wait.after <= durable);
        shard.waiting = waiting;
        let ready: VecDeque<Waiting> = ready;
        for Waiting { account, request, answer, seq, .. } in ready {
            let account = &mut self.accounts[account];
            account.safe_seq = account.safe_seq.max(seq);
            // Only what was done is remembered, and a void that a hold's first void answers is not.
            let no = answer.word.starts_with(char::is_uppercase);
            let no = no || answer.word.starts_with("declined");
            let no =
                no || (answer.has("replayed") && matches!(request.command, Command::Void { .. }));
            if let Some(id) = request.id.as_ref().filter(|_| !no) {
                self.seen.acknowledged += 1;
                let first = as_first(answer);
                let known = account.acknowledged.entry(id.as_str().to_owned());
                let (_, known) = known.or_insert((request, first.clone()));
                assert_eq!(*known, first, "the same receipt every time");
            }
        }
        for account in &mut self.accounts {
            let keep = account.safe_seq;
            // The newest model that is surely safe stays.
            while account.models.len() > 1
                && account.models.keys().nth(1).is_some_and(|&next| next <= keep)
            {
                account.models.pop_first();
            }
        }
    }

    /// A clean stop: everything is asked and committed. All must be there at the next start.
    pub(crate) fn finish(mut self) -> Seen {
        // A fault that was injected while nothing was written is still to come.
        while self.drain().is_err() {
            self.crash();
        }
        let before: Vec<_> = self.accounts.iter().map(|a| a.live.wallet().cloned()).collect();
        self.disk = self.disk.crash(CrashImage::default());
        self.store.crash(&self.disk, 0);
        self.start();
        let after: Vec<_> = self.accounts.iter().map(|a| a.live.wallet().cloned()).collect();
        assert_eq!(before, after, "recovery and live traffic come to the same wallets");
        self.seen
    }

    fn drain(&mut self) -> Result<(), StoreError> {
        for index in 0..self.accounts.len() {
            while let Some(request) = self.accounts[index].unanswered.pop_front() {
                self.execute(index, request);
            }
        }
        for shard in 0..self.shards.len() {
            while !self.shards[shard].filling.is_empty() || !self.shards[shard].sealed.is_empty() {
                self.seal(shard);
                let sealed = self.shards[shard].sealed.drain(..).map(|sealed| (shard, sealed));
                let sealed: Vec<_> = sealed.collect();
                self.write(&sealed, u64::MAX)?;
                for (shard, batch) in &sealed {
                    self.acknowledge(*shard, batch.number);
                }
            }
        }
        Ok(())
    }
}
