//! The traffic of the synthetic profiles: what is asked of which wallet, and what must come back.
//!
//! Everything is drawn from the seed. Every answer is held against what was asked, and what it
//! says happened goes into the [`Accounts`] in the amounts that were asked for.

mod draw;
mod judge;
mod op;
mod pool;
mod settling;

use std::collections::HashMap;

use anyhow::Result;

use crate::accounts::{Accounts, CLOCK_SLACK};
use crate::drive::answer::Answer;
use crate::drive::{Then, Times, Work};
use crate::recorder::Recorder;
use draw::Draw;
pub(crate) use draw::{Plan, Shares};
pub(crate) use judge::Verdict;
use op::{Attempt, Hold, Op};
pub(crate) use op::{Ids, Kind};
use pool::Pool;
pub(crate) use settling::Settling;

/// The latest that a late retry is sent after the answer to its first attempt, in nanoseconds.
const LATE_MAX: u64 = 2_000_000_000;

/// A command of which nobody knows what became, and when it was first sent.
#[derive(Debug, Clone, Copy)]
struct Unsettled {
    op: Op,
    sent: u64,
}

/// What is sent to a server, and what became of it.
#[derive(Debug)]
pub(crate) struct Traffic {
    ids: Ids,
    draw: Draw,
    ttl: u64,
    /// From an authorization's due time to its capture's, in nanoseconds.
    work: u64,
    pool: Pool,
    pub(crate) accounts: Accounts,
    pub(crate) recorder: Recorder,
    /// First attempts that a second one follows at once: what became of them.
    twins: HashMap<u64, Option<u64>>,
    /// What must be asked again at the end, because nobody knows what became of it.
    unsettled: Vec<Unsettled>,
    next: u64,
    /// Nothing new follows from answers any more.
    is_over: bool,
    word: Vec<u8>,
}

impl Traffic {
    pub(crate) fn new(
        ids: Ids,
        plan: Plan,
        wallets: u32,
        zipf: f64,
        seed: u64,
        recorder: Recorder,
    ) -> Result<Self> {
        let (ttl, work) = (plan.ttl_ms.saturating_mul(1_000_000), plan.work);
        Ok(Self {
            ids,
            draw: Draw::new(plan, wallets, zipf, seed)?,
            ttl,
            work,
            pool: Pool::default(),
            accounts: Accounts::new(wallets),
            recorder,
            twins: HashMap::new(),
            unsettled: Vec::new(),
            next: 0,
            is_over: false,
            word: Vec::new(),
        })
    }

    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    /// A new command of the kind that was drawn, or another if there is nothing to do it to.
    fn draw_op(&mut self) -> Op {
        let number = self.number();
        let kind = self.draw.kind();
        let hold = match kind {
            Kind::Capture | Kind::Void | Kind::Extend => self.pool.hold(),
            Kind::Authorize | Kind::Charge | Kind::Refund | Kind::Balance | Kind::Ledger => None,
        };
        match (kind, hold) {
            (Kind::Capture, Some(hold)) => Op::capture(number, hold),
            (Kind::Void, Some(hold)) => Op::void(number, hold),
            (Kind::Extend, Some(hold)) => Op::extend(number, hold, self.draw.estimate()),
            (Kind::Charge, _) => {
                Op::plain(Kind::Charge, number, self.draw.wallet(), self.draw.estimate())
            }
            (Kind::Balance | Kind::Ledger, _) => Op::plain(kind, number, self.draw.wallet(), 0),
            (Kind::Refund, _) => match self.pool.spend() {
                Some(spend) => Op::refund(number, spend),
                None => self.authorize(number),
            },
            _ => self.authorize(number),
        }
    }

    fn authorize(&mut self, number: u64) -> Op {
        let amount = self.draw.estimate();
        let settle = self.draw.settlement(amount);
        Op::authorize(number, self.draw.wallet(), amount, settle)
    }

    /// What an accepted command changed, and what follows from it.
    fn accept(&mut self, op: &Op, times: Times, then: &mut Vec<Then<Op>>) {
        let wallet = op.wallet;
        match op.kind {
            Kind::Authorize => {
                self.accounts.hold(wallet, op.amount);
                let hold = Hold {
                    number: op.number,
                    wallet,
                    amount: op.amount,
                    settle: op.settle,
                    earliest: times.sent.saturating_add(self.ttl_of(op)),
                    latest: times.arrived.saturating_add(self.ttl_of(op)),
                };
                self.placed(hold, then);
            }
            Kind::Extend => {
                self.accounts.hold(wallet, op.amount);
                let amount = op.hold.amount.saturating_add(op.amount);
                self.pool.put(Hold { amount, ..op.hold });
            }
            Kind::Capture => {
                self.accounts.spend(wallet, op.amount);
                self.accounts.release(wallet, op.hold.amount);
                self.pool.spent(op);
            }
            Kind::Void => self.accounts.release(wallet, op.hold.amount),
            Kind::Charge => {
                self.accounts.spend(wallet, op.amount);
                self.pool.spent(op);
            }
            Kind::Refund => self.accounts.add(wallet, i128::from(op.amount)),
            Kind::Balance | Kind::Ledger => {}
        }
    }

    /// A hold is there: it is left to expire, kept for later commands, or captured after its work.
    fn placed(&mut self, hold: Hold, then: &mut Vec<Then<Op>>) {
        if hold.settle.is_none() {
            self.accounts.leave(hold.wallet, hold.amount, hold.earliest, hold.latest);
        } else if self.draw.is_mix() || self.is_over {
            self.pool.put(hold);
        } else {
            let op = Op::capture(self.number(), hold);
            then.push(Then { after: self.work, op });
        }
    }

    /// What an answer means for the accounts, and what is done next.
    fn conclude(&mut self, op: Op, times: Times, verdict: &Verdict, then: &mut Vec<Then<Op>>) {
        match *verdict {
            Verdict::Accepted { receipt, .. } => {
                self.accept(&op, times, then);
                if op.kind.changes() && self.draw.retries_late() {
                    let after = times.arrived.saturating_sub(times.due);
                    let after = after.saturating_add(self.draw.up_to(LATE_MAX));
                    then.push(Then { after, op: Op { attempt: Attempt::Late { receipt }, ..op } });
                }
            }
            // A hold must be settled in the end.
            Verdict::NotNow(_) if matches!(op.kind, Kind::Capture | Kind::Void) => {
                self.later(op, times.sent);
            }
            Verdict::Declined(_) | Verdict::NotNow(_) => self.put_back(&op),
            Verdict::Unknown(_) => self.later(op, times.sent),
            Verdict::Read | Verdict::Repeated | Verdict::Refused(_) | Verdict::Wrong(_) => {}
        }
    }

    /// The time to live that was asked for, in nanoseconds.
    fn ttl_of(&self, op: &Op) -> u64 {
        if op.settle.is_none() { self.draw.expire_ttl() } else { self.ttl }
    }

    /// A command had no effect: what it was to be done to is there for others.
    fn put_back(&mut self, op: &Op) {
        match op.kind {
            Kind::Extend => self.pool.put(op.hold),
            Kind::Refund => self.pool.unspent(op),
            Kind::Authorize
            | Kind::Capture
            | Kind::Void
            | Kind::Charge
            | Kind::Balance
            | Kind::Ledger => {}
        }
    }

    /// Nobody knows what became of it, or it must happen in the end: it is asked again then.
    fn later(&mut self, op: Op, sent: u64) {
        if op.kind.changes() {
            self.unsettled.push(Unsettled { op: Op { attempt: Attempt::First, ..op }, sent });
        }
    }

    /// Nothing more is sent: the holds that are still open are left to expire.
    pub(crate) fn leave_open_holds(&mut self) {
        for hold in self.pool.drain() {
            self.accounts.leave(hold.wallet, hold.amount, hold.earliest, hold.latest);
        }
        self.accounts.settle();
    }

    /// Writes a command, the same bytes at every attempt.
    fn write_op(&mut self, op: &Op, out: &mut Vec<u8>) {
        let ttl_ms = self.ttl_of(op).checked_div(1_000_000).unwrap_or_default();
        op.write(&self.ids, ttl_ms, out, &mut self.word);
    }

    /// Judges the answer to an attempt that came behind one that was accepted: it must be the same
    /// receipt. (A decline or an error is not remembered: behind it, all is decided afresh.)
    fn judge_again(&mut self, op: &Op, earlier: u64, verdict: Verdict) -> Verdict {
        let wrong = |what: &str| Verdict::Wrong(format!("{}: a retry {what}", op.name(&self.ids)));
        match verdict {
            Verdict::Accepted { receipt, replayed: true } if receipt == earlier => {
                self.recorder.replays += 1;
                Verdict::Repeated
            }
            Verdict::Accepted { replayed: true, .. } => wrong("got another receipt"),
            Verdict::Accepted { replayed: false, .. } => {
                wrong("was taken for a new command, it may have been done twice")
            }
            Verdict::Declined(reason) => wrong(&format!("was declined: {reason}")),
            verdict => verdict,
        }
    }
}

/// An extension that came when its hold may have expired is told so: an answer like a decline.
fn expired(op: &Op, times: Times, verdict: Verdict) -> Verdict {
    let may_have = times.arrived.saturating_add(CLOCK_SLACK) >= op.hold.earliest;
    match verdict {
        Verdict::Refused(what)
            if op.kind == Kind::Extend && may_have && what.contains(": HOLDDONE state=expired") =>
        {
            Verdict::Declined("HOLDDONE".to_owned())
        }
        verdict => verdict,
    }
}

impl Work for Traffic {
    type Op = Op;

    fn begin(&mut self, ops: &mut Vec<Op>) {
        let mut op = self.draw_op();
        if op.kind.changes() && self.draw.retries_at_once() {
            op.attempt = Attempt::FirstOfTwo;
            ops.push(op);
            ops.push(Op { attempt: Attempt::Second, ..op });
        } else {
            ops.push(op);
        }
    }

    fn write(&mut self, op: &Op, out: &mut Vec<u8>) {
        self.write_op(op, out);
    }

    fn sent(&mut self, _op: &Op, due: u64, ready: u64, now: u64) {
        self.recorder.sent(due, ready, now);
    }

    fn answered(
        &mut self,
        op: Op,
        times: Times,
        answer: Answer<'_>,
        then: &mut Vec<Then<Op>>,
    ) -> Result<()> {
        let compares = op.attempt != Attempt::First || self.draw.has_retries();
        let verdict = judge::judge(&op, &self.ids, answer, compares);
        let verdict = expired(&op, times, verdict);
        // The receipt of an earlier attempt, if that had one.
        let earlier = match op.attempt {
            Attempt::First | Attempt::FirstOfTwo => None,
            Attempt::Second => self.twins.remove(&op.number).flatten(),
            Attempt::Late { receipt } => Some(receipt),
        };
        let verdict = match earlier {
            Some(earlier) => self.judge_again(&op, earlier, verdict),
            None => verdict,
        };
        self.recorder.answered(op.kind, times, &verdict)?;
        match op.attempt {
            Attempt::FirstOfTwo => {
                let accepted = if let Verdict::Accepted { receipt, .. } = verdict {
                    self.accept(&op, times, then);
                    Some(receipt)
                } else {
                    // What becomes of it, the second attempt decides.
                    None
                };
                self.twins.insert(op.number, accepted);
            }
            // It is accounted for already, however this attempt ended.
            Attempt::Second | Attempt::Late { .. } if earlier.is_some() => {}
            Attempt::First | Attempt::Second | Attempt::Late { .. } => {
                self.conclude(op, times, &verdict, then);
            }
        }
        Ok(())
    }

    fn lost(&mut self, op: Op, sent: u64) {
        self.recorder.lost += 1;
        match op.attempt {
            Attempt::First | Attempt::FirstOfTwo => self.later(op, sent),
            Attempt::Second => {
                // The first attempt was answered, without effect: this one may have had it.
                if self.twins.remove(&op.number) == Some(None) {
                    self.later(op, sent);
                }
            }
            Attempt::Late { .. } => {}
        }
    }

    fn turn(&mut self, now: u64) {
        self.recorder.turn(now);
    }
}
