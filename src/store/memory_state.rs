//! The state's twin in memory; it shows what a crash would leave behind.

use super::StoreError;
use super::state::{Row, State, Table, VisitRow};
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

#[derive(Debug, Clone, Default)]
struct Rows {
    live: BTreeMap<(Table, Vec<u8>), Vec<u8>>,
    /// What a power loss leaves at least.
    safe: BTreeMap<(Table, Vec<u8>), Vec<u8>>,
    /// What was put since, in order.
    unsynced: Vec<Row>,
}

impl Rows {
    fn put(rows: &mut BTreeMap<(Table, Vec<u8>), Vec<u8>>, row: &Row) {
        let key = (row.table, row.key.clone());
        match &row.value {
            Some(value) => drop(rows.insert(key, value.clone())),
            None => drop(rows.remove(&key)),
        }
    }
}

/// A state in memory.
#[derive(Debug, Default)]
pub struct MemoryState(Mutex<Rows>);

impl MemoryState {
    fn rows(&self) -> MutexGuard<'_, Rows> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A state of what a crash now would leave: all that was synced, and the first so many rows of
    /// what was put since.
    #[must_use]
    pub fn crash(&self, unsynced: usize) -> Self {
        let mut rows = self.rows().clone();
        for row in rows.unsynced.iter().take(unsynced) {
            Rows::put(&mut rows.safe, row);
        }
        let live = rows.safe.clone();
        Self(Mutex::new(Rows { live, safe: rows.safe, unsynced: Vec::new() }))
    }
}

impl State for MemoryState {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.rows().live.get(&(table, key.to_vec())).cloned())
    }

    fn range(&self, table: Table, from: &[u8], visit: &mut VisitRow<'_>) -> Result<(), StoreError> {
        let rows = self.rows().live.clone();
        for ((_, key), value) in
            rows.range((table, from.to_vec())..).take_while(|((of, _), _)| *of == table)
        {
            if !visit(key, value)? {
                break;
            }
        }
        Ok(())
    }

    fn put(&self, row: &Row) -> Result<(), StoreError> {
        let mut rows = self.rows();
        Rows::put(&mut rows.live, row);
        rows.unsynced.push(row.clone());
        Ok(())
    }

    fn sync(&self) -> Result<(), StoreError> {
        let mut rows = self.rows();
        rows.safe = rows.live.clone();
        rows.unsynced.clear();
        Ok(())
    }
}
