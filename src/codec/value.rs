//! Journal values: how records lie in the journal's store.
//!
//! A value is at most 6 KiB (above 128 KiB for a leaf of 16, sled moves items to files that it never
//! syncs) and holds whole records, or one fragment of a record that is too large. Layout,
//! little-endian:
//!
//! | offset | bytes | field |
//! |---|---|---|
//! | 0 | 1 | version: 1 |
//! | 1 | 1 | kind: 0 whole records, 1 a fragment |
//! | 2 | 2 | how many records, or of how many fragments |
//! | 4 | 2 | zero, or which fragment, from 0 |
//! | 6 | 2 | zero |
//! | 8 | 8 | position of the first record; of the fragment |
//! | 16 | 8 | chain: the XXH3 of the log's previous value, seeded with *its* chain |
//! | 24 | 4 | length of the body |
//! | 28 | 4 | CRC-32 of all other bytes |
//! | 32 | … | body: frames of [`super::record`], or a part of one |
//!
//! A record takes one position, a fragmented one a position per fragment. Every value covers all
//! that came before it through the chain, so nothing can be lost, swapped or repeated unseen.

use super::record::Position;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// The most bytes of a value.
pub const VALUE_MAX: usize = 6 * 1024;
/// The bytes before the body.
pub const HEAD: usize = 32;
/// The most bytes of a body.
pub const BODY_MAX: usize = VALUE_MAX - HEAD;

const VERSION: u8 = 1;
const WHOLE: u8 = 0;
const FRAGMENT: u8 = 1;

/// How many positions a frame of that length takes.
pub fn positions(frame: usize) -> u64 {
    let fragments = frame.div_ceil(BODY_MAX).max(1);
    u64::try_from(fragments).unwrap_or(u64::MAX)
}

/// What the body of a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// That many whole records.
    Whole {
        /// How many.
        records: u16,
    },
    /// One of the fragments of one record.
    Fragment {
        /// Which, from 0.
        part: u16,
        /// Of how many.
        parts: u16,
    },
}

/// A value whose checksum is right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Value<'a> {
    /// The position of its first record.
    pub first: Position,
    /// The chain before it.
    pub chain: u64,
    /// What the body is.
    pub content: Content,
    /// Frames, or a part of one.
    pub body: &'a [u8],
}

/// Why bytes are not a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ValueError {
    /// Shorter or longer than its own header says.
    #[error("it is cut short")]
    Cut,
    /// The checksum is wrong.
    #[error("its checksum is wrong")]
    Checksum,
    /// It was written by a newer purser.
    #[error("it has version {0}, which this purser does not know; use a newer one")]
    Version(u8),
    /// A field has a value that no purser writes.
    #[error("its header is impossible")]
    Impossible,
}

/// Writes a value into `out`, which is cleared first; answers the chain after it.
pub fn encode(
    first: Position,
    chain: u64,
    content: Content,
    body: &[u8],
    out: &mut Vec<u8>,
) -> Result<u64, ValueError> {
    let length = u32::try_from(body.len()).map_err(|_| ValueError::Cut)?;
    let (kind, count, part) = match content {
        Content::Whole { records } => (WHOLE, records, 0),
        Content::Fragment { part, parts } => (FRAGMENT, parts, part),
    };
    out.clear();
    out.extend_from_slice(&[VERSION, kind]);
    out.extend_from_slice(&count.to_le_bytes());
    out.extend_from_slice(&part.to_le_bytes());
    out.extend_from_slice(&[0, 0]);
    out.extend_from_slice(&first.0.to_le_bytes());
    out.extend_from_slice(&chain.to_le_bytes());
    out.extend_from_slice(&length.to_le_bytes());
    let crc = checksum(out, body);
    out.extend_from_slice(&crc.to_le_bytes());
    out.extend_from_slice(body);
    Ok(chain_after(out, chain))
}

/// Reads a value.
pub fn decode(bytes: &[u8]) -> Result<Value<'_>, ValueError> {
    let (head, body) = bytes.split_first_chunk::<HEAD>().ok_or(ValueError::Cut)?;
    let [version, kind, c0, c1, p0, p1, z0, z1, rest @ ..] = head;
    if *version != VERSION {
        return Err(ValueError::Version(*version));
    }
    let (first, rest) = rest.split_first_chunk::<8>().ok_or(ValueError::Cut)?;
    let (chain, rest) = rest.split_first_chunk::<8>().ok_or(ValueError::Cut)?;
    let (length, crc) = rest.split_first_chunk::<4>().ok_or(ValueError::Cut)?;
    let crc = crc.first_chunk::<4>().ok_or(ValueError::Cut)?;
    if usize::try_from(u32::from_le_bytes(*length)) != Ok(body.len()) {
        return Err(ValueError::Cut);
    }
    let covered = head.get(..HEAD.saturating_sub(4)).ok_or(ValueError::Cut)?;
    if checksum(covered, body) != u32::from_le_bytes(*crc) {
        return Err(ValueError::Checksum);
    }
    let (count, part) = (u16::from_le_bytes([*c0, *c1]), u16::from_le_bytes([*p0, *p1]));
    let content = match (*kind, part, count) {
        (WHOLE, 0, 1..) => Content::Whole { records: count },
        (FRAGMENT, part, parts) if part < parts => Content::Fragment { part, parts },
        _ => return Err(ValueError::Impossible),
    };
    if (*z0, *z1) != (0, 0) {
        return Err(ValueError::Impossible);
    }
    let first = Position(u64::from_le_bytes(*first));
    Ok(Value { first, chain: u64::from_le_bytes(*chain), content, body })
}

/// The chain after a value, given the chain before it.
pub fn chain_after(value: &[u8], chain: u64) -> u64 {
    xxh3_64_with_seed(value, chain)
}

fn checksum(head: &[u8], body: &[u8]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(head);
    crc.update(body);
    crc.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> (Vec<u8>, u64) {
        let mut bytes = Vec::new();
        let content = Content::Whole { records: 2 };
        let chain = encode(Position::new(3, 7), 42, content, b"two frames", &mut bytes).unwrap();
        (bytes, chain)
    }

    #[test]
    fn a_value_survives_its_bytes() {
        let (bytes, chain) = sample();
        let value = decode(&bytes).unwrap();
        assert_eq!((value.first, value.chain), (Position::new(3, 7), 42));
        assert_eq!(value.content, Content::Whole { records: 2 });
        assert_eq!(value.body, b"two frames");
        assert_eq!(chain, chain_after(&bytes, 42));
    }

    #[test]
    fn every_cut_and_every_flipped_bit_is_seen() {
        let (bytes, _) = sample();
        for length in 0..bytes.len() {
            assert!(decode(&bytes[..length]).is_err(), "cut to {length}");
        }
        for place in 0..bytes.len() {
            for bit in 0..8 {
                let mut damaged = bytes.clone();
                damaged[place] ^= 1 << bit;
                assert!(decode(&damaged).is_err(), "bit {bit} of byte {place}");
            }
        }
    }

    #[test]
    fn a_frame_takes_a_position_per_fragment() {
        assert_eq!(positions(1), 1);
        assert_eq!(positions(BODY_MAX), 1);
        assert_eq!(positions(BODY_MAX + 1), 2);
    }
}
