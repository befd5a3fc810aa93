//! What the customers of many wallets owe, by currency.

use super::amount::Amount;
use super::id::Currency;
use std::collections::BTreeMap;

/// Sums of debts, credit lines included. One that is zero is none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Debts(BTreeMap<Currency, Amount>);

impl Debts {
    /// A customer owed `before` and owes `now`.
    pub fn change(&mut self, currency: &Currency, before: Amount, now: Amount) {
        if before != now {
            self.add_pico(currency, now.pico().saturating_sub(before.pico()));
        }
    }

    /// So much more is owed.
    pub fn add(&mut self, more: &Self) {
        for (currency, amount) in &more.0 {
            self.add_pico(currency, amount.pico());
        }
    }

    fn add_pico(&mut self, currency: &Currency, pico: i128) {
        let sum = self.0.get(currency).map_or(0, |sum| sum.pico()).saturating_add(pico);
        if sum == 0 {
            self.0.remove(currency);
        } else {
            self.0.insert(currency.clone(), Amount::from_pico(sum));
        }
    }

    /// The sums, by currency.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&Currency, Amount)> {
        self.0.iter().map(|(currency, amount)| (currency, *amount))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_repaid_is_not_owed_any_more() {
        let (usd, eur) = (Currency::new(b"USD").unwrap(), Currency::new(b"EUR").unwrap());
        let amount = |units: i128| Amount::from_pico(units);
        let mut debts = Debts::default();
        debts.change(&usd, amount(0), amount(5));
        debts.change(&usd, amount(7), amount(4));
        debts.change(&eur, amount(1), amount(1));
        assert_eq!(debts.iter().collect::<Vec<_>>(), [(&usd, amount(2))]);
        let mut more = Debts::default();
        more.change(&usd, amount(2), amount(0));
        more.change(&eur, amount(0), amount(3));
        debts.add(&more);
        assert_eq!(debts.iter().collect::<Vec<_>>(), [(&eur, amount(3))]);
    }
}
