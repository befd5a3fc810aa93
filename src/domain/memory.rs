//! What a wallet remembers of its operations: enough to answer a retry with the first receipt, to
//! refund along the split that was burned, and to capture an expired hold late.
//!
//! The memory is a part of the wallet's ledger, near at hand: what it forgets can be recalled from
//! the records ([`super::recall`]) and told again. Whoever asks for a judgement sees to it first
//! that the wallet was told of every operation that the request names.

use super::amount::{Amount, Overflow};
use super::command::{Command, Request, RequestHash};
use super::grant::GrantTerms;
use super::hold::{Hold, HoldNo};
use super::id::OpId;
use super::kept_receipt::KeptReceipt;
use super::outcome::{HoldState, WalletStatus};
use super::time::{Span, Timestamp};
use hashbrown::HashMap;
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
        let burned = self.slices.iter().map(|(_, amount)| amount.pico()).sum::<i128>();
        Amount::from_pico(burned.saturating_add(self.debt.pico())).less(self.refunded)
    }
}

/// The operations that a wallet has at hand, by id. How many they are is no part of what the
/// wallet is, so any two memories are equal.
#[derive(Debug, Clone, Default)]
pub struct Memory(HashMap<OpId, Known>);

/// What is at hand of an operation.
#[derive(Debug, Clone)]
enum Known {
    /// All of it.
    All(Box<Remembered>),
    /// The open hold that it placed.
    OpenHold(HoldNo),
}

impl PartialEq for Memory {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Memory {}

impl Memory {
    /// The operation of that id, if all of it is at hand.
    pub fn get(&self, op: &OpId) -> Option<&Remembered> {
        match self.0.get(op)? {
            Known::All(remembered) => Some(remembered),
            Known::OpenHold(_) => None,
        }
    }

    /// How many operations are at hand.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The number of an open hold.
    pub fn open_hold(&self, hold: &OpId) -> Option<HoldNo> {
        match self.0.get(hold)? {
            Known::OpenHold(number) => Some(*number),
            Known::All(remembered) => match remembered.role {
                Role::OpenHold(number) => Some(number),
                _ => None,
            },
        }
    }

    /// A hold that is done.
    pub fn ended_hold(&self, hold: &OpId) -> Option<&EndedHold> {
        match &self.get(hold)?.role {
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
                Some(hold).filter(|hold| !self.0.contains_key(*hold))
            }
            Command::Reverse { op, .. }
            | Command::Revoke { op, .. }
            | Command::Refund { op, .. }
            | Command::OpGet { op } => Some(op).filter(lacks_all),
            _ => None,
        };
        own.into_iter().chain(other).collect()
    }

    /// Takes in what was recalled of an operation; what is at hand stays.
    pub fn tell(&mut self, op: OpId, remembered: Remembered) {
        let known = self.0.entry(op).or_insert(Known::OpenHold(HoldNo(0)));
        if matches!(known, Known::OpenHold(_)) {
            *known = Known::All(Box::new(remembered));
        }
    }

    /// Forgets what was done before `at`; of open holds only their answers.
    pub fn forget_before(&mut self, at: Timestamp) {
        self.0.retain(|_, known| match known {
            Known::All(remembered) if remembered.at < at => match remembered.role {
                Role::OpenHold(number) => {
                    *known = Known::OpenHold(number);
                    true
                }
                _ => false,
            },
            _ => true,
        });
    }

    /// Forgets the older half, but the numbers of open holds.
    pub fn forget_older_half(&mut self) {
        let all = self.0.values().filter_map(|known| match known {
            Known::All(remembered) => Some(remembered.at),
            Known::OpenHold(_) => None,
        });
        let mut times: Vec<_> = all.collect();
        let middle = times.len() / 2;
        if middle < times.len() {
            let (_, median, _) = times.select_nth_unstable(middle);
            // Those of the very same time go too, or nothing might.
            let end = median.after(Span::from_millis(1));
            self.forget_before(end);
        }
    }

    /// Remembers a new operation; `None` when its id is taken.
    pub(super) fn insert(&mut self, op: OpId, remembered: Remembered) -> Option<()> {
        self.0.insert(op, Known::All(Box::new(remembered))).is_none().then_some(())
    }

    /// The open hold of that id is done; `None` when there is none.
    pub(super) fn end_hold(&mut self, hold: &OpId, ended: EndedHold) -> Option<()> {
        match self.0.get_mut(hold)? {
            Known::All(remembered) => remembered.role = Role::EndedHold(Box::new(ended)),
            // Without its first answer it is of no use: it can be recalled as a whole.
            Known::OpenHold(_) => drop(self.0.remove(hold)),
        }
        Some(())
    }

    /// What later operations need to know of an operation, to change.
    fn role_mut(&mut self, op: &OpId) -> Option<&mut Role> {
        match self.0.get_mut(op)? {
            Known::All(remembered) => Some(&mut remembered.role),
            Known::OpenHold(_) => None,
        }
    }

    /// A hold that is done, to change; none when it is not at hand.
    pub(super) fn ended_hold_mut(&mut self, hold: &OpId) -> Option<&mut EndedHold> {
        match self.role_mut(hold)? {
            Role::EndedHold(ended) => Some(ended),
            _ => None,
        }
    }

    /// Counts what was given back of a capture or charge, if it is at hand.
    pub(super) fn refund(&mut self, op: &OpId, amount: Amount) -> Result<(), Overflow> {
        if let Some(Role::Spend(spend)) = self.role_mut(op) {
            spend.refunded = spend.refunded.plus(amount)?;
        }
        Ok(())
    }

    /// Counts what was taken back of a top-up, if it is at hand. Other operations that make grants
    /// keep no count.
    pub(super) fn take_back(&mut self, op: &OpId, amount: Amount) -> Result<(), Overflow> {
        if let Some(Role::TopUp(money_in)) = self.role_mut(op) {
            money_in.taken_back = money_in.taken_back.plus(amount)?;
        }
        Ok(())
    }
}
