//! The client: a few connections, and every command sent until its outcome is known.
//!
//! A command whose connection was lost may have taken effect or not. It is sent again with the same
//! id, and the engine answers with what it did the first time: so the account that is kept here
//! stays exact whatever the network does.

use std::fmt;
use std::time::Duration;

use anyhow::{Result, bail};
use tokio::sync::Mutex;
use tokio::time::timeout;

use crate::connection::{Answer, Connection};
use crate::resp::{Reply, encode};

/// How often a command is sent again before its outcome is given up as unknown: about 20 seconds.
const RETRIES_MAX: u32 = 14;
/// The pause before the first retry; each further one is twice as long, up to the longest.
const PAUSE: Duration = Duration::from_millis(25);
const PAUSE_MAX: Duration = Duration::from_secs(2);
/// Errors that say "not now": nothing happened, or the same id will tell.
const PASSING: [&str; 3] = ["BUSY", "UNAVAILABLE", "LOADING"];

/// The answer to a call, and how many times it had to be sent again.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) answer: Answer,
    pub(crate) retries: u32,
}

/// Whether the command took effect is unknown, and all retries are used up.
#[derive(Debug, Clone)]
pub(crate) struct Unknown(String);

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, and {RETRIES_MAX} retries did not help", self.0)
    }
}

/// The connections to one server; a lost one is opened again when it is needed.
#[derive(Debug)]
pub(crate) struct Client {
    address: String,
    patience: Duration,
    slots: Vec<Mutex<Slot>>,
}

/// A place for a connection. The generation tells a connection from its successor.
#[derive(Debug, Default)]
struct Slot {
    connection: Option<Connection>,
    generation: u64,
}

impl Client {
    /// A client of the server at `address`, which must answer a `PING` within `patience`.
    pub(crate) async fn connect(
        address: &str,
        connections: u16,
        patience: Duration,
    ) -> Result<Self> {
        let slots = (0..connections).map(|_| Mutex::default()).collect();
        let client = Self { address: address.to_owned(), patience, slots };
        match client.once(0, encode(&["PING"])).await {
            Ok(Answer { reply: Reply::Text(text), .. }) if text == "PONG" => Ok(client),
            Ok(Answer { reply: Reply::Error(error), .. }) => {
                bail!("the server at {address} refuses to talk: {error}")
            }
            Ok(_) => bail!("what answers at {address} is no purser"),
            Err(reason) => bail!(
                "no purser answers at {address}: {reason}; start one with `purser --resp \
                 {address}`, or leave --server out to have one started"
            ),
        }
    }

    /// Sends a command, again if need be, until its outcome is known.
    ///
    /// Callers with the same `lane` share a connection.
    pub(crate) async fn call(&self, lane: usize, command: &[u8]) -> Result<Answered, Unknown> {
        let mut pause = PAUSE;
        let mut retries = 0;
        loop {
            let reason = match self.once(lane, command.to_vec()).await {
                Ok(answer) => match passing(&answer.reply) {
                    None => return Ok(Answered { answer, retries }),
                    Some(error) => error.to_owned(),
                },
                Err(reason) => reason,
            };
            if retries == RETRIES_MAX {
                return Err(Unknown(reason));
            }
            retries += 1;
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    /// Sends a command once; an error says in words why there is no answer.
    async fn once(&self, lane: usize, command: Vec<u8>) -> Result<Answer, String> {
        let lane = lane.checked_rem(self.slots.len()).unwrap_or_default();
        let slot = self.slots.get(lane).ok_or("there is no connection")?;
        let (receiver, generation) = {
            let mut slot = slot.lock().await;
            let connection = slot.ready(&self.address, self.patience).await?;
            (connection.send(command), slot.generation)
        };
        match timeout(self.patience, receiver).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(_)) => Err("the connection was lost".to_owned()),
            Err(_) => {
                slot.lock().await.give_up(generation);
                Err(format!("no answer within {:?}", self.patience))
            }
        }
    }
}

impl Slot {
    /// The connection, opened again if it is lost. The lock is held meanwhile, so that one opens
    /// and the others wait for it.
    async fn ready(&mut self, address: &str, patience: Duration) -> Result<&Connection, String> {
        let open = self.connection.take_if(|connection| !connection.is_lost());
        let open = if let Some(open) = open {
            open
        } else {
            self.generation += 1;
            match timeout(patience, Connection::open(address)).await {
                Ok(opened) => opened.map_err(|error| error.to_string())?,
                Err(_) => return Err(format!("no connection within {patience:?}")),
            }
        };
        Ok(self.connection.insert(open))
    }

    /// Closes a connection that does not answer, unless it has been replaced already.
    fn give_up(&mut self, generation: u64) {
        if self.generation == generation {
            self.connection = None;
        }
    }
}

/// The error that a reply is, if it is one that passes.
fn passing(reply: &Reply) -> Option<&str> {
    match reply {
        Reply::Error(error) if PASSING.iter().any(|code| error.starts_with(code)) => Some(error),
        Reply::Error(_) | Reply::Text(_) | Reply::Integer(_) | Reply::Null | Reply::Array(_) => {
            None
        }
    }
}
