//! Looking at a store from outside: is it what it says (`purser verify`), all that happened as a file
//! (`purser export`), a copy of it (`purser backup`).
//!
//! The first two look at a store that nobody uses, and change nothing in it.

pub mod backup;
mod books;
pub mod export;
mod replay;
mod totals;
pub mod verify;
mod walk;

use crate::store::StoreError;
use crate::store::still::{Still, StillCopy};
use indicatif::{ProgressBar, ProgressStyle};
use std::path::Path;

/// Opens the store in a directory and has it looked at.
fn look<T>(
    data: &Path,
    look: impl FnOnce(&mut Still) -> Result<T, LookError>,
) -> anyhow::Result<T> {
    let copy = StillCopy::of(data)?;
    let looked = copy.open().map_err(LookError::from).and_then(|mut still| look(&mut still));
    looked.map_err(|error| match error {
        LookError::Store(error) => anyhow::anyhow!("{}", copy.in_words(&error)),
        LookError::Other(error) => error,
    })
}

/// Why a look at a store ends early.
#[derive(Debug, thiserror::Error)]
enum LookError {
    /// The store is not what it should be.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Something else went wrong.
    #[error(transparent)]
    Other(#[from] anyhow::Error),
}

/// A bar for people who wait; nothing where standard error is not a terminal.
fn progress(records: u64) -> ProgressBar {
    let bar = ProgressBar::new(records);
    let style = ProgressStyle::with_template("{bar:40} {human_pos} of {human_len} records, {eta}");
    match style {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
