//! A file of the price book as serde reads it: shapes and single values are checked here, where the
//! parser knows the place; what they mean together is checked in `read`.

use super::decimal::Decimal;
use serde::Deserialize;
use serde::de::{self, Deserializer, MapAccess, Visitor};
use std::collections::BTreeSet;
use std::fmt;
use std::marker::PhantomData;

/// A file; `C` and `M` are cards and markups with their places.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FileText<C, M> {
    pub(super) from: Option<String>,
    pub(super) currency: Option<String>,
    pub(super) provider: Option<String>,
    pub(super) figures: Option<String>,
    pub(super) per: Option<Number>,
    pub(super) markup: Option<Vec<M>>,
    pub(super) card: Option<Vec<C>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CardText {
    pub(super) model: String,
    pub(super) currency: Option<String>,
    pub(super) provider: Option<String>,
    pub(super) figures: Option<String>,
    pub(super) context: Option<u64>,
    pub(super) output: Option<u64>,
    pub(super) per: Option<Number>,
    pub(super) price: Named<ComponentText>,
    pub(super) minimum: Option<Number>,
    #[serde(default)]
    pub(super) above: Vec<AboveText>,
    #[serde(default)]
    pub(super) variants: Named<RatesText>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RatesText {
    pub(super) per: Option<Number>,
    pub(super) price: Named<ComponentText>,
    pub(super) minimum: Option<Number>,
    #[serde(default)]
    pub(super) above: Vec<AboveText>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AboveText {
    pub(super) tokens: Number,
    pub(super) per: Option<Number>,
    pub(super) price: Named<ComponentText>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MarkupText {
    pub(super) model: Option<String>,
    pub(super) plan: Option<String>,
    pub(super) wallet: Option<String>,
    pub(super) currency: Option<String>,
    pub(super) percent: Option<Signed>,
    pub(super) fixed: Option<Number>,
}

/// How a unit is priced: a price, or a table that says more.
#[derive(Debug)]
pub(super) enum ComponentText {
    Price(Number),
    Table(ComponentTable),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ComponentTable {
    pub(super) price: Option<Number>,
    pub(super) per: Option<Number>,
    pub(super) package: Option<Number>,
    pub(super) size: Option<Number>,
    pub(super) mode: Option<ModeText>,
    pub(super) over: Option<OverText>,
    pub(super) tiers: Option<Vec<TierText>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TierText {
    pub(super) up_to: Option<Number>,
    pub(super) price: Number,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum ModeText {
    Graduated,
    Volume,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum OverText {
    Request,
    Day,
    Month,
}

/// A decimal that is not negative: a text, or a whole number.
#[derive(Debug, Clone, Copy)]
pub(super) struct Number(pub(super) Decimal);

/// A decimal that may be negative.
#[derive(Debug, Clone, Copy)]
pub(super) struct Signed(pub(super) Decimal);

/// Things by name, in the file's order, each name once.
#[derive(Debug)]
pub(super) struct Named<T>(pub(super) Vec<(String, T)>);

impl<T> Default for Named<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

struct NumberVisitor;

impl Visitor<'_> for NumberVisitor {
    type Value = Decimal;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a decimal as text, like \"1.25\", or a whole number")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Decimal, E> {
        Decimal::parse(text).map_err(|error| E::custom(format!("{text:?} is refused: {error}")))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Decimal, E> {
        Ok(Decimal::whole(i128::from(number)))
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Decimal, E> {
        let number = u64::try_from(number);
        number.map_or_else(|_| Err(E::custom("it must not be negative")), |n| self.visit_u64(n))
    }

    fn visit_f64<E: de::Error>(self, _: f64) -> Result<Decimal, E> {
        Err(E::custom("a number with a fraction is written as text, like \"1.25\", to stay exact"))
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(NumberVisitor).map(Self)
    }
}

struct SignedVisitor;

impl Visitor<'_> for SignedVisitor {
    type Value = Decimal;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a decimal as text, like \"-2.5\", or a whole number")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Decimal, E> {
        match text.strip_prefix('-') {
            Some(positive) => NumberVisitor.visit_str(positive).map(Decimal::negated),
            None => NumberVisitor.visit_str(text),
        }
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Decimal, E> {
        NumberVisitor.visit_u64(number)
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Decimal, E> {
        Ok(Decimal::whole(i128::from(number)))
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<Decimal, E> {
        NumberVisitor.visit_f64(number)
    }
}

impl<'de> Deserialize<'de> for Signed {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(SignedVisitor).map(Self)
    }
}

struct ComponentVisitor;

impl<'de> Visitor<'de> for ComponentVisitor {
    type Value = ComponentText;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a price as text, like \"1.25\", or a table with price, package or tiers")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<ComponentText, E> {
        NumberVisitor.visit_str(text).map(Number).map(ComponentText::Price)
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<ComponentText, E> {
        NumberVisitor.visit_u64(number).map(Number).map(ComponentText::Price)
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<ComponentText, E> {
        NumberVisitor.visit_i64(number).map(Number).map(ComponentText::Price)
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<ComponentText, E> {
        NumberVisitor.visit_f64(number).map(Number).map(ComponentText::Price)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<ComponentText, A::Error> {
        let from = de::value::MapAccessDeserializer::new(map);
        ComponentTable::deserialize(from).map(ComponentText::Table)
    }
}

impl<'de> Deserialize<'de> for ComponentText {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(ComponentVisitor)
    }
}

struct NamedVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for NamedVisitor<T> {
    type Value = Named<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a table")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Named<T>, A::Error> {
        let (mut all, mut seen) = (Vec::new(), BTreeSet::new());
        while let Some(name) = map.next_key::<String>()? {
            if !seen.insert(name.clone()) {
                return Err(de::Error::custom(format!("{name} stands there twice")));
            }
            all.push((name, map.next_value()?));
        }
        Ok(Named(all))
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Named<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_map(NamedVisitor(PhantomData))
    }
}
