//! The state as it is to be: what a crash left of a checkpoint that was committed, over what the state
//! has already.
//!
//! A start does not wait until millions of rows are in the state. It looks them up here, and the keeper
//! puts them where they belong while the server serves.

use super::state::{Row, State, Table, VisitRow};
use super::{StoreError, redo};
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

/// The bytes of the largest redo file whose rows are kept in memory: with a larger one, which may be a
/// backup's, a start does wait.
const BYTES_MAX: u64 = if cfg!(test) { 4 * 1024 } else { 1024 * 1024 * 1024 };

/// A state with rows over it.
pub struct Overlay {
    under: Arc<dyn State>,
    rows: RwLock<Arc<Rows>>,
}

/// Rows, one of each key.
#[derive(Debug, Default)]
struct Rows {
    /// Keys and values.
    bytes: Vec<u8>,
    /// Of each table, in the order of keys.
    places: [Vec<Place>; Table::ALL.len()],
}

/// Where a row lies: its key and behind it its value, if it has one.
#[derive(Debug, Clone, Copy)]
struct Place {
    /// What the key begins with: almost always enough to compare two of them.
    prefix: u64,
    start: usize,
    key: usize,
    value: Option<usize>,
}

impl Overlay {
    /// The rows of a redo file over a state; none when there is no file. It must be sound as a whole.
    pub fn of(redo: &Path, under: Arc<dyn State>) -> Result<Self, StoreError> {
        let mut rows = Rows::default();
        match redo.metadata().map_or(0, |data| data.len()) {
            BYTES_MAX.. => drop(redo::apply(redo, under.as_ref(), &|| true)?),
            length => rows.bytes.reserve_exact(usize::try_from(length).unwrap_or_default()),
        }
        redo::read(redo, &mut |row| {
            rows.add(&row);
            Ok(())
        })?;
        rows.sort();
        Ok(Self { under, rows: RwLock::new(Arc::new(rows)) })
    }

    /// Whether all is in the state below.
    pub fn is_settled(&self) -> bool {
        self.rows().is_empty()
    }

    /// All rows are safe in the state below.
    pub fn settle(&self) {
        *self.rows.write().unwrap_or_else(PoisonError::into_inner) = Arc::default();
    }

    /// The state below.
    pub fn under(&self) -> &dyn State {
        self.under.as_ref()
    }

    fn rows(&self) -> Arc<Rows> {
        Arc::clone(&self.rows.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Rows {
    fn add(&mut self, row: &Row) {
        let start = self.bytes.len();
        let value = row.value.as_deref();
        self.bytes.extend_from_slice(&row.key);
        self.bytes.extend_from_slice(value.unwrap_or_default());
        let (key, value) = (row.key.len(), value.map(<[u8]>::len));
        let place = Place { prefix: prefix(&row.key), start, key, value };
        if let Some(places) = self.places.get_mut(usize::from(row.table.code())) {
            places.push(place);
        }
    }

    /// Brings the rows into order. Of several of a key the last one counts.
    fn sort(&mut self) {
        let mut tables = std::mem::take(&mut self.places);
        for places in &mut tables {
            places.sort_by(|one, other| self.name(one).cmp(&self.name(other)));
            places.reverse();
            places.dedup_by(|one, later| self.name(one) == self.name(later));
            places.reverse();
        }
        self.places = tables;
    }

    fn is_empty(&self) -> bool {
        self.places.iter().all(Vec::is_empty)
    }

    fn slice(&self, start: usize, length: usize) -> &[u8] {
        self.bytes.get(start..start.saturating_add(length)).unwrap_or_default()
    }

    fn name(&self, place: &Place) -> (u64, &[u8]) {
        (place.prefix, self.slice(place.start, place.key))
    }

    fn value(&self, place: &Place) -> Option<&[u8]> {
        place.value.map(|length| self.slice(place.start.saturating_add(place.key), length))
    }

    /// The rows of a table from a key on, each with its value if it is to have one.
    fn from(&self, table: Table, key: &[u8]) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
        let places = self.places.get(usize::from(table.code())).map_or(&[][..], Vec::as_slice);
        let first = places.partition_point(|place| self.name(place) < (prefix(key), key));
        let rest = places.get(first..).unwrap_or_default().iter();
        rest.map(|place| (self.name(place).1, self.value(place)))
    }
}

/// The first eight bytes of a key, with zeros behind a shorter one: in the order of keys where they differ.
fn prefix(key: &[u8]) -> u64 {
    let mut bytes = [0; 8];
    for (byte, of_key) in bytes.iter_mut().zip(key) {
        *byte = *of_key;
    }
    u64::from_be_bytes(bytes)
}

impl State for Overlay {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let rows = self.rows();
        match rows.from(table, key).next() {
            Some((found, value)) if found == key => Ok(value.map(<[u8]>::to_vec)),
            _ => self.under.get(table, key),
        }
    }

    fn range(&self, table: Table, from: &[u8], visit: &mut VisitRow<'_>) -> Result<(), StoreError> {
        let rows = self.rows();
        let mut over = rows.from(table, from).peekable();
        let mut goes_on = true;
        self.under.range(table, from, &mut |key, value| {
            let mut is_replaced = false;
            while goes_on && let Some((above, value)) = over.next_if(|(above, _)| *above <= key) {
                is_replaced = above == key;
                if let Some(value) = value {
                    goes_on = visit(above, value)?;
                }
            }
            if goes_on && !is_replaced {
                goes_on = visit(key, value)?;
            }
            Ok(goes_on)
        })?;
        while goes_on && let Some((key, value)) = over.next() {
            if let Some(value) = value {
                goes_on = visit(key, value)?;
            }
        }
        Ok(())
    }

    fn put(&self, row: &Row) -> Result<(), StoreError> {
        self.under.put(row)
    }

    fn sync(&self) -> Result<(), StoreError> {
        self.under.sync()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::memory_state::MemoryState;
    use crate::store::redo::RedoWriter;
    use proptest::prelude::*;

    /// A key of few, some of them longer than a prefix.
    fn key() -> impl Strategy<Value = Vec<u8>> {
        let begin = prop_oneof![Just(0_usize), Just(7)];
        (begin, proptest::collection::vec(0..3_u8, 0..3))
            .prop_map(|(begin, rest)| [vec![1; begin], rest].concat())
    }

    /// Any row of a few keys.
    fn row() -> impl Strategy<Value = Row> {
        let table = prop_oneof![Just(Table::Wallets), Just(Table::Pages), Just(Table::Timers)];
        let value = proptest::option::of(proptest::collection::vec(any::<u8>(), 0..3));
        (table, key(), value).prop_map(|(table, key, value)| Row { table, key, value })
    }

    /// Rows from a key on, so many of them.
    fn some(state: &dyn State, table: Table, from: &[u8], max: usize) -> Vec<(Vec<u8>, Vec<u8>)> {
        let mut seen = Vec::new();
        let mut visit = |key: &[u8], value: &[u8]| {
            seen.push((key.to_vec(), value.to_vec()));
            Ok(seen.len() < max)
        };
        state.range(table, from, &mut visit).unwrap();
        seen
    }

    proptest! {
        /// What is read is what it would be if the rows had been put into the state.
        #[test]
        fn an_overlay_reads_like_the_state_that_it_becomes(
            before in proptest::collection::vec(row(), 0..30),
            rows in proptest::collection::vec(row(), 0..30),
            from in key(),
            max in 1..8_usize,
        ) {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("redo");
            let (under, expected) = (Arc::new(MemoryState::default()), MemoryState::default());
            for row in &before {
                under.put(row).unwrap();
                expected.put(row).unwrap();
            }
            let mut file = RedoWriter::create(&path).unwrap();
            for row in &rows {
                file.add(row).unwrap();
                expected.put(row).unwrap();
            }
            file.finish().unwrap();
            let overlay = Overlay::of(&path, under).unwrap();
            for is_settled in [rows.is_empty(), true] {
                prop_assert_eq!(overlay.is_settled(), is_settled);
                for table in Table::ALL {
                    prop_assert_eq!(
                        some(&overlay, table, &from, max),
                        some(&expected, table, &from, max)
                    );
                    prop_assert_eq!(
                        overlay.get(table, &from).unwrap(),
                        expected.get(table, &from).unwrap()
                    );
                }
                prop_assert!(redo::apply(&path, overlay.under(), &|| true).unwrap());
                overlay.settle();
            }
        }
    }

    #[test]
    fn very_many_rows_go_into_the_state_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("redo");
        let mut file = RedoWriter::create(&path).unwrap();
        for number in 0..500_u16 {
            let key = number.to_be_bytes().to_vec();
            file.add(&Row::put(Table::Wallets, key, vec![1; 10])).unwrap();
        }
        file.finish().unwrap();
        let under = Arc::new(MemoryState::default());
        let overlay = Overlay::of(&path, Arc::<MemoryState>::clone(&under)).unwrap();
        assert!(overlay.is_settled() && !path.exists());
        assert_eq!(some(&*under, Table::Wallets, b"", 1_000).len(), 500);
    }
}
