//! The model's commands, one arm each.
#![expect(clippy::result_large_err, clippy::too_many_lines, reason = "naive on purpose")]

use super::{Answer, Deed, Grant, Hold, Judged, Model, answer, sum};
use purser::domain::amount::Amount;
use purser::domain::command::{Command, Expiry, GrantKind, Overage, TopUp};
use purser::domain::time::Span;
use std::collections::BTreeMap;

fn no<T>(word: &str) -> Result<T, Answer> {
    Err(answer(word))
}
fn no_with<T>(word: &str, detail: i128) -> Result<T, Answer> {
    Err(Answer { detail: Some(detail), ..answer(word) })
}

impl Grant {
    fn lives(&self, now: i64) -> bool {
        !self.expired && self.ends.is_none_or(|ends| ends > now)
    }
}

impl Model {
    pub(super) fn judge(&mut self, command: &Command, id: &str, now: i64) -> Judged {
        self.check_closed(command)?;
        let frozen = self.status == "frozen";
        match command {
            Command::Set(change) => {
                let credit = change.credit_limit.map(Amount::pico);
                self.credit_limit = credit.unwrap_or(self.credit_limit);
                if let Some(limit) = change.debt_limit {
                    self.debt_limit = limit.map(Amount::pico);
                }
                Ok((answer("balance"), Deed::Done))
            }
            Command::Freeze { .. } => Ok(self.turn("frozen")),
            Command::Unfreeze => Ok(self.turn("open")),
            Command::Close { force } => self.close(*force),
            Command::TopUp(top_up) => self.top_up(top_up, id, now),
            Command::Reverse { op, amount, .. } => {
                let Some((_, _, Deed::TopUp { grant, left })) = self.ops.get_mut(op.as_str())
                else {
                    return no("NOOP");
                };
                let amount = amount.map_or(*left, Amount::pico);
                if amount > *left || amount == 0 {
                    return no_with("OVERREFUND", *left);
                }
                let grant = *grant;
                *left -= amount;
                let debt = amount - sum(&self.take(amount, |g, _| g == grant));
                self.debt += debt;
                Ok((Answer { debt, repaid: self.repay(), ..answer("reversed") }, Deed::Done))
            }
            Command::Revoke { op, .. } => {
                let Some((_, _, Deed::TopUp { .. } | Deed::Refund)) = self.ops.get(op.as_str())
                else {
                    return no("NOOP");
                };
                let revoked = sum(&self.take(i128::MAX, |_, grant| grant.op == op.as_str()));
                if let Some((_, _, Deed::TopUp { left, .. })) = self.ops.get_mut(op.as_str()) {
                    *left = (*left - revoked).max(0);
                }
                Ok((answer("revoked"), Deed::Done))
            }
            Command::Withdraw { amount, .. } => {
                let paid = self.grants.iter().filter(|grant| grant.kind == GrantKind::Paid);
                let funds = paid.map(|grant| grant.free).sum::<i128>().min(self.available());
                Self::check_funds(false, amount.pico(), None, funds)?;
                self.take(amount.pico(), |_, grant| grant.kind == GrantKind::Paid);
                Ok((answer("withdrawn"), Deed::Done))
            }
            Command::Refund { op, amount, .. } => self.refund(op.as_str(), amount.pico(), id, now),
            Command::Authorize(asked) => {
                let min = asked.min.map(Amount::pico);
                let amount = Self::check_funds(frozen, asked.amount.pico(), min, self.available())?;
                let ends = now + asked.ttl.map_or(self.ttl, Span::millis);
                let (overage, pins, credit, rest) = (asked.overage, Vec::new(), 0, 0);
                let (id, state, void) = (id.to_owned(), "open", None);
                self.holds.push(Hold { id, state, ends, overage, pins, credit, rest, void });
                self.pin(self.holds.len() - 1, amount);
                let (amount, ends) = (Some(amount), Some(ends));
                Ok((Answer { amount, ends, ..answer("held") }, Deed::Done))
            }
            Command::Extend { hold, amount, min, ttl } => {
                let h = self.open_hold(hold.as_str())?;
                let (asked, min) = (amount.pico(), min.map(Amount::pico));
                let funds = if asked == 0 { 0 } else { self.available() };
                let amount = Self::check_funds(frozen, asked, min, funds)?;
                self.pin(h, amount);
                let later = ttl.map_or(0, |ttl| now + ttl.millis());
                self.holds[h].ends = self.holds[h].ends.max(later);
                let (amount, ends) = (Some(amount), Some(self.holds[h].ends));
                Ok((Answer { amount, ends, ..answer("extended") }, Deed::Done))
            }
            Command::Capture { hold, amount, keep, strict, .. } => {
                self.capture(hold.as_str(), amount.pico(), *keep, *strict, now)
            }
            Command::Void { hold, .. } => {
                let h = self.hold(hold.as_str())?;
                if let Some(first) = &self.holds[h].void {
                    return Ok((Answer { replayed: true, ..first.clone() }, Deed::None));
                }
                let repaid = match self.holds[h].state {
                    "open" => {
                        self.release(h, now);
                        self.repay()
                    }
                    "expired" => 0,
                    state => return no(&format!("HOLDDONE {state}")),
                };
                self.holds[h].state = "voided";
                Ok((Answer { repaid, ..answer("voided") }, Deed::Done))
            }
            Command::Charge { amount, overage, .. } => {
                let (usage, available) = (amount.pico(), self.available());
                let over = frozen || usage > available.max(0);
                if *overage == Overage::Reject {
                    Self::check_funds(frozen, usage, None, available)?;
                }
                let (done, deed) = self.settle("charged", Vec::new(), 0, usage, *overage, now);
                Ok((Answer { over: over && *overage != Overage::Reject, ..done }, deed))
            }
            _ => panic!("the model is not asked to read"),
        }
    }
    fn check_closed(&self, command: &Command) -> Result<(), Answer> {
        let voided = |id| self.hold(id).is_ok_and(|h| self.holds[h].void.is_some());
        match (self.status, command) {
            ("open" | "frozen", _)
            | (_, Command::Close { .. })
            | ("closing", Command::Capture { .. } | Command::Void { .. }) => Ok(()),
            (_, Command::Void { hold, .. }) if voided(hold.as_str()) => Ok(()),
            (
                _,
                Command::Authorize(_)
                | Command::Extend { .. }
                | Command::Withdraw { .. }
                | Command::Charge { overage: Overage::Reject, .. },
            ) => no("declined CLOSED"),
            _ => no("CLOSED"),
        }
    }
    /// Frozen, then funds: all of `asked`, or with `min` what there is between the two.
    fn check_funds(
        frozen: bool,
        asked: i128,
        min: Option<i128>,
        funds: i128,
    ) -> Result<i128, Answer> {
        match min {
            _ if frozen => no("declined FROZEN"),
            _ if funds >= asked => Ok(asked),
            Some(min) if funds >= min => Ok(funds),
            _ => no_with("declined NOFUNDS", asked),
        }
    }
    fn open_hold(&self, id: &str) -> Result<usize, Answer> {
        let h = self.hold(id)?;
        match self.holds[h].state {
            "open" => Ok(h),
            state => no(&format!("HOLDDONE {state}")),
        }
    }
    /// Rule 3: grants in burn order, the credit line last.
    fn pin(&mut self, h: usize, amount: i128) {
        let pinned = self.take(amount, |_, _| true);
        self.holds[h].credit += amount - sum(&pinned);
        for (g, part) in pinned {
            match self.holds[h].pins.iter_mut().find(|pin| pin.0 == g) {
                Some(pin) => pin.1 += part,
                None => self.holds[h].pins.push((g, part)),
            }
        }
    }
    fn turn(&mut self, status: &'static str) -> (Answer, Deed) {
        let deed = if self.status == status { Deed::None } else { Deed::Done };
        self.status = status;
        (answer(format!("status {status}")), deed)
    }
    fn close(&mut self, force: bool) -> Judged {
        let force = force || (self.status == "closing" && self.forced);
        if self.status == "closed" {
            return Ok((answer("status closed"), Deed::None));
        }
        if !force && (self.free() > 0 || self.debt > 0) {
            return Err(Answer { balances: self.balances(), ..answer("NOTEMPTY") });
        }
        if self.open_holds().next().is_none() {
            self.write_off();
            return Ok((answer("status closed"), Deed::Done));
        }
        let same = self.status == "closing" && self.forced == force;
        (self.status, self.forced) = ("closing", force);
        Ok((answer("status closing"), if same { Deed::None } else { Deed::Done }))
    }
    fn top_up(&mut self, asked: &TopUp, id: &str, now: i64) -> Judged {
        let ends = match asked.expiry {
            Expiry::Never => None,
            Expiry::At(at) if at.millis() <= now => return no("RANGE"),
            Expiry::At(at) => Some(at.millis()),
            Expiry::In(ttl) => Some(now + ttl.millis()),
        };
        let usual = match asked.kind {
            GrantKind::Allowance => 10,
            GrantKind::Promo => 20,
            GrantKind::Paid => 30,
        };
        let (amount, priority) = (asked.amount.pico(), asked.priority.unwrap_or(usual));
        let repaid = amount.min(self.debt);
        self.debt -= repaid;
        let grant = self.grant(id, asked.kind, priority, ends);
        self.grants[grant].free = amount - repaid;
        Ok((Answer { repaid, ..answer("toppedup") }, Deed::TopUp { grant, left: amount }))
    }
    fn grant(&mut self, op: &str, kind: GrantKind, priority: u16, ends: Option<i64>) -> usize {
        let (op, free, expired) = (op.to_owned(), 0, false);
        self.grants.push(Grant { op, kind, priority, ends, free, expired });
        self.grants.len() - 1
    }
    /// Rules 4 and 5.
    fn capture(&mut self, id: &str, amount: i128, keep: bool, strict: bool, now: i64) -> Judged {
        let h = self.hold(id)?;
        let late = self.holds[h].state == "expired" && !strict;
        let h = if late { h } else { self.open_hold(id)? };
        let before = self.holds[h].clone();
        let fixed = if late { 0 } else { sum(&before.pins) + before.credit };
        let most = if late { before.rest.min(self.available().max(0)) } else { fixed };
        if before.overage == Overage::Reject && amount > most {
            return no_with("OVERCAPTURE", most);
        }
        let (mut left, mut burned) = (amount.min(fixed), Vec::new());
        for g in self.burn_order() {
            for pin in self.holds[h].pins.iter_mut().filter(|pin| pin.0 == g && !late) {
                let part = left.min(pin.1);
                pin.1 -= part;
                left -= part;
                burned.push((g, part));
            }
        }
        self.holds[h].credit -= left;
        // The rest returns only after the usage has burned what was free before it.
        let (mut done, deed) =
            self.settle("captured", burned, left, (amount - fixed).max(0), before.overage, now);
        let captured = done.captured.unwrap_or_default();
        if late {
            self.holds[h].rest = (before.rest - captured).max(0);
        } else if !keep {
            self.release(h, now);
            done.repaid += self.repay();
        }
        if !keep {
            self.holds[h].state = "captured";
        }
        Ok((Answer { late, ..done }, deed))
    }
    /// Usage that pinned money has not paid: `due` was held on the credit line, `excess` by nobody.
    fn settle(
        &mut self,
        word: &str,
        burned: Vec<(usize, i128)>,
        due: i128,
        excess: i128,
        overage: Overage,
        now: i64,
    ) -> (Answer, Deed) {
        let covered = excess.min(self.settled_available(due).max(0));
        let room = self.debt_limit.map_or(i128::MAX, |limit| {
            (self.free() + (limit - self.debt).max(0) - due - covered).max(0)
        });
        let allowed = if overage == Overage::Debt { room } else { 0 };
        let uncovered = (excess - covered - allowed).max(0);
        let total = due + excess - uncovered;
        let free = self.take(total, |_, _| true);
        let debt = total - sum(&free);
        self.debt += debt;
        let captured = Some(sum(&burned) + total);
        let parts = burned.into_iter().chain(free).filter(|part| part.1 > 0);
        let mut split: Vec<_> = parts.map(|(g, part)| (Some(g), part)).collect();
        split.push((None, debt));
        let answer = Answer { captured, debt, uncovered, repaid: self.repay(), ..answer(word) };
        (answer, Deed::Spend { split, refunded: 0, at: now })
    }
    /// What is available once `due`, which left the credit line's hold, is charged.
    fn settled_available(&self, due: i128) -> i128 {
        self.available() - due
    }
    /// Rule 7.
    fn refund(&mut self, target: &str, amount: i128, id: &str, now: i64) -> Judged {
        let Some((_, _, Deed::Spend { split, refunded, at })) = self.ops.get_mut(target) else {
            return no("NOOP");
        };
        let refundable = split.iter().map(|part| part.1).sum::<i128>() - *refunded;
        if amount > refundable {
            return no_with("OVERREFUND", refundable);
        }
        let (split, mut skip, burned_at) = (split.clone(), *refunded, *at);
        *refunded += amount;
        let (mut left, mut repaid, mut heirs) = (amount, 0, BTreeMap::new());
        for (from, burned) in split.into_iter().rev() {
            let part = (burned - skip).max(0).min(left);
            skip = (skip - burned).max(0);
            left -= part;
            let debt = part.min(self.debt);
            self.debt -= debt;
            repaid += debt;
            if part == debt {
                continue;
            }
            let g = match from {
                Some(g) if self.grants[g].lives(now) => g,
                Some(g) => *heirs.entry(g).or_insert_with(|| {
                    let Grant { kind, priority, ends, .. } = self.grants[g].clone();
                    let ends = ends.map(|ends| now + (ends - burned_at).max(0));
                    self.grant(id, kind, priority, ends)
                }),
                None => self.grant(id, GrantKind::Paid, 30, None),
            };
            self.grants[g].free += part - debt;
        }
        Ok((Answer { repaid, ..answer("refunded") }, Deed::Refund))
    }
}
