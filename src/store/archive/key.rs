//! What operations and wallets are filed under: hashes that nobody outside can foresee.

use crate::domain::id::{OpId, WalletId};
use smallvec::SmallVec;
use std::fmt;
use xxhash_rust::xxh3::xxh3_128_with_seed;

/// What the hashes of ids are seeded with, made at random once: who could foresee the hashes, could
/// make ids that slow the archive down.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Secret {
    seed: u64,
    salt: u64,
}

impl Secret {
    /// A secret of 16 random bytes.
    pub fn new(bytes: [u8; 16]) -> Self {
        let (seed, salt) = halves(u128::from_le_bytes(bytes));
        Self { seed, salt }
    }

    /// What tells two secrets apart and gives neither away; an index made with another is useless.
    pub(super) fn check(self) -> u64 {
        halves(self.hash(&[b"purser index"])).0
    }

    /// The hash of parts of text; no name holds the zero between them.
    fn hash(self, parts: &[&[u8]]) -> u128 {
        let mut text = SmallVec::<[u8; 208]>::new();
        text.extend_from_slice(&self.salt.to_le_bytes());
        for part in parts {
            text.push(0);
            text.extend_from_slice(part);
        }
        xxh3_128_with_seed(&text, self.seed)
    }
}

/// How often a number's halves are mixed: four times is the least for a permutation that looks like chance.
const ROUNDS: u8 = 6;

impl Secret {
    /// Another number for each one, 0 for 0, which only this secret turns back: a Feistel network with keyed
    /// BLAKE3 in its rounds.
    pub fn seal(self, number: u64) -> u64 {
        let key = self.sealing_key();
        match (number, network(&key, number, &mut (0..ROUNDS))) {
            (0, _) => 0,
            // Zero has its place already: what would come there goes where zero would have gone.
            (_, 0) => network(&key, 0, &mut (0..ROUNDS)),
            (_, sealed) => sealed,
        }
    }

    /// The number that was sealed.
    pub fn unseal(self, sealed: u64) -> u64 {
        let key = self.sealing_key();
        let opened = |sealed: u64| network(&key, sealed.rotate_left(32), &mut (0..ROUNDS).rev());
        match (sealed, opened(sealed).rotate_left(32)) {
            (0, _) => 0,
            (_, 0) => opened(0).rotate_left(32),
            (_, number) => number,
        }
    }

    fn sealing_key(self) -> [u8; 32] {
        let secret = [self.seed.to_le_bytes(), self.salt.to_le_bytes()].concat();
        blake3::derive_key("purser 2026 cursors of WALLET.SCAN", &secret)
    }
}

/// Each round swaps the halves and mixes one with the hash of the other.
fn network(key: &[u8; 32], number: u64, rounds: &mut dyn Iterator<Item = u8>) -> u64 {
    let half = |bits: u64| u32::try_from(bits & u64::from(u32::MAX)).unwrap_or_default();
    let (mut left, mut right) = (half(number >> 32), half(number));
    for round in rounds {
        let text = [&[round][..], &right.to_be_bytes()].concat();
        let hash = blake3::keyed_hash(key, &text);
        let mixed = hash.as_bytes().first_chunk().map_or(0, |bytes| u32::from_be_bytes(*bytes));
        (left, right) = (right, left ^ mixed);
    }
    (u64::from(left) << 32) | u64::from(right)
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// What records of an operation, or the last one of a wallet, are filed under. The lowest bit says
/// which: 0 an operation, 1 a wallet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OpKey(pub(super) u128);

impl OpKey {
    /// The key of an operation of a wallet.
    pub fn of(secret: Secret, wallet: &WalletId, op: &OpId) -> Self {
        Self(secret.hash(&[wallet.as_str().as_bytes(), op.as_str().as_bytes()]) & !1)
    }

    /// The key of a wallet.
    pub fn of_wallet(secret: Secret, wallet: &WalletId) -> Self {
        Self(secret.hash(&[wallet.as_str().as_bytes()]) | 1)
    }

    /// Whether it is a wallet's.
    pub(super) const fn is_of_wallet(self) -> bool {
        self.0 & 1 == 1
    }

    /// The half by which keys are sorted, and the other.
    pub(super) fn halves(self) -> (u64, u64) {
        halves(self.0)
    }

    /// In which of so many equal ranges of keys it lies.
    pub(super) fn scaled(self, ranges: u64) -> u64 {
        scaled(self.halves().0, ranges)
    }
}

/// How far an upper half reaches in so many equal ranges.
pub(super) fn scaled(half: u64, ranges: u64) -> u64 {
    halves(u128::from(half).saturating_mul(u128::from(ranges))).0
}

/// The upper 64 bits and the lower.
fn halves(whole: u128) -> (u64, u64) {
    let half = |bits: u128| u64::try_from(bits & u128::from(u64::MAX)).unwrap_or_default();
    (half(whole >> 64), half(whole))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Cursors of `WALLET.SCAN` were hashes of names that anybody can compute: who saw only some wallets
    /// could ask whether another one exists.
    #[test]
    fn a_sealed_number_is_another_one_and_comes_back() {
        let (one, other) = (Secret::new([1; 16]), Secret::new([2; 16]));
        assert_eq!((one.seal(0), one.unseal(0)), (0, 0));
        let odd = network(&one.sealing_key(), 0, &mut (0..ROUNDS));
        let to_zero = one.unseal(odd);
        for number in (1..5_000).chain([u64::MAX, 1 << 57, odd, to_zero]) {
            let sealed = one.seal(number);
            assert!(sealed != 0 && sealed != other.seal(number), "{number}");
            assert_eq!(one.unseal(sealed), number);
        }
    }

    #[test]
    fn keys_differ_by_wallet_operation_and_secret() {
        let wallet = |text: &str| WalletId::new(text.as_bytes()).unwrap();
        let op = |text: &str| OpId::new(text.as_bytes()).unwrap();
        let (one, other) = (Secret::new([1; 16]), Secret::new(*b"0123456789abcdef"));
        let keys = [
            OpKey::of(one, &wallet("a"), &op("bc")),
            OpKey::of(one, &wallet("ab"), &op("c")),
            OpKey::of(one, &wallet("a"), &op("b")),
            OpKey::of_wallet(one, &wallet("a")),
            OpKey::of_wallet(one, &wallet("ab")),
            OpKey::of(other, &wallet("a"), &op("bc")),
        ];
        let distinct: std::collections::BTreeSet<_> = keys.iter().collect();
        assert_eq!(distinct.len(), keys.len());
        let of_wallets = keys.map(OpKey::is_of_wallet);
        assert_eq!(of_wallets, [false, false, false, true, true, false]);
        assert_ne!(one.check(), other.check());
        assert_eq!(format!("{one:?}"), "Secret");
    }
}
