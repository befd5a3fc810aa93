//! The checkpoint: up to where the state and the archive have everything, as a row of the state.
//!
//! Layout, little-endian: version 1 (u8), number of logs (u8), number of the checkpoint (u64), how many
//! wallets there are (u64), when the last event happened (i64), of each log its next position and its
//! chain (u64 each), CRC-32 of everything before it.

use super::StoreError;
use super::state::{Row, State, Table};
use super::writer::Tail;
use crate::codec::record::Position;
use crate::domain::time::Timestamp;

const NAME: &[u8] = b"checkpoint";
const VERSION: u8 = 1;

/// Up to where the state and the archive have everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Checkpoint {
    /// How many there have been.
    pub number: u64,
    /// How many wallets there are.
    pub wallets: u64,
    /// When the last event happened.
    pub last_time: Timestamp,
    /// Where each log ended.
    pub tails: Vec<Tail>,
}

impl Checkpoint {
    /// The checkpoint of a state; that of the beginning when it has none.
    pub fn of(state: &dyn State) -> Result<Self, StoreError> {
        let Some(bytes) = state.get(Table::Meta, NAME)? else { return Ok(Self::default()) };
        decode(&bytes).ok_or(StoreError::Row { reason: "the checkpoint's row is damaged" })
    }

    /// The row that makes it the state's checkpoint.
    pub fn row(&self) -> Row {
        Row::put(Table::Meta, NAME.to_vec(), encode(self))
    }
}

fn encode(checkpoint: &Checkpoint) -> Vec<u8> {
    let logs = u8::try_from(checkpoint.tails.len()).unwrap_or(u8::MAX);
    let mut bytes = vec![VERSION, logs];
    bytes.extend_from_slice(&checkpoint.number.to_le_bytes());
    bytes.extend_from_slice(&checkpoint.wallets.to_le_bytes());
    bytes.extend_from_slice(&checkpoint.last_time.millis().to_le_bytes());
    for tail in &checkpoint.tails {
        bytes.extend_from_slice(&tail.next.0.to_le_bytes());
        bytes.extend_from_slice(&tail.chain.to_le_bytes());
    }
    let crc = crc32fast::hash(&bytes);
    bytes.extend_from_slice(&crc.to_le_bytes());
    bytes
}

fn decode(bytes: &[u8]) -> Option<Checkpoint> {
    let (covered, crc) = bytes.split_last_chunk::<4>()?;
    if crc32fast::hash(covered) != u32::from_le_bytes(*crc) {
        return None;
    }
    let (&[version, logs], mut rest) = covered.split_first_chunk::<2>()?;
    let mut next = || {
        let (word, after) = rest.split_first_chunk::<8>()?;
        rest = after;
        Some(*word)
    };
    let (number, wallets) = (u64::from_le_bytes(next()?), u64::from_le_bytes(next()?));
    let last_time = Timestamp::from_millis(i64::from_le_bytes(next()?));
    let mut tails = Vec::new();
    for _ in 0..logs {
        let position = Position(u64::from_le_bytes(next()?));
        tails.push(Tail { next: position, chain: u64::from_le_bytes(next()?) });
    }
    (version == VERSION && rest.is_empty()).then_some(())?;
    Some(Checkpoint { number, wallets, last_time, tails })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::memory_state::MemoryState;

    #[test]
    fn a_checkpoint_is_read_as_it_was_written_or_refused() {
        let state = MemoryState::default();
        assert_eq!(Checkpoint::of(&state).unwrap(), Checkpoint::default());
        let checkpoint = Checkpoint {
            number: 7,
            wallets: 1_000,
            last_time: Timestamp::from_millis(99),
            tails: vec![
                Tail { next: Position::new(0, 5), chain: 11 },
                Tail { next: Position::new(1, 9), chain: 12 },
            ],
        };
        state.put(&checkpoint.row()).unwrap();
        assert_eq!(Checkpoint::of(&state).unwrap(), checkpoint);
        let bytes = encode(&checkpoint);
        for place in 0..bytes.len() {
            let mut flipped = bytes.clone();
            flipped[place] ^= 1;
            assert_eq!(decode(&flipped), None, "byte {place}");
            assert_eq!(decode(&bytes[..place]), None, "cut at {place}");
        }
    }
}
