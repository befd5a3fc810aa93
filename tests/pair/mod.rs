//! A wallet and its model, asked the same questions: every answer and every figure must agree, and
//! the invariants must hold after every step.

use crate::model::asked::tariff::Tariff;
use crate::model::asked::{NEVER, asked, kind};
use crate::model::asks::{Asker, Dice, opening};
use crate::model::told::{Answer, figures, told};
use crate::model::{CREDIT, FREE, GONE, Model};
use purser::codec::record::{self, Position, Record, RecordError, RecordRef};
use purser::codec::snapshot::{self, Snapshot};
use purser::domain::Verdict;
use purser::domain::amount::Amount;
use purser::domain::command::{Command, Overage, Request};
use purser::domain::event::Event;
use purser::domain::hold::Hold;
use purser::domain::id::{OpId, WalletId};
use purser::domain::ledger::LedgerRow;
use purser::domain::memory::{Era, Remembered};
use purser::domain::outcome::{Outcome, Receipt};
use purser::domain::posting::Account;
use purser::domain::recall::{Past, recall};
use purser::domain::rules::Rules;
use purser::domain::time::{Span, Timestamp};
use purser::domain::wallet::Wallet;
use purser::engine::live_wallet::{LiveWallet, Records};
use purser::store::history::{Kept, TakenUp};
use std::collections::BTreeMap;

/// Keeps every record, and the books that follow from it.
#[derive(Debug, Default)]
struct Tape {
    frames: Vec<u8>,
    events: Vec<Event>,
    /// The same, as they are read back.
    records: Vec<Record>,
    books: BTreeMap<Account, i128>,
    era: u64,
    /// How many of the records the archive has: only these can be recalled.
    archived: usize,
}

impl Records for Tape {
    fn era(&self) -> Era {
        Era(self.era)
    }

    fn append(&mut self, record: &RecordRef<'_>) -> Result<Position, RecordError> {
        let start = self.frames.len();
        record::encode(record, &mut self.frames)?;
        let (read, _) = record::decode(&self.frames[start..]).expect("it is readable");
        self.records.push(read);
        let mut entries = BTreeMap::<Account, i128>::new();
        for posting in &record.event.postings {
            assert!(posting.amount.is_positive(), "{posting:?}");
            if let Some((from, to)) = posting.kind.accounts() {
                *entries.entry(from).or_default() -= posting.amount.pico();
                *entries.entry(to).or_default() += posting.amount.pico();
            }
        }
        assert_eq!(entries.values().sum::<i128>(), 0, "a row's entries sum to zero");
        let row = LedgerRow::of(record.seq, record.event, record.sums.balances());
        let shown = row.entries.iter().map(|(account, amount)| (*account, amount.pico()));
        let moved = entries.iter().map(|(account, pico)| (*account, *pico));
        assert!(shown.eq(moved.filter(|(_, pico)| *pico != 0)), "{row:?}");
        for (account, amount) in entries {
            *self.books.entry(account).or_default() += amount;
        }
        self.events.push(record.event.clone());
        Ok(Position::new(0, u64::try_from(self.events.len()).expect("few")))
    }
}

impl Tape {
    /// What the records say of an operation.
    fn recall(&self, op: &OpId) -> Option<Remembered> {
        let concerns =
            |event: &Event| [event.op.as_ref(), event.hold(), event.target()].contains(&Some(op));
        let past = self.records[..self.archived].iter().filter(|record| concerns(&record.event));
        recall(
            op,
            past.map(|record| Past {
                seq: record.seq,
                event: &record.event,
                balances: record.sums.balances(),
                status: record.status,
                burned: &record.burned,
            }),
        )
    }
}

/// A wallet, its model, and who asks both.
pub(crate) struct Pair {
    live: LiveWallet,
    pub(crate) model: Model,
    asker: Asker,
    tape: Tape,
    rules: Rules,
    now: i64,
    /// What was asked and answered, to be read when a check fails.
    pub(crate) story: Vec<String>,
}

impl Pair {
    pub(crate) fn open(setup: u64) -> Self {
        let mut dice = Dice(setup);
        let (credit, limit) = (dice.roll(4) * 3, dice.roll(3) * 4);
        let debt_limit = (limit > 0).then_some(limit);
        let wallet = WalletId::new(b"w").expect("a good name");
        let grace = i64::try_from(dice.roll(3) / 2 * 3).expect("small");
        let rules = Rules { lapse_grace: Span::from_millis(grace), ..Rules::default() };
        let mut live = LiveWallet::unopened(wallet.clone());
        let mut tape = Tape::default();
        let now = 1_000;
        let opening = opening(&wallet, credit, debt_limit);
        live.execute(&opening, Timestamp::from_millis(now), &rules, &Tariff, &mut tape)
            .expect("it opens");
        let mut model = Model::open((i128::from(credit), debt_limit.map(i128::from)), now);
        model.grace = grace;
        let story = vec![format!("credit {credit}, debt limit {debt_limit:?}, grace {grace}")];
        Self { live, model, asker: Asker::new(wallet), tape, rules, now, story }
    }

    fn wallet(&self) -> &Wallet {
        self.live.wallet().expect("it is open")
    }

    /// Asks what `bits` make up.
    pub(crate) fn step(&mut self, bits: u64) -> Answer {
        let mut dice = Dice(bits.rotate_left(32));
        if dice.roll(8) == 0 {
            let few = usize::try_from(dice.roll(9)).expect("small");
            self.forget(if few == 0 { usize::MAX } else { few });
        }
        if dice.roll(16) == 0 {
            self.passivate(dice.roll(2) == 0);
        }
        let mut dice = Dice(bits);
        self.now = Asker::time(&mut dice, self.now, &self.model);
        let request = self.asker.ask(&mut dice, self.now, &self.model);
        self.ask(&request, self.now)
    }

    /// The wallet leaves memory and comes back from its snapshot.
    fn passivate(&mut self, on_pages: bool) {
        self.forget(usize::MAX);
        let last = Position::new(0, u64::try_from(self.tape.events.len()).expect("few"));
        let (id, wallet) = (self.live.id().clone(), self.wallet().clone());
        let deadline = wallet.next_deadline(&self.rules);
        let taken = Snapshot::of(&id, &wallet, last, deadline, on_pages);
        let read = snapshot::decode(&snapshot::encode(&taken).expect("it fits"));
        let mut holds = Vec::new();
        for page in wallet.holds().pages().into_iter().filter(|_| on_pages) {
            let bytes = snapshot::encode_page(&id, page, wallet.holds().page(page));
            let page = snapshot::decode_page(&id, page, &bytes.expect("it fits"));
            holds.extend(page.expect("it is sound"));
        }
        let restored = read.expect("it is sound").restore(holds).expect("it was a wallet");
        assert_eq!(restored, wallet);
        let (kept, is_saved) = (Kept::default(), true);
        self.live = LiveWallet::taken_up(id, TakenUp { wallet: restored, last, kept, is_saved });
    }

    /// The archive has taken in all so far, and the wallet forgets.
    fn forget(&mut self, at_most: usize) {
        let memory = self.live.memory_mut().expect("it is open");
        memory.forget(Era(self.tape.era), at_most);
        self.tape.era += 1;
        self.tape.archived = self.tape.records.len();
    }

    /// Tells the wallet what it lacks to judge a request, as its actor does.
    fn tell(&mut self, request: &Request) {
        let memory = self.live.memory_mut().expect("it is open");
        for op in memory.lacks(request) {
            if let Some(remembered) = self.tape.recall(op) {
                memory.tell(op.clone(), remembered);
            }
        }
    }

    /// Asks both, and compares all that they tell.
    pub(crate) fn ask(&mut self, request: &Request, at: i64) -> Answer {
        let now = Timestamp::from_millis(at);
        let settled_before = self.wallet().time();
        while !self.live.settle_due(now, &self.rules, 1, &mut self.tape).expect("due fits") {}
        let due = self.wallet().next_deadline(&self.rules);
        assert!(due.is_none_or(|due| due > now.max(self.wallet().time())), "it is still due");
        self.tell(request);
        let before = self.wallet().clone();
        let verdict = Wallet::decide(Some(&before), request, now, &self.rules, &Tariff);
        let executed = self.live.execute(request, now, &self.rules, &Tariff, &mut self.tape);
        let executed = executed.expect("what was judged fits");
        let (Ok(expected) | Err(expected)) = self.model.ask(&asked(request), at);
        let answer = told(&executed.outcome);
        let call = (request.id.as_ref().map(OpId::as_str), &request.command);
        self.story.push(format!("at {at} {call:?}\n      {answer:?}"));
        assert_eq!(answer, expected, "at {at}: {request:?}");
        match verdict {
            Verdict::Answer(outcome) => assert_eq!(outcome, executed.outcome),
            Verdict::Change(event) => assert_eq!(Some(&event), self.tape.events.last()),
        }
        assert!(executed.changed || before == *self.wallet(), "an answer changes nothing");
        assert!(self.wallet().time() >= settled_before, "W6: time runs backwards");
        if executed.changed {
            self.check_row(&request.command, &answer);
            self.check_overdraft(&request.command);
            self.tell(request);
            let again = Wallet::decide(self.live.wallet(), request, now, &self.rules, &Tariff);
            if let (Some(_), Verdict::Answer(Outcome::Receipt(again))) = (&request.id, again) {
                assert_eq!(
                    Outcome::Receipt(Receipt { replayed: false, state: None, ..again }),
                    executed.outcome
                );
            } else {
                assert!(request.id.is_none() || matches!(request.command, Command::Set(_)));
            }
        }
        self.check_invariants();
        answer
    }

    /// The ledger's row tells what the answer told.
    fn check_row(&self, command: &Command, answer: &Answer) {
        let record = self.tape.records.last().expect("it was recorded");
        let row = LedgerRow::of(record.seq, &record.event, record.sums.balances());
        let stated = match command {
            Command::TopUp(top_up) => Some(top_up.amount.pico()),
            Command::Withdraw { amount, .. } | Command::Refund { amount, .. } => {
                Some(amount.pico())
            }
            _ => answer.told.get("captured").or_else(|| answer.told.get("amount")).copied(),
        };
        assert!(stated.is_none_or(|stated| stated == row.amount.pico()), "{answer:?}: {row:?}");
        let [posted, held, debt, _] = answer.balances;
        if row.op.is_some() || row.hold.is_some() {
            let shown = [row.posted, row.held, row.debt].map(Amount::pico);
            assert_eq!(shown, [posted, held, debt], "{row:?}");
            let flags = (row.uncovered.pico(), row.over, row.late);
            let uncovered = answer.told.get("uncovered").copied().unwrap_or_default();
            assert_eq!(flags, (uncovered, answer.has("over"), answer.has("late")), "{row:?}");
        }
    }

    /// Nothing that asks for money leaves less than nothing.
    fn check_overdraft(&self, command: &Command) {
        let asks = match command {
            Command::Authorize(_) | Command::Withdraw { .. } => true,
            Command::Extend { amount, .. } => !amount.is_zero(),
            Command::Charge { overage, .. } => *overage == Overage::Reject,
            _ => false,
        };
        assert!(!asks || !self.wallet().balances().available.is_negative(), "an overdraft");
    }

    fn check_invariants(&self) {
        let (wallet, balances) = (self.wallet(), self.wallet().balances());
        assert_eq!(figures(&balances), self.model.balances());
        let holds: Vec<_> = wallet.holds().after(None).collect();
        let held: i128 = holds.iter().map(|hold| hold.remaining().pico()).sum();
        assert_eq!(held, balances.held.pico(), "W1");
        let free: i128 = wallet.grants().iter().map(|grant| grant.free.pico()).sum();
        assert!(balances.debt.is_zero() || free == 0, "W2");
        for grant in wallet.grants().iter() {
            let number = grant.terms.number;
            let pinned: i128 = holds.iter().map(|hold| hold.pinned(number).pico()).sum();
            assert_eq!(pinned, grant.pinned.pico(), "W1");
            assert!(!grant.free.is_negative() && !grant.pinned.is_negative(), "W3");
        }
        assert!(!balances.debt.is_negative() && !balances.posted.is_negative(), "W3");
        let books = |account| self.tape.books.get(&account).copied().unwrap_or_default();
        assert_eq!(self.tape.books.values().sum::<i128>(), 0, "W4");
        assert_eq!(books(Account::Grants), balances.posted.pico(), "W4");
        assert_eq!(books(Account::Debt), -balances.debt.pico(), "W4");
        for account in [Account::Usage, Account::Expired, Account::Withdrawn, Account::Reversed] {
            assert!(books(account) >= 0, "{account:?} below zero");
        }
        self.check_lists(&holds);
    }

    /// The same holds, and the same grants in the same burn order.
    fn check_lists(&self, holds: &[&Hold]) {
        let ops = self.model.ops.iter().enumerate();
        let open = ops.filter(|(_, op)| op.state == "open" && op.is("held"));
        let open = open.map(|(h, hold)| {
            let on_credit = self.model.sum(|who, g| who == h && g == CREDIT);
            (hold.id.as_str(), hold.ends, on_credit)
        });
        let expected: Vec<_> = open.collect();
        let found = holds.iter().map(|h| (h.id.as_str(), h.expires_at.millis(), h.credit.pico()));
        assert_eq!(found.collect::<Vec<_>>(), expected);
        let order = self.model.burn_order().into_iter();
        let expected = order.filter(|g| *g != CREDIT).map(|g| {
            let grant = &self.model.ops[g];
            let free = self.model.sum(|hold, lot| hold == FREE && lot == g);
            let pinned = self.model.sum(|hold, lot| (1..GONE).contains(&hold) && lot == g);
            let ends = Some(grant.ends).filter(|ends| *ends != NEVER);
            (grant.id.as_str(), grant.kind, grant.priority, ends, free, pinned)
        });
        let expected: Vec<_> = expected.filter(|grant| grant.4 > 0 || grant.5 > 0).collect();
        let found = self.wallet().grants().iter().map(|grant| {
            let (terms, ends) = (&grant.terms, grant.terms.expires_at.map(Timestamp::millis));
            let (free, pinned) = (grant.free.pico(), grant.pinned.pico());
            (terms.op.as_str(), kind(terms.kind), terms.priority, ends, free, pinned)
        });
        assert_eq!(found.collect::<Vec<_>>(), expected);
    }

    /// The wallet again, from the events and from the bytes that they became.
    pub(crate) fn check_replay(&mut self) {
        self.tape.archived = self.tape.records.len();
        let mut wallet = Wallet::open(&self.tape.events[0]).expect("it opens").0;
        let mut rest = self.tape.frames.as_slice();
        let mut time = Timestamp::default();
        for (index, event) in self.tape.events.iter().enumerate() {
            assert!(event.at >= time, "time never runs backwards");
            time = event.at;
            if index > 0 {
                wallet.apply(event).expect("it fitted before");
            }
            let (record, length) = record::decode(rest).expect("it is readable");
            rest = &rest[length..];
            assert_eq!(&record.event, event);
        }
        assert_eq!(&wallet, self.wallet(), "replay and live traffic come to the same");
        for op in self.tape.events.iter().filter_map(|event| event.op.as_ref()) {
            let recalled = self.tape.recall(op);
            assert_eq!(recalled.as_ref(), wallet.memory().get(op), "{op:?} is recalled whole");
        }
        assert!(rest.is_empty());
    }
}

impl Drop for Pair {
    /// Tells the story of a failure, when asked to: shrinking fails many times.
    fn drop(&mut self) {
        if std::thread::panicking() && std::env::var_os("STORY").is_some() {
            eprintln!("---- {}", self.story.join("\n"));
        }
    }
}
