//! What files of a price book say together that can never have been meant. One file alone does not show
//! it.

use super::card::{Card, Component, Markup, Rates};
use super::decimal::Decimal;
use super::read::{BookFile, Wrong};
use crate::domain::id::Currency;
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

/// All of it, file by file.
pub fn check(files: &[BookFile]) -> Vec<Wrong> {
    let mut wrong = currencies(files);
    wrong.extend(replaced(files));
    wrong.extend(markups(files).filter_map(|(file, line, markup)| {
        let is_met = cards(files).any(|(_, _, card)| may_meet(markup, card));
        (!is_met).then(|| wrong_at(file, line, unmet(files)))
    }));
    let has_discount = markups(files).any(|(_, _, markup)| markup.percent.is_negative());
    if !has_discount {
        wrong.extend(cards(files).filter_map(|(file, line, card)| {
            let what = unneeded_minimum(card)?;
            Some(wrong_at(file, line, format!("card {}: {what}", card.model)))
        }));
    }
    wrong
}

fn wrong_at(file: &BookFile, line: usize, what: String) -> Wrong {
    Wrong { file: file.name.clone(), line, what }
}

/// All cards with their files and lines.
fn cards(files: &[BookFile]) -> impl Iterator<Item = (&BookFile, usize, &Arc<Card>)> {
    files.iter().flat_map(|file| {
        let lines = file.lines.cards.iter().copied();
        lines.zip(&file.cards).map(move |(line, card)| (file, line, card))
    })
}

/// All markups with their files and lines.
fn markups(files: &[BookFile]) -> impl Iterator<Item = (&BookFile, usize, &Markup)> {
    files.iter().flat_map(|file| {
        let lines = file.lines.markups.iter().copied();
        lines.zip(file.markups.iter().flatten()).map(move |(line, markup)| (file, line, markup))
    })
}

/// Currencies that only differ in case: a wallet in one of them never meets the other.
fn currencies(files: &[BookFile]) -> Vec<Wrong> {
    let of_cards = cards(files).map(|(file, line, card)| (file, line, &card.currency));
    let of_markups = markups(files).filter_map(|(file, line, markup)| {
        markup.currency.as_ref().map(|currency| (file, line, currency))
    });
    let mut known = BTreeMap::<String, (&BookFile, usize, &Currency)>::new();
    let mut wrong = Vec::new();
    for (file, line, currency) in of_cards.chain(of_markups) {
        let name = currency.as_str().to_ascii_uppercase();
        let (first, at, other) = *known.entry(name).or_insert((file, line, currency));
        if other != currency {
            wrong.push(wrong_at(
                file,
                line,
                format!(
                    "currency {currency} is not {other} of {}:{at}, because case counts; write one",
                    first.name
                ),
            ));
        }
    }
    wrong
}

/// Lists of markups that are never in force, because another file of the same beginning has one.
fn replaced(files: &[BookFile]) -> Vec<Wrong> {
    let mut wrong = Vec::new();
    for file in files {
        let [line, ..] = file.lines.markups.as_slice() else { continue };
        let replaces = |other: &&BookFile| {
            other.from == file.from && other.markups.is_some() && other.name > file.name
        };
        if let Some(other) = files.iter().find(replaces) {
            wrong.push(wrong_at(
                file,
                *line,
                format!(
                    "these markups are never in force: {} begins at the same time, comes behind \
                     and has a list of its own; put them into one file",
                    other.name
                ),
            ));
        }
    }
    wrong
}

/// Whether a markup is for some of what a card prices.
fn may_meet(markup: &Markup, card: &Card) -> bool {
    markup.currency.as_ref().is_none_or(|currency| *currency == card.currency)
        && markup.model.as_ref().is_none_or(|model| model.may_meet(&card.pattern))
}

fn unmet(files: &[BookFile]) -> String {
    if files.iter().all(|file| file.cards.is_empty()) {
        return "this markup can never apply: no file has a card. The shipped book counts only where \
                no folder is named; put a copy of it into the folder"
            .to_owned();
    }
    "this markup can never apply: no file has a card for its model and currency; correct them, or \
     leave it out"
        .to_owned()
}

/// Why the minimum of a card's prices, or of a variant's, changes nothing as long as nobody has a
/// discount.
fn unneeded_minimum(card: &Card) -> Option<String> {
    let of = |rates: &Rates, whose: &str| {
        is_unneeded(rates).then(|| {
            format!(
                "{whose}the minimum of {} can never apply: each use costs a package of that much \
                 or more, and no markup gives a discount; leave it out",
                rates.minimum
            )
        })
    };
    let variants = card.variants.iter();
    let mut variants = variants.filter_map(|(name, rates)| of(rates, &format!("variant {name}: ")));
    of(&card.rates, "").or_else(|| variants.next())
}

/// Whether all that can be used is sold in packages, none of them for less than the minimum.
fn is_unneeded(rates: &Rates) -> bool {
    let lists = [&rates.prices].into_iter().chain(rates.above.iter().map(|above| &above.all));
    let costs_enough = |price: Decimal| {
        price.cmp_exact(rates.minimum).is_some_and(|order| order != Ordering::Less)
    };
    let mut components = lists.flat_map(|list| list.units().map(|(_, component)| component));
    !rates.minimum.is_zero()
        && components.all(|component| match component {
            Component::Package { price, .. } => costs_enough(*price),
            Component::Each(_) | Component::Tiers(_) => false,
        })
}
