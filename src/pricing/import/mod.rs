//! Makes a price book of the widely used JSON list of model prices, which maps model names to keys
//! such as `input_cost_per_token`.
//!
//! Prices are taken from the decimal text of the numbers, never through a float. A model is rated
//! only when every key that may change its price is understood; the others are told with the reason.

mod entry;
mod keys;
mod report;
mod settle;

use super::Book;
use super::card::Card;
use super::text::Named;
use entry::{Entry, Read};
pub use report::Report;
use serde_json::value::RawValue;
use std::sync::Arc;

/// Entries that describe the list and are no models.
const NO_MODELS: [&str; 2] = ["sample_spec", "fallback_generalizations"];

/// How a list is imported.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wanted<'a> {
    /// The date of the figures.
    pub figures: Option<&'a str>,
    /// Whether models whose prices are all 0 are rated at 0. The list has 0 also where nobody knows.
    pub with_free: bool,
}

/// Makes a book of the list, and tells what became of it.
pub fn import(text: &str, wanted: Wanted<'_>) -> Result<(Book, Report), String> {
    super::compile::figures(wanted.figures)?;
    let list: Named<&RawValue> = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let (mut cards, mut report) = (Vec::new(), Report::default());
    for (name, raw) in &list.0 {
        if NO_MODELS.contains(&name.as_str()) {
            continue;
        }
        report.models = report.models.saturating_add(1);
        match one(name, raw, wanted) {
            Ok((card, read)) => {
                report.rated = report.rated.saturating_add(1);
                report.variants = report.variants.saturating_add(card.variants.len());
                for reason in read.ignored {
                    report.ignored.entry(reason).or_default().push(name.clone());
                }
                for reason in read.kept {
                    report.kept.entry(reason).or_default().push(name.clone());
                }
                cards.push(Arc::new(card));
            }
            Err(reason) => report.skipped.entry(reason).or_default().push(name.clone()),
        }
    }
    Ok((Book::new(cards, Vec::new()), report))
}

fn one(name: &str, raw: &RawValue, wanted: Wanted<'_>) -> Result<(Card, Read), String> {
    let mut read = Read::of(&Entry::read(raw)?)?;
    if read.is_free() && !wanted.with_free {
        return Err("all of its prices are 0".to_owned());
    }
    let card = read.card(name, wanted.figures)?;
    Ok((card, read))
}
