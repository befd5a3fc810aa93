//! Snapshots: a wallet as bytes, so that a start need not read its history.
//!
//! A snapshot is a *core* (all but the holds) and the open holds: in the core while they are few,
//! else on *pages* of neighbouring numbers, so that of a wallet with very many holds only what
//! changed is written. Each has a body, an rkyv archive of the types in `v1` (frozen, never changed
//! again) or, where prices are concerned, in `v2`, behind a head; little-endian:
//!
//! | offset | bytes | field |
//! |---|---|---|
//! | 0 | 1 | version: 1 or 2 |
//! | 1 | 3 | zero |
//! | 4 | 4 | CRC-32 of the body, then of the bytes before this field |
//! | 8 | … | body |

mod v1;
mod v2;

use crate::codec::record::Position;
use crate::domain::Corrupt;
use crate::domain::hold::{Hold, HoldPage};
use crate::domain::id::WalletId;
use crate::domain::parts::Core;
use crate::domain::time::Timestamp;
use crate::domain::wallet::Wallet;
use rkyv::api::high::to_bytes_in;
use rkyv::rancor;
use v1::{CoreV1, PageV1};
use v2::{CoreV2, PageV2};

/// The version of what knows no prices.
const PLAIN: u8 = 1;
/// The version of what does.
const PRICED: u8 = 2;
const HEAD: usize = 8;

/// A wallet without what lies on pages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// Its name.
    pub wallet: WalletId,
    /// Its last record.
    pub last: Position,
    /// The deadline under which its timer is kept.
    pub deadline: Option<Timestamp>,
    /// All of it but its holds.
    pub core: Core,
    /// Its holds; those on pages are not among them.
    pub holds: Vec<Hold>,
    /// How many holds lie on pages.
    pub paged: u64,
}

impl Snapshot {
    /// A wallet as it is; its holds in the core, or all on pages.
    pub fn of(
        id: &WalletId,
        wallet: &Wallet,
        last: Position,
        deadline: Option<Timestamp>,
        on_pages: bool,
    ) -> Self {
        let holds = wallet.holds();
        let inline = if on_pages { Vec::new() } else { holds.after(None).cloned().collect() };
        let paged = if on_pages { holds.len() } else { 0 };
        Self {
            wallet: id.clone(),
            last,
            deadline,
            core: wallet.core(),
            holds: inline,
            paged: u64::try_from(paged).unwrap_or(u64::MAX),
        }
    }

    /// The wallet, given the holds that lie on pages.
    pub fn restore(self, on_pages: Vec<Hold>) -> Result<Wallet, Corrupt> {
        let Self { core, holds, paged, .. } = self;
        if u64::try_from(on_pages.len()) != Ok(paged) {
            return Err(Corrupt { seq: core.seq, what: "not all of its holds are there" });
        }
        Wallet::restore(core, holds.into_iter().chain(on_pages))
    }
}

/// Why bytes are no snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotError {
    /// It was written by a newer purser.
    #[error("the snapshot has version {0}, which this purser does not know; use a newer one")]
    Version(u8),
    /// The bytes are not what was written.
    #[error("the snapshot is damaged")]
    Damaged,
    /// A field has a value that no purser writes.
    #[error("the snapshot has an impossible {0}")]
    Impossible(&'static str),
}

/// Writes a core, with the holds that belong to it.
pub fn encode(snapshot: &Snapshot) -> Result<Vec<u8>, SnapshotError> {
    if v2::is_needed(&snapshot.core, &snapshot.holds) {
        let archived = CoreV2::of(snapshot);
        return framed(PRICED, |out| to_bytes_in::<_, rancor::Error>(&archived, out));
    }
    let archived = CoreV1::of(snapshot);
    framed(PLAIN, |out| to_bytes_in::<_, rancor::Error>(&archived, out))
}

/// Writes the holds of a page.
pub fn encode_page<'h>(
    wallet: &WalletId,
    page: HoldPage,
    holds: impl Iterator<Item = &'h Hold> + Clone,
) -> Result<Vec<u8>, SnapshotError> {
    if holds.clone().any(|hold| hold.pin.is_some()) {
        let archived = PageV2::of(wallet, page, holds);
        return framed(PRICED, |out| to_bytes_in::<_, rancor::Error>(&archived, out));
    }
    let archived = PageV1::of(wallet, page, holds);
    framed(PLAIN, |out| to_bytes_in::<_, rancor::Error>(&archived, out))
}

/// Reads a core.
pub fn decode(bytes: &[u8]) -> Result<Snapshot, SnapshotError> {
    let (version, body) = body(bytes)?;
    if version == PRICED {
        let read = rkyv::from_bytes::<CoreV2, rancor::Error>(body);
        return read.map_err(|_| SnapshotError::Damaged)?.read();
    }
    let read = rkyv::from_bytes::<CoreV1, rancor::Error>(body);
    read.map_err(|_| SnapshotError::Damaged)?.read()
}

/// Reads the holds of a wallet's page.
pub fn decode_page(
    wallet: &WalletId,
    page: HoldPage,
    bytes: &[u8],
) -> Result<Vec<Hold>, SnapshotError> {
    let (version, body) = body(bytes)?;
    if version == PRICED {
        let read = rkyv::from_bytes::<PageV2, rancor::Error>(body);
        return read.map_err(|_| SnapshotError::Damaged)?.read(wallet, page);
    }
    let read = rkyv::from_bytes::<PageV1, rancor::Error>(body);
    read.map_err(|_| SnapshotError::Damaged)?.read(wallet, page)
}

/// A body behind its head.
fn framed(
    version: u8,
    write: impl FnOnce(Vec<u8>) -> Result<Vec<u8>, rancor::Error>,
) -> Result<Vec<u8>, SnapshotError> {
    let head = [version, 0, 0, 0, 0, 0, 0, 0];
    let mut bytes = write(head.to_vec()).map_err(|_| SnapshotError::Impossible("size"))?;
    let crc = checksum(&bytes).ok_or(SnapshotError::Damaged)?.to_le_bytes();
    if let Some(place) = bytes.get_mut(4..HEAD) {
        place.copy_from_slice(&crc);
    }
    Ok(bytes)
}

/// The version and the body of a sound snapshot.
fn body(bytes: &[u8]) -> Result<(u8, &[u8]), SnapshotError> {
    let (head, body) = bytes.split_first_chunk::<HEAD>().ok_or(SnapshotError::Damaged)?;
    let [version, _, _, _, crc @ ..] = head;
    if checksum(bytes) != Some(u32::from_le_bytes(*crc)) {
        return Err(SnapshotError::Damaged);
    }
    if ![PLAIN, PRICED].contains(version) {
        return Err(SnapshotError::Version(*version));
    }
    Ok((*version, body))
}

fn checksum(bytes: &[u8]) -> Option<u32> {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(bytes.get(HEAD..)?);
    hasher.update(bytes.get(..4)?);
    Some(hasher.finalize())
}

#[cfg(test)]
mod tests;
