//! The one text of a version: the same cards and markups always give the same bytes, and read as a
//! file they give the same cards and markups. A line holds one card.

use super::card::{Card, Markup};
use super::shown::{self, Head};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

/// The value that most have, the smallest of several.
fn most_common<'a>(values: impl Iterator<Item = Option<&'a str>>) -> Option<&'a str> {
    let mut counts = BTreeMap::<&str, u64>::new();
    for value in values {
        // The head speaks for all cards: one without a value leaves nothing to say for all.
        *counts.entry(value?).or_default() += 1;
    }
    let most = counts.values().max().copied();
    counts.into_iter().find(|(_, count)| Some(*count) == most).map(|(value, _)| value)
}

/// The text of cards, sorted by name and currency, and markups.
pub(super) fn text(cards: &[Arc<Card>], markups: &[Markup]) -> String {
    let head = Head {
        currency: most_common(cards.iter().map(|card| Some(card.currency.as_str()))),
        figures: most_common(cards.iter().map(|card| card.about.figures.as_deref())),
    };
    let mut out = String::from("{");
    for (name, value) in [("currency", head.currency), ("figures", head.figures)] {
        if let Some(value) = value {
            let _ = write!(out, "{}:{},", quoted(name), quoted(value));
        }
    }
    let _ = write!(out, "\"per\":{},\n\"markup\":[", shown::MILLION);
    list(&mut out, markups.iter().map(shown::markup));
    out.push_str(",\n\"card\":[");
    list(&mut out, cards.iter().map(|card| shown::card_below(card, head)));
    out.push_str("}\n");
    out
}

fn quoted(text: &str) -> String {
    shown::Shown::Text(text.to_owned()).to_string()
}

/// One a line, and the end of the list.
fn list(out: &mut String, items: impl Iterator<Item = shown::Shown>) {
    for (index, item) in items.enumerate() {
        let _ = write!(out, "{}\n{item}", if index > 0 { "," } else { "" });
    }
    out.push(']');
}
