//! The pages of an index: sorted entries, each page with a checksum of its own. Little-endian:
//!
//! | offset | bytes | field |
//! |---|---|---|
//! | 0 | 4 | CRC-32 of all other bytes |
//! | 4 | 2 | how many entries, at least one |
//! | 6 | 2 | zero |
//! | 8 | 8 | number of the page, from 0 |
//! | 16 | 24 an entry | key (16), position (8) |
//! | … | … | zero |

use super::bytes::{next_u16, next_u32, next_u64, next_u128};
use super::key::OpKey;
use crate::codec::record::Position;

/// The bytes of a page.
pub(super) const PAGE: usize = 4096;
/// The most entries of a page.
pub(super) const ENTRIES_MAX: usize = (PAGE - HEAD) / ENTRY;
const HEAD: usize = 16;
const ENTRY: usize = 24;

/// A record, and one of the keys that it is filed under. Sorted by key, then position.
pub(super) type Entry = (OpKey, Position);

/// Writes a page.
pub(super) fn encode(number: u64, entries: &[Entry], out: &mut Vec<u8>) {
    let mut body = Vec::with_capacity(PAGE);
    let count = u16::try_from(entries.len()).unwrap_or(u16::MAX);
    body.extend_from_slice(&count.to_le_bytes());
    body.extend_from_slice(&[0; 2]);
    body.extend_from_slice(&number.to_le_bytes());
    for (key, position) in entries {
        body.extend_from_slice(&key.0.to_le_bytes());
        body.extend_from_slice(&position.0.to_le_bytes());
    }
    body.resize(PAGE.saturating_sub(4), 0);
    out.extend_from_slice(&crc32fast::hash(&body).to_le_bytes());
    out.extend_from_slice(&body);
}

/// Reads the page of that number.
pub(super) fn decode(number: u64, page: &[u8; PAGE]) -> Option<Vec<Entry>> {
    let (head, entries) = page.split_at(HEAD);
    let mut rest = head;
    let crc = next_u32(&mut rest)?;
    let (count, zero, place) = (next_u16(&mut rest)?, next_u16(&mut rest)?, next_u64(&mut rest)?);
    let covered = page.split_at(4).1;
    let count = usize::from(count);
    let sound = crc32fast::hash(covered) == crc
        && (zero, place) == (0, number)
        && (1..=ENTRIES_MAX).contains(&count);
    if !sound {
        return None;
    }
    let mut rest = entries;
    let entry = |_| Some((OpKey(next_u128(&mut rest)?), Position(next_u64(&mut rest)?)));
    (0..count).map(entry).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn page(entries: &[Entry]) -> [u8; PAGE] {
        let mut bytes = Vec::new();
        encode(9, entries, &mut bytes);
        bytes.try_into().unwrap()
    }

    #[test]
    fn a_page_survives_its_bytes_and_no_flipped_one() {
        let entries: Vec<_> =
            (0..170).map(|n| (OpKey(u128::from(n) << 90), Position(n * 3))).collect();
        assert_eq!(entries.len(), ENTRIES_MAX);
        let whole = page(&entries);
        assert_eq!(decode(9, &whole), Some(entries));
        assert_eq!(decode(8, &whole), None, "it is another page");
        for place in 0..PAGE {
            let mut damaged = whole;
            damaged[place] ^= 0x40;
            assert_eq!(decode(9, &damaged), None, "byte {place}");
        }
    }

    proptest! {
        #[test]
        fn random_bytes_are_no_page(head in prop::array::uniform16(any::<u8>()), valid: bool) {
            let mut bytes = [0x5a; PAGE];
            bytes[..16].copy_from_slice(&head);
            if valid {
                let crc = crc32fast::hash(&bytes[4..]);
                bytes[..4].copy_from_slice(&crc.to_le_bytes());
            }
            let number = u64::from_le_bytes(*bytes[8..].first_chunk().unwrap());
            let _ = decode(number, &bytes);
        }
    }
}
