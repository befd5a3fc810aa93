//! The state in sled: a tree a table. A value that is too large for one item lies in parts, in a tree
//! of its own; the item says how many they are.

use super::Database;
use crate::codec::value::VALUE_MAX;
use crate::store::StoreError;
use crate::store::data_dir::DataDir;
use crate::store::state::{Row, State, Table, VisitRow};

/// How much of the state sled keeps in memory.
const CACHE_BYTES: u64 = 64 * 1024 * 1024;
/// The most bytes of a part.
const PART_MAX: usize = VALUE_MAX - 8;
/// An item with its value behind this byte, or with the number of its value's parts (u32).
const WHOLE: u8 = 0;
const PARTED: u8 = 1;
/// A part is missing when it was not there at so many looks, and its item the same each time.
const LOOKS: u32 = 3;

/// The state of a data directory.
pub struct SledState {
    database: Database,
    wallets: ::sled::Tree,
    pages: ::sled::Tree,
    timers: ::sled::Tree,
    meta: ::sled::Tree,
    /// Table, key, number of the part (big-endian).
    parts: ::sled::Tree,
}

impl SledState {
    /// Opens the state of a data directory, making it if need be.
    pub fn open(dir: &DataDir) -> Result<Self, StoreError> {
        let database = Database::open(&dir.state(), CACHE_BYTES)?;
        dir.sync()?;
        Ok(Self {
            wallets: database.tree("w")?,
            pages: database.tree("h")?,
            timers: database.tree("t")?,
            meta: database.tree("m")?,
            parts: database.tree("p")?,
            database,
        })
    }

    const fn tree(&self, table: Table) -> &::sled::Tree {
        match table {
            Table::Wallets => &self.wallets,
            Table::Pages => &self.pages,
            Table::Timers => &self.timers,
            Table::Meta => &self.meta,
        }
    }

    fn read<T>(&self, read: impl FnOnce() -> ::sled::Result<T>) -> Result<T, StoreError> {
        super::read(&self.database.path, read)
    }

    fn written<T>(&self, result: ::sled::Result<T>) -> Result<T, StoreError> {
        result.map_err(|error| self.database.failed("be written", &error))
    }

    fn damaged(&self) -> StoreError {
        self.database.failed("be read", &"a part of a value is missing; restore it from a backup")
    }

    /// The value of an item that was found under a key; none when the row has gone meanwhile.
    ///
    /// The keeper may replace the row at this moment: its parts go once another item stands in its place,
    /// so a part that is missing is damage only where the item is still the same.
    fn whole(
        &self,
        table: Table,
        key: &[u8],
        item: ::sled::IVec,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let mut item = item;
        let mut seen = 0;
        loop {
            if let Some(value) = self.value_of(table, key, &item)? {
                return Ok(Some(value));
            }
            let now = self.read(|| self.tree(table).get(key))?;
            let Some(now) = now else { return Ok(None) };
            // Another item and this one again may have stood there between the two looks.
            seen = if now == item { seen + 1 } else { 0 };
            if seen == LOOKS {
                return Err(self.damaged());
            }
            item = now;
        }
    }

    /// The value of an item; none when a part of it is missing.
    fn value_of(
        &self,
        table: Table,
        key: &[u8],
        item: &[u8],
    ) -> Result<Option<Vec<u8>>, StoreError> {
        match item.split_first() {
            Some((&WHOLE, value)) => Ok(Some(value.to_vec())),
            Some((&PARTED, count)) => {
                let count = count.try_into().map(u32::from_le_bytes).map_err(|_| self.damaged())?;
                let mut value = Vec::new();
                for part in 0..count {
                    let part = self.read(|| self.parts.get(part_key(table, key, part)))?;
                    let Some(part) = part else { return Ok(None) };
                    value.extend_from_slice(&part);
                }
                Ok(Some(value))
            }
            _ => Err(self.damaged()),
        }
    }

    /// Takes away the parts of an item that was replaced, from the number `kept` on.
    fn drop_parts(
        &self,
        table: Table,
        key: &[u8],
        replaced: Option<::sled::IVec>,
        kept: u32,
    ) -> Result<(), StoreError> {
        let replaced = replaced.filter(|item| item.first() == Some(&PARTED));
        let count = replaced.as_deref().and_then(|item| item.get(1..)?.try_into().ok());
        for part in kept..count.map_or(0, u32::from_le_bytes) {
            self.written(self.parts.remove(part_key(table, key, part)))?;
        }
        Ok(())
    }
}

fn part_key(table: Table, key: &[u8], part: u32) -> Vec<u8> {
    let mut place = vec![table.code()];
    place.extend_from_slice(key);
    place.extend_from_slice(&part.to_be_bytes());
    place
}

impl State for SledState {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let item = self.read(|| self.tree(table).get(key))?;
        item.map_or(Ok(None), |item| self.whole(table, key, item))
    }

    fn range(&self, table: Table, from: &[u8], visit: &mut VisitRow<'_>) -> Result<(), StoreError> {
        let mut items = self.tree(table).range(from..);
        while let Some((key, item)) = self.read(|| items.next().transpose())? {
            let Some(value) = self.whole(table, &key, item)? else { continue };
            if !visit(&key, &value)? {
                break;
            }
        }
        Ok(())
    }

    fn put(&self, row: &Row) -> Result<(), StoreError> {
        let (table, key) = (row.table, row.key.as_slice());
        let tree = self.tree(table);
        let Some(value) = &row.value else {
            let replaced = self.written(tree.remove(key))?;
            return self.drop_parts(table, key, replaced, 0);
        };
        let mut parts = 0_u32;
        let mut item = vec![WHOLE];
        if value.len() <= PART_MAX {
            item.extend_from_slice(value);
        } else {
            for part in value.chunks(PART_MAX) {
                self.written(self.parts.insert(part_key(table, key, parts), part))?;
                parts = parts.saturating_add(1);
            }
            item = vec![PARTED];
            item.extend_from_slice(&parts.to_le_bytes());
        }
        let replaced = self.written(tree.insert(key, item))?;
        self.drop_parts(table, key, replaced, parts)
    }

    fn sync(&self) -> Result<(), StoreError> {
        self.database.sync()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_any_size_are_read_as_they_were_put() {
        let folder = tempfile::tempdir().unwrap();
        let dir = DataDir::take(folder.path()).unwrap();
        let state = SledState::open(&dir).unwrap();
        let key = b"key".to_vec();
        for size in [0, 1, PART_MAX, PART_MAX + 1, 40 * PART_MAX, 3 * PART_MAX + 5, 17] {
            let value: Vec<u8> = (0..size).map(|at| u8::try_from(at % 251).unwrap()).collect();
            state.put(&Row::put(Table::Wallets, key.clone(), value.clone())).unwrap();
            assert_eq!(state.get(Table::Wallets, &key).unwrap(), Some(value));
            let parts = if size > PART_MAX { size.div_ceil(PART_MAX) } else { 0 };
            assert_eq!(state.parts.len(), parts, "no part is left behind");
        }
        state.put(&Row::put(Table::Wallets, key.clone(), vec![1; 3 * PART_MAX])).unwrap();
        state.put(&Row::delete(Table::Wallets, key.clone())).unwrap();
        assert_eq!(state.get(Table::Wallets, &key).unwrap(), None);
        assert_eq!(state.parts.len(), 0);
        state.sync().unwrap();
    }

    #[test]
    fn rows_come_in_the_order_of_keys_until_it_is_enough() {
        let folder = tempfile::tempdir().unwrap();
        let dir = DataDir::take(folder.path()).unwrap();
        let state = SledState::open(&dir).unwrap();
        for key in [b"b", b"d", b"a", b"c"] {
            state.put(&Row::put(Table::Timers, key.to_vec(), key.to_vec())).unwrap();
        }
        let mut seen = Vec::new();
        let mut visit = |key: &[u8], value: &[u8]| {
            assert_eq!(key, value);
            seen.push(key[0]);
            Ok(seen.len() < 2)
        };
        state.range(Table::Timers, b"b", &mut visit).unwrap();
        assert_eq!(seen, b"bc");
    }

    /// A walk over all wallets ended the server while a checkpoint was applied: rows became smaller between
    /// the looks for an item and for its parts, and the parts that were gone were taken for damage.
    #[test]
    fn rows_can_be_read_while_they_are_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let dir = DataDir::take(folder.path()).unwrap();
        let state = SledState::open(&dir).unwrap();
        let sizes = [5 * PART_MAX, 10, 3 * PART_MAX, 2 * PART_MAX];
        let keys = [b"a", b"b", b"c"];
        let put = |round: usize| {
            for (index, key) in keys.iter().enumerate() {
                let value = vec![7; sizes[(round + index) % sizes.len()]];
                state.put(&Row::put(Table::Wallets, key.to_vec(), value)).unwrap();
            }
            state.put(&Row::delete(Table::Wallets, b"b".to_vec())).unwrap();
        };
        put(0);
        let is_over = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                (0..3_000).for_each(put);
                is_over.store(true, std::sync::atomic::Ordering::Relaxed);
            });
            while !is_over.load(std::sync::atomic::Ordering::Relaxed) {
                let mut visit = |_: &[u8], value: &[u8]| {
                    assert!(value.iter().all(|byte| *byte == 7));
                    Ok(true)
                };
                state.range(Table::Wallets, b"", &mut visit).unwrap();
                state.get(Table::Wallets, b"b").unwrap();
            }
        });
    }

    #[test]
    fn a_part_that_is_missing_is_damage() {
        let folder = tempfile::tempdir().unwrap();
        let dir = DataDir::take(folder.path()).unwrap();
        let state = SledState::open(&dir).unwrap();
        state.put(&Row::put(Table::Wallets, b"a".to_vec(), vec![7; 3 * PART_MAX])).unwrap();
        state.parts.remove(part_key(Table::Wallets, b"a", 1)).unwrap();
        let refused = state.get(Table::Wallets, b"a").unwrap_err().to_string();
        assert!(refused.contains("a part of a value is missing"), "{refused}");
    }
}
