//! What must hold for any bytes: those that a client sends, and those that a disk gives back. The
//! fuzz targets let coverage choose the bytes, `tests/decoders` lets dice choose them and replays what
//! the fuzz targets found.

pub(crate) mod files;
pub(crate) mod requests;
pub(crate) mod rows;

/// A decoder under test.
pub(crate) struct Target {
    /// Its name: that of the fuzz target, and of its folder in `fuzz/corpus`.
    pub(crate) name: &'static str,
    /// Tries bytes on it; answers whether there was anything to read in them.
    pub(crate) run: fn(&[u8]) -> bool,
}

const fn target(name: &'static str, run: fn(&[u8]) -> bool) -> Target {
    Target { name, run }
}

/// Tries bytes as they are, and with the checksums that they would have been written with: hardly any
/// choice of bytes gets past those. Answers whether there was anything to read in either.
fn both(bytes: &[u8], sealed: &[u8], try_them: impl Fn(&[u8]) -> bool) -> bool {
    let is_read = try_them(bytes);
    try_them(sealed) || is_read
}

/// All of them.
pub(crate) const TARGETS: [Target; 10] = [
    target("requests", requests::requests),
    target("records", rows::records),
    target("values", rows::values),
    target("snapshots", rows::snapshots),
    target("pages", rows::pages),
    target("checkpoint", rows::checkpoint),
    target("mark", files::mark),
    target("redo", files::redo),
    target("segments", files::segments),
    target("indexes", files::indexes),
];
