//! What is asked, in the plain words and numbers of the model, the defaults of the command table
//! filled in.

use super::told::Answer;
pub(crate) mod tariff;

use purser::domain::amount::Amount;
use purser::domain::command::{Command, Expiry, GrantKind, Overage, Request};
use purser::domain::id::OpId;
use purser::domain::time::{Span, Timestamp};
use tariff::value;

/// The end of what never ends; times can be added to it.
pub(crate) const NEVER: i64 = i64::MAX / 2;

/// A request, money in grains, and what the model notes of it. What a command does not take stays
/// empty.
#[derive(Debug, Clone, Default)]
pub(crate) struct Op {
    /// By the answer that it hopes for: `held`, `captured`, …
    pub(crate) does: &'static str,
    pub(crate) id: String,
    pub(crate) hash: u64,
    /// The hold or the operation that it is about, and what that may be.
    pub(crate) target: String,
    pub(crate) about: &'static str,
    pub(crate) amount: Option<i128>,
    /// Of what may be declined, the least that will do.
    pub(crate) min: Option<i128>,
    pub(crate) kind: &'static str,
    pub(crate) priority: u16,
    pub(crate) ttl: Option<i64>,
    pub(crate) expires: Option<i64>,
    pub(crate) overage: &'static str,
    pub(crate) keep: bool,
    pub(crate) strict: bool,
    pub(crate) force: bool,
    pub(crate) credit_limit: Option<i128>,
    pub(crate) debt_limit: Option<Option<i128>>,
    /// When it was asked, and the answer if it was done.
    pub(crate) at: i64,
    pub(crate) answer: Answer,
    /// Of the hold that it made (`open` at first) or the grant (`live`, then `expired`).
    pub(crate) state: &'static str,
    pub(crate) ends: i64,
}

impl Op {
    /// Whether it is one of these.
    pub(crate) fn is(&self, does: &str) -> bool {
        does.split(' ').any(|does| does == self.does)
    }
    pub(crate) fn is_grant(&self) -> bool {
        !self.kind.is_empty()
    }
    /// Whether it is one of these, and was done.
    pub(crate) fn did(&self, does: &str) -> bool {
        self.is_done() && self.is(does)
    }
    pub(crate) fn is_done(&self) -> bool {
        !self.answer.word.is_empty()
    }
    /// When it ends what is placed or added now.
    pub(crate) fn end(&self, now: i64) -> i64 {
        self.expires.unwrap_or(self.ttl.map_or(NEVER, |ttl| now + ttl))
    }
    /// The limits of credit and debt, as this changes them.
    pub(crate) fn limits(&self, old: (i128, Option<i128>)) -> (i128, Option<i128>) {
        (self.credit_limit.unwrap_or(old.0), self.debt_limit.unwrap_or(old.1))
    }
}

/// Which operation that was done is one of these and has that id.
pub(crate) fn find(ops: &[Op], id: &str, does: &str) -> Result<usize, Answer> {
    let found = ops.iter().position(|op| op.did(does) && op.id == id);
    found.ok_or_else(|| Answer::of(if does == "held" { "NOHOLD" } else { "NOOP" }, None))
}

pub(crate) fn kind(kind: GrantKind) -> &'static str {
    match kind {
        GrantKind::Paid => "paid",
        GrantKind::Promo => "promo",
        GrantKind::Allowance => "allowance",
    }
}

fn overage(overage: Overage) -> &'static str {
    match overage {
        Overage::Debt => "debt",
        Overage::Cap => "cap",
        Overage::Reject => "reject",
    }
}

pub(crate) fn asked(request: &Request) -> Op {
    let id = request.id.as_ref().map(text).unwrap_or_default();
    let mut ask = Op { id, hash: request.hash.0, ..of_command(&request.command) };
    if let Command::Authorize(_) = &request.command {
        // The op id is the hold's id.
        ask.target.clone_from(&ask.id);
    }
    ask
}

fn text(id: &OpId) -> String {
    id.as_str().to_owned()
}

fn of_command(command: &Command) -> Op {
    let about = |does, about, op| Op { does, about, target: text(op), ..Op::default() };
    let plain = |does| Op { does, ..Op::default() };
    let money = |amount: &Amount| Some(amount.pico());
    let least = |amount: &Amount, min: &Option<Amount>| Some(min.unwrap_or(*amount).pico());
    match command {
        Command::Set(change) => Op {
            credit_limit: change.credit_limit.map(Amount::pico),
            debt_limit: change.debt_limit.map(|limit| limit.map(Amount::pico)),
            ..plain("balance")
        },
        Command::Freeze { .. } => plain("frozen"),
        Command::Unfreeze => plain("open"),
        Command::Close { force } => Op { force: *force, ..plain("closed") },
        Command::TopUp(asked) => {
            let (ttl, expires) = match asked.expiry {
                Expiry::Never => (None, None),
                Expiry::At(at) => (None, Some(Timestamp::millis(at))),
                Expiry::In(ttl) => (Some(ttl.millis()), None),
            };
            let usual = match asked.kind {
                GrantKind::Allowance => 10,
                GrantKind::Promo => 20,
                GrantKind::Paid => 30,
            };
            let (kind, priority) = (kind(asked.kind), asked.priority.unwrap_or(usual));
            Op { amount: money(&asked.amount), kind, priority, ttl, expires, ..plain("toppedup") }
        }
        Command::Reverse { op, amount, .. } => {
            Op { amount: amount.map(Amount::pico), ..about("reversed", "toppedup", op) }
        }
        Command::Revoke { op, .. } => about("revoked", "toppedup refunded", op),
        Command::Withdraw { amount, .. } => {
            Op { amount: money(amount), min: money(amount), ..plain("withdrawn") }
        }
        Command::Refund { op, amount, .. } => {
            Op { amount: money(amount), ..about("refunded", "captured charged", op) }
        }
        Command::Authorize(asked) => Op {
            amount: money(&value(&asked.worth)),
            min: least(&value(&asked.worth), &asked.min),
            ttl: Some(asked.ttl.map_or(900_000, Span::millis)),
            overage: overage(asked.overage),
            ..plain("held")
        },
        Command::Extend { hold, amount, min, ttl } => Op {
            amount: money(amount),
            min: least(amount, min),
            ttl: Some(ttl.map_or(0, Span::millis)),
            ..about("extended", "held", hold)
        },
        Command::Capture { hold, worth: asked, keep, strict, .. } => {
            let (keep, strict) = (*keep, *strict);
            Op { amount: money(&value(asked)), keep, strict, ..about("captured", "held", hold) }
        }
        Command::Void { hold, .. } => about("voided", "held", hold),
        Command::Charge { worth: asked, overage: policy, .. } => {
            let amount = money(&value(asked));
            let min = amount.filter(|_| *policy == Overage::Reject);
            let overage = overage(*policy);
            Op { amount, min, overage, ..plain("charged") }
        }
        _ => panic!("the model is not asked to read"),
    }
}
