//! A client's socket, plain or with TLS: one half is read, the other written, on the same thread.
//!
//! With TLS both halves share a session that keeps a bounded number of bytes. What it has encrypted
//! leaves before more is taken, so a client that reads nothing is seen as without TLS.

use bytes::BytesMut;
use rustls::ServerConnection;
use std::cell::RefCell;
use std::io::{Error, ErrorKind, Read as _, Result, Write as _};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead as _, ReadBuf};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

/// The most bytes that a session keeps before they are encrypted and sent.
const SESSION_BYTES_MAX: usize = 64 * 1024;
/// How many bytes are read at a time.
const READ_BYTES: usize = 64 * 1024;
/// How many bytes are taken out of a session at a time.
const CHUNK: usize = 16 * 1024;

/// The most bytes of a client's part of the handshake, its certificates included: until a message of it
/// is whole the session keeps them.
const HANDSHAKE_BYTES_MAX: u64 = 28 * 1024;

/// What reads and writes share.
type Session = Rc<RefCell<ServerConnection>>;

/// The half that is read.
pub(super) enum Incoming {
    Plain(OwnedReadHalf),
    /// What the session has to say by itself goes out by the other half.
    Tls(OwnedReadHalf, Session),
}

/// The half that is written.
pub(super) enum Outgoing {
    Plain(OwnedWriteHalf),
    Tls(OwnedWriteHalf, Session),
}

/// Makes the handshake of a session. Another client's is made while this one says nothing.
pub(super) async fn shake_hands(stream: &TcpStream, session: &mut ServerConnection) -> Result<()> {
    let mut left = HANDSHAKE_BYTES_MAX;
    loop {
        while session.wants_write() {
            stream.writable().await?;
            match session.write_tls(&mut Raw(stream)) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Err(error) if error.kind() != ErrorKind::WouldBlock => return Err(error),
                _ => {}
            }
        }
        if !session.is_handshaking() {
            return Ok(());
        }
        stream.readable().await?;
        match session.read_tls(&mut Raw(stream).take(left)) {
            Ok(0) if left == 0 => return Err(Error::other("its handshake is too long")),
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(read) => left = left.saturating_sub(u64::try_from(read).unwrap_or(u64::MAX)),
            Err(error) if error.kind() == ErrorKind::WouldBlock => continue,
            Err(error) => return Err(error),
        }
        if let Err(error) = session.process_new_packets() {
            // What is wrong is said to the client, too, if it hears it at once.
            let _ = session.write_tls(&mut Raw(stream));
            return Err(Error::new(ErrorKind::InvalidData, error));
        }
    }
}

/// Both halves of a socket; of one with TLS after its handshake.
pub(super) fn split(stream: TcpStream, tls: Option<Box<ServerConnection>>) -> (Incoming, Outgoing) {
    let (incoming, outgoing) = stream.into_split();
    match tls {
        None => (Incoming::Plain(incoming), Outgoing::Plain(outgoing)),
        Some(mut session) => {
            session.set_buffer_limit(Some(SESSION_BYTES_MAX));
            let session = Rc::new(RefCell::new(*session));
            (Incoming::Tls(incoming, Rc::clone(&session)), Outgoing::Tls(outgoing, session))
        }
    }
}

impl Incoming {
    /// Reads what has arrived; 0 when no more will. Nothing is lost when it is dropped.
    pub(super) async fn read(&mut self, input: &mut BytesMut) -> Result<usize> {
        match self {
            Self::Plain(stream) => {
                std::future::poll_fn(|context| poll_plain(stream, context, input)).await
            }
            Self::Tls(stream, session) => read_tls(stream, session, input).await,
        }
    }
}

thread_local! {
    /// Where bytes arrive before they are their connection's: whoever is idle holds no buffer.
    static ARRIVED: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ_BYTES].into_boxed_slice());
}

/// Reads what has arrived into the connection's own bytes. The socket is asked as tokio asks it: after
/// a read that it did not fill it is known to be empty, without another call.
fn poll_plain(
    stream: &mut OwnedReadHalf,
    context: &mut Context<'_>,
    input: &mut BytesMut,
) -> Poll<Result<usize>> {
    ARRIVED.with_borrow_mut(|arrived| {
        let mut arrived = ReadBuf::new(arrived);
        ready!(Pin::new(stream).poll_read(context, &mut arrived))?;
        input.extend_from_slice(arrived.filled());
        Poll::Ready(Ok(arrived.filled().len()))
    })
}

async fn read_tls(
    stream: &OwnedReadHalf,
    session: &Session,
    input: &mut BytesMut,
) -> Result<usize> {
    loop {
        if let Some(read) = take_plain(&mut session.borrow_mut(), input)? {
            return Ok(read);
        }
        stream.readable().await?;
        // A client that always has more to say lets others speak.
        tokio::task::consume_budget().await;
        let session = &mut *session.borrow_mut();
        match session.read_tls(&mut Raw(stream)) {
            // The end, without a word: as without TLS.
            Ok(0) => return Ok(0),
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => continue,
            Err(error) => return Err(error),
        }
        let processed = session.process_new_packets();
        processed.map_err(|error| Error::new(ErrorKind::InvalidData, error))?;
    }
}

/// Takes out what a session has decrypted; 0 when no more will come, none when more may.
fn take_plain(session: &mut ServerConnection, input: &mut BytesMut) -> Result<Option<usize>> {
    let mut chunk = [0; CHUNK];
    let mut taken = 0_usize;
    loop {
        match session.reader().read(&mut chunk) {
            Ok(0) => return Ok(Some(taken)),
            Ok(read) => {
                input.extend_from_slice(chunk.get(..read).unwrap_or_default());
                taken = taken.saturating_add(read);
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                return Ok((taken > 0).then_some(taken));
            }
            Err(error) => return Err(error),
        }
    }
}

impl Outgoing {
    /// Writes as much as the socket takes now.
    pub(super) fn try_write(&self, bytes: &[u8]) -> Result<usize> {
        match self {
            Self::Plain(stream) => stream.try_write(bytes),
            Self::Tls(stream, session) => {
                let session = &mut *session.borrow_mut();
                flush(stream, session)?;
                let written = session.writer().write(bytes)?;
                match flush(stream, session) {
                    Err(error) if error.kind() != ErrorKind::WouldBlock => Err(error),
                    _ => Ok(written),
                }
            }
        }
    }

    /// Sends what the session has encrypted, or says that the socket takes no more now.
    pub(super) fn try_flush(&self) -> Result<()> {
        match self {
            Self::Plain(_) => Ok(()),
            Self::Tls(stream, session) => flush(stream, &mut session.borrow_mut()),
        }
    }

    /// Waits until the socket takes more.
    pub(super) async fn writable(&self) -> Result<()> {
        match self {
            Self::Plain(stream) | Self::Tls(stream, _) => stream.writable().await,
        }
    }

    /// Tells the client that no more will come, if it hears it at once.
    pub(super) fn say_goodbye(&self) {
        if let Self::Tls(stream, session) = self {
            let session = &mut *session.borrow_mut();
            session.send_close_notify();
            // Nobody waits for a client that is not there any more.
            let _ = flush(stream, session);
        }
    }
}

fn flush(stream: &OwnedWriteHalf, session: &mut ServerConnection) -> Result<()> {
    while session.wants_write() {
        if session.write_tls(&mut Raw(stream))? == 0 {
            return Err(ErrorKind::WriteZero.into());
        }
    }
    Ok(())
}

/// A socket, or a half of one, as the session wants it: it never waits.
struct Raw<'a, Stream>(&'a Stream);

impl std::io::Read for Raw<'_, TcpStream> {
    fn read(&mut self, bytes: &mut [u8]) -> Result<usize> {
        self.0.try_read(bytes)
    }
}

impl std::io::Write for Raw<'_, TcpStream> {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        self.0.try_write(bytes)
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}

impl std::io::Read for Raw<'_, OwnedReadHalf> {
    fn read(&mut self, bytes: &mut [u8]) -> Result<usize> {
        self.0.try_read(bytes)
    }
}

impl std::io::Write for Raw<'_, OwnedWriteHalf> {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        self.0.try_write(bytes)
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}
