//! A version of the price book: all cards that are in force together, compiled, never changed again.

use super::canonical;
use super::card::{Card, Markup, Rates};
use super::rate::{self, Lines};
use crate::domain::id::{Currency, Model, Variant, WalletId};
use crate::domain::rating::{Buyer, Explained, PriceVersion, Rated, Running, Unpriced, Used};
use hashbrown::HashMap;
use std::sync::Arc;

/// The cards of one name, by currency.
type Named = Vec<Arc<Card>>;

/// All rate cards and markups that are in force together.
#[derive(Debug)]
pub struct Book {
    version: PriceVersion,
    /// Sorted by name, then currency.
    cards: Vec<Arc<Card>>,
    markups: Vec<Markup>,
    exact: HashMap<String, Named>,
    prefixes: HashMap<String, Named>,
    /// How long prefixes are, longest first, each length once.
    lengths: Vec<usize>,
}

impl Book {
    /// Compiles cards, each model and currency once, and markups in their order.
    pub fn new(mut cards: Vec<Arc<Card>>, markups: Vec<Markup>) -> Self {
        cards.sort_by(|one, two| key(one).cmp(&key(two)));
        let text = canonical::text(&cards, &markups);
        Self::compile(version_of(&text), cards, markups)
    }

    /// Compiles what a canonical text was read to; the version is known from the text.
    pub(super) fn compile(
        version: PriceVersion,
        cards: Vec<Arc<Card>>,
        markups: Vec<Markup>,
    ) -> Self {
        let (mut exact, mut prefixes) = (HashMap::new(), HashMap::new());
        let mut lengths = Vec::new();
        for card in &cards {
            let names = match card.pattern.prefix() {
                Some(prefix) => {
                    lengths.push(prefix.len());
                    prefixes.entry(prefix.to_owned())
                }
                None => exact.entry(card.model.as_str().to_owned()),
            };
            names.or_insert_with(Vec::new).push(Arc::clone(card));
        }
        lengths.sort_unstable_by(|one, two| two.cmp(one));
        lengths.dedup();
        Self { version, cards, markups, exact, prefixes, lengths }
    }

    /// What names it: a hash of its content.
    pub const fn version(&self) -> PriceVersion {
        self.version
    }

    /// All cards, sorted by name, then currency.
    pub fn cards(&self) -> &[Arc<Card>] {
        &self.cards
    }

    /// The markups, in the order in which they are tried.
    pub fn markups(&self) -> &[Markup] {
        &self.markups
    }

    /// The text that the version is the hash of; read as a file, it gives the same version.
    pub fn text(&self) -> String {
        canonical::text(&self.cards, &self.markups)
    }

    /// The cards that price a model, the closest first: its own, then those of longer beginnings
    /// before shorter ones; of one name, by currency.
    pub fn cards_of<'a>(&'a self, model: &str) -> impl Iterator<Item = &'a Arc<Card>> {
        let name = model;
        let beginnings = self.lengths.iter().filter_map(|&length| name.get(..length));
        let prefixes = beginnings.filter_map(|beginning| self.prefixes.get(beginning));
        self.exact.get(name).into_iter().chain(prefixes).flatten()
    }

    /// The card that prices a model in each currency.
    pub fn closest(&self, model: &str) -> Vec<&Arc<Card>> {
        let mut closest = Vec::<&Arc<Card>>::new();
        for card in self.cards_of(model) {
            if closest.iter().all(|other| other.currency != card.currency) {
                closest.push(card);
            }
        }
        closest
    }

    /// The cards whose name begins so, sorted by name, then currency.
    pub fn beginning<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = &'a Arc<Card>> {
        let from = self.cards.partition_point(|card| card.model.as_str() < prefix);
        let rest = self.cards.get(from..).unwrap_or_default();
        rest.iter().take_while(move |card| card.model.as_str().starts_with(prefix))
    }

    /// The prices for a buyer: those of the closest card in the buyer's currency.
    fn rates(
        &self,
        model: &Model,
        variant: Option<&Variant>,
        currency: Option<&Currency>,
    ) -> Result<(&Card, &Rates), Unpriced> {
        let mut other = None;
        for card in self.cards_of(model.as_str()).map(Arc::as_ref) {
            if currency.is_none_or(|currency| *currency == card.currency) {
                let rates = card.rates(variant).ok_or(Unpriced::NoModel)?;
                return Ok((card, rates));
            }
            other = other.or(Some(card));
        }
        other.map_or(Err(Unpriced::NoModel), |card| Err(Unpriced::Currency(card.currency.clone())))
    }

    /// The first markup that means this card, model and buyer.
    fn markup(&self, card: &Card, model: &Model, buyer: Buyer<'_>) -> Option<&Markup> {
        let wallet = |markup: &Markup| {
            let named = buyer.wallet.map(WalletId::as_str);
            markup.wallet.as_ref().is_none_or(|pattern| named.is_some_and(|w| pattern.matches(w)))
        };
        self.markups.iter().find(|markup| {
            markup.currency.as_ref().is_none_or(|currency| *currency == card.currency)
                && markup.plan.as_ref().is_none_or(|plan| Some(plan) == buyer.plan)
                && markup.model.as_ref().is_none_or(|pattern| pattern.matches(model.as_str()))
                && wallet(markup)
        })
    }

    fn price<L: Lines>(
        &self,
        used: Used<'_>,
        buyer: Buyer<'_>,
        running: &dyn Running,
        lines: &mut L,
    ) -> Result<(Rated, &Currency), Unpriced> {
        let (card, of_card) = self.rates(used.model, used.variant, buyer.currency)?;
        let markup = self.markup(card, used.model, buyer);
        let rated = rate::price(card, of_card, markup, used.quantities, running, lines)?;
        Ok((rated, &card.currency))
    }

    /// Turns usage into an amount.
    pub fn rate(
        &self,
        used: Used<'_>,
        buyer: Buyer<'_>,
        running: &dyn Running,
    ) -> Result<Rated, Unpriced> {
        self.price(used, buyer, running, &mut ()).map(|(rated, _)| rated)
    }

    /// The same, with its reasons.
    pub fn explain(
        &self,
        used: Used<'_>,
        buyer: Buyer<'_>,
        running: &dyn Running,
    ) -> Result<Explained, Unpriced> {
        let mut lines = Vec::new();
        let (rated, currency) = self.price(used, buyer, running, &mut lines)?;
        Ok(Explained { rated, currency: currency.clone(), lines })
    }
}

/// What a card is filed under.
pub(super) fn key(card: &Card) -> (&Model, &Currency) {
    (&card.model, &card.currency)
}

/// The version whose canonical text this is.
pub fn version_of(text: &str) -> PriceVersion {
    let hash = blake3::hash(text.as_bytes());
    let first = hash.as_bytes().first_chunk::<8>();
    PriceVersion(first.copied().unwrap_or_default())
}
