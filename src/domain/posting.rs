//! Postings: every movement of money, and the ledger entries that follow from it.
//!
//! A posting moves an amount from one account to another, so the entries of an operation sum to
//! zero by construction. What each kind does to a wallet stands in one table, [`PostingKind::effect`];
//! what it means to the books in another, [`PostingKind::accounts`].

use super::amount::Amount;
use smallvec::SmallVec;

/// The number of a grant within its wallet, in the order of creation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GrantNo(pub u32);

/// One movement of money. The amount is above zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Posting {
    /// From where to where.
    pub kind: PostingKind,
    /// The grant that it concerns; zero for kinds that concern none.
    pub grant: GrantNo,
    /// How much.
    pub amount: Amount,
}

/// The postings of one event, in the order in which they happen.
pub type Postings = SmallVec<[Posting; 3]>;

/// From where to where a posting moves money.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PostingKind {
    /// New money into a grant.
    Fund,
    /// New money that repays debt at once.
    FundDebt,
    /// Free money, pinned by a hold.
    Pin,
    /// Pinned money, released into its grant.
    Unpin,
    /// Pinned money, released after its grant expired.
    Lapse,
    /// A part of the credit line, taken by a hold.
    CreditHold,
    /// A part of the credit line, given back by a hold.
    CreditRelease,
    /// Pinned money, used.
    SpendPinned,
    /// Free money, used.
    SpendFree,
    /// Usage that the customer owes.
    SpendDebt,
    /// Free money that repays debt.
    Repay,
    /// Free money of a grant that expired.
    Expire,
    /// Free money, paid out.
    Withdraw,
    /// Free money, taken back by a chargeback.
    Reverse,
    /// The part of a chargeback that the customer owes.
    ReverseDebt,
    /// Free money, taken back without debt.
    Revoke,
    /// Free money, given up when the wallet closes.
    WriteOff,
    /// Debt, given up when the wallet closes.
    Forgive,
    /// Usage, given back into a grant.
    Refund,
    /// Usage, given back by repaying debt.
    RefundDebt,
}

/// A line of the chart of accounts. Money in a grant and every use of money count up, top-ups and
/// debt count down, so that all of a wallet's accounts sum to zero at any time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Account {
    /// Where new money comes from.
    TopUps,
    /// What is left in grants.
    Grants,
    /// What the customer owes.
    Debt,
    /// What was captured, less what was refunded.
    Usage,
    /// What expired unused.
    Expired,
    /// What was paid out.
    Withdrawn,
    /// What chargebacks took.
    Reversed,
    /// What was revoked.
    Revoked,
    /// What was given up at closing.
    WrittenOff,
}

impl Account {
    /// Its name, in replies and in exports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TopUps => "topups",
            Self::Grants => "grants",
            Self::Debt => "debt",
            Self::Usage => "usage",
            Self::Expired => "expired",
            Self::Withdrawn => "withdrawn",
            Self::Reversed => "reversed",
            Self::Revoked => "revoked",
            Self::WrittenOff => "writtenoff",
        }
    }
}

/// The direction in which a posting changes each figure of a wallet: up, down or not at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Effect {
    /// Free money of the grant.
    pub free: Step,
    /// Pinned money of the grant.
    pub pinned: Step,
    /// What holds take of the credit line.
    pub credit_held: Step,
    /// What the customer owes.
    pub debt: Step,
}

/// A direction of change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// It grows by the amount.
    Up,
    /// It shrinks by the amount.
    Down,
    /// It stays.
    Same,
}

impl PostingKind {
    /// All kinds, in the order of their codes on disk.
    pub const ALL: [Self; 20] = [
        Self::Fund,
        Self::FundDebt,
        Self::Pin,
        Self::Unpin,
        Self::Lapse,
        Self::CreditHold,
        Self::CreditRelease,
        Self::SpendPinned,
        Self::SpendFree,
        Self::SpendDebt,
        Self::Repay,
        Self::Expire,
        Self::Withdraw,
        Self::Reverse,
        Self::ReverseDebt,
        Self::Revoke,
        Self::WriteOff,
        Self::Forgive,
        Self::Refund,
        Self::RefundDebt,
    ];

    /// What it does to the wallet's figures.
    pub const fn effect(self) -> Effect {
        use Step::{Down, Same, Up};
        let (free, pinned, credit_held, debt) = match self {
            Self::Fund | Self::Refund => (Up, Same, Same, Same),
            Self::FundDebt | Self::RefundDebt | Self::Forgive => (Same, Same, Same, Down),
            Self::Pin => (Down, Up, Same, Same),
            Self::Unpin => (Up, Down, Same, Same),
            Self::Lapse | Self::SpendPinned => (Same, Down, Same, Same),
            Self::CreditHold => (Same, Same, Up, Same),
            Self::CreditRelease => (Same, Same, Down, Same),
            Self::SpendDebt | Self::ReverseDebt => (Same, Same, Same, Up),
            Self::Repay => (Down, Same, Same, Down),
            Self::SpendFree
            | Self::Expire
            | Self::Withdraw
            | Self::Reverse
            | Self::Revoke
            | Self::WriteOff => (Down, Same, Same, Same),
        };
        Effect { free, pinned, credit_held, debt }
    }

    /// The accounts that it moves money from and to; none for what moves within `Grants` or only
    /// takes up credit.
    pub const fn accounts(self) -> Option<(Account, Account)> {
        Some(match self {
            Self::Fund => (Account::TopUps, Account::Grants),
            Self::FundDebt => (Account::TopUps, Account::Debt),
            Self::Pin | Self::Unpin | Self::CreditHold | Self::CreditRelease => return None,
            Self::SpendPinned | Self::SpendFree => (Account::Grants, Account::Usage),
            Self::SpendDebt => (Account::Debt, Account::Usage),
            Self::Repay => (Account::Grants, Account::Debt),
            Self::Lapse | Self::Expire => (Account::Grants, Account::Expired),
            Self::Withdraw => (Account::Grants, Account::Withdrawn),
            Self::Reverse => (Account::Grants, Account::Reversed),
            Self::ReverseDebt => (Account::Debt, Account::Reversed),
            Self::Revoke => (Account::Grants, Account::Revoked),
            Self::WriteOff => (Account::Grants, Account::WrittenOff),
            Self::Forgive => (Account::WrittenOff, Account::Debt),
            Self::Refund => (Account::Usage, Account::Grants),
            Self::RefundDebt => (Account::Usage, Account::Debt),
        })
    }

    /// Whether it is usage, and so part of the split that a refund goes back along.
    pub const fn is_spend(self) -> bool {
        matches!(self, Self::SpendPinned | Self::SpendFree | Self::SpendDebt)
    }
}

/// The sum of the postings whose kind is one of `kinds`.
pub fn total(postings: &[Posting], kinds: &[PostingKind]) -> Amount {
    let counted = postings.iter().filter(|posting| kinds.contains(&posting.kind));
    counted.map(|posting| posting.amount).sum()
}
