//! The rules of money once more: naive, slow, written from the contract's text alone. It keeps flat
//! lists, never drops anything, and adds up every figure anew.

#![expect(clippy::result_large_err, reason = "naive on purpose")]

pub(crate) mod asks;
mod judge;
pub(crate) mod told;

use purser::domain::command::{Command, GrantKind, Overage, Request};
use std::collections::BTreeMap;

/// What a command answers, money in grains.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Answer {
    /// `held`, `declined NOFUNDS`, `HOLDDONE captured`, …
    pub(crate) word: String,
    /// Posted, held, debt, available.
    pub(crate) balances: [i128; 4],
    pub(crate) amount: Option<i128>,
    pub(crate) ends: Option<i64>,
    pub(crate) captured: Option<i128>,
    pub(crate) debt: i128,
    pub(crate) repaid: i128,
    pub(crate) uncovered: i128,
    pub(crate) over: bool,
    pub(crate) late: bool,
    pub(crate) replayed: bool,
    pub(crate) state: Option<&'static str>,
    /// `required`, `held`, `refundable`.
    pub(crate) detail: Option<i128>,
}

#[derive(Debug, Clone)]
pub(crate) struct Grant {
    pub(crate) op: String,
    pub(crate) kind: GrantKind,
    pub(crate) priority: u16,
    pub(crate) ends: Option<i64>,
    pub(crate) free: i128,
    expired: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct Hold {
    pub(crate) id: String,
    pub(crate) state: &'static str,
    pub(crate) ends: i64,
    overage: Overage,
    pub(crate) pins: Vec<(usize, i128)>,
    pub(crate) credit: i128,
    /// What it held when it expired, less what was captured since.
    rest: i128,
    void: Option<Answer>,
}

/// What later commands need to know of an operation.
#[derive(Debug, Clone)]
enum Deed {
    None,
    Done,
    TopUp {
        grant: usize,
        left: i128,
    },
    Refund,
    /// From which grants, or as debt, in the order of burning.
    Spend {
        split: Vec<(Option<usize>, i128)>,
        refunded: i128,
        at: i64,
    },
}

#[derive(Debug, Clone)]
pub(crate) struct Model {
    pub(crate) grants: Vec<Grant>,
    pub(crate) holds: Vec<Hold>,
    ops: BTreeMap<String, (u64, Answer, Deed)>,
    pub(crate) credit_limit: i128,
    pub(crate) debt_limit: Option<i128>,
    pub(crate) debt: i128,
    pub(crate) status: &'static str,
    forced: bool,
    pub(crate) time: i64,
    /// The defaults that an operator sets: a hold's time to live, the grace of a lapse.
    pub(crate) ttl: i64,
    pub(crate) grace: i64,
}

type Judged = Result<(Answer, Deed), Answer>;

fn answer(word: impl Into<String>) -> Answer {
    Answer { word: word.into(), ..Answer::default() }
}
fn sum(parts: &[(usize, i128)]) -> i128 {
    parts.iter().map(|part| part.1).sum()
}

impl Model {
    pub(crate) fn open(credit_limit: i128, debt_limit: Option<i128>, now: i64) -> Self {
        let (grants, holds, ops) = (Vec::new(), Vec::new(), BTreeMap::new());
        let (debt, status, forced, ttl, grace) = (0, "open", false, 900_000, 0);
        Self {
            grants,
            holds,
            ops,
            credit_limit,
            debt_limit,
            debt,
            status,
            forced,
            time: now,
            ttl,
            grace,
        }
    }
    fn free(&self) -> i128 {
        self.grants.iter().map(|grant| grant.free).sum()
    }
    pub(crate) fn open_holds(&self) -> impl Iterator<Item = &Hold> {
        self.holds.iter().filter(|hold| hold.state == "open")
    }
    pub(crate) fn pinned(&self, g: usize) -> i128 {
        let pins = self.open_holds().flat_map(|hold| &hold.pins);
        pins.filter(|pin| pin.0 == g).map(|pin| pin.1).sum()
    }
    pub(crate) fn balances(&self) -> [i128; 4] {
        let pinned: i128 = self.open_holds().map(|hold| sum(&hold.pins)).sum();
        let (posted, credit) = (self.free() + pinned, self.open_holds().map(|hold| hold.credit));
        let held = pinned + credit.sum::<i128>();
        [posted, held, self.debt, posted - held - self.debt + self.credit_limit]
    }
    fn available(&self) -> i128 {
        self.balances()[3]
    }
    /// Rule 3: priority, earlier expiry, older.
    pub(crate) fn burn_order(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.grants.len()).collect();
        order.sort_by_key(|&g| {
            (self.grants[g].priority, self.grants[g].ends.unwrap_or(i64::MAX), g)
        });
        order
    }
    fn take(&mut self, amount: i128, from: impl Fn(usize, &Grant) -> bool) -> Vec<(usize, i128)> {
        let mut left = amount;
        let mut taken = Vec::new();
        for g in
            self.burn_order().into_iter().filter(|&g| from(g, &self.grants[g])).collect::<Vec<_>>()
        {
            let part = left.min(self.grants[g].free);
            self.grants[g].free -= part;
            left -= part;
            if part > 0 {
                taken.push((g, part));
            }
        }
        taken
    }
    /// Rule 2: whatever is free repays debt.
    fn repay(&mut self) -> i128 {
        let repaid = sum(&self.take(self.debt, |_, _| true));
        self.debt -= repaid;
        repaid
    }
    /// Rule 6: what comes back to a grant after its end lapses.
    fn release(&mut self, h: usize, now: i64) {
        for (g, part) in std::mem::take(&mut self.holds[h].pins) {
            let grant = &mut self.grants[g];
            let lapses = grant.expired && grant.ends.is_some_and(|ends| now >= ends + self.grace);
            grant.free += if lapses { 0 } else { part };
        }
        self.holds[h].credit = 0;
    }
    /// Rule 9: in order of time, then holds before grants, then age.
    pub(crate) fn settle_due(&mut self, now: i64) {
        loop {
            let empty = self.free() == 0 && self.debt == 0;
            if self.status == "closing"
                && self.open_holds().next().is_none()
                && (self.forced || empty)
            {
                self.write_off();
            }
            let holds = self.holds.iter().enumerate().filter(|(_, hold)| hold.state == "open");
            let holds = holds.map(|(h, hold)| (hold.ends, 0, h));
            let grants = self.grants.iter().enumerate().filter_map(|(i, grant)| {
                let wait = if grant.expired { self.grace } else { 0 };
                let due = grant.free > 0 || (!grant.expired && self.pinned(i) > 0);
                due.then_some((grant.ends? + wait, 1, i))
            });
            let Some((at, kind, i)) = holds.chain(grants).min().filter(|due| due.0 <= now) else {
                return;
            };
            if kind == 0 {
                self.holds[i].rest = sum(&self.holds[i].pins) + self.holds[i].credit;
                self.release(i, at);
                self.holds[i].state = "expired";
                self.repay();
            } else {
                self.grants[i].expired = true;
                self.grants[i].free = 0;
            }
            self.time = self.time.max(at);
        }
    }
    fn write_off(&mut self) {
        self.grants.iter_mut().for_each(|grant| grant.free = 0);
        (self.debt, self.status) = (0, "closed");
    }
    /// Judges a request, and does it.
    pub(crate) fn ask(&mut self, request: &Request, now: i64) -> Answer {
        let now = now.max(self.time);
        self.settle_due(now);
        let id = request.id.as_ref().map(|id| id.as_str().to_owned());
        if let Some((hash, first, _)) = id.as_ref().and_then(|id| self.ops.get(id)) {
            let hold = match &request.command {
                Command::Authorize(_) => id.as_deref(),
                Command::Extend { hold, .. } => Some(hold.as_str()),
                _ => None,
            };
            let state = hold.and_then(|hold| self.hold(hold).ok()).map(|h| self.holds[h].state);
            let replay = Answer { replayed: true, state, ..first.clone() };
            return if *hash == request.hash.0 { replay } else { answer("IDREUSED") };
        }
        match self.judge(&request.command, id.as_deref().unwrap_or_default(), now) {
            Ok((answer, Deed::None)) => answer,
            Ok((mut answer, deed)) => {
                self.time = now;
                answer.balances = self.balances();
                if let Command::Void { hold, .. } = &request.command {
                    let h = self.hold(hold.as_str()).expect("it was just voided");
                    self.holds[h].void = Some(answer.clone());
                }
                if let Some(id) = id {
                    self.ops.insert(id, (request.hash.0, answer.clone(), deed));
                }
                if answer.word.starts_with("status") {
                    Answer { balances: [0; 4], ..answer }
                } else {
                    answer
                }
            }
            Err(no) if no.word.starts_with("declined") => {
                Answer { balances: self.balances(), ..no }
            }
            Err(no) => no,
        }
    }
    fn hold(&self, id: &str) -> Result<usize, Answer> {
        self.holds.iter().position(|hold| hold.id == id).ok_or_else(|| answer("NOHOLD"))
    }
}
