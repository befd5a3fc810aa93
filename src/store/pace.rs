//! The pace of work that nobody waits for: checkpoints, merges, long reads and the sweep.
//!
//! A low priority is not enough. Linux lets even a thread of low priority run on for milliseconds while
//! another one waits for its core, and a request waits for several threads in turn. So work at leisure
//! also offers its core to others every now and then.

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How long work at leisure keeps its core at a time.
const BREATH: Duration = Duration::from_micros(100);

thread_local! {
    static LEISURE: RefCell<Option<Leisure>> = const { RefCell::new(None) };
}

/// How long there is no hurry: while the journal has less than so many bytes.
#[derive(Debug, Clone)]
pub struct Leisure {
    written: Arc<AtomicU64>,
    end: u64,
    /// When the core was offered last.
    offered: Cell<Instant>,
}

impl Leisure {
    /// Leisure until `written`, which counts the bytes of the journal, has come to `end`.
    pub fn until(written: &Arc<AtomicU64>, end: u64) -> Self {
        Self { written: Arc::clone(written), end, offered: Cell::new(Instant::now()) }
    }

    /// Whether it is over.
    pub fn is_over(&self) -> bool {
        self.written.load(Ordering::Relaxed) >= self.end
    }

    /// Does something at leisure: on a thread of its own, for one that has given way once never gets its
    /// priority back. When it is over, it is done here and now.
    pub fn enjoy<T: Send>(self, run: impl FnOnce() -> T + Send) -> std::io::Result<T> {
        if self.is_over() {
            return Ok(run());
        }
        std::thread::scope(|scope| {
            let patient = move || {
                give_way();
                LEISURE.set(Some(self));
                run()
            };
            let thread = std::thread::Builder::new()
                .name("keeper".to_owned())
                .spawn_scoped(scope, patient)?;
            Ok(thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
        })
    }
}

/// Offers this thread's core to others, if it works at leisure and has kept it for a while.
pub(super) fn breathe() {
    LEISURE.with_borrow(|leisure| {
        if let Some(leisure) = leisure
            && leisure.offered.get().elapsed() >= BREATH
            && !leisure.is_over()
        {
            std::thread::yield_now();
            leisure.offered.set(Instant::now());
        }
    });
}

/// Lets the threads go first that somebody waits for. On Linux each thread has a niceness of its own.
pub fn give_way() {
    if let Err(error) = rustix::process::nice(10) {
        tracing::debug!(%error, "a thread keeps its priority");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_at_leisure_has_a_thread_of_its_own_until_there_is_a_hurry() {
        let (written, here) = (Arc::new(AtomicU64::new(5)), std::thread::current().id());
        let at_leisure = Leisure::until(&written, 6).enjoy(|| {
            breathe();
            (std::thread::current().id(), LEISURE.with_borrow(Option::is_some))
        });
        let (thread, is_known) = at_leisure.unwrap();
        assert!(thread != here && is_known);
        written.store(6, Ordering::Relaxed);
        let in_a_hurry = Leisure::until(&written, 6).enjoy(|| std::thread::current().id());
        assert_eq!(in_a_hurry.unwrap(), here);
        assert!(LEISURE.with_borrow(Option::is_none), "whoever hurries does not breathe");
    }
}
