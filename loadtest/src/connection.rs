//! One pipelined connection: calls go out as they come, replies come back in the same order.

use std::collections::VecDeque;
use std::io;
use std::time::Instant;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{mpsc, oneshot};

use crate::resp::{self, Reply};

/// How many waiting calls one write takes together.
const CALLS_PER_WRITE: usize = 256;

/// A reply, and when its bytes were here.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) reply: Reply,
    pub(crate) arrived: Instant,
}

/// A call on its way: its bytes, and who waits for the reply.
struct Call {
    bytes: Vec<u8>,
    answer: Waiting,
}

type Waiting = oneshot::Sender<Answer>;

/// A handle to an open connection; dropping it closes the connection.
#[derive(Debug)]
pub(crate) struct Connection {
    calls: mpsc::UnboundedSender<Call>,
}

impl Connection {
    pub(crate) async fn open(address: &str) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (calls, incoming) = mpsc::unbounded_channel();
        tokio::spawn(serve(stream, incoming));
        Ok(Self { calls })
    }

    /// Sends a command behind all earlier ones. The receiver fails when the connection is lost
    /// before the reply: whether the command took effect is unknown then.
    pub(crate) fn send(&self, bytes: Vec<u8>) -> oneshot::Receiver<Answer> {
        let (answer, receiver) = oneshot::channel();
        // When the connection is gone the call is dropped here, and the receiver tells.
        let _ = self.calls.send(Call { bytes, answer });
        receiver
    }

    pub(crate) fn is_lost(&self) -> bool {
        self.calls.is_closed()
    }
}

/// Writes and reads until either ends; everything that still waits is dropped, and so told.
async fn serve(stream: TcpStream, calls: mpsc::UnboundedReceiver<Call>) {
    let (reads, writes) = stream.into_split();
    let (expect, expected) = mpsc::unbounded_channel();
    tokio::select! {
        () = write(writes, calls, expect) => {}
        () = read(reads, expected) => {}
    }
}

async fn write(
    mut socket: OwnedWriteHalf,
    mut calls: mpsc::UnboundedReceiver<Call>,
    expect: mpsc::UnboundedSender<Waiting>,
) {
    let mut taken = Vec::new();
    let mut bytes = Vec::new();
    while calls.recv_many(&mut taken, CALLS_PER_WRITE).await > 0 {
        bytes.clear();
        for call in taken.drain(..) {
            bytes.extend_from_slice(&call.bytes);
            // Before the bytes leave: the reply must find who waits for it.
            let _ = expect.send(call.answer);
        }
        if socket.write_all(&bytes).await.is_err() {
            return;
        }
    }
}

async fn read(mut socket: OwnedReadHalf, mut expected: mpsc::UnboundedReceiver<Waiting>) {
    let mut waiting = VecDeque::new();
    let mut bytes = Vec::new();
    while socket.read_buf(&mut bytes).await.is_ok_and(|count| count > 0) {
        let arrived = Instant::now();
        while let Ok(next) = expected.try_recv() {
            waiting.push_back(next);
        }
        let mut done = 0;
        while let Some((reply, length)) = match resp::decode(bytes.get(done..).unwrap_or_default())
        {
            Ok(decoded) => decoded,
            Err(resp::Malformed) => return,
        } {
            done += length;
            // A reply that nobody asked for: what follows cannot be told apart any more.
            let Some(answer) = waiting.pop_front() else { return };
            let _ = answer.send(Answer { reply, arrived });
        }
        bytes.drain(..done);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tokio::net::TcpListener;

    /// A server that answers the n-th command with the integer n, in pieces of `piece` bytes, and
    /// hangs up after `most` answers.
    async fn counting_server(piece: usize, most: usize) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        tokio::spawn(async move {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut bytes = Vec::new();
            let mut answered = 0;
            while answered < most {
                while let Some((_, length)) = resp::decode(&bytes).unwrap() {
                    bytes.drain(..length);
                    for part in format!(":{answered}\r\n").into_bytes().chunks(piece) {
                        socket.write_all(part).await.unwrap();
                        tokio::task::yield_now().await;
                    }
                    answered += 1;
                    if answered == most {
                        return;
                    }
                }
                if socket.read_buf(&mut bytes).await.unwrap() == 0 {
                    return;
                }
            }
        });
        address
    }

    #[tokio::test]
    async fn replies_find_their_calls_in_order_however_they_are_cut() {
        for piece in [1, 2, 1000] {
            let address = counting_server(piece, usize::MAX).await;
            let connection = Connection::open(&address).await.unwrap();
            let receivers: Vec<_> =
                (0..1000).map(|_| connection.send(resp::encode(&["NEXT"]))).collect();
            for (number, receiver) in (0..).zip(receivers) {
                assert_eq!(receiver.await.unwrap().reply, Reply::Integer(number));
            }
        }
    }

    #[tokio::test]
    async fn a_lost_connection_tells_everyone_who_waits() {
        let address = counting_server(1000, 3).await;
        let connection = Connection::open(&address).await.unwrap();
        let receivers: Vec<_> = (0..10).map(|_| connection.send(resp::encode(&["NEXT"]))).collect();
        let mut answered = 0;
        for receiver in receivers {
            answered += usize::from(receiver.await.is_ok());
        }
        assert!(answered <= 3);
        tokio::time::sleep(Duration::from_millis(10)).await;
        assert!(connection.is_lost());
        assert!(connection.send(resp::encode(&["NEXT"])).await.is_err());
    }
}
