//! The machine crashes, and the process starts on what is left.

use super::keeping::check_acknowledged;
use super::{Shard, World};
use purser::codec::record::Position;
use purser::domain::memory::Era;
use purser::engine::batch::{BatchNo, FillingBatch};
use purser::engine::live_wallet::LiveWallet;
use purser::store::Journal;
use purser::store::memory::{CrashImage, MemoryJournal};
use purser::store::recovery::{Loss, Recovered, Start, recover};
use purser::store::writer::{JournalWriter, Tail};
use std::collections::{BTreeMap, VecDeque};

impl World {
    /// The machine stops; what was not synced may be there, in part, or not.
    pub(crate) fn crash(&mut self) {
        self.seen.crashes += 1;
        let torn_to = (self.roll(2) == 0).then(|| self.below(900));
        let unsynced = if self.roll(2) == 0 { usize::MAX } else { self.below(6) };
        let disk = self.disk.crash(CrashImage { unsynced, torn_to });
        if unsynced == usize::MAX {
            self.tear_each_log(&disk, torn_to);
        }
        self.set_marks_back(&disk);
        for shard in std::mem::take(&mut self.shards) {
            for waiting in shard.waiting {
                self.accounts[waiting.account].unanswered.push_back(waiting.request);
            }
        }
        self.disk = disk;
        let unsynced = self.below(9);
        self.seen.crashed_checkpoints += u64::from(self.store.crash(&self.disk, unsynced));
        self.start();
    }

    /// Of each log's values that were not synced, some of the first are there; the last is torn.
    fn tear_each_log(&mut self, disk: &MemoryJournal, torn_to: Option<usize>) {
        let mut left = BTreeMap::<u8, usize>::new();
        for (position, mut value) in disk.values() {
            let safe = self.safe.get(&position.log()).map_or(Position::NONE, |tail| tail.next);
            if position < safe {
                continue;
            }
            let more = match left.get(&position.log()) {
                Some(more) => *more,
                None => self.below(5),
            };
            left.insert(position.log(), more.saturating_sub(1));
            match more {
                0 => disk.damage(position, None),
                1 => {
                    value.truncate(torn_to.unwrap_or(value.len()));
                    disk.damage(position, Some(value));
                }
                _ => {}
            }
        }
    }

    /// The mark file is synced now and then: after a power loss it may be behind.
    fn set_marks_back(&mut self, disk: &MemoryJournal) {
        let mut disk = disk.clone();
        for (log, marks) in &self.marks {
            let back = usize::try_from((self.random)() % 3).expect("small");
            if let Some(mark) = marks.len().checked_sub(1 + back).map(|index| marks[index]) {
                assert_eq!(mark.last.log(), *log);
                disk.set_mark(mark).expect("memory");
            }
        }
    }

    /// The process starts on what is on the disk.
    pub(super) fn start(&mut self) {
        let marks = self.disk.marks().expect("memory");
        let anchors = self.store.anchors();
        let archived = self.store.archived();
        let start = Start {
            anchors: &anchors,
            archived: &archived,
            base: &|wallet| self.store.kept_seq(wallet),
        };
        let recovered =
            recover(&mut self.disk, &start, Loss::Refuse).expect("nothing acknowledged is gone");
        let again = recover(&mut self.disk, &start, Loss::Refuse).expect("it is in order now");
        let cut_to_nothing = |tail: &&Tail| **tail != Tail::empty(tail.next.log());
        let tails = recovered.tails.iter().filter(cut_to_nothing);
        let tails_again = again.tails.iter().filter(cut_to_nothing);
        assert!(tails.eq(tails_again) && again.tail.read() == recovered.tail.read());
        assert_eq!(again.dropped, Vec::<String>::new());
        if self.roll(2) == 0 {
            let forget_every = 1 + u64::try_from(self.below(40)).expect("small");
            self.store.verify(&self.disk, forget_every);
        }
        self.seen.cut_tails += u64::try_from(recovered.dropped.len()).expect("few");
        let tail = |log: u8| {
            let known = recovered.tails.iter().find(|tail| tail.next.log() == log);
            known.copied().unwrap_or(Tail::empty(log))
        };
        for mark in marks {
            assert!(tail(mark.last.log()).next > mark.last, "below the mark");
        }
        for (log, safe) in &self.safe {
            assert!(tail(*log).next >= safe.next, "what was synced is gone");
        }
        let count = u8::try_from(1 + self.roll(4)).expect("small");
        let shard = |log| Shard {
            filling: FillingBatch::after(tail(log)),
            sealed: VecDeque::new(),
            waiting: VecDeque::new(),
            durable: BatchNo::NONE,
        };
        self.shards = (0..count).map(shard).collect();
        let old = recovered.tails.iter().map(|tail| tail.next);
        self.store.old_ends = old.filter(|end| end.log() >= count).collect();
        self.safe = recovered.tails.iter().map(|tail| (tail.next.log(), *tail)).collect();
        for (log, marks) in &mut self.marks {
            marks.retain(|mark| mark.last < tail(*log).next);
        }
        self.writer = JournalWriter::new(self.disk.clone(), recovered.tails.clone());
        self.take_up(recovered);
        for shard in 0..self.shards.len() {
            self.acknowledge(shard, BatchNo::NONE);
        }
    }

    /// Checks every wallet against what its clients know, and goes on with it.
    fn take_up(&mut self, recovered: Recovered) {
        self.store.recovered(&self.disk, recovered.tail);
        for account in &mut self.accounts {
            account.batch = BatchNo::NONE;
            let Some(found) = self.store.take_up(&account.id) else {
                assert_eq!(account.safe_seq, 0, "an acknowledged wallet is gone");
                account.live = LiveWallet::unopened(account.id.clone());
                account.changed = None;
                account.models.clear();
                continue;
            };
            let seq = found.wallet.seq();
            assert!(seq >= account.safe_seq, "an acknowledged operation is gone");
            let lost = account.models.split_off(&(seq + 1));
            self.seen.lost += u64::try_from(lost.len()).expect("few");
            self.seen.survived_unanswered += u64::from(seq > account.safe_seq);
            let (_, model) = account.models.last_key_value().expect("the model was there");
            account.model = model.clone();
            account.safe_seq = seq;
            account.changed = (!found.is_saved).then(Era::default);
            account.live = LiveWallet::taken_up(account.id.clone(), found);
            check_acknowledged(account, &self.store, self.now);
        }
    }
}
