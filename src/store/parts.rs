//! Very many items that are to come in order, sorted a part at a time: to sort all at once would keep a
//! core for long.

/// Items, in parts by the first byte of what they are ordered by.
#[derive(Debug)]
pub struct Parts<T>(Vec<Vec<T>>);

impl<T> Default for Parts<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: Ord> Parts<T> {
    /// Adds an item; `order` must be the first that items are compared by.
    pub fn add(&mut self, order: u64, item: T) {
        let [part, ..] = order.to_be_bytes();
        if self.0.is_empty() {
            self.0.resize_with(256, Vec::new);
        }
        if let Some(part) = self.0.get_mut(usize::from(part)) {
            part.push(item);
        }
    }

    /// All items in their order, a part at a time.
    pub fn sorted(self) -> impl Iterator<Item = Vec<T>> {
        self.0.into_iter().map(|mut part| {
            part.sort_unstable();
            part
        })
    }
}
