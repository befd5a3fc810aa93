//! Logs on their way to standard error. A thread of their own writes them, so that a reader who takes no
//! more holds up nobody: what has no room then is dropped, and counted.
//!
//! When the process ends, what was logged is written first, and last words after it, each as long as
//! standard error takes it within [`PATIENCE`].

use crate::config::{Config, LogFormat};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use std::io::{Error, ErrorKind, IsTerminal as _, Result, Write};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};
use tracing::level_filters::LevelFilter;
use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::{EnvFilter, reload};

/// So many lines wait to be written, at most.
const LINES_MAX: usize = 16 * 1024;
/// How long a process that ends waits for standard error to take what is still to be said.
const PATIENCE: Duration = Duration::from_secs(1);
/// How often is looked whether the process ends, while standard error takes nothing.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// A pipe that takes something takes so many bytes without a wait (`PIPE_BUF`).
const CHUNK: usize = 4096;

/// The logs of this process.
#[derive(Clone)]
pub struct Logs(Arc<Inner>);

struct Inner {
    /// Writes what waits when it is dropped.
    guard: Mutex<Option<WorkerGuard>>,
    stderr: Arc<Stderr>,
    /// Lines that found no room.
    dropped: ErrorCounter,
    set_filter: SetFilter,
}

type SetFilter = Box<dyn Fn(EnvFilter) -> std::result::Result<(), reload::Error> + Send + Sync>;

impl Logs {
    /// Sends logs to standard error from now on.
    pub fn start(config: &Config) -> anyhow::Result<Self> {
        let filter = filter(&config.log_level)?;
        let stderr = Arc::new(Stderr::default());
        let builder = NonBlockingBuilder::default().buffered_lines_limit(LINES_MAX).lossy(true);
        let (lines, guard) = builder.thread_name("logs").finish(Lines(Arc::clone(&stderr)));
        let dropped = lines.error_counter();
        let logs =
            tracing_subscriber::fmt().with_ansi(std::io::stderr().is_terminal()).with_writer(lines);
        let set_filter: SetFilter = match config.log_format {
            LogFormat::Text => {
                let logs = logs.with_target(false).with_env_filter(filter).with_filter_reloading();
                let handle = logs.reload_handle();
                logs.init();
                Box::new(move |filter| handle.reload(filter))
            }
            LogFormat::Json => {
                let logs = logs.json().with_env_filter(filter).with_filter_reloading();
                let handle = logs.reload_handle();
                logs.init();
                Box::new(move |filter| handle.reload(filter))
            }
        };
        Ok(Self(Arc::new(Inner { guard: Mutex::new(Some(guard)), stderr, dropped, set_filter })))
    }

    /// Logs what this filter lets through from now on.
    pub fn set_level(&self, level: &str) -> anyhow::Result<()> {
        Ok((self.0.set_filter)(filter(level)?)?)
    }

    /// How many lines standard error did not take.
    pub fn dropped(&self) -> usize {
        let failed = self.0.stderr.failed.load(Ordering::Relaxed);
        self.0.dropped.dropped_lines().saturating_add(failed)
    }

    /// The process ends: writes what was logged so far. What is logged later is dropped.
    pub fn end(&self) {
        let stderr = &self.0.stderr;
        let deadline = *stderr.deadline.get_or_init(deadline);
        let guard = self.0.guard.lock().unwrap_or_else(PoisonError::into_inner).take();
        // The guard wants room for a last line, and complains on standard output without it.
        while stderr.is_stuck.load(Ordering::Relaxed) && Instant::now() < deadline {
            std::thread::sleep(LOOK_EVERY);
        }
        drop(guard);
    }
}

/// Says the last words of a process on standard error.
pub fn last_words(words: &str) {
    let stderr = Stderr::default();
    stderr.deadline.get_or_init(deadline);
    // Nobody is left who could be told.
    let _ = stderr.write(words.as_bytes());
}

fn deadline() -> Instant {
    let now = Instant::now();
    now.checked_add(PATIENCE).unwrap_or(now)
}

/// A level beyond info is meant of purser: its libraries say far too much then.
fn filter(level: &str) -> anyhow::Result<EnvFilter> {
    let is_beyond = level.parse::<LevelFilter>().is_ok_and(|level| level > LevelFilter::INFO);
    let filter = if is_beyond {
        format!("{},purser={level}", Config::default().log_level)
    } else {
        level.to_owned()
    };
    EnvFilter::try_new(filter).map_err(|error| anyhow::anyhow!("log_level = {level:?}: {error}"))
}

/// Standard error, written only when it takes something at once.
#[derive(Default)]
struct Stderr {
    /// When nobody waits for it any more; not set before the process ends.
    deadline: OnceLock<Instant>,
    /// It takes nothing now.
    is_stuck: AtomicBool,
    /// Lines that were not written, or not all of them.
    failed: AtomicUsize,
}

impl Stderr {
    fn write(&self, mut bytes: &[u8]) -> Result<()> {
        while !bytes.is_empty() {
            self.wait()?;
            let chunk = bytes.get(..CHUNK).unwrap_or(bytes);
            match std::io::stderr().write(chunk) {
                Ok(written) => bytes = bytes.get(written..).unwrap_or_default(),
                // Others may write to it too.
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Waits until it takes something.
    fn wait(&self) -> Result<()> {
        loop {
            let left = self.deadline.get().map(|end| end.saturating_duration_since(Instant::now()));
            if takes_more(left.unwrap_or(LOOK_EVERY).min(LOOK_EVERY))? {
                self.is_stuck.store(false, Ordering::Relaxed);
                return Ok(());
            }
            self.is_stuck.store(true, Ordering::Relaxed);
            if left.is_some_and(|left| left.is_zero()) {
                return Err(ErrorKind::TimedOut.into());
            }
        }
    }
}

/// Whether standard error takes something within this time.
fn takes_more(within: Duration) -> Result<bool> {
    let stderr = std::io::stderr();
    let mut asked = [PollFd::new(&stderr, PollFlags::OUT)];
    match poll(&mut asked, Some(&Timespec::try_from(within).map_err(Error::other)?)) {
        Ok(ready) => Ok(ready > 0),
        Err(Errno::INTR) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// What the thread of the logs writes to.
struct Lines(Arc<Stderr>);

impl Write for Lines {
    fn write(&mut self, line: &[u8]) -> Result<usize> {
        self.write_all(line).map(|()| line.len())
    }

    fn write_all(&mut self, line: &[u8]) -> Result<()> {
        self.0.write(line).inspect_err(|_| {
            self.0.failed.fetch_add(1, Ordering::Relaxed);
        })
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}
