//! A guard around code that panics on damaged files. sled does so, also on threads of its own.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How many guarded sections are running, process-wide: a library's threads panic too.
static GUARDED: AtomicUsize = AtomicUsize::new(0);
/// One guarded section at a time, so that its panics are its own.
static TURN: Mutex<()> = Mutex::new(());

/// Whether a panic now is expected and will be turned into an error; a panic hook that ends the
/// process must let it pass.
pub fn is_guarded() -> bool {
    GUARDED.load(Ordering::SeqCst) > 0
}

/// Runs `section`; a panic in it becomes an error with the panic's message.
pub fn guarded<T>(section: impl FnOnce() -> T) -> Result<T, String> {
    let turn = TURN.lock();
    GUARDED.fetch_add(1, Ordering::SeqCst);
    let result = catch_unwind(AssertUnwindSafe(section));
    GUARDED.fetch_sub(1, Ordering::SeqCst);
    drop(turn);
    result.map_err(|panic| {
        let text = panic.downcast_ref::<&str>().map(ToString::to_string);
        let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
        text.unwrap_or_else(|| "it gave up without a reason".to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_an_error() {
        assert_eq!(guarded(|| 7), Ok(7));
        let error = guarded(|| panic!("page {} is torn", 3));
        assert_eq!(error, Err("page 3 is torn".to_owned()));
    }
}
