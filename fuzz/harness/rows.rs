//! What lies in the databases: it is refused or read, and what was read can be written and read again.
//! Nothing of it may end in a panic, or ask for memory that the bytes do not justify.

use super::both;
use purser::codec::record::{self, RecordRef};
use purser::codec::snapshot;
use purser::codec::value;
use purser::domain::hold::HoldPage;
use purser::domain::id::WalletId;
use purser::store::checkpoint::Checkpoint;
use purser::store::memory_state::MemoryState;
use purser::store::state::{Row, State as _};

/// The frames of a journal's value.
pub(crate) fn records(bytes: &[u8]) -> bool {
    let mut rest = bytes;
    loop {
        let peeked = record::peek(rest).map(|(_, length)| length).ok();
        let Ok((read, length)) = record::decode(rest) else { return rest.len() < bytes.len() };
        assert_eq!(peeked, Some(length), "what can be read can be looked at");
        let again = RecordRef {
            wallet: &read.wallet,
            seq: read.seq,
            previous: read.previous,
            event: &read.event,
            sums: read.sums,
            status: read.status,
            burned: &read.burned,
        };
        let mut written = Vec::new();
        record::encode(&again, &mut written).expect("what was read can be written");
        assert_eq!(record::decode(&written).expect("and read again").0, read);
        rest = &rest[length..];
    }
}

/// A value of the journal, and the records in it.
pub(crate) fn values(bytes: &[u8]) -> bool {
    both(bytes, &sealed_value(bytes), |bytes| {
        let Ok(read) = value::decode(bytes) else { return false };
        let mut written = Vec::new();
        value::encode(read.first, read.chain, read.content, read.body, &mut written)
            .expect("what was read can be written");
        assert_eq!(value::decode(&written), Ok(read));
        records(read.body);
        true
    })
}

/// The same bytes with a value's checksum.
fn sealed_value(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    if let Some((head, body)) = bytes.split_at_mut_checked(value::HEAD) {
        let mut crc = crc32fast::Hasher::new();
        let (covered, place) = head.split_at_mut(value::HEAD - 4);
        crc.update(covered);
        crc.update(body);
        place.copy_from_slice(&crc.finalize().to_le_bytes());
    }
    bytes
}

/// A wallet's core.
pub(crate) fn snapshots(bytes: &[u8]) -> bool {
    both(bytes, &sealed_snapshot(bytes), |bytes| {
        let Ok(read) = snapshot::decode(bytes) else { return false };
        let written = snapshot::encode(&read).expect("what was read can be written");
        assert_eq!(snapshot::decode(&written).expect("and read again"), read);
        drop(read.restore(Vec::new()));
        true
    })
}

/// A page of a wallet's holds.
pub(crate) fn pages(bytes: &[u8]) -> bool {
    let wallet = WalletId::new(b"anna").expect("a name");
    both(bytes, &sealed_snapshot(bytes), |bytes| {
        let mut is_read = false;
        for page in (0..3).map(HoldPage) {
            let Ok(holds) = snapshot::decode_page(&wallet, page, bytes) else { continue };
            let written = snapshot::encode_page(&wallet, page, holds.iter());
            let written = written.expect("what was read can be written");
            let again = snapshot::decode_page(&wallet, page, &written);
            assert_eq!(again.expect("and read again"), holds);
            is_read = true;
        }
        is_read
    })
}

/// The same bytes with the checksum of a core or a page.
fn sealed_snapshot(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    if let Some((head, body)) = bytes.split_at_mut_checked(8) {
        let mut crc = crc32fast::Hasher::new();
        crc.update(body);
        crc.update(&head[..4]);
        head[4..].copy_from_slice(&crc.finalize().to_le_bytes());
    }
    bytes
}

/// The row that says how far a checkpoint goes.
pub(crate) fn checkpoint(bytes: &[u8]) -> bool {
    let row = |value| Row { value: Some(value), ..Checkpoint::default().row() };
    both(bytes, &sealed_at_end(bytes), |bytes| {
        let state = MemoryState::default();
        state.put(&row(bytes.to_vec())).expect("memory");
        let Ok(read) = Checkpoint::of(&state) else { return false };
        state.put(&read.row()).expect("memory");
        assert_eq!(Checkpoint::of(&state).expect("it was read before"), read);
        true
    })
}

/// The same bytes with the CRC-32 of what stands before it as their last four.
pub(super) fn sealed_at_end(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    if let Some((covered, place)) = bytes.split_last_chunk_mut::<4>() {
        *place = crc32fast::hash(covered).to_le_bytes();
    }
    bytes
}
