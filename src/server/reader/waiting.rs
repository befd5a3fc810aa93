//! What a connection's reader waits for: bytes, replies that leave, room in a batch.

use super::Reader;
use crate::server::connection::Life;
use crate::server::drops::Dropped;
use std::time::Duration;

/// Resolves after a time; never without one.
pub(in crate::server) async fn after(limit: Option<Duration>) {
    match limit {
        Some(limit) => tokio::time::sleep(limit).await,
        None => std::future::pending().await,
    }
}

impl Reader {
    /// Reads more bytes; answers whether the connection goes on.
    pub(super) async fn read(&mut self) -> bool {
        loop {
            let (limit, why, reason) = self.patience();
            if limit == Some(Duration::ZERO) && self.is_strict {
                self.connection.note_dropped(why, &reason);
                return false;
            }
            tokio::select! {
                biased;
                // It knows when the socket is empty without asking the system once more, and lets
                // others speak when a client always has more to say.
                read = self.stream.read(&mut self.input) => {
                    if read.is_err() {
                        self.connection.kill();
                    }
                    let bytes = u64::try_from(read.unwrap_or(0)).unwrap_or(0);
                    self.home.meters.bytes_in.add(bytes);
                    self.connection.client.received.add(bytes);
                    return bytes > 0;
                }
                () = after(limit) => {
                    if self.connection.is_drained() {
                        self.connection.note_dropped(why, &reason);
                        return false;
                    }
                }
                () = self.connection.changed.notified() => {}
                () = self.connection.client.killed.notified() => {}
            }
            self.heed_kill();
            if self.connection.life() != Life::Open {
                return false;
            }
            self.heed_standing();
        }
    }

    /// How long the client may say nothing, if not for ever, and what it has missed then.
    fn patience(&self) -> (Option<Duration>, Dropped, &'static str) {
        let live = self.home.live();
        let config = &live.config;
        let is_in = self.has_asked && !self.is_strict;
        let (limit, reason) = if is_in {
            (config.idle_timeout_ms, "it said nothing for longer than idle_timeout_ms")
        } else if self.is_strict {
            (config.handshake_timeout_ms, "it did not authenticate within handshake_timeout_ms")
        } else {
            (config.handshake_timeout_ms, "it sent no whole request within handshake_timeout_ms")
        };
        let since = if is_in { Duration::ZERO } else { self.since.elapsed() };
        let limit = (limit > 0).then(|| Duration::from_millis(limit).saturating_sub(since));
        (limit, if is_in { Dropped::Idle } else { Dropped::Handshake }, reason)
    }

    /// Waits until enough replies have left. Only a flush of this connection is worth a look: to have
    /// it flushed for that would never end while the client does not read.
    pub(super) async fn wait_for_replies(&self) {
        self.connection.awaits_replies.set(true);
        while self.is_behind(&self.home.live().config) && self.connection.life() == Life::Open {
            tokio::select! {
                () = self.connection.changed.notified() => {}
                () = self.connection.client.killed.notified() => {}
            }
            self.heed_kill();
        }
        self.connection.awaits_replies.set(false);
    }

    /// Waits until the filling batch has room, or has had none for so long that requests are `BUSY`.
    pub(super) async fn wait_for_room(&self) {
        let full_max = Duration::from_millis(self.home.live().config.batch_full_max_ms);
        tokio::select! {
            () = self.connection.changed.notified() => {}
            () = self.home.room.notified() => {}
            () = self.connection.client.killed.notified() => {}
            () = tokio::time::sleep(full_max) => {}
        }
        self.heed_kill();
    }

    /// Waits until everything is answered, or the connection is gone.
    pub(super) async fn drained(&self) {
        self.connection.awaits_replies.set(true);
        while self.connection.life() != Life::Dead && !self.connection.is_drained() {
            tokio::select! {
                () = self.connection.changed.notified() => {}
                () = self.connection.client.killed.notified() => {}
            }
            self.heed_kill();
        }
        self.connection.awaits_replies.set(false);
    }

    /// Ends the connection when another client has asked for it.
    pub(super) fn heed_kill(&self) {
        if self.connection.client.is_killed() && self.connection.life() != Life::Dead {
            self.connection.note_dropped(Dropped::Killed, &"it was killed");
            self.connection.kill();
        }
    }
}
