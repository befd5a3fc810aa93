//! The state: what is kept of every wallet beside its history, so that a start need not read that.
//!
//! | table | key | value |
//! |---|---|---|
//! | wallets | place | the core of the wallet's snapshot ([`crate::codec::snapshot`]) |
//! | pages | place, zero, number of the page (big-endian) | holds of a wallet with many of them |
//! | timers | deadline (Unix milliseconds, big-endian), place | empty: one row a wallet, its earliest |
//! | meta | name | the checkpoint, the secret of the archive's index |
//!
//! A wallet's *place* is the XXH3 of its id (big-endian), then the id: wallets lie evenly, and a walk
//! over all of them has an order.
//!
//! The state changes only by checkpoints, whole ones (see [`super::redo`]): with the rows of a redo file over
//! it, it always is what it was at one of them.

use super::StoreError;
use crate::domain::hold::HoldPage;
use crate::domain::id::WalletId;
use crate::domain::time::Timestamp;
use xxhash_rust::xxh3::xxh3_64;

/// What kind of row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Table {
    /// The cores of snapshots.
    Wallets,
    /// Pages of holds.
    Pages,
    /// When wallets are due.
    Timers,
    /// What concerns all.
    Meta,
}

impl Table {
    /// All tables, in the order of their codes in a redo file.
    pub const ALL: [Self; 4] = [Self::Wallets, Self::Pages, Self::Timers, Self::Meta];

    /// Its code on the disk: its place among all.
    pub const fn code(self) -> u8 {
        match self {
            Self::Wallets => 0,
            Self::Pages => 1,
            Self::Timers => 2,
            Self::Meta => 3,
        }
    }
}

/// A row as it is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Where.
    pub table: Table,
    /// Under which key.
    pub key: Vec<u8>,
    /// With which value; none when the row is to go.
    pub value: Option<Vec<u8>>,
}

impl Row {
    /// A row that is to be there.
    pub const fn put(table: Table, key: Vec<u8>, value: Vec<u8>) -> Self {
        Self { table, key, value: Some(value) }
    }

    /// A row that is to go.
    pub const fn delete(table: Table, key: Vec<u8>) -> Self {
        Self { table, key, value: None }
    }
}

/// What rows are given to while they are read; it says whether to go on.
pub type VisitRow<'a> = dyn FnMut(&[u8], &[u8]) -> Result<bool, StoreError> + 'a;

/// The tables. After an error of [`State::put`] or [`State::sync`] the state must not be used.
pub trait State: Send + Sync {
    /// The value under a key.
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError>;

    /// Gives the rows from a key on to `visit`, in the order of keys, until it says stop.
    fn range(&self, table: Table, from: &[u8], visit: &mut VisitRow<'_>) -> Result<(), StoreError>;

    /// Makes a row be as it is to be. It is safe only after [`State::sync`].
    fn put(&self, row: &Row) -> Result<(), StoreError>;

    /// Makes all rows survive a power loss.
    fn sync(&self) -> Result<(), StoreError>;
}

/// The order of wallets in a walk over all of them.
pub fn order(wallet: &WalletId) -> u64 {
    xxh3_64(wallet.as_str().as_bytes())
}

/// A wallet's place.
pub fn place(wallet: &WalletId) -> Vec<u8> {
    let mut key = order(wallet).to_be_bytes().to_vec();
    key.extend_from_slice(wallet.as_str().as_bytes());
    key
}

/// The wallet of a place.
pub fn wallet_at(place: &[u8]) -> Option<WalletId> {
    let (order, id) = place.split_first_chunk::<8>()?;
    WalletId::new(id).ok().filter(|id| self::order(id).to_be_bytes() == *order)
}

/// The key of a wallet's page.
pub fn page_key(wallet: &WalletId, page: HoldPage) -> Vec<u8> {
    let mut key = pages_of(wallet);
    key.extend_from_slice(&page.0.to_be_bytes());
    key
}

/// What the keys of a wallet's pages begin with. No id holds a zero, so no other wallet's do.
pub fn pages_of(wallet: &WalletId) -> Vec<u8> {
    let mut key = place(wallet);
    key.push(0);
    key
}

/// The key of a wallet's timer.
pub fn timer_key(deadline: Timestamp, wallet: &WalletId) -> Vec<u8> {
    let mut key = timers_from(deadline);
    key.extend_from_slice(&place(wallet));
    key
}

/// Where the timers of a time begin.
pub fn timers_from(time: Timestamp) -> Vec<u8> {
    let millis = u64::try_from(time.millis()).unwrap_or(0);
    millis.to_be_bytes().to_vec()
}

/// The time and the wallet of a timer.
pub fn timer_at(key: &[u8]) -> Option<(Timestamp, WalletId)> {
    let (millis, place) = key.split_first_chunk::<8>()?;
    let millis = i64::try_from(u64::from_be_bytes(*millis)).ok()?;
    Some((Timestamp::from_millis(millis), wallet_at(place)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_of_a_table_is_its_place_among_all() {
        assert_eq!(Table::ALL.map(Table::code), [0, 1, 2, 3]);
    }

    #[test]
    fn keys_say_what_they_are_of() {
        let wallet = WalletId::new(b"alice").unwrap();
        assert_eq!(wallet_at(&place(&wallet)), Some(wallet.clone()));
        let at = Timestamp::from_millis(77);
        assert_eq!(timer_at(&timer_key(at, &wallet)), Some((at, wallet.clone())));
        assert!(timer_key(at, &wallet) >= timers_from(at));
        assert!(timer_key(at, &wallet) < timers_from(Timestamp::from_millis(78)));
        assert!(page_key(&wallet, HoldPage(3)).starts_with(&pages_of(&wallet)));
        let longer = WalletId::new(b"alice2").unwrap();
        assert!(!page_key(&longer, HoldPage(3)).starts_with(&pages_of(&wallet)));
        let mut other = place(&wallet);
        other[0] ^= 1;
        assert_eq!(wallet_at(&other), None);
    }
}
