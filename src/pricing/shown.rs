//! A card as a tree of texts and numbers: for replies, for people, and for the canonical text.

use super::card::{Above, Card, Component, Markup, Mode, PriceList, Rates, Tiers};
use super::decimal::Decimal;
use crate::domain::rating::CountWindow;
pub use crate::domain::rating::Shown;
use std::fmt::{self, Write as _};

/// A million: prices of small units are told for so many.
pub(super) const MILLION: i128 = 1_000_000;

impl Shown {
    /// Each text and number in it with the path that leads to it.
    pub fn flat(&self) -> Vec<(String, String)> {
        let mut out = Vec::new();
        self.flatten(String::new(), &mut out);
        out
    }

    fn flatten(&self, path: String, out: &mut Vec<(String, String)>) {
        let below = |name: &str| {
            if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
        };
        match self {
            Self::Text(text) => out.push((path, text.clone())),
            Self::Number(number) => out.push((path, number.to_string())),
            Self::List(parts) => {
                for (index, part) in parts.iter().enumerate() {
                    part.flatten(below(&index.saturating_add(1).to_string()), out);
                }
            }
            Self::Map(parts) => {
                for (name, part) in parts {
                    part.flatten(below(name), out);
                }
            }
        }
    }
}

fn text(shown: impl fmt::Display) -> Shown {
    Shown::Text(shown.to_string())
}

/// The decimal as it stands in a file: a million of what costs less than a thousandth.
fn each(price: Decimal) -> Shown {
    let million = Decimal::whole(MILLION);
    let is_small = Decimal::new(1, 3).minus(price).is_some_and(|rest| !rest.is_negative());
    match price.times(million).filter(|_| is_small) {
        Some(price) => text(price),
        None => Shown::map([("price", text(price)), ("per", Shown::Number(1))]),
    }
}

fn tiers(tiers: &Tiers) -> Shown {
    let mode = match tiers.mode {
        Mode::Graduated => "graduated",
        Mode::Volume => "volume",
    };
    let mut parts = vec![("mode", text(mode)), ("per", Shown::Number(1))];
    match tiers.over {
        Some(CountWindow::Day) => parts.push(("over", text("day"))),
        Some(CountWindow::Month) => parts.push(("over", text("month"))),
        None => {}
    }
    let tiers = tiers.tiers.iter().map(|tier| {
        let end = tier.up_to.map(|end| ("up_to", text(end)));
        Shown::map(end.into_iter().chain([("price", text(tier.price))]))
    });
    parts.push(("tiers", Shown::List(tiers.collect())));
    Shown::map(parts)
}

fn prices(list: &PriceList) -> Shown {
    let component = |component: &Component| match component {
        Component::Each(price) => each(*price),
        Component::Package { size, price } => {
            Shown::map([("package", text(price)), ("size", text(size))])
        }
        Component::Tiers(found) => tiers(found),
    };
    let units = list.units().map(|(unit, how)| (unit.to_string().into(), component(how)));
    Shown::Map(units.collect())
}

fn rates(rates: &Rates) -> Vec<(&'static str, Shown)> {
    let mut parts = vec![("price", prices(&rates.prices))];
    if !rates.above.is_empty() {
        let above = |above: &Above| {
            Shown::map([("tokens", text(above.tokens)), ("price", prices(&above.stated))])
        };
        parts.push(("above", Shown::List(rates.above.iter().map(above).collect())));
    }
    if !rates.minimum.is_zero() {
        parts.push(("minimum", text(rates.minimum)));
    }
    parts
}

/// What a file's head says for all of its cards.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Head<'a> {
    pub(super) currency: Option<&'a str>,
    pub(super) figures: Option<&'a str>,
}

/// A card without what the head says already. Prices are `per` 1000000 where nothing else is told.
pub(super) fn card_below(card: &Card, head: Head<'_>) -> Shown {
    let mut parts = vec![("model", text(&card.model))];
    if head.currency != Some(card.currency.as_str()) {
        parts.push(("currency", text(&card.currency)));
    }
    let mut tell = |name, value: Option<&str>| {
        if let Some(value) = value {
            parts.push((name, text(value)));
        }
    };
    tell("provider", card.about.provider.as_deref());
    tell("figures", card.about.figures.as_deref().filter(|date| head.figures != Some(date)));
    let sizes = [("context", card.about.context), ("output", card.about.output)];
    parts.extend(sizes.into_iter().filter_map(|(name, n)| Some((name, Shown::Number(n?)))));
    parts.extend(rates(&card.rates));
    if !card.variants.is_empty() {
        let variants = card.variants.iter();
        let variants = variants.map(|(name, of)| (name.to_string().into(), Shown::map(rates(of))));
        parts.push(("variants", Shown::Map(variants.collect())));
    }
    Shown::map(parts)
}

/// A card as it would stand in a file of its own.
pub fn card(card: &Card) -> Shown {
    match card_below(card, Head::default()) {
        Shown::Map(mut parts) => {
            let at = parts.iter().position(|(name, _)| name == "price").unwrap_or_default();
            let per = Shown::Number(MILLION.unsigned_abs().try_into().unwrap_or(1));
            parts.insert(at, ("per".into(), per));
            Shown::Map(parts)
        }
        other => other,
    }
}

/// A markup rule.
pub fn markup(markup: &Markup) -> Shown {
    let mut parts = Vec::new();
    let mut tell = |name, value: Option<String>| {
        parts.extend(value.map(|value| (name, Shown::Text(value))));
    };
    tell("model", markup.model.as_ref().map(ToString::to_string));
    tell("plan", markup.plan.as_ref().map(ToString::to_string));
    tell("wallet", markup.wallet.as_ref().map(ToString::to_string));
    tell("currency", markup.currency.as_ref().map(ToString::to_string));
    let unless_zero = |decimal: Decimal| (!decimal.is_zero()).then(|| decimal.to_string());
    tell("percent", unless_zero(markup.percent));
    tell("fixed", unless_zero(markup.fixed));
    Shown::map(parts)
}

/// Writes a text as JSON does.
pub(super) fn quoted(f: &mut impl fmt::Write, text: &str) -> fmt::Result {
    f.write_char('"')?;
    for char in text.chars() {
        match char {
            '"' => f.write_str("\\\"")?,
            '\\' => f.write_str("\\\\")?,
            control if control.is_control() => write!(f, "\\u{:04x}", u32::from(control))?,
            char => f.write_char(char)?,
        }
    }
    f.write_char('"')
}

fn joined<T>(
    f: &mut fmt::Formatter<'_>,
    ends: (char, char),
    parts: impl IntoIterator<Item = T>,
    mut write: impl FnMut(&mut fmt::Formatter<'_>, T) -> fmt::Result,
) -> fmt::Result {
    f.write_char(ends.0)?;
    for (index, part) in parts.into_iter().enumerate() {
        if index > 0 {
            f.write_char(',')?;
        }
        write(f, part)?;
    }
    f.write_char(ends.1)
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => quoted(f, text),
            Self::Number(number) => number.fmt(f),
            Self::List(parts) => joined(f, ('[', ']'), parts, |f, part| part.fmt(f)),
            Self::Map(parts) => joined(f, ('{', '}'), parts, |f, (name, shown)| {
                quoted(f, name)?;
                write!(f, ":{shown}")
            }),
        }
    }
}
