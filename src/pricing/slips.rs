//! What a file says that can never have been meant: a price that nothing reaches, a name that nobody
//! can ask for. Each is refused with what to do about it.
//!
//! Versions that are kept are not held against this: what was in force once stays readable, however
//! strict files are by now.

use super::card::{Card, Markup, PriceList, REQUESTS, Rates, costs_as, is_input_side};
use super::pattern::Pattern;
use crate::domain::id::{IdError, Model, WalletId};
use crate::domain::time::Timestamp;

/// Units that the contract names.
const KNOWN: [&str; 12] = [
    "input_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "output_tokens",
    "reasoning_tokens",
    "audio_input_tokens",
    "audio_output_tokens",
    "image_tokens",
    "requests",
    "characters",
    "seconds",
    "images",
];
/// Lines of a price that are no usage.
const LINES: [&str; 3] = ["markup", "minimum", "rounding"];

type Checked = Result<(), String>;

/// A beginning that could be meant: there are no prices from before the times that purser counts.
pub(super) fn from(from: Option<Timestamp>) -> Checked {
    match from {
        Some(from) if from < Timestamp::from_millis(0) => {
            Err("from lies before 1970; leave it out for prices that were always so".to_owned())
        }
        _ => Ok(()),
    }
}

/// A card that could be meant as it stands.
pub(super) fn card(card: &Card) -> Checked {
    rates(&card.rates)?;
    for (index, (name, of)) in card.variants.iter().enumerate() {
        rates(of).map_err(|what| format!("variant {name}: {what}"))?;
        let before = card.variants.iter().take(index);
        if let Some((other, _)) = before.into_iter().find(|(other, _)| is_alike(name, other)) {
            return Err(format!(
                "variants {other} and {name} are two, because case counts; leave one out"
            ));
        }
    }
    Ok(())
}

fn is_alike(one: &impl ToString, two: &impl ToString) -> bool {
    one.to_string().eq_ignore_ascii_case(&two.to_string())
}

fn rates(rates: &Rates) -> Checked {
    units(&rates.prices)?;
    for above in &rates.above {
        let wrong = |what: String| format!("above {}: {what}", above.tokens);
        units(&above.stated).map_err(wrong)?;
        reachable(&above.stated, &rates.prices).map_err(wrong)?;
        if !above.all.units().any(|(unit, _)| is_input_side(unit.as_str())) {
            return Err(wrong(
                "it can never apply: a request's size is that of its input tokens (input_tokens, \
                 cache_…_tokens, …_input_tokens), and there is no price for any; leave it out"
                    .to_owned(),
            ));
        }
    }
    Ok(())
}

/// Every unit of large requests can be asked for in small ones, too: whoever uses it does not know
/// beforehand how large a request will be. A fee for each request is asked for by itself, so large ones
/// may have one of their own.
fn reachable(stated: &PriceList, below: &PriceList) -> Checked {
    let lacks = |name: &str| {
        name != REQUESTS
            && below.named(name).is_none()
            && costs_as(name).is_none_or(|other| below.named(other).is_none())
    };
    match stated.units().find(|(unit, _)| lacks(unit.as_str())) {
        Some((unit, _)) => Err(format!(
            "{unit} has no price for smaller requests, so those would be refused; state one in \
             price, too"
        )),
        None => Ok(()),
    }
}

fn units(list: &PriceList) -> Checked {
    list.units().try_for_each(|(unit, _)| self::unit(unit.as_str()))
}

fn unit(name: &str) -> Checked {
    if LINES.contains(&name) {
        return Err(format!("unit {name}: that is the name of a line of each price; take another"));
    }
    let packages = name.rsplit_once('/').map(|(_, size)| size);
    let is_number = |size: &str| size.starts_with(|first: char| first.is_ascii_digit());
    if packages.is_some_and(is_number) {
        return Err(format!(
            "unit {name}: it reads like the line of a package (characters/1000); take another name"
        ));
    }
    let usual = name.to_ascii_lowercase().replace('-', "_");
    match KNOWN.iter().find(|known| **known == usual && **known != name) {
        Some(known) => Err(format!("unit {name}: usage is told as {known}; write it so")),
        None => Ok(()),
    }
}

/// A markup that could be meant as it stands.
pub(super) fn markup(markup: &Markup) -> Checked {
    name(markup.model.as_ref(), "model", |text| Model::new(text).map(drop))?;
    name(markup.wallet.as_ref(), "wallet", |text| WalletId::new(text).map(drop))
}

/// A pattern that some name can match. What is before its `*` must be the beginning of a name.
fn name(
    pattern: Option<&Pattern>,
    of: &str,
    check: impl Fn(&[u8]) -> Result<(), IdError>,
) -> Checked {
    let Some(pattern) = pattern else { return Ok(()) };
    let text = pattern.to_string();
    let text = pattern.prefix().unwrap_or(&text);
    if text.is_empty() {
        return Ok(());
    }
    check(text.as_bytes()).map_err(|error| format!("{of}: no {of} has such a name: {error}"))
}

/// A markup that is never tried, because one before it fits whatever it fits: its index, and that
/// one's.
pub(super) fn hidden(markups: &[Markup]) -> Option<(usize, usize)> {
    markups.iter().enumerate().find_map(|(index, later)| {
        let earlier = markups.iter().take(index).position(|earlier| covers(earlier, later));
        earlier.map(|earlier| (index, earlier))
    })
}

fn covers(earlier: &Markup, later: &Markup) -> bool {
    let has_any_model = |pattern: &Pattern| pattern.prefix() == Some("");
    let model = match (&earlier.model, &later.model) {
        (None, _) => true,
        (Some(earlier), _) if has_any_model(earlier) => true,
        (Some(earlier), Some(later)) => earlier.covers(later),
        (Some(_), None) => false,
    };
    // A price for nobody has no wallet, so even `*` is less than none.
    let wallet = match (&earlier.wallet, &later.wallet) {
        (None, _) => true,
        (Some(earlier), Some(later)) => earlier.covers(later),
        (Some(_), None) => false,
    };
    let plan = earlier.plan.is_none() || earlier.plan == later.plan;
    let currency = earlier.currency.is_none() || earlier.currency == later.currency;
    model && wallet && plan && currency
}
