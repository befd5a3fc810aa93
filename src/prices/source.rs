//! Where prices come from: a folder of files, or the book that is shipped with purser.

use super::PricesError;
use crate::domain::time::Timestamp;
use crate::pricing::across;
use crate::pricing::read::{self, Timeline};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The shipped book, in its canonical text: made by `purser prices import`.
pub(super) const SHIPPED: &str = include_str!("../../config/prices/models.json");
/// What the shipped book is called.
const SHIPPED_NAME: &str = "config/prices/models.json";

/// Where prices come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// The shipped book.
    Shipped,
    /// The files `*.toml` and `*.json` of a folder.
    Folder(PathBuf),
}

impl Source {
    /// The source that a setting names: a folder, or the shipped book when it is empty.
    pub fn of(setting: Option<&Path>) -> Self {
        match setting.filter(|folder| !folder.as_os_str().is_empty()) {
            None => Self::Shipped,
            Some(folder) => Self::Folder(folder.to_owned()),
        }
    }

    /// Reads all of it: from when on which version is in force.
    pub fn read(&self) -> Result<Timeline, PricesError> {
        match self {
            Self::Shipped => {
                let book = read::canonical(SHIPPED_NAME, SHIPPED);
                let book = book.map_err(|wrong| PricesError::Wrong(vec![wrong]))?;
                Ok(vec![(Timestamp::MIN, Arc::new(book))])
            }
            Self::Folder(folder) => folder_timeline(folder),
        }
    }
}

/// The names of a folder's files, sorted.
fn names(folder: &Path) -> Result<Vec<String>, PricesError> {
    let unreadable = PricesError::io("read", folder);
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let entry = entry.map_err(PricesError::io("read", folder))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let ending = name.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase());
        let is_prices = ending.is_some_and(|ending| ending == "toml" || ending == "json");
        if is_prices && !name.starts_with('.') {
            names.push(name);
        }
    }
    names.sort();
    if names.is_empty() {
        return Err(PricesError::Empty { folder: folder.to_owned() });
    }
    Ok(names)
}

fn folder_timeline(folder: &Path) -> Result<Timeline, PricesError> {
    let (mut files, mut wrong) = (Vec::new(), Vec::new());
    for name in names(folder)? {
        let path = folder.join(&name);
        let text = std::fs::read_to_string(&path).map_err(PricesError::io("read", &path))?;
        match read::file(&name, &text) {
            Ok(file) => files.push(file),
            Err(found) => wrong.push(found),
        }
    }
    // Only of files that are right can it be said whether they go together.
    if wrong.is_empty() {
        wrong = across::check(&files);
    }
    if wrong.is_empty() {
        return Ok(read::timeline(files));
    }
    for found in &mut wrong {
        found.file = folder.join(&found.file).display().to_string();
    }
    Err(PricesError::Wrong(wrong))
}
