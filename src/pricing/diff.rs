//! What is different between two versions: cards and markups that came, went, or cost something else.

use super::Book;
use super::book::key;
use super::card::Card;
use super::shown::{self, Shown};
use std::collections::BTreeMap;
use std::fmt;

/// A difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A card that only the new version has.
    Added(String),
    /// A card that only the old version has.
    Removed(String),
    /// A card that says something else now.
    Changed {
        /// Which card.
        card: String,
        /// What is different: where, what it was, what it is.
        parts: Vec<(String, Option<String>, Option<String>)>,
    },
}

/// All that is different, by card.
pub fn diff(old: &Book, new: &Book) -> Vec<Change> {
    let mut cards: BTreeMap<_, (Option<&Card>, Option<&Card>)> = BTreeMap::new();
    for card in old.cards() {
        cards.entry(key(card)).or_default().0 = Some(card);
    }
    for card in new.cards() {
        cards.entry(key(card)).or_default().1 = Some(card);
    }
    let markups = |book: &Book| Shown::List(book.markups().iter().map(shown::markup).collect());
    let markups = parts(&markups(old), &markups(new));
    let markups = (!markups.is_empty())
        .then(|| Change::Changed { card: "markups".to_owned(), parts: markups });
    let changes = cards.into_iter().filter_map(|((model, currency), pair)| {
        let card = format!("{model} {currency}");
        match pair {
            (None, _) => Some(Change::Added(card)),
            (_, None) => Some(Change::Removed(card)),
            (Some(old), Some(new)) => {
                let parts = parts(&shown::card(old), &shown::card(new));
                (!parts.is_empty()).then_some(Change::Changed { card, parts })
            }
        }
    });
    changes.chain(markups).collect()
}

fn parts(old: &Shown, new: &Shown) -> Vec<(String, Option<String>, Option<String>)> {
    let mut all: BTreeMap<String, (Option<String>, Option<String>)> = BTreeMap::new();
    for (path, value) in old.flat() {
        all.entry(path).or_default().0 = Some(value);
    }
    for (path, value) in new.flat() {
        all.entry(path).or_default().1 = Some(value);
    }
    let changed = all.into_iter().filter(|(_, (old, new))| old != new);
    changed.map(|(path, (old, new))| (path, old, new)).collect()
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Added(card) => write!(f, "+ {card}"),
            Self::Removed(card) => write!(f, "- {card}"),
            Self::Changed { card, parts } => {
                write!(f, "~ {card}")?;
                let or_none =
                    |value: &Option<String>| value.clone().unwrap_or_else(|| "none".into());
                parts.iter().try_for_each(|(path, old, new)| {
                    write!(f, "\n    {path}: {} -> {}", or_none(old), or_none(new))
                })
            }
        }
    }
}
