//! One argument's value: read, checked, and put in canonical form.

use jiff::tz::TimeZoneDatabase;
use smallvec::SmallVec;
use xxhash_rust::xxh3::xxh3_64;

use super::error::RequestError;
use super::ledger;
use super::spec::{Opt, Positional};
use crate::domain::amount::Amount;
use crate::domain::command::{GrantKind, Overage, RequestHash};
use crate::domain::id::{Currency, Model, Note, OpId, Plan, Tags, Unit, Variant, WalletId, Zone};
use crate::domain::ledger::RowKind;
use crate::domain::time::{Span, Timestamp};
use crate::domain::usage::Quantity;

/// The value of an argument.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value<'a> {
    /// The option is there; it has no value.
    Flag,
    Amount(Amount),
    /// `none` in the place of an amount.
    NoAmount,
    Integer(i64),
    Time(Timestamp),
    Span(Span),
    Op(OpId),
    Currency(Currency),
    Plan(Plan),
    Zone(Zone),
    Note(Note),
    Kind(GrantKind),
    RowKinds(&'static [RowKind]),
    Overage(Overage),
    Model(Model),
    Variant(Variant),
    Wallet(WalletId),
    /// `RATED` in the place of an amount.
    Rated,
    Bytes(&'a [u8]),
}

/// Reads the positional argument `raw`.
pub(super) fn positional(kind: Positional, raw: &[u8]) -> Result<Value<'static>, RequestError> {
    match kind {
        Positional::Hold => named("hold", raw),
        Positional::Op => named("op", raw),
        Positional::Amount => positive("amount", raw),
        Positional::AmountOrRated if raw.eq_ignore_ascii_case(b"rated") => Ok(Value::Rated),
        Positional::AmountOrZero | Positional::AmountOrRated => amount("amount", raw),
    }
}

/// Reads the value of `option`. `TAG` is not read here: it has two.
pub(super) fn option<'a>(
    option: Opt,
    raw: &'a [u8],
    zones: &TimeZoneDatabase,
) -> Result<Value<'a>, RequestError> {
    let what = option.keyword();
    match option {
        Opt::Force | Opt::Keep | Opt::Strict => Ok(Value::Flag),
        Opt::DebtLimit if raw.eq_ignore_ascii_case(b"none") => Ok(Value::NoAmount),
        Opt::Min | Opt::CreditLimit | Opt::DebtLimit => amount(what, raw),
        Opt::Amount | Opt::Paid => positive(what, raw),
        Opt::Count | Opt::Before => integer(what, raw).map(Value::Integer),
        Opt::Priority => {
            let priority = integer(what, raw)?;
            if u16::try_from(priority).is_err() {
                return Err(RequestError::range("PRIORITY must be 0 to 65535"));
            }
            Ok(Value::Integer(priority))
        }
        Opt::At | Opt::Expires | Opt::From | Opt::Sent | Opt::To => {
            let time = Timestamp::from_millis(integer(what, raw)?);
            if time < Timestamp::default() || time > Timestamp::MAX {
                let text = format!("{what} must be Unix milliseconds of the years 1970 to 9999");
                return Err(RequestError::range(text));
            }
            Ok(Value::Time(time))
        }
        Opt::Ttl => {
            let span = Span::from_millis(integer(what, raw)?);
            if span < Span::TTL_MIN || span > Span::TTL_MAX {
                return Err(RequestError::range("TTL must be 1 ms to 31 days, in milliseconds"));
            }
            Ok(Value::Span(span))
        }
        Opt::Id => given(what, raw),
        Opt::After | Opt::Hold => named(what, raw),
        Opt::Currency => {
            Currency::new(raw).map(Value::Currency).map_err(|e| RequestError::name(what, e))
        }
        Opt::Plan => Plan::new(raw).map(Value::Plan).map_err(|e| RequestError::name(what, e)),
        Opt::Tz => zone(raw, zones).map(Value::Zone),
        Opt::Note => note(raw).map(Value::Note),
        Opt::Kind => kind(raw).map(Value::Kind),
        Opt::RowKind => ledger::kinds(raw).map(Value::RowKinds),
        Opt::Overage => overage(raw).map(Value::Overage),
        Opt::Model => Model::new(raw).map(Value::Model).map_err(|e| RequestError::name(what, e)),
        Opt::Variant => {
            Variant::new(raw).map(Value::Variant).map_err(|e| RequestError::name(what, e))
        }
        Opt::Wallet => {
            WalletId::new(raw).map(Value::Wallet).map_err(|e| RequestError::name(what, e))
        }
        Opt::Match | Opt::Prefix | Opt::Qty | Opt::Tag => Ok(Value::Bytes(raw)),
    }
}

fn named(what: &str, raw: &[u8]) -> Result<Value<'static>, RequestError> {
    OpId::new(raw).map(Value::Op).map_err(|error| RequestError::name(what, error))
}

fn given(what: &str, raw: &[u8]) -> Result<Value<'static>, RequestError> {
    OpId::given(raw).map(Value::Op).map_err(|error| RequestError::name(what, error))
}

fn amount(what: &str, raw: &[u8]) -> Result<Value<'static>, RequestError> {
    Amount::parse(raw).map(Value::Amount).map_err(|error| RequestError::amount(what, error))
}

fn positive(what: &str, raw: &[u8]) -> Result<Value<'static>, RequestError> {
    let value = amount(what, raw)?;
    if value == Value::Amount(Amount::ZERO) {
        return Err(RequestError::range(format!("{what} must be above zero")));
    }
    Ok(value)
}

/// Reads `-?[0-9]+`. Beyond 64 bits it saturates, which no range allows.
fn integer(what: &str, raw: &[u8]) -> Result<i64, RequestError> {
    let (negative, digits) = match raw {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(RequestError::malformed(format!("invalid {what}: it must be an integer")));
    }
    Ok(digits.iter().fold(0_i64, |value, digit| {
        let digit = i64::from(digit.wrapping_sub(b'0'));
        let digit = if negative { -digit } else { digit };
        value.saturating_mul(10).saturating_add(digit)
    }))
}

fn zone(raw: &[u8], zones: &TimeZoneDatabase) -> Result<Zone, RequestError> {
    let unknown =
        || RequestError::malformed("invalid TZ: it must be an IANA zone like Europe/Vienna");
    let name = std::str::from_utf8(raw).map_err(|_| unknown())?;
    let found = zones.get(name).map_err(|_| unknown())?;
    // The database spells it as everybody does, however it was sent.
    Zone::new(found.iana_name().ok_or_else(unknown)?.as_bytes()).map_err(|_| unknown())
}

fn note(raw: &[u8]) -> Result<Note, RequestError> {
    let max = Note::MAX;
    if raw.len() > max {
        return Err(RequestError::range(format!("NOTE must have at most {max} bytes")));
    }
    Note::new(raw).ok_or_else(|| RequestError::malformed("invalid NOTE: it must be UTF-8"))
}

fn kind(raw: &[u8]) -> Result<GrantKind, RequestError> {
    [GrantKind::Paid, GrantKind::Promo, GrantKind::Allowance]
        .into_iter()
        .find(|kind| kind_word(*kind).as_bytes().eq_ignore_ascii_case(raw))
        .ok_or_else(|| RequestError::malformed("invalid KIND: it must be paid, promo or allowance"))
}

fn overage(raw: &[u8]) -> Result<Overage, RequestError> {
    [Overage::Debt, Overage::Cap, Overage::Reject]
        .into_iter()
        .find(|overage| overage_word(*overage).as_bytes().eq_ignore_ascii_case(raw))
        .ok_or_else(|| RequestError::malformed("invalid OVERAGE: it must be debt, cap or reject"))
}

/// The keyword of a kind of money.
pub(crate) const fn kind_word(kind: GrantKind) -> &'static str {
    match kind {
        GrantKind::Paid => "paid",
        GrantKind::Promo => "promo",
        GrantKind::Allowance => "allowance",
    }
}

/// The keyword of an overage policy.
pub(crate) const fn overage_word(overage: Overage) -> &'static str {
    match overage {
        Overage::Debt => "debt",
        Overage::Cap => "cap",
        Overage::Reject => "reject",
    }
}

/// The canonical form of a request, of which the hash is taken. The format is frozen: hashes are
/// kept on disk. Each item is a type byte and its value, so no two requests share a form:
///
/// - `w`, a 32-bit length, a keyword: the command, each option, and values out of a closed list;
/// - `t`, a 32-bit length, bytes: names and texts;
/// - `a`, 128 bits: an amount in 10^-12; `i`, 64 bits: an integer. Everything is little-endian.
///
/// In this order: the command, its positional arguments without the wallet, its options by
/// keyword, each with its value; `TAG` once for each tag, by key, and `QTY` for each unit.
#[derive(Debug)]
pub(super) struct Form(SmallVec<[u8; 512]>);

impl Form {
    pub(super) fn new(command: &str) -> Self {
        let mut form = Self(SmallVec::new());
        form.item(b'w', command.as_bytes());
        form
    }

    pub(super) fn option(&mut self, option: Opt, value: &Value<'_>) {
        self.item(b'w', option.keyword().as_bytes());
        self.value(value);
    }

    pub(super) fn tags(&mut self, tags: &Tags) {
        for (key, value) in tags {
            self.item(b'w', Opt::Tag.keyword().as_bytes());
            self.item(b't', key.as_str().as_bytes());
            self.item(b't', value.as_str().as_bytes());
        }
    }

    pub(super) fn quantities(&mut self, quantities: &[(Unit, Quantity)]) {
        for (unit, quantity) in quantities {
            self.item(b'w', Opt::Qty.keyword().as_bytes());
            self.item(b't', unit.as_str().as_bytes());
            self.value(&Value::Amount(*quantity));
        }
    }

    pub(super) fn value(&mut self, value: &Value<'_>) {
        match value {
            Value::Flag => {}
            Value::Amount(amount) => {
                self.0.push(b'a');
                self.0.extend_from_slice(&amount.pico().to_le_bytes());
            }
            Value::NoAmount => self.item(b'w', b"none"),
            Value::Integer(integer) => self.integer(*integer),
            Value::Time(time) => self.integer(time.millis()),
            Value::Span(span) => self.integer(span.millis()),
            Value::Op(op) => self.item(b't', op.as_str().as_bytes()),
            Value::Currency(currency) => self.item(b't', currency.as_str().as_bytes()),
            Value::Plan(plan) => self.item(b't', plan.as_str().as_bytes()),
            Value::Zone(zone) => self.item(b't', zone.as_str().as_bytes()),
            Value::Note(note) => self.item(b't', note.as_str().as_bytes()),
            Value::Kind(kind) => self.item(b'w', kind_word(*kind).as_bytes()),
            Value::RowKinds(kinds) => {
                for kind in *kinds {
                    self.item(b'w', kind.as_str().as_bytes());
                }
            }
            Value::Overage(overage) => self.item(b'w', overage_word(*overage).as_bytes()),
            Value::Rated => self.item(b'w', b"RATED"),
            Value::Model(model) => self.item(b't', model.as_str().as_bytes()),
            Value::Variant(variant) => self.item(b't', variant.as_str().as_bytes()),
            Value::Wallet(wallet) => self.item(b't', wallet.as_str().as_bytes()),
            Value::Bytes(bytes) => self.item(b't', bytes),
        }
    }

    pub(super) fn hash(&self) -> RequestHash {
        RequestHash(xxh3_64(&self.0))
    }

    fn integer(&mut self, integer: i64) {
        self.0.push(b'i');
        self.0.extend_from_slice(&integer.to_le_bytes());
    }

    fn item(&mut self, kind: u8, bytes: &[u8]) {
        self.0.push(kind);
        // A request is at most megabytes long, so its parts fit 32 bits.
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        self.0.extend_from_slice(&length.to_le_bytes());
        self.0.extend_from_slice(bytes);
    }
}
