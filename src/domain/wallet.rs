//! The wallet: what one customer has, owes and has set aside.
//!
//! Live traffic, recovery and simulation share two functions: [`Wallet::decide`] judges a request
//! and changes nothing; [`Wallet::apply`] folds an event and judges nothing. What becomes due by
//! itself is an event like any other ([`Wallet::next_due`]), so replay never asks a clock.
//!
//! The commands stand in `decide/`, the folding of events in `apply`.
//!
//! # Invariants
//! - W1: `held` is what the open holds hold: the pinned parts of grants and of the credit line.
//! - W2: while there is debt, no grant has free money.
//! - W3: no figure of a wallet but `available` is ever below zero.
//! - W4: top-ups + debt = left in grants + usage + expired + withdrawn + reversed + revoked +
//!   written off (see [`super::posting::Account`]).
//! - W5: an op id is remembered with the first request that used it, and no other.
//! - W6: the wallet's time never runs backwards.

use super::amount::Amount;
use super::command::{Command, OpenTerms, Request, Terms};
use super::counters::Counters;
use super::decide::price::Judge;
use super::decide::{self, Decided, Verdict};
use super::event::{Event, EventKind};
use super::grant::Grants;
use super::hold::Holds;
use super::id::Currency;
use super::memory::Memory;
use super::outcome::{BalanceView, Balances, Outcome, Receipt, Refusal, WalletStatus};
use super::rating::Prices;
use super::rules::Rules;
use super::time::Timestamp;

/// One customer's money. Equal histories give equal wallets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wallet {
    pub(super) opened: Box<OpenTerms>,
    pub(super) opened_at: Timestamp,
    pub(super) terms: Terms,
    pub(super) status: Status,
    /// The number of events so far.
    pub(super) seq: u64,
    /// When the last event happened.
    pub(super) time: Timestamp,
    pub(super) grants: Grants,
    /// The number of the next grant.
    pub(super) next_grant: u32,
    pub(super) holds: Holds,
    pub(super) figures: Figures,
    /// What it used since its days and months began, for prices that depend on that.
    pub(super) counters: Counters,
    pub(super) memory: Memory,
    pub(super) quiet_until: QuietUntil,
}

/// A time before which nothing is due, so that most commands need not look. It may be too early,
/// never too late; how early is no part of what a wallet is.
#[derive(Debug, Clone, Copy)]
pub(super) struct QuietUntil(pub(super) Timestamp);

impl PartialEq for QuietUntil {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for QuietUntil {}

/// Whether a wallet takes part in traffic, and what its closing does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// It does.
    Open,
    /// No new holds, extensions or `reject` charges.
    Frozen,
    /// It closes when its last hold is done.
    Closing {
        /// What is left then is written off.
        force: bool,
    },
    /// Reads and replays only.
    Closed,
}

/// The sums over grants and holds, kept so that nothing has to be added up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Figures {
    /// Money that no hold pins.
    pub(super) free: Amount,
    /// Money that open holds pin.
    pub(super) pinned: Amount,
    /// What open holds take of the credit line.
    pub(super) credit_held: Amount,
    /// What the customer owes.
    pub(super) debt: Amount,
}

impl Wallet {
    /// Judges a request at `now`, which must not be before anything that is due: apply all that
    /// [`Wallet::next_due`] gives first. `wallet` is `None` when it was never opened.
    pub fn decide(
        wallet: Option<&Self>,
        request: &Request,
        now: Timestamp,
        rules: &Rules,
        prices: &dyn Prices,
    ) -> Verdict {
        let Some(wallet) = wallet else {
            return match &request.command {
                Command::Open(terms) => Verdict::Change(Event {
                    at: now,
                    op: None,
                    user: request.user.clone(),
                    request: request.hash,
                    kind: EventKind::Opened(terms.clone()),
                    postings: super::posting::Postings::new(),
                    price: None,
                }),
                _ => Verdict::Answer(Outcome::Refused(Refusal::NoWallet)),
            };
        };
        let now = now.max(wallet.time);
        if let Some(answer) = wallet.replay(request) {
            return Verdict::Answer(answer);
        }
        match decide::decide(wallet, Judge { request, now, rules, prices }) {
            Ok(Decided::Change { kind, postings, price }) => Verdict::Change(Event {
                at: now,
                op: request.id.clone(),
                user: request.user.clone(),
                request: request.hash,
                kind,
                postings,
                price,
            }),
            Ok(Decided::Answer(outcome)) => Verdict::Answer(outcome),
            Err(refusal) => Verdict::Answer(refusal.into()),
        }
    }

    /// The next event that is due by `now` without anybody asking for it.
    pub fn next_due(&self, now: Timestamp, rules: &Rules) -> Option<Event> {
        decide::due::next_due(self, now, rules)
    }

    /// When something is due next without anybody asking for it.
    pub fn next_deadline(&self, rules: &Rules) -> Option<Timestamp> {
        decide::due::next_deadline(self, rules)
    }

    /// The first answer to this very request, if it was made before (W5).
    fn replay(&self, request: &Request) -> Option<Outcome> {
        let id = request.id.as_ref()?;
        if self.memory.has_only_hold(id) {
            // Its first answer is older than all that is kept, so nobody can say that it is the same.
            return Some(Outcome::Refused(Refusal::IdReused));
        }
        let remembered = self.memory.get(id)?;
        if remembered.request != request.hash {
            return Some(Outcome::Refused(Refusal::IdReused));
        }
        Some(decide::read::replayed(self, request, remembered))
    }

    /// What the wallet answers to the operation that made `event`, right after applying it.
    pub fn answer(&self, event: &Event, receipt: Receipt) -> Outcome {
        match event.kind {
            EventKind::Opened(_) => Outcome::Wallet(Box::new(decide::read::wallet_view(self))),
            EventKind::TermsSet(_) => Outcome::Balance(Box::new(self.balance_view())),
            EventKind::Frozen { .. }
            | EventKind::Unfrozen
            | EventKind::Closing { .. }
            | EventKind::Closed => Outcome::Status(self.status()),
            _ => Outcome::Receipt(receipt),
        }
    }

    /// The wallet's money.
    pub fn balances(&self) -> Balances {
        let Figures { free, pinned, credit_held, debt } = self.figures;
        // In range: each figure was checked when it was added to.
        let sum = |pico: i128, other: Amount| pico.saturating_add(other.pico());
        let available = self.terms.credit_limit.pico().saturating_add(free.pico());
        let taken = sum(credit_held.pico(), debt);
        Balances {
            posted: Amount::from_pico(sum(free.pico(), pinned)),
            held: Amount::from_pico(sum(pinned.pico(), credit_held)),
            debt,
            available: Amount::from_pico(available.saturating_sub(taken)),
        }
    }

    /// Whether the wallet takes part in traffic.
    pub fn status(&self) -> WalletStatus {
        match self.status {
            Status::Open => WalletStatus::Open,
            Status::Frozen => WalletStatus::Frozen,
            Status::Closing { .. } => WalletStatus::Closing,
            Status::Closed => WalletStatus::Closed,
        }
    }

    /// What `BALANCE` shows.
    pub fn balance_view(&self) -> BalanceView {
        BalanceView {
            currency: self.opened.currency.clone(),
            status: self.status(),
            balances: self.balances(),
            credit_limit: self.terms.credit_limit,
            replayed: false,
        }
    }

    /// The currency of all its amounts.
    pub const fn currency(&self) -> &Currency {
        &self.opened.currency
    }

    /// What the customer owes.
    pub const fn debt(&self) -> Amount {
        self.figures.debt
    }

    /// The credit line.
    pub fn credit_limit(&self) -> Amount {
        self.terms.credit_limit
    }

    /// How many events the wallet has seen.
    pub fn seq(&self) -> u64 {
        self.seq
    }

    /// When its last event happened.
    pub fn time(&self) -> Timestamp {
        self.time
    }

    /// Its grants in burn order.
    pub fn grants(&self) -> &Grants {
        &self.grants
    }

    /// Its open holds.
    pub fn holds(&self) -> &Holds {
        &self.holds
    }

    /// What it remembers of its operations.
    pub fn memory(&self) -> &Memory {
        &self.memory
    }

    /// Its open holds, to note which pages of them were kept.
    pub fn holds_mut(&mut self) -> &mut Holds {
        &mut self.holds
    }

    /// What it remembers of its operations, to be told or to forget.
    pub fn memory_mut(&mut self) -> &mut Memory {
        &mut self.memory
    }

    /// Whether closing it now would leave neither money nor debt behind.
    pub(super) fn is_empty_beside_holds(&self) -> bool {
        self.figures.free.is_zero() && self.figures.debt.is_zero()
    }
}
