//! The account of every wallet that is kept here, beside the engine's. Pure.
//!
//! A wallet's spend is the sum of prices times tokens over the requests that were captured; the
//! engine's own words are only summed up beside it, so that a difference shows where it came from.
//!
//! # What must hold at the end of a run
//! - M1: topped up - spent = posted - debt.
//! - M2: the sum of the receipts' `captured` is what was spent.
//! - M3: nothing is held.

use purser::domain::amount::{Amount, Overflow};

/// What the engine says of a wallet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Balance {
    pub(crate) posted: Amount,
    pub(crate) held: Amount,
    pub(crate) debt: Amount,
}

/// What this client knows of a wallet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Account {
    topped_up: Amount,
    spent: Amount,
    receipts: Amount,
}

/// A wallet for which the two accounts disagree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Difference {
    pub(crate) customer: usize,
    /// Prices times tokens.
    pub(crate) computed: Amount,
    /// What the receipts of the captures said.
    pub(crate) receipts: Amount,
    /// What is gone from the wallet: topped up, less posted, plus debt.
    pub(crate) engine: Amount,
    pub(crate) held: Amount,
}

/// The accounts of all customers.
#[derive(Debug)]
pub(crate) struct Model {
    accounts: Vec<Account>,
}

impl Model {
    pub(crate) fn new(customers: usize) -> Self {
        Self { accounts: vec![Account::default(); customers] }
    }

    pub(crate) fn customers(&self) -> usize {
        self.accounts.len()
    }

    pub(crate) fn top_up(&mut self, customer: usize, amount: Amount) -> Result<(), Overflow> {
        if let Some(account) = self.accounts.get_mut(customer) {
            account.topped_up = account.topped_up.plus(amount)?;
        }
        Ok(())
    }

    /// A request was captured: `computed` is what it cost, `receipt` what the engine said.
    pub(crate) fn capture(
        &mut self,
        customer: usize,
        computed: Amount,
        receipt: Amount,
    ) -> Result<(), Overflow> {
        if let Some(account) = self.accounts.get_mut(customer) {
            account.spent = account.spent.plus(computed)?;
            account.receipts = account.receipts.plus(receipt)?;
        }
        Ok(())
    }

    /// What the engine says was spent, and how that differs from the account kept here.
    pub(crate) fn compare(
        &self,
        customer: usize,
        balance: Balance,
    ) -> Result<(Amount, Option<Difference>), Overflow> {
        let account = self.accounts.get(customer).copied().unwrap_or_default();
        let engine = account.topped_up.minus(balance.posted)?.plus(balance.debt)?;
        let equal =
            engine == account.spent && account.receipts == account.spent && balance.held.is_zero();
        let difference = (!equal).then_some(Difference {
            customer,
            computed: account.spent,
            receipts: account.receipts,
            engine,
            held: balance.held,
        });
        Ok((engine, difference))
    }

    /// What all customers together spent, by prices times tokens.
    pub(crate) fn spent(&self) -> Result<Amount, Overflow> {
        self.accounts.iter().try_fold(Amount::ZERO, |sum, account| sum.plus(account.spent))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRAIN: Amount = Amount::from_pico(1);

    fn amount(text: &str) -> Amount {
        text.parse().unwrap()
    }

    fn after_one_capture() -> Model {
        let mut model = Model::new(2);
        model.top_up(1, amount("10")).unwrap();
        model.capture(1, amount("12.5"), amount("12.5")).unwrap();
        model
    }

    #[test]
    fn debt_is_spent_money_too() {
        let balance = Balance { debt: amount("2.5"), ..Balance::default() };
        assert_eq!(after_one_capture().compare(1, balance), Ok((amount("12.5"), None)));
        assert_eq!(after_one_capture().spent(), Ok(amount("12.5")));
    }

    #[test]
    fn the_last_digit_counts() {
        let debt = amount("2.5").plus(GRAIN).unwrap();
        let (_, difference) =
            after_one_capture().compare(1, Balance { debt, ..Balance::default() }).unwrap();
        assert_eq!(difference.unwrap().engine.to_string(), "12.500000000001");
    }

    #[test]
    fn a_hold_that_is_left_is_a_difference() {
        let balance = Balance { debt: amount("2.5"), held: GRAIN, ..Balance::default() };
        let (_, difference) = after_one_capture().compare(1, balance).unwrap();
        assert_eq!(difference.unwrap().held, GRAIN);
    }

    #[test]
    fn a_receipt_that_says_otherwise_is_a_difference_even_if_the_balance_is_right() {
        let mut model = after_one_capture();
        model.capture(1, GRAIN, Amount::ZERO).unwrap();
        let debt = amount("2.500000000001");
        let (_, difference) = model.compare(1, Balance { debt, ..Balance::default() }).unwrap();
        let difference = difference.unwrap();
        assert_eq!(
            (difference.engine, difference.receipts),
            (amount("12.500000000001"), amount("12.5"),)
        );
    }
}
