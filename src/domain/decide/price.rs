//! What usage is worth: the price book is asked here, and nowhere else.

use super::No;
use crate::domain::amount::Amount;
use crate::domain::command::{Request, Worth};
use crate::domain::counters::{RunningAt, window_start};
use crate::domain::outcome::{Outcome, PriceView, Refusal};
use crate::domain::price_tag::{Counted, PricePin, PriceTag};
use crate::domain::rating::{Buyer, Counter, Prices, Rated, Unpriced, Used};
use crate::domain::rules::Rules;
use crate::domain::time::Timestamp;
use crate::domain::usage::{Quantity, Usage};
use crate::domain::wallet::Wallet;

/// With what a request is judged beside its wallet.
#[derive(Clone, Copy)]
pub(in crate::domain) struct Judge<'a> {
    /// What is asked.
    pub(in crate::domain) request: &'a Request,
    /// When.
    pub(in crate::domain) now: Timestamp,
    /// What the operator set.
    pub(in crate::domain) rules: &'a Rules,
    /// Who knows prices.
    pub(in crate::domain) prices: &'a dyn Prices,
}

/// What an operation is worth, and why.
pub(super) struct Price {
    pub(super) amount: Amount,
    pub(super) tag: Option<Box<PriceTag>>,
}

impl Judge<'_> {
    /// What an operation is worth: by the prices that its hold pins, else by those in force when the
    /// usage happened.
    pub(super) fn worth(
        &self,
        wallet: &Wallet,
        worth: &Worth,
        pin: Option<&PricePin>,
        used_at: Option<Timestamp>,
    ) -> Result<Price, No> {
        match worth {
            Worth::Stated(amount) => Ok(Price { amount: *amount, tag: None }),
            Worth::Rated(usage) => self.rate(wallet, usage, pin, used_at),
        }
    }

    fn rate(
        &self,
        wallet: &Wallet,
        usage: &Usage,
        pin: Option<&PricePin>,
        used_at: Option<Timestamp>,
    ) -> Result<Price, No> {
        let at = used_at.unwrap_or(self.now);
        // A capture that names no model is of what its hold is for, variant included.
        let (model, variant) = match (&usage.model, pin) {
            (Some(model), _) => (model, usage.variant.as_ref()),
            (None, Some(pin)) => (&pin.model, usage.variant.as_ref().or(pin.variant.as_ref())),
            (None, None) => return Err(Refusal::ModelMissing.into()),
        };
        let used = Used { model, variant, quantities: &usage.quantities };
        let version = match pin {
            Some(pin) => Some(pin.version),
            None => self.prices.in_force(at),
        };
        let running = RunningAt { counters: &wallet.counters, zone: &wallet.terms.zone, at };
        let version = version.ok_or_else(|| Refusal::unpriced(Unpriced::NoModel, used))?;
        let rated = self.prices.rate(version, used, self.buyer(wallet), &running);
        let rated = rated.map_err(|unpriced| Refusal::unpriced(unpriced, used))?;
        let Rated { amount, cost, counts } = rated;
        let counted = |(counter, added): (Counter, Quantity)| {
            let since = window_start(counter.window, &wallet.terms.zone, at);
            let before = wallet.counters.so_far(&counter, since);
            Counted { counter, since, before, added }
        };
        let tag = PriceTag {
            version,
            model: model.clone(),
            variant: variant.cloned(),
            quantities: usage.quantities.clone(),
            amount,
            cost,
            plan: wallet.terms.plan.clone(),
            counted: counts.into_iter().map(counted).collect(),
            used_at,
        };
        Ok(Price { amount, tag: Some(Box::new(tag)) })
    }

    /// The wallet as a buyer.
    fn buyer<'w>(&'w self, wallet: &'w Wallet) -> Buyer<'w> {
        Buyer {
            wallet: Some(&self.request.wallet),
            plan: wallet.terms.plan.as_ref(),
            currency: Some(&wallet.opened.currency),
        }
    }

    /// `PRICE … WALLET`: what usage would cost this wallet.
    pub(super) fn quote(
        &self,
        wallet: &Wallet,
        usage: &Usage,
        at: Option<Timestamp>,
    ) -> Result<Outcome, No> {
        let at = at.unwrap_or(self.now);
        let running = RunningAt { counters: &wallet.counters, zone: &wallet.terms.zone, at };
        let quoted = PriceView::quote(self.prices, usage, at, self.buyer(wallet), &running)?;
        Ok(Outcome::Price(Box::new(quoted)))
    }
}
