//! Usage and prices: `QTY`, and the commands that ask the price book.

use super::error::RequestError;
use super::spec::{Opt, Verb};
use super::value::Value;
use super::{Call, Parsed};
use crate::domain::amount::{Amount, ParseAmountError};
use crate::domain::command::{Command, Request, RequestHash};
use crate::domain::id::{Model, Unit};
use crate::domain::rating::BookQuestion;
use crate::domain::time::Timestamp;
use crate::domain::usage::Usage;

/// The most units of one operation.
const UNITS_MAX: usize = 32;

/// What is asked of the price book alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PricesAsked {
    /// `PRICE` without `WALLET`: what usage would cost anybody.
    Quote(Quote),
    /// `PRICES.*`: a question about the book.
    Book(BookQuestion),
}

/// What `PRICE` asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quote {
    /// What would be used; its model is named.
    pub usage: Usage,
    /// When; now when absent.
    pub at: Option<Timestamp>,
}

impl Call<'_> {
    /// Adds a quantity of a unit.
    pub(super) fn add_quantity(&mut self, unit: &[u8], number: &[u8]) -> Result<(), RequestError> {
        let unit = Unit::new(unit).map_err(|error| RequestError::name("QTY", error))?;
        let quantity = Amount::parse(number).map_err(|error| match error {
            ParseAmountError::Malformed => RequestError::malformed(format!(
                "invalid QTY {unit}: it must be a decimal with at most 12 places, not negative"
            )),
            ParseAmountError::TooLarge => {
                RequestError::range(format!("QTY {unit} must be at most 10^18"))
            }
        })?;
        match self.quantities.binary_search_by(|(other, _)| other.cmp(&unit)) {
            Ok(_) => Err(RequestError::malformed(format!("syntax error: QTY {unit} is repeated"))),
            Err(_) if self.quantities.len() >= UNITS_MAX => {
                Err(RequestError::too_many_units(UNITS_MAX))
            }
            Err(place) => {
                self.quantities.insert(place, (unit, quantity));
                Ok(())
            }
        }
    }

    /// A request about prices.
    pub(super) fn prices(
        mut self,
        subject: &[u8],
        sent: Option<Timestamp>,
    ) -> Result<Parsed, RequestError> {
        let model = || Model::new(subject).map_err(|error| RequestError::name("model", error));
        let asked = match self.spec.verb {
            Verb::PricesGet => PricesAsked::Book(BookQuestion::Cards(model()?)),
            Verb::PricesReload => PricesAsked::Book(BookQuestion::Reload),
            Verb::PricesList => {
                PricesAsked::Book(BookQuestion::Models(match self.value(Opt::Prefix) {
                    Some(Value::Bytes(prefix)) => String::from_utf8_lossy(prefix).into_owned(),
                    _ => String::new(),
                }))
            }
            Verb::Price => {
                let usage = Usage { model: Some(model()?), ..self.usage()? };
                let at = self.time(Opt::At);
                match self.wallet() {
                    None => PricesAsked::Quote(Quote { usage, at }),
                    Some(wallet) => {
                        let command = Command::Price { usage: Box::new(usage), at };
                        let hash = RequestHash::default();
                        let request = Request { wallet, id: None, user: None, hash, command };
                        return Ok(Parsed::Wallet { request, sent });
                    }
                }
            }
            _ => return Err(RequestError::wrong_arity(self.spec.name)),
        };
        Ok(Parsed::Prices { asked, sent })
    }
}
