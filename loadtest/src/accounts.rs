//! The account of every wallet that a synthetic run keeps, beside the engine's. Pure.
//!
//! It is made of the amounts that were asked for and of the statuses of the receipts, never of a
//! balance that the engine named. With no credit line, four numbers follow from two:
//!
//! - A1: net = topped up + refunded - captured - charged.
//! - A2: available = net - held.
//! - A3: debt = what available is below zero; posted = held + what available is above zero.
//!
//! A hold that nobody will settle is held until it expires. When exactly that is, only the server
//! knows: between its sending and its answer, plus its time to live. While that is in doubt both
//! are right.

use purser::domain::amount::Amount;

/// How far the clocks may drift apart during a hold, in nanoseconds.
pub(crate) const CLOCK_SLACK: u64 = 100_000_000;

/// What a wallet's balance says, in 10^-12 of the currency.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Balance {
    pub(crate) posted: i128,
    pub(crate) held: i128,
    pub(crate) available: i128,
    pub(crate) debt: i128,
}

impl Balance {
    /// The balance that follows from what is there and what is held (A2, A3).
    fn of(net: i128, held: i128) -> Self {
        let available = net.saturating_sub(held);
        Self {
            posted: held.saturating_add(available.max(0)),
            held,
            available,
            debt: available.min(0).saturating_neg(),
        }
    }
}

impl std::fmt::Display for Balance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [posted, held, available, debt] =
            [self.posted, self.held, self.available, self.debt].map(Amount::from_pico);
        write!(f, "posted {posted}, held {held}, available {available}, debt {debt}")
    }
}

/// A wallet for which the two accounts disagree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Difference {
    pub(crate) wallet: u32,
    pub(crate) computed: Balance,
    pub(crate) engine: Balance,
}

#[derive(Debug, Clone, Copy, Default)]
struct Account {
    net: i128,
    /// By holds that are to be settled.
    held: i128,
}

/// A hold that is left to expire, at some time between the two, in nanoseconds of the run.
#[derive(Debug, Clone, Copy)]
struct Lapsing {
    wallet: u32,
    amount: u64,
    earliest: u64,
    latest: u64,
}

/// The accounts of all wallets. Times are in nanoseconds from the start of the run.
#[derive(Debug)]
pub(crate) struct Accounts {
    by_wallet: Vec<Account>,
    lapsing: Vec<Lapsing>,
    is_sorted: bool,
}

impl Accounts {
    pub(crate) fn new(wallets: u32) -> Self {
        let wallets = usize::try_from(wallets).unwrap_or(usize::MAX);
        Self { by_wallet: vec![Account::default(); wallets], lapsing: Vec::new(), is_sorted: true }
    }

    fn change(&mut self, wallet: u32, change: impl FnOnce(&mut Account)) {
        let index = usize::try_from(wallet).unwrap_or(usize::MAX);
        if let Some(account) = self.by_wallet.get_mut(index) {
            change(account);
        }
    }

    /// Money came in: a top-up or a refund.
    pub(crate) fn add(&mut self, wallet: u32, amount: i128) {
        self.change(wallet, |account| account.net = account.net.saturating_add(amount));
    }

    /// Money was spent: a capture or a charge.
    pub(crate) fn spend(&mut self, wallet: u32, amount: u64) {
        let amount = i128::from(amount);
        self.change(wallet, |account| account.net = account.net.saturating_sub(amount));
    }

    /// A hold was placed, or extended by that much.
    pub(crate) fn hold(&mut self, wallet: u32, amount: u64) {
        let amount = i128::from(amount);
        self.change(wallet, |account| account.held = account.held.saturating_add(amount));
    }

    /// A hold was captured or voided, and all of it released.
    pub(crate) fn release(&mut self, wallet: u32, amount: u64) {
        let amount = i128::from(amount);
        self.change(wallet, |account| account.held = account.held.saturating_sub(amount));
    }

    /// A hold will not be settled: it expires at some time between the two.
    pub(crate) fn leave(&mut self, wallet: u32, amount: u64, earliest: u64, latest: u64) {
        self.release(wallet, amount);
        let (earliest, latest) =
            (earliest.saturating_sub(CLOCK_SLACK), latest.saturating_add(CLOCK_SLACK));
        self.lapsing.push(Lapsing { wallet, amount, earliest, latest });
        self.is_sorted = false;
    }

    /// How many holds are left to expire.
    pub(crate) fn left(&self) -> usize {
        self.lapsing.len()
    }

    /// Puts the holds that are left in order, before wallets are compared.
    pub(crate) fn settle(&mut self) {
        if !self.is_sorted {
            self.lapsing.sort_unstable_by_key(|hold| (hold.wallet, hold.earliest));
            self.is_sorted = true;
        }
    }

    /// How the balance that the engine named differs from what was computed. It was asked at
    /// `sent`, and the answer was here at `arrived`.
    pub(crate) fn compare(
        &self,
        wallet: u32,
        engine: Balance,
        sent: u64,
        arrived: u64,
    ) -> Option<Difference> {
        let index = usize::try_from(wallet).ok()?;
        let account = self.by_wallet.get(index).copied().unwrap_or_default();
        let begin = self.lapsing.partition_point(|hold| hold.wallet < wallet);
        let end = self.lapsing.partition_point(|hold| hold.wallet <= wallet);
        let left = self.lapsing.get(begin..end).unwrap_or_default();
        let sum = |sum: i128, hold: &Lapsing| sum.saturating_add(i128::from(hold.amount));
        let surely = left.iter().filter(|hold| hold.earliest > arrived).fold(0, sum);
        let mut held = account.held.saturating_add(surely);
        let mut computed = Balance::of(account.net, held);
        // Those in doubt expire in the order of their times: from the last one on backwards.
        let in_doubt = left.iter().rev();
        let in_doubt = in_doubt.filter(|hold| hold.earliest <= arrived && hold.latest >= sent);
        for hold in in_doubt {
            if computed == engine {
                break;
            }
            held = held.saturating_add(i128::from(hold.amount));
            computed = Balance::of(account.net, held);
        }
        (computed != engine).then_some(Difference { wallet, computed, engine })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn accounts() -> Accounts {
        let mut accounts = Accounts::new(3);
        accounts.add(1, 1_000);
        accounts.hold(1, 300);
        accounts
    }

    fn balance(posted: i128, held: i128, available: i128, debt: i128) -> Balance {
        Balance { posted, held, available, debt }
    }

    fn differs(accounts: &Accounts, engine: Balance) -> bool {
        accounts.compare(1, engine, 0, 0).is_some()
    }

    #[test]
    fn what_is_held_is_not_available() {
        assert!(!differs(&accounts(), balance(1_000, 300, 700, 0)));
    }

    #[test]
    fn every_grain_of_every_balance_counts() {
        for engine in [
            balance(1_001, 300, 700, 0),
            balance(1_000, 301, 700, 0),
            balance(1_000, 300, 699, 0),
            balance(1_000, 300, 700, 1),
        ] {
            assert!(differs(&accounts(), engine), "{engine:?}");
        }
    }

    #[test]
    fn usage_beyond_the_funds_is_debt_and_what_is_held_stays_posted() {
        let mut accounts = accounts();
        accounts.spend(1, 900);
        assert!(!differs(&accounts, balance(300, 300, -200, 200)));
        accounts.release(1, 300);
        assert!(!differs(&accounts, balance(100, 0, 100, 0)));
        accounts.spend(1, 150);
        assert!(!differs(&accounts, balance(0, 0, -50, 50)));
        accounts.add(1, 60);
        assert!(!differs(&accounts, balance(10, 0, 10, 0)));
    }

    #[test]
    fn a_hold_that_is_left_is_held_until_it_surely_expired() {
        let mut accounts = accounts();
        accounts.hold(1, 40);
        accounts.leave(1, 40, 10 * SECOND, 11 * SECOND);
        accounts.settle();
        let (there, gone) = (balance(1_000, 340, 660, 0), balance(1_000, 300, 700, 0));
        let fits = |engine, at| accounts.compare(1, engine, at, at).is_none();
        assert!(fits(there, 9 * SECOND) && !fits(gone, 9 * SECOND));
        assert!(fits(there, 10 * SECOND + 1) && fits(gone, 10 * SECOND + 1));
        assert!(!fits(there, 12 * SECOND) && fits(gone, 12 * SECOND));
    }

    #[test]
    fn holds_expire_in_order() {
        let mut accounts = accounts();
        for (amount, at) in [(2, 11), (1, 10)] {
            accounts.hold(1, amount);
            accounts.leave(1, amount, at * SECOND, (at + 5) * SECOND);
        }
        accounts.settle();
        let held = |held: i128| balance(1_000, 300 + held, 700 - held, 0);
        let fits = |sum| accounts.compare(1, held(sum), 13 * SECOND, 13 * SECOND).is_none();
        assert!(fits(3) && fits(2) && fits(0));
        assert!(!fits(1), "the later one cannot be gone before the earlier one");
        assert!(!fits(4));
    }
}
