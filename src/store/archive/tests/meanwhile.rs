//! Looking for an operation while a checkpoint archives it.

use super::*;
use crate::store::history::History;
use crate::store::memory_state::MemoryState;
use crate::store::state::State;
use crate::store::tail::TailRecords;
use crate::store::walk::{EventWalk, Walk as _};
use crate::store::{Journal as _, JournalReader, StoreError, Visit};
use std::collections::BTreeMap;
use std::sync::OnceLock;

/// A journal whose values are archived as soon as one is looked at.
struct Archiving {
    journal: Arc<dyn JournalReader>,
    archived: Arc<View>,
    history: Arc<OnceLock<Arc<History>>>,
}

impl JournalReader for Archiving {
    fn read(&self, from: Position, to: Position, visit: &mut Visit<'_>) -> Result<(), StoreError> {
        self.journal.read(from, to, visit)
    }

    fn value_at(&self, position: Position) -> Result<Option<(Position, Vec<u8>)>, StoreError> {
        let found = self.journal.value_at(position);
        self.history.get().unwrap().show(Arc::clone(&self.archived));
        found
    }

    fn trim(&self, to: Position) -> Result<(), StoreError> {
        self.journal.trim(to)
    }
}

/// An operation was looked for in the archive, then among the records that the archive did not have:
/// one that a checkpoint archived in between was in neither, and `EXPLAIN` said that there is none.
#[test]
fn an_operation_that_is_archived_while_it_is_looked_for_is_found() {
    let mut world = World::new(7);
    (0..200).for_each(|_| world.write());
    let folder = tempfile::tempdir().unwrap();
    let mut archive = open(folder.path());
    world.archive(&mut archive);
    let mut heads = BTreeMap::new();
    for (position, record) in &world.records {
        let head = heads.entry(&record.wallet).or_insert((record.seq, *position));
        *head = (*head).max((record.seq, *position));
    }
    for record in world.records.values() {
        let Some(op) = &record.event.op else { continue };
        let state: Arc<dyn State> = Arc::new(MemoryState::default());
        let cell = Arc::new(OnceLock::new());
        let journal = Arc::new(Archiving {
            journal: world.journal.reader(),
            archived: archive.view(),
            history: Arc::clone(&cell),
        });
        let tail = TailRecords::default();
        let history = Arc::new(History::new(state, journal, Arc::default(), tail, secret()));
        assert!(cell.set(Arc::clone(&history)).is_ok());
        let head = heads[&record.wallet].1;
        let mut walk = EventWalk::new(&history, &record.wallet, head, op.clone()).unwrap();
        let found = walk.go_on(&history, usize::MAX).unwrap().unwrap();
        let found = found.unwrap_or_else(|| panic!("{op} is neither here nor there"));
        assert_eq!((&found.wallet, found.event.op.as_ref()), (&record.wallet, Some(op)));
    }
}
