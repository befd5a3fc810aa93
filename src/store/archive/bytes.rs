//! Whole numbers as bytes, little-endian.

/// The next `N` bytes, taken off the front.
fn next<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, rest) = bytes.split_first_chunk::<N>()?;
    *bytes = rest;
    Some(*taken)
}

/// The next number, taken off the front.
pub(super) fn next_u16(bytes: &mut &[u8]) -> Option<u16> {
    next(bytes).map(u16::from_le_bytes)
}

/// The next number, taken off the front.
pub(super) fn next_u32(bytes: &mut &[u8]) -> Option<u32> {
    next(bytes).map(u32::from_le_bytes)
}

/// The next number, taken off the front.
pub(super) fn next_u64(bytes: &mut &[u8]) -> Option<u64> {
    next(bytes).map(u64::from_le_bytes)
}

/// The next number, taken off the front.
pub(super) fn next_i64(bytes: &mut &[u8]) -> Option<i64> {
    next(bytes).map(i64::from_le_bytes)
}

/// The next number, taken off the front.
pub(super) fn next_u128(bytes: &mut &[u8]) -> Option<u128> {
    next(bytes).map(u128::from_le_bytes)
}

/// A length as it stands on disk.
pub(super) fn wide(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

/// A length from the disk as one in memory: what is too large fits nowhere, and is refused there.
pub(super) fn narrow(length: u64) -> usize {
    usize::try_from(length).unwrap_or(usize::MAX)
}
