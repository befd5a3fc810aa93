//! THE table of columns: their names, their types, and what a row holds in each.
//!
//! A text that a row does not have is empty, as in the replies to `LEDGER`.

use super::Row;
use crate::codec::record::Position;
use crate::domain::amount::Amount;
use crate::domain::id::{OpId, Tags, Unit, User, Variant};
use crate::domain::ledger::{Entries, LedgerRow};
use crate::domain::price_tag::PriceTag;
use crate::domain::usage::Quantity;
use serde::ser::{Serialize, SerializeMap as _, SerializeSeq as _, Serializer};

/// How many columns there are.
const COUNT: usize = 32;

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Type {
    Text,
    /// Whole, never negative.
    Number,
    OptionalNumber,
    /// Milliseconds since the Unix epoch.
    Time,
    Amount,
    Flag,
    /// A list or a map; as JSON text where a file has no such thing.
    Json,
}

/// Names and types, in the order in which files show them.
pub(super) const COLUMNS: [(&str, Type); COUNT] = [
    ("wallet", Type::Text),
    ("currency", Type::Text),
    ("seq", Type::Number),
    ("at", Type::Time),
    ("kind", Type::Text),
    ("op", Type::Text),
    ("hold", Type::Text),
    ("amount", Type::Amount),
    ("posted", Type::Amount),
    ("held", Type::Amount),
    ("debt", Type::Amount),
    ("credit_limit", Type::Amount),
    ("entries", Type::Json),
    ("tags", Type::Json),
    ("note", Type::Text),
    ("user", Type::Text),
    ("price_version", Type::Text),
    ("uncovered", Type::Amount),
    ("over", Type::Flag),
    ("late", Type::Flag),
    ("request_hash", Type::Text),
    ("position", Type::Text),
    ("previous", Type::Text),
    ("model", Type::Text),
    ("variant", Type::Text),
    ("quantities", Type::Json),
    ("price", Type::Amount),
    ("cost", Type::Amount),
    ("margin", Type::Amount),
    ("used_at", Type::OptionalNumber),
    ("paid", Type::Amount),
    ("paid_currency", Type::Text),
];

/// What a row holds in one column.
#[derive(Debug, Clone, Copy)]
pub(super) enum Cell<'a> {
    Text(&'a str),
    Number(u64),
    OptionalNumber(Option<u64>),
    Time(i64),
    Amount(Amount),
    Flag(bool),
    Entries(&'a Entries),
    Tags(&'a Tags),
    Quantities(&'a [(Unit, Quantity)]),
}

/// What is made into text for a row.
#[derive(Debug)]
pub(super) struct Texts {
    request_hash: String,
    position: String,
    previous: String,
    price_version: String,
}

impl Texts {
    pub(super) fn of(row: &Row<'_>) -> Self {
        let place = |position: Position| match position {
            Position::NONE => String::new(),
            position => position.to_string(),
        };
        Self {
            // Nobody asked for what became due by itself.
            request_hash: match row.record.event.request.0 {
                0 => String::new(),
                hash => format!("{hash:016x}"),
            },
            position: place(row.position),
            previous: place(row.record.previous),
            price_version: row
                .record
                .event
                .price
                .as_ref()
                .map_or_else(String::new, |price| price.version.to_string()),
        }
    }
}

/// What a row holds, column by column.
pub(super) fn cells<'a>(
    row: &Row<'a>,
    shown: &'a LedgerRow,
    texts: &'a Texts,
) -> [Cell<'a>; COUNT] {
    let (price, paid) = (shown.price.as_deref(), shown.paid.as_deref());
    let used_at = price.and_then(|price| price.used_at);
    [
        Cell::Text(row.record.wallet.as_str()),
        Cell::Text(row.currency.as_str()),
        Cell::Number(shown.seq),
        Cell::Time(shown.at.millis()),
        Cell::Text(shown.kind.as_str()),
        Cell::Text(shown.op.as_ref().map_or("", OpId::as_str)),
        Cell::Text(shown.hold.as_ref().map_or("", OpId::as_str)),
        Cell::Amount(shown.amount),
        Cell::Amount(shown.posted),
        Cell::Amount(shown.held),
        Cell::Amount(shown.debt),
        Cell::Amount(row.record.sums.credit_limit),
        Cell::Entries(&shown.entries),
        Cell::Tags(&shown.tags),
        Cell::Text(shown.note.as_str()),
        Cell::Text(shown.user.as_ref().map_or("", User::as_str)),
        Cell::Text(&texts.price_version),
        Cell::Amount(shown.uncovered),
        Cell::Flag(shown.over),
        Cell::Flag(shown.late),
        Cell::Text(&texts.request_hash),
        Cell::Text(&texts.position),
        Cell::Text(&texts.previous),
        Cell::Text(price.map_or("", |price| price.model.as_str())),
        Cell::Text(price.and_then(|price| price.variant.as_ref()).map_or("", Variant::as_str)),
        Cell::Quantities(price.map_or(&[], |price| &price.quantities)),
        Cell::Amount(price.map_or(Amount::ZERO, |price| price.amount)),
        Cell::Amount(price.map_or(Amount::ZERO, |price| price.cost)),
        Cell::Amount(price.map_or(Amount::ZERO, PriceTag::margin)),
        Cell::OptionalNumber(used_at.and_then(|at| u64::try_from(at.millis()).ok())),
        Cell::Amount(paid.map_or(Amount::ZERO, |paid| paid.amount)),
        Cell::Text(paid.map_or("", |paid| paid.currency.as_str())),
    ]
}

/// An amount in JSON: a string, for many readers make floats of numbers.
struct Exact(Amount);

impl Serialize for Exact {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl Serialize for Cell<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) => serializer.serialize_str(text),
            Self::Number(number) => serializer.serialize_u64(*number),
            Self::OptionalNumber(number) => number.serialize(serializer),
            Self::Time(millis) => serializer.serialize_i64(*millis),
            Self::Amount(amount) => Exact(*amount).serialize(serializer),
            Self::Flag(on) => serializer.serialize_bool(*on),
            Self::Entries(entries) => {
                let mut list = serializer.serialize_seq(Some(entries.len()))?;
                for (account, amount) in *entries {
                    list.serialize_element(&Entry(account.as_str(), *amount))?;
                }
                list.end()
            }
            Self::Quantities(quantities) => {
                let mut map = serializer.serialize_map(Some(quantities.len()))?;
                for (unit, quantity) in *quantities {
                    map.serialize_entry(unit.as_str(), &Exact(*quantity))?;
                }
                map.end()
            }
            Self::Tags(tags) => {
                let mut map = serializer.serialize_map(Some(tags.len()))?;
                for (key, value) in *tags {
                    map.serialize_entry(key.as_str(), value.as_str())?;
                }
                map.end()
            }
        }
    }
}

struct Entry(&'static str, Amount);

impl Serialize for Entry {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(2))?;
        map.serialize_entry("account", self.0)?;
        map.serialize_entry("amount", &Exact(self.1))?;
        map.end()
    }
}
