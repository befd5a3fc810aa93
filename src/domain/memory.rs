//! What a wallet remembers of its operations: enough to answer a retry with the first receipt, to
//! refund along the split that was burned, and to capture an expired hold late.

use super::amount::{Amount, Overflow};
use super::command::RequestHash;
use super::grant::GrantTerms;
use super::hold::{Hold, HoldNo};
use super::id::OpId;
use super::kept_receipt::KeptReceipt;
use super::outcome::{HoldState, WalletStatus};
use super::time::Timestamp;
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

/// The operations that a wallet remembers, by id.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Memory(HashMap<OpId, Box<Remembered>>);

impl Memory {
    /// The operation of that id.
    pub fn get(&self, op: &OpId) -> Option<&Remembered> {
        self.0.get(op).map(AsRef::as_ref)
    }

    /// How many operations are remembered.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The number of an open hold.
    pub fn open_hold(&self, hold: &OpId) -> Option<HoldNo> {
        match self.get(hold)?.role {
            Role::OpenHold(number) => Some(number),
            _ => None,
        }
    }

    /// A hold that is done.
    pub fn ended_hold(&self, hold: &OpId) -> Option<&EndedHold> {
        match &self.get(hold)?.role {
            Role::EndedHold(ended) => Some(ended),
            _ => None,
        }
    }

    /// Remembers a new operation; `None` when its id is taken.
    pub(super) fn insert(&mut self, op: OpId, remembered: Remembered) -> Option<()> {
        self.0.insert(op, Box::new(remembered)).is_none().then_some(())
    }

    /// What later operations need to know of an operation, to change.
    pub(super) fn role_mut(&mut self, op: &OpId) -> Option<&mut Role> {
        self.0.get_mut(op).map(|remembered| &mut remembered.role)
    }

    /// A hold that is done, to change.
    pub(super) fn ended_hold_mut(&mut self, hold: &OpId) -> Option<&mut EndedHold> {
        match self.role_mut(hold)? {
            Role::EndedHold(ended) => Some(ended),
            _ => None,
        }
    }

    /// Counts what was given back of a capture or charge; `None` when it is none.
    pub(super) fn refund(&mut self, op: &OpId, amount: Amount) -> Option<Result<(), Overflow>> {
        let Role::Spend(spend) = self.role_mut(op)? else { return None };
        Some(spend.refunded.plus(amount).map(|refunded| spend.refunded = refunded))
    }

    /// Counts what was taken back of a top-up. Other operations that make grants keep no count.
    pub(super) fn take_back(&mut self, op: &OpId, amount: Amount) -> Result<(), Overflow> {
        if let Some(Role::TopUp(money_in)) = self.role_mut(op) {
            money_in.taken_back = money_in.taken_back.plus(amount)?;
        }
        Ok(())
    }
}
