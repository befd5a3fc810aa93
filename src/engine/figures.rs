//! How the store stands, for whoever looks: what the keeper and the disk's watch note now and then.

use std::sync::atomic::{AtomicU64, Ordering};

/// A figure that somebody notes and anybody reads.
#[derive(Debug, Default)]
pub struct Figure(AtomicU64);

impl Figure {
    /// Notes what it is now.
    pub fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    /// What it was when it was last noted.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// How the store stands.
#[derive(Debug, Default)]
pub struct Figures {
    /// Checkpoints since the start.
    pub checkpoints: Figure,
    /// 1 while a checkpoint goes on.
    pub checkpoint_running: Figure,
    /// When the last one was complete, in Unix seconds; 0: none since the start.
    pub checkpoint_at: Figure,
    /// How long the last one took, in milliseconds.
    pub checkpoint_ms: Figure,
    /// Bytes written to the journal since the last complete checkpoint began.
    pub journal_grown: Figure,
    /// Segments of the archive.
    pub archive_segments: Figure,
    /// Bytes of the archive's files.
    pub archive_bytes: Figure,
    /// Operations that can be found in the archive.
    pub archive_operations: Figure,
    /// Bytes of memory of the filters over the archive.
    pub archive_filter_bytes: Figure,
    /// The age of the archive's oldest event, in seconds.
    pub dedup_window_seconds: Figure,
    /// Bytes that are free where the data directory lies.
    pub disk_free: Figure,
    /// Bytes that there are in all.
    pub disk_total: Figure,
}
