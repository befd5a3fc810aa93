//! Connections that the server ends: counted by reason, and logged seldom.

use super::clients::Client;
use super::seldom::Seldom;
use std::fmt::Display;

/// Why the server has ended a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dropped {
    /// It said nothing for too long.
    Idle,
    /// Its TLS handshake failed, or it did not authenticate or send a whole request in time.
    Handshake,
    /// It did not read its replies.
    Stalled,
    /// `CLIENT KILL`, or its user is gone.
    Killed,
    /// What it sent is no request, or too large.
    Protocol,
    /// It spoke HTTP.
    Http,
    /// All clients together held too much memory, and it the most.
    Memory,
}

impl Dropped {
    /// All reasons, in the order in which they are counted.
    const ALL: [(Self, &'static str); 7] = [
        (Self::Idle, "idle"),
        (Self::Handshake, "handshake"),
        (Self::Stalled, "stalled"),
        (Self::Killed, "killed"),
        (Self::Protocol, "protocol"),
        (Self::Http, "http"),
        (Self::Memory, "memory"),
    ];
}

/// The connections that were ended.
#[derive(Debug, Default)]
pub(super) struct Drops([Seldom; Dropped::ALL.len()]);

impl Drops {
    /// Notes one that is ended for this reason, which `what` tells in words. Of each reason one a second
    /// is logged.
    pub(super) fn note(&self, client: &Client, why: Dropped, what: &dyn Display) {
        let counts = Dropped::ALL.iter().zip(&self.0);
        let count = counts.into_iter().find(|((reason, _), _)| *reason == why);
        let Some(others) = count.and_then(|(_, count)| count.count()) else { return };
        let (client, id) = (client.address, client.id);
        if matches!(why, Dropped::Http | Dropped::Memory) {
            tracing::warn!(%client, id, others, "dropped: {what}");
        } else {
            tracing::info!(%client, id, others, "dropped: {what}");
        }
    }

    /// How many there were, by reason.
    pub(super) fn totals(&self) -> impl Iterator<Item = (&'static str, u64)> {
        Dropped::ALL.iter().zip(&self.0).map(|((_, reason), count)| (*reason, count.total()))
    }
}
