//! The filter of a segment: says without the disk that an operation is not in it. Never wrongly.
//!
//! A blocked Bloom filter: the upper half of a key chooses a block of 64 bytes, which is one line
//! of the processor's cache; of each of its eight words one bit is set, which the lower half
//! chooses. The number of blocks is a multiple of [`FOLDING`], so that the filter can be halved by
//! laying neighbours over each other: it is then as if it had been made with half the blocks.
//!
//! At 20 bits an operation about 2 in 10,000 strangers pass, at 10 bits (folded once) about 1 in
//! 100. On disk a block is its words, little-endian.

use super::bytes::{narrow, next_u64, wide};
use super::key::OpKey;

/// The bits that an operation gets.
const BITS_PER_OP: u64 = 20;
/// The bytes of a block.
pub(super) const BLOCK: usize = 64;
const BLOCK_BITS: u64 = 512;
/// What the number of blocks is a multiple of: the filter can be folded four times at least.
const FOLDING: u64 = 16;

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[repr(align(64))]
struct Block([u64; 8]);

/// A set of operations that may say yes to a stranger, but never no to one that is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Filter {
    blocks: Vec<Block>,
    folds: u8,
}

impl Filter {
    /// An empty filter for that many operations.
    pub(super) fn for_ops(ops: u64) -> Self {
        let blocks = ops.saturating_mul(BITS_PER_OP).div_ceil(BLOCK_BITS).max(1);
        let blocks = blocks.next_multiple_of(FOLDING);
        Self { blocks: vec![Block::default(); narrow(blocks)], folds: 0 }
    }

    /// A filter that was not read yet, with room for so many blocks: it knows nothing, so it never says no.
    pub(super) fn unread(blocks: u64) -> Self {
        Self { blocks: Vec::with_capacity(narrow(blocks)), folds: 0 }
    }

    /// Whether it was not read yet.
    pub(super) const fn is_unread(&self) -> bool {
        self.blocks.is_empty()
    }

    /// Adds an operation.
    pub(super) fn insert(&mut self, key: OpKey) {
        let place = self.place(key);
        if let Some(Block(words)) = self.blocks.get_mut(place) {
            for (word, bit) in words.iter_mut().zip(bits(key)) {
                *word |= bit;
            }
        }
    }

    /// Whether an operation may have been added.
    pub(super) fn may_have(&self, key: OpKey) -> bool {
        // A filter without blocks knows nothing, so it must not say no.
        let Some(Block(words)) = self.blocks.get(self.place(key)) else { return true };
        words.iter().zip(bits(key)).all(|(word, bit)| word & bit != 0)
    }

    /// The block of a key: keys in order have their blocks in order, and two neighbours become one
    /// when there are half as many.
    fn place(&self, key: OpKey) -> usize {
        narrow(key.scaled(self.len()))
    }

    /// The filter with half the blocks, if it can still be halved.
    pub(super) fn folded(&self) -> Option<Self> {
        let (pairs, rest) = self.blocks.as_chunks::<2>();
        if pairs.is_empty() || !rest.is_empty() {
            return None;
        }
        let over = |[Block(left), Block(right)]: &[Block; 2]| {
            let mut both = *left;
            both.iter_mut().zip(right).for_each(|(word, other)| *word |= other);
            Block(both)
        };
        let blocks = pairs.iter().map(over).collect();
        Some(Self { blocks, folds: self.folds.saturating_add(1) })
    }

    /// How often it was folded.
    pub(super) const fn folds(&self) -> u8 {
        self.folds
    }

    /// How many blocks it has.
    pub(super) fn len(&self) -> u64 {
        wide(self.blocks.len())
    }

    /// The bytes that it takes.
    pub(super) fn bytes(&self) -> u64 {
        self.len().saturating_mul(wide(BLOCK))
    }

    /// Writes it as it stands on disk.
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        for Block(words) in &self.blocks {
            out.extend(words.iter().flat_map(|word| word.to_le_bytes()));
        }
    }

    /// Reads what [`Filter::encode`] has written, or the next part of it.
    pub(super) fn read(&mut self, bytes: &[u8]) -> Option<()> {
        let (blocks, []) = bytes.as_chunks::<BLOCK>() else { return None };
        let decode = |bytes: &[u8; BLOCK]| {
            let mut rest = bytes.as_slice();
            Block([(); 8].map(|()| next_u64(&mut rest).unwrap_or(u64::MAX)))
        };
        self.blocks.extend(blocks.iter().map(decode));
        Some(())
    }
}

/// The bit of each word. The lowest bit of a key says what it is of, so it chooses nothing.
fn bits(key: OpKey) -> [u64; 8] {
    let mut rest = key.halves().1 >> 1;
    [(); 8].map(|()| {
        let bit = 1 << (rest & 63);
        rest >>= 6;
        bit
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Keys as hashes are: without any order.
    fn key(number: u64) -> OpKey {
        OpKey(xxhash_rust::xxh3::xxh3_128_with_seed(&number.to_le_bytes(), 7) & !1)
    }

    fn filter(ops: u64) -> Filter {
        let mut filter = Filter::for_ops(ops);
        (0..ops).for_each(|number| filter.insert(key(number)));
        filter
    }

    /// How many of a million strangers pass.
    fn strangers(filter: &Filter) -> usize {
        (1 << 40_u64..).take(1_000_000).filter(|&number| filter.may_have(key(number))).count()
    }

    #[test]
    fn strangers_seldom_pass_even_when_it_was_folded() {
        let filter = filter(100_000);
        assert!(filter.bytes() * 8 <= 100_000 * 21, "{} bytes", filter.bytes());
        let passed = strangers(&filter);
        assert!(passed < 1_000, "{passed} of a million");
        let folded = filter.folded().unwrap();
        assert_eq!((folded.bytes(), folded.folds()), (filter.bytes() / 2, 1));
        let passed = strangers(&folded);
        assert!(passed < 20_000, "{passed} of a million");
    }

    #[test]
    fn a_folded_filter_is_one_that_was_made_smaller() {
        let whole = filter(5_000);
        let mut small = Filter { blocks: vec![Block::default(); whole.blocks.len() / 2], folds: 1 };
        (0..5_000).for_each(|number| small.insert(key(number)));
        assert_eq!(whole.folded().unwrap(), small);
    }

    #[test]
    fn a_filter_without_blocks_never_says_no() {
        let mut unread = Filter::unread(1);
        assert!(unread.is_unread() && unread.may_have(key(1)) && unread.folded().is_none());
        assert_eq!(unread.read(&[0; 63]), None);
        assert!(filter(0).folded().is_some());
    }

    proptest! {
        #[test]
        fn what_was_added_is_never_denied(
            keys in prop::collection::vec(any::<u128>(), 0..300),
            room in 0_u64..400,
        ) {
            let keys: Vec<_> = keys.into_iter().map(|key| OpKey(key & !1)).collect();
            let mut filter = Filter::for_ops(room);
            for &key in &keys {
                filter.insert(key);
            }
            let mut bytes = Vec::new();
            filter.encode(&mut bytes);
            let mut read = Filter::unread(filter.len());
            bytes.chunks(4 * BLOCK).for_each(|part| read.read(part).unwrap());
            prop_assert_eq!(&read, &filter);
            let mut next = Some(filter);
            while let Some(filter) = next {
                prop_assert!(keys.iter().all(|&key| filter.may_have(key)));
                next = filter.folded();
            }
        }
    }
}
