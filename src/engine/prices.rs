//! The price book as the engine has it: somebody replaces it as a whole while wallets use it.

use crate::domain::command::{Command, Worth};
use crate::domain::rating::{BookAnswer, BookQuestion, Prices};
use crate::domain::time::Timestamp;
use std::sync::Arc;

/// Prices that may be shared among threads.
pub type SharedPrices = Arc<dyn Prices + Send + Sync>;

/// Where the prices lie that are current.
pub trait PriceShelf: Send + Sync {
    /// The prices to be used by one operation from its beginning to its end, so that no operation is
    /// rated by a mixture.
    fn current(&self) -> SharedPrices;

    /// Answers a question about the book itself; may read files.
    fn answer(&self, asked: &BookQuestion, now: Timestamp) -> BookAnswer;
}

/// Whether a command needs to know prices.
pub fn needs_prices(command: &Command) -> bool {
    match command {
        Command::Authorize(authorize) => matches!(authorize.worth, Worth::Rated(_)),
        Command::Capture { worth, .. } | Command::Charge { worth, .. } => {
            matches!(worth, Worth::Rated(_))
        }
        Command::Price { .. } => true,
        _ => false,
    }
}
