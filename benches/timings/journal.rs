//! Batches for a journal, and journals to put them in: the twin in memory, and sled on disk.

use crate::scene::{self, Wallets, capture, hold};
use purser::engine::batch::FillingBatch;
use purser::store::Journal;
use purser::store::data_dir::DataDir;
use purser::store::memory::MemoryJournal;
use purser::store::sled::SledJournal;
use purser::store::writer::{Batch, JournalWriter, Tail};
use tempfile::TempDir;

/// The frames of so many records, in the order in which a journal has them: openings and top-ups,
/// then holds and captures.
pub(crate) fn frames(records: usize, wallets: usize) -> Vec<u8> {
    let mut batch = FillingBatch::after(Tail::empty(0));
    let mut wallets: Wallets = scene::wallets(wallets);
    let spends = records - 2 * wallets.all().len();
    wallets = wallets.open(&mut batch);
    let lines = (0..spends).map(|step| match step % 2 {
        0 => hold(step / 2),
        _ => capture(step / 2, "0.0187"),
    });
    for (step, request) in scene::requests(lines).iter().enumerate() {
        wallets.execute(step / 2, request, &mut batch);
    }
    batch.seal(Vec::new()).unwrap().batch.frames
}

/// Makes a batch safe, in the steps of the committer.
pub(crate) fn commit<J: Journal>(writer: &mut JournalWriter<J>, batch: &Batch) {
    writer.append(batch).unwrap();
    writer.sync().unwrap();
    writer.mark([batch]).unwrap();
}

/// A place for a journal. It goes when this is dropped.
pub(crate) trait Place {
    /// What lies there.
    type Journal: Journal;
    /// What it is called.
    const NAME: &str;

    /// A new, empty place.
    fn new() -> Self;

    /// The journal there.
    fn open(&self) -> Self::Journal;
}

/// In memory.
#[derive(Default)]
pub(crate) struct Memory(MemoryJournal);

impl Place for Memory {
    type Journal = MemoryJournal;
    const NAME: &str = "twin";

    fn new() -> Self {
        Self::default()
    }

    fn open(&self) -> MemoryJournal {
        self.0.clone()
    }
}

/// On the disk under the folder for temporary files.
pub(crate) struct OnDisk {
    dir: DataDir,
    _folder: TempDir,
}

impl Place for OnDisk {
    type Journal = SledJournal;
    const NAME: &str = "sled";

    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { dir: DataDir::take(folder.path()).unwrap(), _folder: folder }
    }

    fn open(&self) -> SledJournal {
        SledJournal::open(&self.dir).unwrap()
    }
}
