//! The arguments of one request to what the domain is asked.
//!
//! Everything that can be judged without the wallet is judged here: names, amounts, ranges,
//! options. Nothing is ignored: an argument that is not understood is an error.

mod call;
mod error;
mod ledger;
mod prices;
mod spec;
mod value;

use jiff::tz::TimeZoneDatabase;
use smallvec::SmallVec;

pub use error::RequestError;
pub use prices::{PricesAsked, Quote};
use spec::{Opt, Spec, Verb};
use value::{Form, Value};
pub(super) use value::{kind_word, overage_word};

use super::glob::PATTERN_MAX;
use super::resp::Args;
use crate::domain::amount::Amount;
use crate::domain::command::GrantKind;
use crate::domain::command::{
    Authorize, Command, Expiry, OpenTerms, Overage, Request, Terms, TermsChange, TopUp,
};
use crate::domain::id::{OpId, TagKey, TagValue, Tags, Unit, WalletId, Zone};
use crate::domain::ledger::LedgerQuery;
use crate::domain::time::Timestamp;
use crate::domain::usage::Quantity;

/// How many holds `HOLD.LIST` shows when not told, and at most.
const HOLDS: (usize, usize) = (100, 1000);
/// How many wallets `WALLET.SCAN` looks at when not told.
const SCANNED: usize = 10;
/// How many it looks at, at most.
const SCANNED_MAX: usize = 10_000;
/// The same where each name is held against a pattern: that takes up to 30 µs.
const MATCHED_MAX: usize = 1_000;

/// What requests are checked against, beyond the contract itself. Made once.
#[derive(Debug, Clone)]
pub struct Rules {
    /// The most tags of one operation.
    pub tags_max: usize,
    zones: TimeZoneDatabase,
}

impl Default for Rules {
    fn default() -> Self {
        Self::new(16)
    }
}

impl Rules {
    /// Rules with so many tags an operation at most, and the time zones of this build.
    pub fn new(tags_max: usize) -> Self {
        Self { tags_max, zones: TimeZoneDatabase::bundled() }
    }
}

/// A request that is well formed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Parsed {
    /// One to a wallet.
    Wallet {
        /// What is asked.
        request: Request,
        /// When the caller says it sent it.
        sent: Option<Timestamp>,
    },
    /// `LEDGER`, which asks the history of a wallet.
    Ledger {
        /// The wallet.
        wallet: WalletId,
        /// Which rows.
        query: LedgerQuery,
        /// When the caller says it sent it.
        sent: Option<Timestamp>,
    },
    /// `WALLET.SCAN`, which asks all wallets.
    Scan(Scan),
    /// `EXPLAIN`, which asks the history of a wallet and the price book.
    Explain {
        /// The wallet.
        wallet: WalletId,
        /// The operation.
        op: OpId,
        /// When the caller says it sent it.
        sent: Option<Timestamp>,
    },
    /// `PRICE` and `PRICES.*`, which ask the price book alone.
    Prices {
        /// What is asked.
        asked: PricesAsked,
        /// When the caller says it sent it.
        sent: Option<Timestamp>,
    },
}

impl Parsed {
    /// The wallet that is asked, if it is one.
    pub const fn wallet(&self) -> Option<&WalletId> {
        match self {
            Self::Wallet { request, .. } => Some(&request.wallet),
            Self::Ledger { wallet, .. } | Self::Explain { wallet, .. } => Some(wallet),
            Self::Scan(_) | Self::Prices { .. } => None,
        }
    }
}

/// What `WALLET.SCAN` asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scan {
    /// Where to go on; 0 to begin.
    pub cursor: u64,
    /// Show only ids that match this glob.
    pub pattern: Option<Vec<u8>>,
    /// Look at so many wallets; a hint, at least 1.
    pub count: usize,
    /// When the caller says it sent it.
    pub sent: Option<Timestamp>,
}

/// Reads a request to the engine. The server's own commands are unknown here.
pub fn parse(args: Args<'_>, rules: &Rules) -> Result<Parsed, RequestError> {
    parse_placed(args, rules).map(|(_, parsed)| parsed)
}

/// The names of the commands that are read here, in upper case, in the order in which they are looked
/// for.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    spec::SPECS.iter().map(|spec| spec.name)
}

/// As [`parse`], with the place of the command in [`super::commands::places`].
pub fn parse_placed(args: Args<'_>, rules: &Rules) -> Result<(usize, Parsed), RequestError> {
    let found = Spec::named(args.name());
    let (place, spec) = found.ok_or_else(|| RequestError::unknown_command(args))?;
    parse_as(spec, args, rules).map(|parsed| (place, parsed))
}

fn parse_as(spec: &'static Spec, args: Args<'_>, rules: &Rules) -> Result<Parsed, RequestError> {
    let first_option = spec.subjects() + 1 + spec.positionals.len();
    if args.len() < first_option {
        return Err(RequestError::wrong_arity(spec.name));
    }
    let subject = args.get(1).unwrap_or_default();
    let mut form = Form::new(spec.name);
    let mut positionals = SmallVec::new();
    for (kind, raw) in spec.positionals.iter().zip(args.iter_from(2)) {
        let value = value::positional(*kind, raw)?;
        form.value(&value);
        positionals.push(value);
    }
    let mut call = Call {
        spec,
        positionals,
        options: SmallVec::new(),
        tags: Tags::new(),
        quantities: Vec::new(),
    };
    call.read_options(args, first_option, rules)?;
    let sent = call.time(Opt::Sent);
    if spec.verb == Verb::Scan {
        return call.scan(subject, sent).map(Parsed::Scan);
    }
    if spec.verb.is_about_prices() {
        return call.prices(subject, sent);
    }
    // Whoever opens a wallet gives it its name; everybody else refers to it.
    let wallet = if spec.verb == Verb::Open { WalletId::given } else { WalletId::new };
    let wallet = wallet(subject).map_err(|error| RequestError::name("wallet", error))?;
    if spec.verb == Verb::Ledger {
        return Ok(Parsed::Ledger { wallet, query: call.ledger()?, sent });
    }
    if spec.verb == Verb::Explain {
        return Ok(Parsed::Explain { wallet, op: call.target()?, sent });
    }
    let hash = {
        for (option, value) in &call.options {
            match option {
                Opt::Id | Opt::Sent => {}
                Opt::Tag => form.tags(&call.tags),
                Opt::Qty => form.quantities(&call.quantities),
                option => form.option(*option, value),
            }
        }
        form.hash()
    };
    let id = call.op(Opt::Id);
    let command = call.command()?;
    Ok(Parsed::Wallet { request: Request { wallet, id, user: None, hash, command }, sent })
}

/// A request whose arguments are read, but not yet put together.
struct Call<'a> {
    spec: &'static Spec,
    positionals: SmallVec<[Value<'a>; 2]>,
    /// In the order of their keywords, each once; of `TAG` only that there is one.
    options: SmallVec<[(Opt, Value<'a>); 6]>,
    /// By key.
    tags: Tags,
    /// By unit.
    quantities: Vec<(Unit, Quantity)>,
}

impl<'a> Call<'a> {
    fn read_options(
        &mut self,
        args: Args<'a>,
        first: usize,
        rules: &Rules,
    ) -> Result<(), RequestError> {
        let mut rest = args.iter_from(first);
        while let Some(keyword) = rest.next() {
            let option = self.option(keyword).ok_or_else(|| unknown_option(keyword))?;
            let what = option.keyword();
            let known = self.options.iter().any(|(other, _)| *other == option);
            if known && !matches!(option, Opt::Tag | Opt::Qty | Opt::Match) {
                return Err(RequestError::malformed(format!("syntax error: {what} is repeated")));
            }
            let lacking =
                || RequestError::malformed(format!("syntax error: {what} lacks its value"));
            let value = match option {
                Opt::Force | Opt::Keep | Opt::Strict => Value::Flag,
                Opt::Tag => {
                    let key = rest.next().ok_or_else(lacking)?;
                    self.add_tag(key, rest.next().ok_or_else(lacking)?, rules)?;
                    Value::Flag
                }
                Opt::Qty => {
                    let unit = rest.next().ok_or_else(lacking)?;
                    self.add_quantity(unit, rest.next().ok_or_else(lacking)?)?;
                    Value::Flag
                }
                option => value::option(option, rest.next().ok_or_else(lacking)?, &rules.zones)?,
            };
            // Of several patterns the last one counts, as in Redis.
            if option == Opt::Match {
                self.options.retain(|(other, _)| *other != option);
            }
            if !known || option == Opt::Match {
                self.options.push((option, value));
            }
        }
        self.options.sort_unstable_by_key(|(option, _)| *option);
        match self.spec.required {
            Some(option) if self.value(option).is_none() => {
                let (name, what) = (self.spec.name, option.keyword());
                Err(RequestError::malformed(format!("syntax error: {name} needs {what}")))
            }
            Some(_) | None => Ok(()),
        }
    }

    fn add_tag(&mut self, key: &[u8], value: &[u8], rules: &Rules) -> Result<(), RequestError> {
        let key = TagKey::new(key).map_err(|error| RequestError::name("TAG", error))?;
        if value.len() > TagValue::MAX {
            let max = TagValue::MAX;
            return Err(RequestError::range(format!("a TAG's value has at most {max} bytes")));
        }
        let value = TagValue::new(value)
            .ok_or_else(|| RequestError::malformed("invalid TAG: its value must be UTF-8"))?;
        match self.tags.binary_search_by(|(other, _)| other.cmp(&key)) {
            Ok(_) => Err(RequestError::malformed(format!("syntax error: TAG {key} is repeated"))),
            Err(_) if self.tags.len() >= rules.tags_max => {
                Err(RequestError::too_many_tags(rules.tags_max))
            }
            Err(place) => {
                self.tags.insert(place, (key, value));
                Ok(())
            }
        }
    }

    /// The option of a keyword, if the command takes it; some only where usage is rated.
    fn option(&self, keyword: &[u8]) -> Option<Opt> {
        let option = self.spec.option(keyword)?;
        let is_taken = self.is_rated() || !self.spec.is_for_usage(option);
        is_taken.then_some(option)
    }

    fn scan(self, cursor: &[u8], sent: Option<Timestamp>) -> Result<Scan, RequestError> {
        let cursor = std::str::from_utf8(cursor).ok().and_then(|cursor| cursor.parse().ok());
        let pattern = match self.value(Opt::Match) {
            Some(Value::Bytes(pattern)) if pattern.len() > PATTERN_MAX => {
                let text = format!("the pattern of MATCH has at most {PATTERN_MAX} bytes");
                return Err(RequestError::range(text));
            }
            Some(Value::Bytes(pattern)) => Some(pattern.to_vec()),
            _ => None,
        };
        let most = if pattern.is_some() { MATCHED_MAX } else { SCANNED_MAX };
        let count = self.count((SCANNED, most))?;
        let cursor = cursor.ok_or_else(|| RequestError::malformed("invalid cursor"))?;
        Ok(Scan { cursor, pattern, count, sent })
    }

    fn command(mut self) -> Result<Command, RequestError> {
        Ok(match self.spec.verb {
            Verb::Authorize => Command::Authorize(Authorize {
                min: self.min()?,
                worth: self.worth()?,
                ttl: self.span(Opt::Ttl),
                overage: self.overage().unwrap_or(Overage::Debt),
                tags: std::mem::take(&mut self.tags),
            }),
            Verb::Extend => Command::Extend {
                hold: self.target()?,
                amount: self.stated()?,
                min: self.min()?,
                ttl: self.span(Opt::Ttl),
            },
            Verb::Capture => Command::Capture {
                hold: self.target()?,
                worth: self.worth()?,
                keep: self.value(Opt::Keep).is_some(),
                strict: self.value(Opt::Strict).is_some(),
                tags: std::mem::take(&mut self.tags),
            },
            Verb::Charge => Command::Charge {
                worth: self.worth()?,
                overage: self.overage().unwrap_or(Overage::Reject),
                used_at: self.time(Opt::At),
                tags: std::mem::take(&mut self.tags),
            },
            Verb::Void => Command::Void { hold: self.target()?, note: self.note() },
            Verb::Refund => {
                Command::Refund { op: self.target()?, amount: self.stated()?, note: self.note() }
            }
            Verb::TopUp => Command::TopUp(Box::new(self.top_up()?)),
            Verb::Reverse => Command::Reverse {
                op: self.target()?,
                amount: self.amount(Opt::Amount),
                note: self.note(),
            },
            Verb::Revoke => Command::Revoke { op: self.target()?, note: self.note() },
            Verb::Withdraw => Command::Withdraw { amount: self.stated()?, note: self.note() },
            Verb::Balance => Command::Balance,
            Verb::HoldGet => Command::HoldGet { hold: self.target()? },
            Verb::HoldList => self.hold_list()?,
            Verb::OpGet => Command::OpGet { op: self.target()? },
            Verb::Open => Command::Open(Box::new(self.open()?)),
            Verb::Set => Command::Set(Box::new(self.set()?)),
            Verb::Get => Command::Get,
            Verb::Freeze => Command::Freeze { note: self.note() },
            Verb::Unfreeze => Command::Unfreeze,
            Verb::Close => Command::Close { force: self.value(Opt::Force).is_some() },
            // These ask no wallet as it is now, and were read before.
            Verb::Ledger
            | Verb::Scan
            | Verb::Explain
            | Verb::Price
            | Verb::PricesGet
            | Verb::PricesList
            | Verb::PricesReload => return Err(RequestError::wrong_arity(self.spec.name)),
        })
    }

    fn top_up(&self) -> Result<TopUp, RequestError> {
        let expiry = match (self.time(Opt::Expires), self.span(Opt::Ttl)) {
            (None, None) => Expiry::Never,
            (Some(at), None) => Expiry::At(at),
            (None, Some(span)) => Expiry::In(span),
            (Some(_), Some(_)) => {
                return Err(RequestError::malformed("syntax error: EXPIRES and TTL are exclusive"));
            }
        };
        let kind = match self.value(Opt::Kind) {
            Some(Value::Kind(kind)) => *kind,
            _ => GrantKind::Paid,
        };
        let priority = self.integer(Opt::Priority).and_then(|n| u16::try_from(n).ok());
        let (amount, note, paid) = (self.stated()?, self.note(), self.paid()?);
        Ok(TopUp { amount, kind, priority, expiry, paid, note })
    }

    fn hold_list(&self) -> Result<Command, RequestError> {
        Ok(Command::HoldList { after: self.op(Opt::After), count: self.count(HOLDS)? })
    }

    /// How many are asked for; nobody gets more than the most at once.
    fn count(&self, (default, most): (usize, usize)) -> Result<usize, RequestError> {
        match self.integer(Opt::Count) {
            None => Ok(default),
            Some(count @ 1..) => Ok(usize::try_from(count).unwrap_or(most).min(most)),
            Some(_) => Err(RequestError::range("COUNT must be at least 1")),
        }
    }

    fn open(&self) -> Result<OpenTerms, RequestError> {
        if self.value(Opt::DebtLimit) == Some(&Value::NoAmount) {
            let text = "invalid DEBTLIMIT: leave it out to open a wallet without one";
            return Err(RequestError::malformed(text));
        }
        let utc = || Zone::new(b"UTC").map_err(|error| RequestError::name("TZ", error));
        Ok(OpenTerms {
            currency: self.currency().ok_or_else(|| {
                RequestError::malformed("syntax error: WALLET.OPEN needs CURRENCY")
            })?,
            terms: Terms {
                credit_limit: self.amount(Opt::CreditLimit).unwrap_or(Amount::ZERO),
                debt_limit: self.amount(Opt::DebtLimit),
                plan: self.plan(),
                zone: self.zone().map_or_else(utc, Ok)?,
            },
        })
    }

    fn set(&self) -> Result<TermsChange, RequestError> {
        let change = TermsChange {
            credit_limit: self.amount(Opt::CreditLimit),
            debt_limit: self.value(Opt::DebtLimit).map(|_| self.amount(Opt::DebtLimit)),
            plan: self.plan(),
            zone: self.zone(),
        };
        if change == TermsChange::default() {
            let text = "syntax error: WALLET.SET needs CREDITLIMIT, DEBTLIMIT, PLAN or TZ";
            return Err(RequestError::malformed(text));
        }
        Ok(change)
    }
}

/// An option that the command does not take.
fn unknown_option(keyword: &[u8]) -> RequestError {
    let shown = keyword.get(..64).unwrap_or(keyword);
    RequestError::malformed([b"syntax error: unknown option '", shown, b"'"].concat())
}

/// Name, arity and sorted options of every command that is parsed here.
#[cfg(test)]
pub(super) fn shapes() -> Vec<(String, i32, Vec<&'static str>)> {
    let shape = |spec: &Spec| {
        let mut options: Vec<_> = spec.options.iter().map(|option| option.keyword()).collect();
        options.push(Opt::Sent.keyword());
        if spec.positionals.contains(&spec::Positional::AmountOrRated) {
            options.push("RATED");
        }
        options.sort_unstable();
        {
            let fixed = 1 + spec.subjects() + spec.positionals.len();
            (spec.name.to_owned(), -i32::try_from(fixed).unwrap(), options)
        }
    };
    spec::SPECS.iter().map(shape).collect()
}

#[cfg(test)]
mod tests;
