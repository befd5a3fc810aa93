//! The rules of money once more, naive and slow, from the contract's text alone, by its numbers.

pub(crate) mod asked;
pub(crate) mod asks;
pub(crate) mod told;

use asked::{NEVER, Op, find};
use told::{Answer, check};

/// The first op stands for nobody among the owners, and for the credit line among the grants.
pub(crate) const FREE: usize = 0;
pub(crate) const CREDIT: usize = 0;
/// Whoever has something here only tells what it burned, or may be reversed or captured late.
pub(crate) const GONE: usize = 1 << 32;
#[derive(Debug, Clone, Default)]
pub(crate) struct Model {
    pub(crate) ops: Vec<Op>,
    /// Who has of which grant how much. What the credit line lacks is debt.
    lots: Vec<(usize, usize, i128)>,
    limits: (i128, Option<i128>),
    /// And whether it closes by force.
    status: (&'static str, bool),
    pub(crate) time: i64,
    pub(crate) grace: i64,
}
impl Model {
    pub(crate) fn open(limits: (i128, Option<i128>), time: i64) -> Self {
        let ops = vec![Op { kind: "paid", priority: 30, ends: NEVER, ..Op::default() }];
        Self { ops, limits, status: ("open", false), time, ..Self::default() }
    }
    pub(crate) fn sum(&self, of: impl Fn(usize, usize) -> bool) -> i128 {
        self.lots.iter().filter(|lot| of(lot.0, lot.1)).map(|lot| lot.2).sum()
    }
    fn free(&self, of: impl Fn(&Op) -> bool) -> i128 {
        self.sum(|who, g| who == FREE && g != CREDIT && of(&self.ops[g]))
    }
    /// Rule 1: posted, held, debt, available.
    pub(crate) fn balances(&self) -> [i128; 4] {
        let posted = self.sum(|who, g| who < GONE && g != CREDIT);
        let held = self.sum(|who, _| who < GONE && who != FREE);
        let debt = -self.sum(|who, g| who < GONE && g == CREDIT);
        [posted, held, debt, posted - held - debt + self.limits.0]
    }
    /// Rule 3: priority, earlier expiry, older; the credit line last.
    pub(crate) fn burn_order(&self) -> Vec<usize> {
        let mut order: Vec<_> = (0..self.ops.len()).filter(|&g| self.ops[g].is_grant()).collect();
        order.sort_by_key(|&g| (g == CREDIT, self.ops[g].priority, self.ops[g].ends, g));
        order
    }
    fn shift(&mut self, from: usize, to: usize, mut amount: i128, of: impl Fn(&Op) -> bool) {
        for g in self.burn_order() {
            let there = self.sum(|who, lot| (who, lot) == (from, g) && of(&self.ops[g]));
            let part = if g == CREDIT { amount } else { amount.min(there) };
            amount -= part;
            self.lots.extend([(from, g, -part), (to, g, part)].iter().filter(|_| part > 0));
        }
    }
    /// Rule 2: whatever is free repays debt.
    fn repay(&mut self) -> i128 {
        let repaid = self.balances()[2].min(self.free(|_| true));
        self.shift(FREE, GONE, repaid, |_| true);
        self.lots.push((FREE, CREDIT, repaid));
        repaid
    }
    /// A hold is done, and what it holds is free. Rule 6: of an expired grant, that lapses.
    fn end(&mut self, h: usize, state: &'static str, now: i64) {
        for i in (0..self.lots.len()).filter(|_| self.ops[h].state != state) {
            let (who, g, part) = self.lots[i];
            let lapses = self.ops[g].state == "expired" && self.ops[g].ends + self.grace <= now;
            self.lots[i].0 += if who == h { GONE } else { 0 };
            self.lots.extend((who == h && !lapses).then_some((FREE, g, part)));
        }
        self.ops[h].state = state;
    }
    /// Rules 5 and 9: all at its very end, in order of time, holds before grants, then by age.
    pub(crate) fn settle_due(&mut self, now: i64) {
        loop {
            let holds = self.ops.iter().any(|op| op.state == "open");
            let left = !self.status.1 && self.balances()[..3] != [0; 3];
            if self.status.0 == "closing" && !holds && !left {
                (self.status, self.lots) = (("closed", false), Vec::new());
            }
            let due = self.ops.iter().enumerate().filter_map(|(i, op)| {
                let (is_hold, lives) = (op.state == "open", op.state == "live");
                let money = self.sum(|who, g| g == i && (who == FREE || lives && who < GONE));
                let at = op.ends + if is_hold || lives { 0 } else { self.grace };
                (is_hold || money > 0).then_some((at, !is_hold, i))
            });
            let Some((at, _, i)) = due.min().filter(|due| due.0 <= now) else { return };
            self.end(i, "expired", at);
            self.lots.retain(|lot| (lot.0, lot.1) != (FREE, i));
            self.repay();
            self.time = self.time.max(at);
        }
    }
    /// Judges a request, and does it; an error is an answer that is not remembered.
    pub(crate) fn ask(&mut self, ask: &Op, now: i64) -> Result<Answer, Answer> {
        let (now, me) = (now.max(self.time), self.ops.len());
        self.settle_due(now);
        let before @ [_, _, debt, available] = self.balances();
        let check = |fine, word: &str, at| check(fine, word, at).map_err(|no| no.with(before));
        // Exactly once: by the op id, a void also by its hold.
        let known = self.ops.iter().find(|op| op.is_done() && op.id == ask.id && !op.id.is_empty());
        check(known.is_none_or(|op| op.hash == ask.hash), "IDREUSED", None)?;
        let void = |op: &&Op| ask.is("voided") && op.did("voided") && op.target == ask.target;
        if let Some(first) = known.or_else(|| self.ops.iter().find(void)) {
            let h = find(&self.ops, &ask.target, "held").ok().filter(|_| ask.is("held extended"));
            return Err(first.answer.again(h.map(|h| self.ops[h].state)));
        }
        self.ops.push(Op { at: now, state: "live", ends: ask.end(now), ..ask.clone() });
        // In the contract's order: closed, hold (rule 5: late only an expired one), frozen, funds.
        let (asks, frozen) = (ask.min.is_some(), self.status.0 == "frozen");
        let goes_on = ask.is("closed") || self.status.0 == "closing" && ask.is("captured voided");
        let closed = if asks { "declined CLOSED" } else { "CLOSED" };
        check(goes_on || !["closing", "closed"].contains(&self.status.0), closed, None)?;
        let h = if ask.about.is_empty() { me } else { find(&self.ops, &ask.target, ask.about)? };
        let (state, rejects) = (self.ops[h].state, h != me && self.ops[h].overage == "reject");
        let late = state == "expired" && !ask.strict && !ask.is("extended");
        check(ask.about != "held" || late || state == "open", &format!("HOLDDONE {state}"), None)?;
        check(!(frozen && asks) || ask.is("withdrawn"), "declined FROZEN", None)?;
        let (left, paid) = (self.sum(|who, _| who == GONE + h), |op: &Op| op.kind == "paid");
        let (asked, can, free) = (ask.amount.unwrap_or(0), available.max(0), self.free(|_| true));
        let funds = if ask.is("withdrawn") { available.min(self.free(paid)) } else { available };
        let fits = ask.min.is_none_or(|min| funds >= min) || (ask.is("extended") && asked == 0);
        check(fits, "declined NOFUNDS", ask.amount)?;
        let amount = if asks { asked.min(funds.max(0)) } else { asked };
        let mut answer = Answer::of(ask.does, None);
        match ask.does {
            "balance" => self.limits = ask.limits(self.limits),
            "frozen" | "open" | "closed" => {
                let (was, force) = (self.status, ask.force || self.status.1);
                check(force || ask.does != "closed" || free + debt == 0, "NOTEMPTY", None)?;
                self.status = if ask.is("closed") { ("closing", force) } else { (ask.does, false) };
                self.settle_due(now);
                self.time = if self.status == was { self.time } else { now };
                return Err(Answer::of(&format!("status {}", self.status.0), None));
            }
            "toppedup" => {
                check(ask.end(now) > now, "RANGE", None)?;
                self.lots.extend([(FREE, me, amount), (GONE + me, me, amount)]);
            }
            "reversed" | "revoked" => {
                let (revokes, of_it) = (ask.is("revoked"), |op: &Op| op.id == ask.target);
                let amount = if revokes { self.free(of_it) } else { ask.amount.unwrap_or(left) };
                check(revokes || (1..=left).contains(&amount), "OVERREFUND", Some(left))?;
                self.shift(FREE, GONE, amount, of_it);
                self.lots.push((GONE + h, CREDIT, -amount.min(left)));
            }
            "withdrawn" => self.shift(FREE, GONE, amount, paid),
            "held" | "extended" => {
                let ends = self.ops[h].ends.max(ask.end(now));
                (self.ops[h].state, self.ops[h].ends) = ("open", ends);
                self.shift(FREE, h, amount, |_| true);
                answer.tell([("amount", amount), ("ends", ends.into())]);
            }
            "voided" => self.end(h, "voided", now),
            // Rule 4: from the hold, then from what is available, then by policy. Rule 5: late.
            "captured" | "charged" => {
                let credit = self.sum(|who, g| who == h && g == CREDIT);
                let pinned = self.sum(|who, g| who == h && g != CREDIT);
                let most = if late { left.min(can) } else { pinned + credit };
                check(!rejects || amount <= most, "OVERCAPTURE", Some(most))?;
                let room = self.limits.1.map_or(i128::MAX, |limit| limit - debt + free);
                let room = if self.ops[h].overage == "cap" { 0 } else { room };
                let unpaid = (amount - pinned).max(0);
                let uncovered = (unpaid - room.max(credit + can)).max(0);
                self.shift(h, GONE + me, amount - unpaid, |_| true);
                self.shift(h, FREE, credit.min(unpaid), |_| false);
                self.shift(FREE, GONE + me, unpaid - uncovered, |_| true);
                let (captured, over) = (amount - uncovered, h == me && (frozen || amount > can));
                answer.tell([("captured", captured), ("uncovered", uncovered)]);
                answer.tell([("late", late.into()), ("over", over.into())]);
                self.lots.extend(late.then_some((GONE + h, CREDIT, -captured)));
                self.end(h, if ask.keep { state } else { "captured" }, now);
            }
            // Rule 7: along the split in reverse, the debt slice first.
            _ => {
                check(amount <= left, "OVERREFUND", Some(left))?;
                let (mut left, mut heirs) = (amount, std::collections::BTreeMap::new());
                let lots = self.lots.clone().into_iter().enumerate();
                for (i, (_, g, burned)) in lots.rev().filter(|lot| lot.1.0 == GONE + h) {
                    let (part, old) = (left.min(burned), self.ops[g].clone());
                    let lives = part == 0 || g != CREDIT && old.ends > now;
                    let to = if lives { g } else { *heirs.entry(g).or_insert(self.ops.len()) };
                    let ends = (now + old.ends - self.ops[h].at).clamp(now, NEVER);
                    let heir = Op { id: ask.id.clone(), does: "grant", state: "live", ends, ..old };
                    self.ops.extend((to == self.ops.len()).then_some(heir));
                    (left, self.lots[i].2) = (left - part, burned - part);
                    self.lots.push((FREE, to, part));
                    self.repay();
                }
            }
        }
        let owed = self.balances()[2] - debt;
        answer.tell([("debt", owed.max(0)), ("repaid", self.repay() - owed.min(0))]);
        answer.balances = self.balances();
        (self.time, self.ops[me].answer) = (now, answer.clone());
        Ok(answer)
    }
}
