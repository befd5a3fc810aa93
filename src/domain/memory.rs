//! What a wallet remembers of its operations: enough to answer a retry with the first receipt, to
//! refund along the split that was burned, and to capture an expired hold late.
//!
//! The memory is a part of the wallet's ledger, near at hand: what it forgets can be recalled from
//! the records ([`super::recall`]) and told again. Whoever asks for a judgement sees to it first
//! that the wallet was told of every operation that the request names.

use super::amount::{Amount, Overflow};
use super::command::{Command, Request, RequestHash};
use super::event::Event;
use super::grant::GrantTerms;
use super::hold::{Hold, HoldNo, Holds};
use super::id::OpId;
use super::kept_receipt::KeptReceipt;
use super::outcome::{HoldState, WalletStatus};
use super::time::Timestamp;
use hashlink::LinkedHashMap;
use smallvec::SmallVec;
use std::sync::Arc;

/// An operation of the past.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remembered {
    /// What was asked.
    pub request: RequestHash,
    /// When it was done.
    pub at: Timestamp,
    /// What it answered.
    pub receipt: KeptReceipt,
    /// What later operations need to know of it.
    pub role: Role,
}

/// What later operations need to know of an operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Role {
    /// Nothing but its receipt.
    Plain,
    /// A change of terms, which answers with a balance.
    TermsSet(Box<TermsSet>),
    /// The hold of this id is open: the wallet has it under this number.
    OpenHold(HoldNo),
    /// The hold of this id is done.
    EndedHold(Box<EndedHold>),
    /// Usage was charged.
    Spend(Box<Spend>),
    /// Money came in.
    TopUp(Box<MoneyIn>),
    /// Usage was given back, perhaps as new grants.
    Refund,
}

/// What is remembered of a change of terms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TermsSet {
    /// The wallet's status then.
    pub status: WalletStatus,
    /// The credit line since.
    pub credit_limit: Amount,
}

/// What is remembered of a top-up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MoneyIn {
    /// The grant it made.
    pub grant: Arc<GrantTerms>,
    /// How much it was.
    pub amount: Amount,
    /// How much of it was reversed or revoked since.
    pub taken_back: Amount,
}

/// What is remembered of a hold that is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndedHold {
    /// What became of it.
    pub state: HoldState,
    /// The hold as it was, without what it pinned.
    pub hold: Box<Hold>,
    /// What it still held when it expired, less what was captured late.
    pub lapsed: Amount,
    /// What its void answered: voids are retried by the hold's id.
    pub void: Option<KeptReceipt>,
}

/// Where the money of a capture or charge came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spend {
    /// Grants and amounts in the order in which they burned.
    pub slices: SmallVec<[(Arc<GrantTerms>, Amount); 1]>,
    /// What became debt, after all grants.
    pub debt: Amount,
    /// How much of it all was given back.
    pub refunded: Amount,
}

impl Spend {
    /// What is left to give back.
    pub fn refundable(&self) -> Amount {
        let burned: Amount = self.slices.iter().map(|(_, amount)| *amount).chain([self.debt]).sum();
        burned.less(self.refunded)
    }
}

/// A stretch of the journal. The archive takes in whole eras, in order; whoever keeps the wallet
/// counts them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Era(pub u64);

impl Era {
    /// The era after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// The operations that a wallet has at hand, by id: all that the archive does not have yet, and the
/// open holds. How many they are is no part of what the wallet is, so any two memories are equal.
#[derive(Debug, Clone, Default)]
pub struct Memory {
    /// The longer untouched, the nearer to the front.
    known: LinkedHashMap<OpId, Known>,
    /// The era that goes on.
    era: Era,
    /// The next event may change an operation that nobody remembers any more.
    is_excused: bool,
}

/// What is at hand of an operation.
#[derive(Debug, Clone)]
struct Known {
    /// The era of the last event that concerned it.
    touched: Era,
    what: What,
}

#[derive(Debug, Clone)]
enum What {
    All(Remembered),
    /// What became of a hold, but not what its `AUTHORIZE` answered.
    Hold(Role),
}

impl What {
    const fn role(&self) -> &Role {
        match self {
            Self::All(Remembered { role, .. }) | Self::Hold(role) => role,
        }
    }

    fn role_mut(&mut self) -> &mut Role {
        match self {
            Self::All(Remembered { role, .. }) | Self::Hold(role) => role,
        }
    }
}

impl PartialEq for Memory {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Memory {}

impl Memory {
    /// A memory of nothing but the open holds.
    pub(super) fn of_open_holds(holds: &Holds) -> Self {
        let known = |hold: &Hold| {
            let what = What::Hold(Role::OpenHold(hold.number));
            (hold.id.clone(), Known { touched: Era::default(), what })
        };
        Self { known: holds.after(None).map(known).collect(), ..Self::default() }
    }

    /// The operation of that id, if all of it is at hand.
    pub fn get(&self, op: &OpId) -> Option<&Remembered> {
        match &self.known.get(op)?.what {
            What::All(remembered) => Some(remembered),
            What::Hold(_) => None,
        }
    }

    /// Whether a hold is at hand, but not what its `AUTHORIZE` answered.
    pub fn has_only_hold(&self, hold: &OpId) -> bool {
        self.known.get(hold).is_some_and(|known| matches!(known.what, What::Hold(_)))
    }

    /// How many operations are at hand.
    pub fn len(&self) -> usize {
        self.known.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// The number of an open hold.
    pub fn open_hold(&self, hold: &OpId) -> Option<HoldNo> {
        match self.known.get(hold)?.what.role() {
            Role::OpenHold(number) => Some(*number),
            _ => None,
        }
    }

    /// A hold that is done.
    pub fn ended_hold(&self, hold: &OpId) -> Option<&EndedHold> {
        match self.known.get(hold)?.what.role() {
            Role::EndedHold(ended) => Some(ended),
            _ => None,
        }
    }

    /// The operations that a request names and of which too little is at hand to judge it.
    pub fn lacks<'r>(&self, request: &'r Request) -> SmallVec<[&'r OpId; 2]> {
        let lacks_all = |op: &&OpId| self.get(op).is_none();
        let own = request.id.as_ref().filter(lacks_all);
        let other = match &request.command {
            Command::Extend { hold, .. }
            | Command::Capture { hold, .. }
            | Command::Void { hold, .. }
            | Command::HoldGet { hold }
            | Command::HoldList { after: Some(hold), .. } => {
                Some(hold).filter(|hold| !self.known.contains_key(*hold))
            }
            Command::Reverse { op, .. }
            | Command::Revoke { op, .. }
            | Command::Refund { op, .. }
            | Command::OpGet { op } => Some(op).filter(lacks_all),
            _ => None,
        };
        own.into_iter().chain(other).collect()
    }

    /// The operation of the past that an event changes, if it is not at hand.
    pub fn lacks_subject<'e>(&self, event: &'e Event) -> Option<&'e OpId> {
        event.hold().or(event.target()).filter(|subject| !self.known.contains_key(*subject))
    }

    /// Takes in what was recalled of an operation; what is at hand is newer, and stays.
    pub fn tell(&mut self, op: OpId, told: Remembered) {
        let touched = self.era;
        let known = self.known.entry(op);
        let known = known.or_insert_with(|| Known { touched, what: What::All(told.clone()) });
        if let What::Hold(role) = &known.what {
            known.what = What::All(Remembered { role: role.clone(), ..told });
        }
    }

    /// The next event may change an operation of which the ledger does not have the beginning any
    /// more: there is nothing to change then.
    pub fn excuse(&mut self) {
        self.is_excused = true;
    }

    /// Whether the event that is folded now may lack the operation that it changes; asked once.
    pub(super) fn take_excuse(&mut self) -> bool {
        std::mem::take(&mut self.is_excused)
    }

    /// A new era begins.
    pub fn enter(&mut self, era: Era) {
        self.era = self.era.max(era);
    }

    /// Forgets what was last touched in the era `archived` or before, at most so many operations;
    /// of open holds only their answers.
    pub fn forget(&mut self, archived: Era, at_most: usize) {
        self.era = self.era.max(archived.next());
        for _ in 0..at_most {
            let touched = self.known.front().map(|(_, known)| known.touched);
            if touched.is_none_or(|touched| touched > archived) {
                return;
            }
            let Some((op, known)) = self.known.pop_front() else { return };
            if let Role::OpenHold(number) = known.what.role() {
                let what = What::Hold(Role::OpenHold(*number));
                self.known.insert(op, Known { touched: self.era, what });
            }
        }
    }

    /// Remembers a new operation; `None` when its id is taken.
    pub(super) fn insert(&mut self, op: OpId, remembered: Remembered) -> Option<()> {
        let known = Known { touched: self.era, what: What::All(remembered) };
        self.known.insert(op, known).is_none().then_some(())
    }

    /// The open hold of that id is done; `None` when there is none.
    pub(super) fn end_hold(&mut self, hold: &OpId, ended: EndedHold) -> Option<()> {
        *self.touch(hold)? = Role::EndedHold(Box::new(ended));
        Some(())
    }

    /// What later operations need to know of an operation, to change.
    fn touch(&mut self, op: &OpId) -> Option<&mut Role> {
        let era = self.era;
        let known = self.known.to_back(op)?;
        known.touched = era;
        Some(known.what.role_mut())
    }

    /// A hold that is done, to change; none when it is not at hand.
    pub(super) fn ended_hold_mut(&mut self, hold: &OpId) -> Option<&mut EndedHold> {
        match self.touch(hold)? {
            Role::EndedHold(ended) => Some(ended),
            _ => None,
        }
    }

    /// Counts what was given back of a capture or charge; `None` when it is not at hand.
    pub(super) fn refund(&mut self, op: &OpId, amount: Amount) -> Option<Result<(), Overflow>> {
        match self.touch(op)? {
            Role::Spend(spend) => {
                Some(spend.refunded.plus(amount).map(|refunded| spend.refunded = refunded))
            }
            _ => None,
        }
    }

    /// Counts what was taken back of a top-up; `None` when it is not at hand. Other operations that
    /// make grants keep no count.
    pub(super) fn take_back(&mut self, op: &OpId, amount: Amount) -> Option<Result<(), Overflow>> {
        match self.touch(op)? {
            Role::TopUp(money_in) => {
                let taken_back = money_in.taken_back.plus(amount);
                Some(taken_back.map(|taken_back| money_in.taken_back = taken_back))
            }
            _ => Some(Ok(())),
        }
    }
}
