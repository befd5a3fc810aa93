//! A clock that wakes tasks on time.
//!
//! The async runtime's own timer counts in milliseconds, which is more than a durable answer takes.
//! A thread of its own sleeps until the next wake-up is due, to some tens of microseconds.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Instant;

use tokio::sync::oneshot;

/// Wakes tasks when they are due, until it is dropped.
#[derive(Debug, Clone)]
pub(crate) struct Pacer {
    alarms: Sender<Alarm>,
}

impl Pacer {
    /// Starts the thread; it ends when the last clone is dropped.
    pub(crate) fn start() -> Self {
        let (alarms, set) = channel();
        thread::spawn(move || keep_time(&set));
        Self { alarms }
    }

    /// Waits until `due`; a time that has passed is no wait at all.
    pub(crate) async fn until(&self, due: Instant) {
        if due <= Instant::now() {
            return;
        }
        let (bell, rung) = oneshot::channel();
        if self.alarms.send(Alarm { due, bell }).is_ok() {
            // The thread drops no bell while a pacer lives.
            rung.await.unwrap_or_default();
        }
    }
}

/// A task that wants to be woken.
struct Alarm {
    due: Instant,
    bell: oneshot::Sender<()>,
}

/// Rings what is due, soonest first, until nobody is left to set an alarm.
fn keep_time(set: &Receiver<Alarm>) {
    // The number tells alarms for the same instant apart.
    let mut alarms: BTreeMap<(Instant, u64), oneshot::Sender<()>> = BTreeMap::new();
    let mut numbers = 0_u64..;
    loop {
        let now = Instant::now();
        while let Some(next) = alarms.first_entry().filter(|next| next.key().0 <= now) {
            // Whoever stopped waiting needs no bell.
            let _ = next.remove().send(());
        }
        let next = match alarms.first_key_value() {
            Some((&(due, _), _)) => set.recv_timeout(due.saturating_duration_since(now)),
            None => set.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        match next {
            Ok(Alarm { due, bell }) => {
                alarms.insert((due, numbers.next().unwrap_or_default()), bell);
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[tokio::test]
    async fn wakes_in_the_order_of_the_times_and_never_early() {
        let pacer = Pacer::start();
        let start = Instant::now();
        let mut tasks = tokio::task::JoinSet::new();
        for ms in [30, 10, 20, 0] {
            let pacer = pacer.clone();
            tasks.spawn(async move {
                let due = start + Duration::from_millis(ms);
                pacer.until(due).await;
                assert!(Instant::now() >= due);
                ms
            });
        }
        let mut woken = Vec::new();
        while let Some(ms) = tasks.join_next().await {
            woken.push(ms.unwrap());
        }
        assert_eq!(woken, [0, 10, 20, 30]);
    }
}
