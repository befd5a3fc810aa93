//! What a verified store comes to, by currency.

use super::books::Books;
use crate::domain::amount::Amount;
use crate::domain::id::Currency;
use crate::domain::outcome::Balances;
use std::collections::BTreeMap;
use std::fmt;

/// The sums of all wallets of a currency.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Sum {
    wallets: u64,
    posted: i128,
    held: i128,
    debt: i128,
    books: Books,
}

/// What a store comes to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Totals {
    /// By the names of currencies.
    pub(super) currencies: BTreeMap<String, Sum>,
    /// How many records are archived.
    pub(super) archived: u64,
    /// How many are in the journal.
    pub(super) journaled: u64,
    /// How many segments the archive has.
    pub(super) segments: u64,
    /// How many wallets have a snapshot.
    pub(super) snapshots: u64,
    /// How many wallets wait for something that is due.
    pub(super) timers: u64,
    /// How many versions of the prices are kept.
    pub(super) prices: u64,
    /// The number of the last checkpoint.
    pub(super) checkpoint: u64,
    /// What was not written to its end and never acknowledged, in words.
    pub(super) unfinished: Vec<String>,
}

impl Totals {
    /// Adds a wallet.
    pub(super) fn add(&mut self, currency: &Currency, now: Balances, books: &Books) {
        let sum = self.currencies.entry(currency.as_str().to_owned()).or_default();
        sum.wallets = sum.wallets.saturating_add(1);
        sum.posted = sum.posted.saturating_add(now.posted.pico());
        sum.held = sum.held.saturating_add(now.held.pico());
        sum.debt = sum.debt.saturating_add(now.debt.pico());
        sum.books.add(books);
    }

    /// How many wallets there are.
    fn wallets(&self) -> u64 {
        self.currencies.values().map(|sum| sum.wallets).fold(0, u64::saturating_add)
    }
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (currency, sum) in &self.currencies {
            let books = &sum.books;
            writeln!(f, "{currency}")?;
            writeln!(f, "  {:<16} {}", "wallets", sum.wallets)?;
            let amounts = [
                ("posted", sum.posted),
                ("held", sum.held),
                ("debt", sum.debt),
                ("topped up", books.topped_up.saturating_neg()),
                ("used", books.usage.saturating_add(books.refunded)),
                ("refunded", books.refunded),
                ("expired", books.expired),
                ("withdrawn", books.withdrawn),
                ("reversed", books.reversed),
                ("revoked", books.revoked),
                ("written off", books.written_off),
            ];
            for (name, amount) in amounts {
                writeln!(f, "  {name:<16} {}", Amount::from_pico(amount))?;
            }
            if books.brought_forward != 0 {
                let brought = Amount::from_pico(books.brought_forward);
                writeln!(f, "  {:<16} {brought}", "brought forward")?;
            }
        }
        let numbers = [
            ("wallets", self.wallets()),
            ("records", self.archived.saturating_add(self.journaled)),
            ("  archived", self.archived),
            ("  in the journal", self.journaled),
            ("segments", self.segments),
            ("snapshots", self.snapshots),
            ("timers", self.timers),
            ("price versions", self.prices),
            ("checkpoint", self.checkpoint),
        ];
        for (name, number) in numbers {
            writeln!(f, "{name:<18} {number}")?;
        }
        for unfinished in &self.unfinished {
            writeln!(f, "not acknowledged   {unfinished}")?;
        }
        Ok(())
    }
}
