//! TLS handshakes of RESP. They are made on the acceptor's thread, so that no shard waits for their
//! arithmetic, and only so many at a time: clients beyond that are not accepted yet, and while one waits
//! the handshake that goes on longest must end soon. Connections that are established do not notice.

use super::clients::Client;
use super::drops::Dropped;
use super::{Context, ShardServer, hand_over, reader, socket};
use rustls::{ServerConfig, ServerConnection};
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio::sync::Notify;

/// A handshake may take so long while others wait. It takes two round trips.
const LONG: Duration = Duration::from_secs(1);

/// The handshakes that go on.
#[derive(Debug, Default)]
pub(super) struct Handshakes {
    /// By the number of the client: the first one goes on longest.
    going: Mutex<BTreeMap<u64, Going>>,
    /// Wakes the acceptor when one has ended.
    ended: Notify,
}

#[derive(Debug)]
struct Going {
    since: Instant,
    /// Tells it to end, so that another may begin.
    gives_way: Arc<Notify>,
}

/// A handshake that goes on until this is dropped.
struct Place {
    context: Arc<Context>,
    id: u64,
    gives_way: Arc<Notify>,
}

impl Handshakes {
    /// How many go on.
    pub(super) fn len(&self) -> usize {
        self.going().len()
    }

    /// Waits until one more may begin.
    pub(super) async fn room(&self, context: &Context) {
        while self.len() >= context.live().config.tls_handshakes_max {
            let oldest = self
                .going()
                .first_key_value()
                .map(|(_, going)| (going.since.elapsed(), Arc::clone(&going.gives_way)));
            let Some((age, gives_way)) = oldest else { return };
            let left = LONG.saturating_sub(age);
            if left.is_zero() {
                gives_way.notify_one();
            }
            // A reload may make room, too.
            let wait = if left.is_zero() { LONG } else { left };
            let _ = tokio::time::timeout(wait, self.ended.notified()).await;
        }
    }

    fn going(&self) -> MutexGuard<'_, BTreeMap<u64, Going>> {
        self.going.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    fn take(context: &Arc<Context>, client: &Client) -> Self {
        let gives_way = Arc::new(Notify::new());
        let going = Going { since: Instant::now(), gives_way: Arc::clone(&gives_way) };
        context.handshakes.going().insert(client.id, going);
        Self { context: Arc::clone(context), id: client.id, gives_way }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.context.handshakes.going().remove(&self.id);
        self.context.handshakes.ended.notify_one();
    }
}

/// Begins a handshake; gives the connection to a shard when it is made.
pub(super) fn begin(
    stream: TcpStream,
    config: Arc<ServerConfig>,
    client: Arc<Client>,
    context: &Arc<Context>,
    shard: &ShardServer,
) {
    // From now on, not from when the task first runs: the acceptor counts.
    let place = Place::take(context, &client);
    let shard = shard.clone();
    actix_rt::spawn(async move {
        let context = Arc::clone(&place.context);
        match make(&stream, config, &client, &place).await {
            Ok(session) => hand_over(stream, Some(session), client, &context, &shard),
            Err((why, reason)) => {
                let (address, id) = (client.address, client.id);
                if let Some(why) = why {
                    context.drops.note(&client, why, &reason);
                } else {
                    tracing::debug!(client = %address, id, "no TLS handshake: {reason}");
                }
                context.handshakes_failed.fetch_add(1, Ordering::Relaxed);
                context.clients.remove(&client);
            }
        }
    });
}

/// Makes a handshake, or says why there is none, and why the server ended it, if it did.
async fn make(
    stream: &TcpStream,
    config: Arc<ServerConfig>,
    client: &Client,
    place: &Place,
) -> Result<Box<ServerConnection>, (Option<Dropped>, String)> {
    let session = ServerConnection::new(config).map_err(|error| (None, error.to_string()))?;
    let mut session = Box::new(session);
    let limit = place.context.live().config.handshake_timeout_ms;
    let limit = (limit > 0).then(|| Duration::from_millis(limit));
    tokio::select! {
        made = socket::shake_hands(stream, &mut session) => {
            made.map_err(|error| {
                // Whoever goes away by itself is none of the operator's business.
                let is_refused = matches!(error.kind(), ErrorKind::InvalidData | ErrorKind::Other);
                let why = is_refused.then_some(Dropped::Handshake);
                (why, format!("its TLS handshake failed: {error}"))
            })?;
        }
        () = reader::after(limit) => {
            let reason = "it made no TLS handshake within handshake_timeout_ms";
            return Err((Some(Dropped::Handshake), reason.to_owned()));
        }
        () = place.gives_way.notified() => {
            let reason = "its TLS handshake took more than a second, and others waited for one of \
                          tls_handshakes_max";
            return Err((Some(Dropped::Handshake), reason.to_owned()));
        }
        () = client.killed.notified() => {
            return Err((Some(Dropped::Killed), "it was killed".to_owned()));
        }
    }
    Ok(session)
}
