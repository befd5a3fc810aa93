//! The names of all wallets, for `WALLET.SCAN`: a walk that goes on where it stopped, whatever is
//! opened meanwhile.
//!
//! A walk shows first, shard by shard, the wallets that no checkpoint has yet, then those that the
//! state has, each in the order of [`state::order`]. A wallet that gets into the state meanwhile may
//! be shown twice, and none is left out.

use crate::domain::id::WalletId;
use crate::domain::memory::Era;
use crate::store::archive::Secret;
use crate::store::state;
use std::collections::BTreeMap;

/// How many bits of a cursor name the shard, or the state; as many say of how many shards. The rest is
/// an order without its lowest bits.
const PART_BITS: u32 = 7;
/// How many bits of an order a cursor lacks.
const LACKING: u32 = 2 * PART_BITS;

/// Where a walk over all wallets goes on. Zero is its beginning, and its end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cursor(u64);

impl Cursor {
    /// The beginning, and the end.
    pub const START: Self = Self(0);

    /// The cursor that a client sends back.
    pub fn unsealed(cursor: u64, secret: Secret) -> Self {
        Self(secret.unseal(cursor))
    }

    /// As a client gets it: a cursor tells of a name, perhaps of a wallet that the client may not see.
    pub fn sealed(self, secret: Secret) -> u64 {
        secret.seal(self.0)
    }

    fn new(part: u8, shards: u8, prefix: u64) -> Self {
        let part = u64::from(part) << (u64::BITS - PART_BITS);
        let shards = u64::from(shards) << (u64::BITS - LACKING);
        Self(part | shards | prefix)
    }

    /// Where a walk goes on among so many shards. One that was begun among more or fewer of them begins
    /// again: the wallets have moved, so those that it has not shown may be where it has been.
    #[must_use]
    pub fn among(self, shards: u8) -> Self {
        let is_kept = self.part() == Self::IN_STATE || self.shards() == shards;
        if is_kept { self } else { Self::new(0, shards, 0) }
    }

    /// The part that is the state.
    pub const IN_STATE: u8 = 127;

    /// Where a walk goes on in the state, whose order does not depend on shards.
    pub fn in_state(prefix: u64) -> Self {
        Self::new(Self::IN_STATE, 0, prefix)
    }

    /// The shard that the walk has come to, or the state.
    pub fn part(self) -> u8 {
        u8::try_from(self.0 >> (u64::BITS - PART_BITS)).unwrap_or(0)
    }

    /// Of how many shards it is one.
    fn shards(self) -> u8 {
        u8::try_from((self.0 << PART_BITS) >> (u64::BITS - PART_BITS)).unwrap_or(0)
    }

    /// The first order that has not been shown.
    pub const fn order(self) -> u64 {
        self.0 << LACKING
    }
}

/// Names that are shown together.
#[derive(Debug)]
pub struct Page {
    count: usize,
    names: Vec<WalletId>,
    last: Option<u64>,
}

impl Page {
    /// A page of so many names, or a few more.
    pub const fn new(count: usize) -> Self {
        Self { count, names: Vec::new(), last: None }
    }

    /// Adds the next name. When there is no room for it, answers what the next cursor goes on from.
    pub fn add(&mut self, order: u64, wallet: WalletId) -> Option<u64> {
        let prefix = order >> LACKING;
        // Names that the next cursor could not tell apart stay together.
        if self.names.len() >= self.count && self.last != Some(prefix) {
            return Some(prefix);
        }
        self.names.push(wallet);
        self.last = Some(prefix);
        None
    }

    /// The names.
    pub fn into_names(self) -> Vec<WalletId> {
        self.names
    }
}

/// The names of a shard's wallets that no checkpoint has yet, by the era they were opened in: what a
/// checkpoint has goes at once, however much it is.
#[derive(Debug, Default)]
pub struct Directory(BTreeMap<Era, Names>);

/// Names by their place: their order, or the next free one.
type Names = BTreeMap<u64, WalletId>;

/// Names that are listed no more. Whoever drops them needs time.
#[derive(Debug)]
pub struct Forgotten(#[expect(dead_code, reason = "it is only dropped")] BTreeMap<Era, Names>);

impl Directory {
    /// Lists wallets that were opened in an era, in the order of [`state::order`].
    pub fn of(era: Era, wallets: impl IntoIterator<Item = (u64, WalletId)>) -> Self {
        let mut free = 0_u64;
        let names = wallets.into_iter().map(|(order, wallet)| {
            let place = order.max(free);
            free = place.wrapping_add(1);
            (place, wallet)
        });
        Self(BTreeMap::from([(era, names.collect())]))
    }

    /// Lists a wallet that was opened in an era; once.
    pub fn add(&mut self, wallet: WalletId, era: Era) {
        let mut place = state::order(&wallet);
        // Two names of one order are neighbours.
        while self.0.values().any(|names| names.contains_key(&place)) {
            place = place.wrapping_add(1);
        }
        self.0.entry(era).or_default().insert(place, wallet);
    }

    /// A checkpoint has all wallets that were opened in this era or before.
    pub fn forget(&mut self, kept: Era) -> Forgotten {
        let left = self.0.split_off(&kept.next());
        Forgotten(std::mem::replace(&mut self.0, left))
    }

    /// The names from a place on, in their order.
    fn names(&self, from: u64) -> impl Iterator<Item = (u64, &WalletId)> {
        let mut eras: Vec<_> = self.0.values().map(|names| names.range(from..)).collect();
        let mut heads: Vec<_> = eras.iter_mut().map(Iterator::next).collect();
        std::iter::from_fn(move || {
            let known = heads.iter().enumerate().filter_map(|(era, head)| Some((era, (*head)?)));
            let (era, (place, wallet)) = known.min_by_key(|(_, (place, _))| **place)?;
            *heads.get_mut(era)? = eras.get_mut(era)?.next();
            Some((*place, wallet))
        })
    }

    /// At least `count` names from the cursor on, unless the shard has fewer, and where to go on.
    pub fn page(&self, cursor: Cursor, count: usize) -> (Cursor, Vec<WalletId>) {
        let (part, shards) = (cursor.part(), cursor.shards());
        let mut page = Page::new(count);
        for (place, wallet) in self.names(cursor.order()) {
            if let Some(end) = page.add(place, wallet.clone()) {
                return (Cursor::new(part, shards, end), page.into_names());
            }
        }
        (Cursor::new(part.saturating_add(1), shards, 0), page.into_names())
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
        (0..1_000).for_each(|number| shards[number % 3].add(name(number), Era(0)));
        let mut cursor = Cursor::START.among(3);
        let mut seen = Vec::new();
        let mut opened = 1_000;
        while let Some(shard) = shards.get(usize::from(cursor.part())) {
            let (next, names) = shard.page(cursor, 7);
            seen.extend(names);
            shards[opened % 3].add(name(opened), Era(0));
            opened += 1;
            cursor = next;
        }
        assert_eq!(cursor, Cursor::new(3, 3, 0), "there are no more shards");
        let unique: BTreeSet<_> = seen.iter().cloned().collect();
        assert_eq!(unique.len(), seen.len(), "nothing twice");
        assert!((0..1_000).all(|number| unique.contains(&name(number))));
    }

    /// A walk that was begun among four shards went on in the second of two after a restart: what had
    /// moved to the first meanwhile was never shown.
    #[test]
    fn a_walk_among_other_shards_begins_again() {
        let begun = Cursor::new(1, 4, 77);
        assert_eq!((begun.part(), begun.shards(), begun.order()), (1, 4, 77 << LACKING));
        assert_eq!(begun.among(4), begun);
        assert_eq!(begun.among(2), Cursor::new(0, 2, 0));
        assert_eq!(Cursor::START.among(2), Cursor::new(0, 2, 0));
        assert_eq!(Cursor::in_state(77).among(2), Cursor::in_state(77));
    }

    #[test]
    fn what_a_checkpoint_has_is_listed_no_more() {
        let mut directory = Directory::default();
        let name = |number: u64| WalletId::new(format!("w{number}").as_bytes()).unwrap();
        (0..9).for_each(|number| directory.add(name(number), Era(number / 3)));
        drop(directory.forget(Era(1)));
        let (_, mut left) = directory.page(Cursor::START, 100);
        left.sort();
        assert_eq!(left, [name(6), name(7), name(8)]);
    }

    #[test]
    fn names_of_all_eras_are_walked_in_one_order() {
        let name = |number: u64| WalletId::new(format!("w{number}").as_bytes()).unwrap();
        let mut recovered: Vec<_> = (0..50).map(|n| (state::order(&name(n)), name(n))).collect();
        recovered.sort_unstable();
        // Two of one order, which no two names at hand are.
        let last = recovered.last().unwrap().0;
        recovered.push((last, name(99)));
        let mut directory = Directory::of(Era(0), recovered);
        (50..80).for_each(|number| directory.add(name(number), Era(number % 3)));
        let (_, names) = directory.page(Cursor::START, 1_000);
        assert_eq!(names.len(), 81);
        let orders: Vec<_> = names.iter().filter(|n| **n != name(99)).map(state::order).collect();
        assert!(orders.is_sorted(), "{orders:?}");
        assert!(names.contains(&name(99)));
    }
}
