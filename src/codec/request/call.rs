//! The arguments of a request that are read, by their place or their keyword.

use super::Call;
use super::error::RequestError;
use super::spec::{Opt, Verb};
use super::value::Value;
use crate::domain::amount::Amount;
use crate::domain::command::{Overage, Worth};
use crate::domain::event::Paid;
use crate::domain::id::{Currency, Model, Note, OpId, Plan, Variant, WalletId, Zone};
use crate::domain::time::{Span, Timestamp};
use crate::domain::usage::Usage;

impl<'a> Call<'a> {
    /// The value of an option, if it is there.
    pub(super) fn value(&self, option: Opt) -> Option<&Value<'a>> {
        self.options.iter().find(|(other, _)| *other == option).map(|(_, value)| value)
    }

    /// The hold or operation that is named by its place.
    pub(super) fn target(&mut self) -> Result<OpId, RequestError> {
        let found = self.positionals.iter().find_map(|value| match value {
            Value::Op(op) => Some(op.clone()),
            _ => None,
        });
        found.ok_or_else(|| RequestError::wrong_arity(self.spec.name))
    }

    /// The amount that is stated by its place.
    pub(super) fn stated(&self) -> Result<Amount, RequestError> {
        let found = self.positionals.iter().find_map(|value| match value {
            Value::Amount(amount) => Some(*amount),
            _ => None,
        });
        found.ok_or_else(|| RequestError::wrong_arity(self.spec.name))
    }

    /// Whether an amount is to be rated.
    pub(super) fn is_rated(&self) -> bool {
        self.positionals.contains(&Value::Rated)
    }

    /// The amount that is stated by its place, or the usage that stands for one.
    pub(super) fn worth(&mut self) -> Result<Worth, RequestError> {
        if self.is_rated() {
            let usage = self.usage()?;
            // Only a hold can name a model for it.
            if usage.model.is_none() && self.spec.verb != Verb::Capture {
                return Err(RequestError::malformed("syntax error: RATED needs MODEL"));
            }
            return Ok(Worth::Rated(Box::new(usage)));
        }
        self.stated().map(Worth::Stated)
    }

    /// `MODEL`, `VARIANT`, `QTY`.
    pub(super) fn usage(&mut self) -> Result<Usage, RequestError> {
        if self.quantities.is_empty() {
            return Err(RequestError::malformed("syntax error: RATED needs QTY unit n"));
        }
        let quantities = std::mem::take(&mut self.quantities);
        Ok(Usage { model: self.model(), variant: self.variant(), quantities })
    }

    /// `MIN`, at most a stated amount; of usage nobody knows yet what it is worth.
    pub(super) fn min(&self) -> Result<Option<Amount>, RequestError> {
        let min = self.amount(Opt::Min);
        if self.is_rated() {
            return Ok(min);
        }
        let amount = self.stated()?;
        if min.is_some_and(|min| min > amount) {
            return Err(RequestError::range("MIN must be at most the amount"));
        }
        Ok(min)
    }

    pub(super) fn amount(&self, option: Opt) -> Option<Amount> {
        match self.value(option) {
            Some(Value::Amount(amount)) => Some(*amount),
            _ => None,
        }
    }

    pub(super) fn integer(&self, option: Opt) -> Option<i64> {
        match self.value(option) {
            Some(Value::Integer(integer)) => Some(*integer),
            _ => None,
        }
    }

    pub(super) fn time(&self, option: Opt) -> Option<Timestamp> {
        match self.value(option) {
            Some(Value::Time(time)) => Some(*time),
            _ => None,
        }
    }

    pub(super) fn span(&self, option: Opt) -> Option<Span> {
        match self.value(option) {
            Some(Value::Span(span)) => Some(*span),
            _ => None,
        }
    }

    pub(super) fn op(&self, option: Opt) -> Option<OpId> {
        match self.value(option) {
            Some(Value::Op(op)) => Some(op.clone()),
            _ => None,
        }
    }

    pub(super) fn overage(&self) -> Option<Overage> {
        match self.value(Opt::Overage) {
            Some(Value::Overage(overage)) => Some(*overage),
            _ => None,
        }
    }

    pub(super) fn note(&self) -> Note {
        match self.value(Opt::Note) {
            Some(Value::Note(note)) => note.clone(),
            _ => Note::default(),
        }
    }

    pub(super) fn plan(&self) -> Option<Plan> {
        match self.value(Opt::Plan) {
            Some(Value::Plan(plan)) => Some(plan.clone()),
            _ => None,
        }
    }

    pub(super) fn zone(&self) -> Option<Zone> {
        match self.value(Opt::Tz) {
            Some(Value::Zone(zone)) => Some(zone.clone()),
            _ => None,
        }
    }

    pub(super) fn currency(&self) -> Option<Currency> {
        match self.value(Opt::Currency) {
            Some(Value::Currency(currency)) => Some(currency.clone()),
            _ => None,
        }
    }

    /// `PAID a CURRENCY c`, which come together.
    pub(super) fn paid(&self) -> Result<Option<Paid>, RequestError> {
        match (self.amount(Opt::Paid), self.currency()) {
            (Some(amount), Some(currency)) => Ok(Some(Paid { amount, currency })),
            (None, None) => Ok(None),
            _ => Err(RequestError::malformed("syntax error: PAID and CURRENCY go together")),
        }
    }

    pub(super) fn model(&self) -> Option<Model> {
        match self.value(Opt::Model) {
            Some(Value::Model(model)) => Some(model.clone()),
            _ => None,
        }
    }

    pub(super) fn variant(&self) -> Option<Variant> {
        match self.value(Opt::Variant) {
            Some(Value::Variant(variant)) => Some(variant.clone()),
            _ => None,
        }
    }

    pub(super) fn wallet(&self) -> Option<WalletId> {
        match self.value(Opt::Wallet) {
            Some(Value::Wallet(wallet)) => Some(wallet.clone()),
            _ => None,
        }
    }
}
