//! Where the price book lies that is current: read again on request and on SIGHUP, replaced as a whole.

use crate::domain::id::Model;
use crate::domain::rating::{BookAnswer, BookQuestion, PriceVersion, Prices as _};
use crate::domain::time::Timestamp;
use crate::engine::prices::{PriceShelf, SharedPrices};
use crate::prices::{PriceBooks, PricesError};
use crate::pricing::shown;
use arc_swap::ArcSwap;
use std::sync::{Arc, Mutex, PoisonError};

/// The price book that is current.
pub(crate) struct Shelf {
    books: ArcSwap<PriceBooks>,
    /// One reload at a time.
    reload: Mutex<()>,
}

impl Shelf {
    pub(crate) fn new(books: PriceBooks) -> Self {
        Self { books: ArcSwap::from_pointee(books), reload: Mutex::new(()) }
    }

    /// Reads the price book again, all or nothing; answers the version that is in force then.
    pub(crate) fn reload(&self, now: Timestamp) -> Result<Option<PriceVersion>, PricesError> {
        let _alone = self.reload.lock().unwrap_or_else(PoisonError::into_inner);
        let next = self.books.load().reload(now);
        let result = if next.is_ok() { "ok" } else { "failed" };
        metrics::counter!("purser_price_reloads_total", "result" => result).increment(1);
        let next = next?;
        let version = next.in_force(now);
        self.books.store(Arc::new(next));
        Ok(version)
    }

    fn cards(&self, model: &Model, now: Timestamp) -> BookAnswer {
        match self.books.load().book_at(now) {
            Err(error) => BookAnswer::Failed(error.to_string()),
            Ok(book) => {
                let closest = book.map(|book| book.closest(model.as_str())).unwrap_or_default();
                if closest.is_empty() {
                    return BookAnswer::NoModel(model.clone());
                }
                BookAnswer::Cards(closest.into_iter().map(|card| shown::card(card)).collect())
            }
        }
    }

    fn models(&self, prefix: &str, now: Timestamp) -> BookAnswer {
        match self.books.load().book_at(now) {
            Err(error) => BookAnswer::Failed(error.to_string()),
            Ok(None) => BookAnswer::Models(Vec::new()),
            Ok(Some(book)) => {
                let mut names: Vec<_> =
                    book.beginning(prefix).map(|card| card.model.clone()).collect();
                // A model may have a card in each of several currencies.
                names.dedup();
                BookAnswer::Models(names)
            }
        }
    }
}

impl PriceShelf for Shelf {
    fn current(&self) -> SharedPrices {
        self.books.load_full()
    }

    fn answer(&self, asked: &BookQuestion, now: Timestamp) -> BookAnswer {
        match asked {
            BookQuestion::Cards(model) => self.cards(model, now),
            BookQuestion::Models(prefix) => self.models(prefix, now),
            BookQuestion::Reload => match self.reload(now) {
                Ok(version) => BookAnswer::Reloaded(version.unwrap_or_default()),
                Err(error) => BookAnswer::Failed(error.to_string()),
            },
        }
    }
}
