//! The window of a running quantity as a byte: in records and in snapshots.

use crate::domain::rating::CountWindow;

/// The byte of a window. Frozen, as what it stands in is.
pub(super) const fn code(window: CountWindow) -> u8 {
    match window {
        CountWindow::Day => 0,
        CountWindow::Month => 1,
    }
}

/// The window of a byte, if it is one.
pub(super) const fn of(code: u8) -> Option<CountWindow> {
    match code {
        0 => Some(CountWindow::Day),
        1 => Some(CountWindow::Month),
        _ => None,
    }
}
