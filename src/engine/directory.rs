//! The names of a shard's wallets in the order of their hash, for `WALLET.SCAN`: a walk that goes
//! on where it stopped, whatever is opened meanwhile.

use crate::domain::id::WalletId;
use std::collections::BTreeMap;
use xxhash_rust::xxh3::xxh3_64;

/// How many bits of a cursor name the shard; the rest is a hash without its lowest bits.
const SHARD_BITS: u32 = 6;

/// Where a walk over all wallets goes on. Zero is its beginning, and its end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cursor(pub u64);

impl Cursor {
    const START: Self = Self(0);

    fn new(shard: u8, prefix: u64) -> Self {
        Self((u64::from(shard) << (u64::BITS - SHARD_BITS)) | prefix)
    }

    /// The shard that the walk has come to.
    pub fn shard(self) -> u8 {
        u8::try_from(self.0 >> (u64::BITS - SHARD_BITS)).unwrap_or(0)
    }

    fn prefix(self) -> u64 {
        self.0 & (u64::MAX >> SHARD_BITS)
    }
}

/// The names of a shard's wallets.
#[derive(Debug, Default)]
pub struct Directory(BTreeMap<u64, WalletId>);

impl Directory {
    /// Lists a wallet; once.
    pub fn add(&mut self, wallet: WalletId) {
        let mut place = xxh3_64(wallet.as_str().as_bytes());
        // Two names of one hash are neighbours; no name is ever taken off.
        while self.0.contains_key(&place) {
            place = place.wrapping_add(1);
        }
        self.0.insert(place, wallet);
    }

    /// At least `count` names from the cursor on, unless the shard has fewer, and where to go on.
    pub fn page(&self, cursor: Cursor, shards: usize, count: usize) -> (Cursor, Vec<WalletId>) {
        let shard = cursor.shard();
        let mut names = Vec::new();
        let mut last = None;
        for (place, wallet) in self.0.range(cursor.prefix() << SHARD_BITS..) {
            let prefix = place >> SHARD_BITS;
            // Names that the next cursor could not tell apart stay together.
            if names.len() >= count && last != Some(prefix) {
                return (Cursor::new(shard, prefix), names);
            }
            names.push(wallet.clone());
            last = Some(prefix);
        }
        let next = shard.saturating_add(1);
        let is_last = usize::from(next) >= shards;
        (if is_last { Cursor::START } else { Cursor::new(next, 0) }, names)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn a_walk_shows_every_wallet_once_also_when_some_are_opened_on_the_way() {
        let mut shards = [Directory::default(), Directory::default(), Directory::default()];
        let name = |number: usize| WalletId::new(format!("w{number}").as_bytes()).unwrap();
        (0..1_000).for_each(|number| shards[number % 3].add(name(number)));
        let mut cursor = Cursor::START;
        let mut seen = Vec::new();
        let mut opened = 1_000;
        loop {
            let (next, names) = shards[usize::from(cursor.shard())].page(cursor, 3, 7);
            seen.extend(names);
            shards[opened % 3].add(name(opened));
            opened += 1;
            if next == Cursor::START {
                break;
            }
            cursor = next;
        }
        let unique: BTreeSet<_> = seen.iter().cloned().collect();
        assert_eq!(unique.len(), seen.len(), "nothing twice");
        assert!((0..1_000).all(|number| unique.contains(&name(number))));
    }
}
