//! The checkpoint: up to where the state and the archive have everything, as a row of the state.
//!
//! Layout, little-endian: version 2 (u8), number of logs (u8), number of the checkpoint (u64), how many
//! wallets there are (u64), when the last event happened (i64), of each log its next position and its
//! chain (u64 each), of each currency in which there is debt the length of its name (u8), its name and the
//! sum in 10⁻¹² (i128), CRC-32 of everything before it. Version 1 has no debts: they are counted then.

use super::StoreError;
use super::state::{Row, State, Table};
use super::writer::Tail;
use crate::codec::record::Position;
use crate::codec::snapshot::{self, Snapshot};
use crate::domain::amount::Amount;
use crate::domain::debts::Debts;
use crate::domain::id::Currency;
use crate::domain::time::Timestamp;

const NAME: &[u8] = b"checkpoint";
const VERSION: u8 = 2;
const WITHOUT_DEBTS: u8 = 1;
const DAMAGED: StoreError = StoreError::Row { reason: "the checkpoint's row is damaged" };

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
    /// What the snapshots in the state owe.
    pub debts: Debts,
}

impl Checkpoint {
    /// The checkpoint of a state; that of the beginning when it has none.
    pub fn of(state: &dyn State) -> Result<Self, StoreError> {
        let Some(bytes) = state.get(Table::Meta, NAME)? else { return Ok(Self::default()) };
        let (mut checkpoint, version) = decode(&bytes).ok_or(DAMAGED)?;
        if version == WITHOUT_DEBTS {
            checkpoint.debts = debts_in(state)?;
        }
        Ok(checkpoint)
    }

    /// The row that makes it the state's checkpoint.
    pub fn row(&self) -> Row {
        Row::put(Table::Meta, NAME.to_vec(), encode(self))
    }
}

/// What the snapshots in a state owe: to be compared, or where no checkpoint says it.
pub fn debts_in(state: &dyn State) -> Result<Debts, StoreError> {
    let mut debts = Debts::default();
    state.range(Table::Wallets, &[], &mut |_, bytes| {
        // A damaged one is found, and named, when its wallet is taken up.
        if let Ok(snapshot) = snapshot::decode(bytes) {
            add_debt(&mut debts, &snapshot);
        }
        Ok(true)
    })?;
    Ok(debts)
}

/// Adds what one snapshot owes.
pub fn add_debt(debts: &mut Debts, snapshot: &Snapshot) {
    let core = &snapshot.core;
    debts.change(&core.opened.currency, Amount::ZERO, core.debt);
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
    for (currency, amount) in checkpoint.debts.iter() {
        let name = currency.as_str().as_bytes();
        bytes.push(u8::try_from(name.len()).unwrap_or(u8::MAX));
        bytes.extend_from_slice(name);
        bytes.extend_from_slice(&amount.pico().to_le_bytes());
    }
    let crc = crc32fast::hash(&bytes);
    bytes.extend_from_slice(&crc.to_le_bytes());
    bytes
}

/// A checkpoint, and the version in which it is written.
fn decode(bytes: &[u8]) -> Option<(Checkpoint, u8)> {
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
    let mut debts = Debts::default();
    while version == VERSION
        && let Some((length, after)) = rest.split_first()
    {
        let (name, after) = after.split_at_checked(usize::from(*length))?;
        let (pico, after) = after.split_first_chunk::<16>()?;
        let amount = Amount::from_pico(i128::from_le_bytes(*pico));
        debts.change(&Currency::new(name).ok()?, Amount::ZERO, amount);
        rest = after;
    }
    ([VERSION, WITHOUT_DEBTS].contains(&version) && rest.is_empty()).then_some(())?;
    Some((Checkpoint { number, wallets, last_time, tails, debts }, version))
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
            debts: debts(),
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

    fn debts() -> Debts {
        let mut debts = Debts::default();
        for (name, pico) in [("USD", 5), ("EUR", i128::MAX)] {
            let currency = Currency::new(name.as_bytes()).unwrap();
            debts.change(&currency, Amount::ZERO, Amount::from_pico(pico));
        }
        debts
    }

    /// Stores of the first version are read for ever.
    #[test]
    fn a_checkpoint_of_the_first_version_is_read() {
        let state = MemoryState::default();
        let tails = vec![Tail { next: Position::new(0, 5), chain: 11 }];
        let last_time = Timestamp::from_millis(99);
        let debts = Debts::default();
        let checkpoint = Checkpoint { number: 7, wallets: 3, last_time, tails, debts };
        let mut row = checkpoint.row();
        let bytes = row.value.as_mut().unwrap();
        bytes.truncate(bytes.len() - 4);
        bytes[0] = WITHOUT_DEBTS;
        bytes.extend_from_slice(&crc32fast::hash(bytes).to_le_bytes());
        state.put(&row).unwrap();
        assert_eq!(Checkpoint::of(&state).unwrap(), checkpoint);
    }
}
