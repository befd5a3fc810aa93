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
