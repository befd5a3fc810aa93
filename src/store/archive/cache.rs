//! The blocks that were read last, unpacked: whoever reads an operation or a ledger often asks for
//! several records of one.

use super::super::StoreError;
use super::folder::Appends;
use super::footer::BlockRow;
use super::segment::Segment;
use hashlink::LruCache;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The most blocks that are kept.
const BLOCKS_MAX: usize = 64;
/// A block above this is not kept: a record in it is larger than what the cache is for.
const BLOCK_BYTES_MAX: usize = 256 * 1024;

/// A segment and an offset in it.
type Place = (Appends, u64);

/// Blocks by where they lie; shared by all views of an archive.
pub(super) struct Cache(Mutex<LruCache<Place, Arc<Vec<u8>>>>);

impl Cache {
    fn blocks(&self) -> MutexGuard<'_, LruCache<Place, Arc<Vec<u8>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The values of a block, one behind the other.
    pub(super) fn values(
        &self,
        segment: &Segment,
        block: &BlockRow,
    ) -> Result<Arc<Vec<u8>>, StoreError> {
        let place = (segment.footer.appends, block.offset);
        if let Some(values) = self.blocks().get(&place) {
            return Ok(Arc::clone(values));
        }
        // Nobody waits for the disk of another.
        let values = Arc::new(segment.values(block)?);
        if values.len() <= BLOCK_BYTES_MAX {
            self.blocks().insert(place, Arc::clone(&values));
        }
        Ok(values)
    }
}

impl Default for Cache {
    fn default() -> Self {
        Self(Mutex::new(LruCache::new(BLOCKS_MAX)))
    }
}

impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cache")
    }
}
