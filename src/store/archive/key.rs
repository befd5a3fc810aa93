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
        let both = u128::from_le_bytes(bytes).to_le_bytes();
        let half =
            |bytes: &[u8]| bytes.first_chunk::<8>().map_or(0, |half| u64::from_le_bytes(*half));
        let (seed, salt) = both.split_at(8);
        Self { seed: half(seed), salt: half(salt) }
    }

    /// What tells two secrets apart and gives neither away; an index made with another is useless.
    pub(super) fn check(self) -> u64 {
        let [a, b, c, d, e, f, g, h, ..] = self.hash(&[b"purser index"]).to_le_bytes();
        u64::from_le_bytes([a, b, c, d, e, f, g, h])
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
    pub(super) const fn halves(self) -> (u64, u64) {
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = self.0.to_be_bytes();
        let high = u64::from_be_bytes([a, b, c, d, e, f, g, h]);
        (high, u64::from_be_bytes([i, j, k, l, m, n, o, p]))
    }
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
