//! What of an entry's prices cannot be charged by as it stands: another measure of the same thing, a
//! price of 0 that need not mean "free", a figure that cannot be right. It is left out, or the model is
//! not rated.

use super::entry::{Cells, Read, Skip};
use crate::pricing::decimal::Decimal;
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

/// Modes, and variants, that answer with vectors, an order or a verdict: providers charge for what they
/// read, and the 0 beside it is meant.
const WITHOUT_ANSWERS: [&str; 4] = ["embedding", "rerank", "evaluation", "decisions"];

/// Takes out what could rate something twice or wrongly.
pub(super) fn settle(read: &mut Read) -> Result<(), Skip> {
    cached_input(read)?;
    measures(read);
    searches(read);
    zeros(read);
    Ok(())
}

/// The price of a unit without a variant, of small requests.
fn base(read: &Read, unit: &str) -> Option<Decimal> {
    read.cells.get(&(String::new(), 0)).and_then(|cell| cell.get(unit).copied())
}

fn is_priced(read: &Read, unit: &str) -> bool {
    base(read, unit).is_some_and(|price| !price.is_zero())
}

fn cached_input(read: &mut Read) -> Result<(), Skip> {
    let input = is_priced(read, "input_tokens");
    if input && base(read, "cache_read_tokens").is_some_and(Decimal::is_zero) {
        return Err("a price of 0 for cached input beside one for input".to_owned());
    }
    if input && base(read, "cache_write_tokens").is_some_and(Decimal::is_zero) {
        drop_unit(read, "cache_write_tokens");
        read.ignore("cache writes at 0: no surcharge, so they cost as input");
    }
    cheap_writes(read)
}

/// Nobody writes to a cache for less than the input costs: such a figure is that of something else, of
/// reading from the cache mostly.
fn cheap_writes(read: &mut Read) -> Result<(), Skip> {
    let (cheap, others) = writes(&read.cells);
    if cheap.iter().any(|variant| others.contains(variant)) {
        return Err("cache writes cost less than input for some sizes of requests only".to_owned());
    }
    if !cheap.is_empty() {
        for (_, cell) in read.cells.iter_mut().filter(|((of, _), _)| cheap.contains(of)) {
            cell.remove("cache_write_tokens");
        }
        read.cells.retain(|_, cell| !cell.is_empty());
        read.ignore("cache writes for less than input: a mistake, so they cost as input");
    }
    Ok(())
}

/// The variants whose cache writes cost less than input at some size, and those where they do not.
fn writes(cells: &Cells) -> (BTreeSet<String>, BTreeSet<String>) {
    let (mut cheap, mut others) = (BTreeSet::new(), BTreeSet::new());
    let mut before = None;
    // Sizes follow one another, smallest first, within their variant.
    for ((variant, _), cell) in cells {
        let below = before.filter(|(other, _)| *other == variant).map(|(_, input)| input);
        let input = cell.get("input_tokens").copied().or(below);
        before = input.map(|input| (variant, input));
        let (Some(write), Some(input)) = (cell.get("cache_write_tokens"), input) else { continue };
        let is_cheap = write.cmp_exact(input) == Some(Ordering::Less);
        let variants = if is_cheap { &mut cheap } else { &mut others };
        variants.insert(variant.clone());
    }
    (cheap, others)
}

/// Leaves one measure where there are two of one thing.
fn measures(read: &mut Read) {
    let (input, output) = (is_priced(read, "input_tokens"), is_priced(read, "output_tokens"));
    if (input || output) && drop_unit(read, "seconds") {
        read.ignore("seconds beside tokens: another measure of the same");
    }
    if input && (drop_unit(read, "characters") | drop_unit(read, "output_characters")) {
        read.ignore("characters beside tokens: another measure of the same");
    }
    if base(read, "image_output_tokens").is_some() && drop_unit(read, "images") {
        read.ignore("images beside image tokens: another measure of the same");
    }
    if base(read, "pixels").is_some() && drop_unit(read, "images") {
        read.ignore("images beside pixels: another measure of the same");
    }
    if !input && base(read, "images").is_none() {
        rename(&mut read.cells, "input_images", "images");
    }
    for unit in ["seconds", "images"] {
        let by_size = format!("{unit}_");
        let mut units = read.cells.values().flat_map(BTreeMap::keys);
        if units.any(|name| name.starts_with(&by_size)) && drop_unit(read, unit) {
            read.ignore("a price for any resolution beside prices by resolution");
        }
    }
}

fn searches(read: &mut Read) {
    let searches = ["web_searches", "web_searches_low", "web_searches_medium", "web_searches_high"];
    if read.has_free_searches {
        for unit in searches {
            drop_unit(read, unit);
        }
        read.ignore("searches of which several models share a free number");
    }
}

/// The list has 0 for what is free, for what is in another price, and for what nobody looked up. Tokens
/// are only taken to be free where it is known why; elsewhere they have no price, so that whoever uses
/// them is told instead of given them.
fn zeros(read: &mut Read) {
    if read.is_free() {
        return;
    }
    let has_fee = is_priced(read, "requests");
    let (mut kept, mut is_left_out) = (BTreeSet::new(), false);
    for ((variant, _), cell) in &mut read.cells {
        let is_mute = [&read.mode, variant].iter().any(|it| WITHOUT_ANSWERS.contains(&it.as_str()));
        cell.retain(|unit, price| {
            if !price.is_zero() {
                return true;
            }
            let why = why_free(unit, is_mute, has_fee);
            is_left_out |= why.is_none();
            kept.extend(why);
            why.is_some()
        });
    }
    read.cells.retain(|_, cell| !cell.is_empty());
    read.kept.extend(kept.into_iter().map(str::to_owned));
    if is_left_out {
        read.ignore("tokens at 0 beside another price: nobody says that they are free");
    }
}

/// Why a unit at 0 beside other prices is free, if that is known.
fn why_free(unit: &str, is_mute: bool, has_fee: bool) -> Option<&'static str> {
    if !unit.ends_with("_tokens") {
        return Some("what is no token, beside another price");
    }
    if is_mute {
        return Some(
            "tokens of embeddings, rankings and verdicts, which are charged by what is read",
        );
    }
    (has_fee && unit == "input_tokens").then_some("input beside a fee for each request")
}

fn rename(cells: &mut Cells, from: &str, to: &str) {
    for cell in cells.values_mut() {
        if let Some(price) = cell.remove(from) {
            cell.insert(to.to_owned(), price);
        }
    }
}

/// Whether a unit was there and is no more.
fn drop_unit(read: &mut Read, unit: &str) -> bool {
    let cells = read.cells.values_mut();
    let dropped = cells.map(|cell| cell.remove(unit).is_some()).fold(false, |any, one| any | one);
    read.cells.retain(|_, cell| !cell.is_empty());
    dropped
}
