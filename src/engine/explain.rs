//! Why an operation cost what it cost, from its record.

use crate::codec::record::Record;
use crate::domain::id::{Currency, WalletId};
use crate::domain::ledger::LedgerRow;
use crate::domain::outcome::{Explanation, Outcome, PriceView, Refusal};
use crate::domain::posting::PostingKind;
use crate::domain::rating::{Buyer, NothingRunning, Prices};
use crate::domain::time::Timestamp;
use crate::domain::usage::Usage;

/// What `EXPLAIN` answers: the price is worked out again, by the version that was used and with what
/// the record says of the wallet at that time.
pub(super) fn explain(
    record: &Record,
    wallet: &WalletId,
    currency: &Currency,
    prices: &dyn Prices,
) -> Outcome {
    let event = &record.event;
    let price = match &event.price {
        None => None,
        Some(tag) => {
            let (wallet, plan) = (Some(wallet), tag.plan.as_ref());
            let buyer = Buyer { wallet, plan, currency: Some(currency) };
            match prices.explain(tag.version, tag.used(), buyer, &**tag) {
                Ok(explained) => Some(((**tag).clone(), explained)),
                Err(unpriced) => {
                    return Outcome::Refused(Refusal::unpriced(unpriced, tag.used()));
                }
            }
        }
    };
    let of_grants = event
        .postings
        .iter()
        .filter(|posting| posting.kind.is_spend() && posting.kind != PostingKind::SpendDebt);
    let burned = record.burned.iter().zip(of_grants);
    let burned = burned.map(|(terms, posting)| (terms.op.clone(), posting.amount)).collect();
    let row = LedgerRow::of(record.seq, event, record.sums.balances());
    Outcome::Explanation(Box::new(Explanation { row, price, burned }))
}

/// What usage would cost anybody at a time.
pub(super) fn quote(usage: &Usage, at: Timestamp, prices: &dyn Prices) -> Outcome {
    let nobody = Buyer { wallet: None, plan: None, currency: None };
    match PriceView::quote(prices, usage, at, nobody, &NothingRunning) {
        Ok(view) => Outcome::Price(Box::new(view)),
        Err(refusal) => Outcome::Refused(refusal),
    }
}
