//! A guard around code that panics on damaged files. sled does so, also on threads of its own.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};

/// What the names of the library's threads begin with.
const LIBRARY: [&str; 2] = ["sled-", "log flusher"];

/// How many guarded sections are running, process-wide: the library's threads panic too.
static GUARDED: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    /// How many guarded sections this thread is in.
    static HERE: Cell<usize> = const { Cell::new(0) };
}

/// Whether a panic of this thread is expected and will be turned into an error; a panic hook that
/// ends the process must let it pass.
pub fn is_guarded() -> bool {
    if HERE.get() > 0 {
        return true;
    }
    let thread = std::thread::current();
    let is_library = |name: &str| LIBRARY.iter().any(|prefix| name.starts_with(prefix));
    GUARDED.load(Ordering::SeqCst) > 0 && thread.name().is_some_and(is_library)
}

/// Runs `section`; a panic in it becomes an error with the panic's message. Others may run beside it.
pub fn guarded<T>(section: impl FnOnce() -> T) -> Result<T, String> {
    GUARDED.fetch_add(1, Ordering::SeqCst);
    HERE.set(HERE.get().saturating_add(1));
    let result = catch_unwind(AssertUnwindSafe(section));
    HERE.set(HERE.get().saturating_sub(1));
    GUARDED.fetch_sub(1, Ordering::SeqCst);
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

    /// The journal and the state were opened one after the other, although by two threads: only one
    /// guarded section could run at a time.
    #[test]
    fn sections_run_beside_each_other() {
        let both = std::sync::Barrier::new(2);
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| guarded(|| both.wait()));
            }
        });
    }

    #[test]
    fn only_panics_of_guarded_threads_and_of_the_library_are_expected() {
        let on_thread = |name: &str| {
            let thread = std::thread::Builder::new().name(name.to_owned());
            thread.spawn(is_guarded).unwrap().join().unwrap()
        };
        let seen = guarded(|| (is_guarded(), on_thread("shard"), on_thread("sled-io-3")));
        assert_eq!(seen, Ok((true, false, true)));
        assert!(!is_guarded());
    }
}
