//! PostgreSQL's protocol, as far as function calls need it.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use bytes::{BufMut, BytesMut};
use fallible_iterator::FallibleIterator;
use postgres_protocol::IsNull;
use postgres_protocol::message::backend::{ErrorResponseBody, Message};
use postgres_protocol::message::frontend;

use crate::compare::workload::{Kind, Op, Reply, Texts};

/// The user and owner of the database that is made.
pub(super) const USER: &str = "purser";
/// How long to wait for an answer.
const PATIENCE: Duration = Duration::from_mins(1);
/// The prepared calls.
const AUTHORIZE: (&str, &str) = ("a", "SELECT authorize($1, $2, $3)");
const CAPTURE: (&str, &str) = ("c", "SELECT capture($1, $2, $3, $4)");

/// A connection on which everything is answered before more is asked.
#[derive(Debug)]
pub(super) struct Session {
    stream: TcpStream,
    input: BytesMut,
}

impl Session {
    pub(super) fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut session = Self { stream, input: BytesMut::new() };
        let parameters = [("user", USER), ("database", "postgres")];
        let mut out = BytesMut::new();
        frontend::startup_message(parameters, &mut out)?;
        session.exchange(&out)?;
        Ok(session)
    }

    /// Runs statements; answers the first column of the last row, if there is one.
    pub(super) fn query(&mut self, statements: &str) -> Result<Option<String>> {
        let mut out = BytesMut::new();
        frontend::query(statements, &mut out)?;
        self.exchange(&out)
    }

    /// The connection, with the calls prepared.
    pub(super) fn prepared(mut self) -> Result<TcpStream> {
        let mut out = BytesMut::new();
        for (name, statement) in [AUTHORIZE, CAPTURE] {
            frontend::parse(name, statement, [], &mut out)?;
        }
        frontend::sync(&mut out);
        self.exchange(&out)?;
        Ok(self.stream)
    }

    /// Sends, and reads until the server is ready for more.
    fn exchange(&mut self, out: &[u8]) -> Result<Option<String>> {
        self.stream.write_all(out)?;
        let mut row = None;
        let mut wrong = None;
        loop {
            let Some(message) = Message::parse(&mut self.input)? else {
                let mut more = [0; 16 * 1024];
                let count = self.stream.read(&mut more)?;
                if count == 0 {
                    return Err(
                        wrong.unwrap_or_else(|| anyhow!("PostgreSQL closed the connection"))
                    );
                }
                self.input.put_slice(more.get(..count).unwrap_or_default());
                continue;
            };
            match message {
                Message::ReadyForQuery(_) => return wrong.map_or(Ok(row), Err),
                Message::ErrorResponse(body) => wrong = Some(error(&body)),
                Message::DataRow(body) => {
                    let range = body.ranges().next()?.flatten();
                    let value = range.and_then(|range| body.buffer().get(range));
                    row = value.map(|value| String::from_utf8_lossy(value).into_owned());
                }
                // What else is said, nobody asked for.
                _ => {}
            }
        }
    }
}

fn error(body: &ErrorResponseBody) -> anyhow::Error {
    let said = body.fields().find(|field| Ok(field.type_() == b'M'));
    let said = said.ok().flatten().map(|field| field.value_bytes().escape_ascii().to_string());
    anyhow!("PostgreSQL answers: {}", said.unwrap_or_default())
}

/// Writes a call: bind, execute and sync, so that it is a transaction of its own.
pub(super) fn call(op: Op, out: &mut BytesMut) -> Result<()> {
    let Texts { wallet, hold, amount, id } = op.texts();
    match op.kind {
        Kind::Authorize => bind(AUTHORIZE.0, &[&wallet, &hold, &amount], out),
        Kind::Capture => bind(CAPTURE.0, &[&wallet, &hold, &amount, &id], out),
    }?;
    frontend::execute("", 0, out)?;
    frontend::sync(out);
    Ok(())
}

/// Binds text to a prepared call.
fn bind(name: &str, values: &[&str], out: &mut BytesMut) -> Result<()> {
    let write = |value: &&str, out: &mut BytesMut| {
        out.put_slice(value.as_bytes());
        Ok(IsNull::No)
    };
    let bound = frontend::bind("", name, [], values, write, [], out);
    bound.map_err(|_| anyhow!("a call is too long for the protocol"))
}

/// The answer to a call: all messages up to the one that says that the server is ready.
pub(super) fn reply(bytes: &[u8]) -> Result<Option<Reply<'_>>> {
    let mut status = None;
    let mut rest = bytes;
    loop {
        let Some((&[kind, a, b, c, d], behind)) = rest.split_first_chunk::<5>() else {
            return Ok(None);
        };
        let length = usize::try_from(u32::from_be_bytes([a, b, c, d]))?;
        let length = length.checked_sub(4).context("this is no message of PostgreSQL")?;
        let Some((body, behind)) = behind.split_at_checked(length) else { return Ok(None) };
        rest = behind;
        match kind {
            b'D' => status = first_word(body),
            b'Z' => return Ok(Some(Reply { length: bytes.len() - rest.len(), status })),
            // An error has no receipt. What it says is read where it is shown.
            b'E' | b'1' | b'2' | b'C' | b'N' | b'S' => {}
            other => bail!("PostgreSQL sends an unexpected message `{}`", other.escape_ascii()),
        }
    }
}

/// The first word of the only column of a row.
fn first_word(row: &[u8]) -> Option<&[u8]> {
    let text = row.strip_prefix(&[0, 1])?.get(4..)?;
    text.split(|&byte| byte == b' ').next()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u8, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len() + 4).unwrap().to_be_bytes();
        [&[kind], length.as_slice(), body].concat()
    }

    #[test]
    fn an_answer_is_read_whole_or_not_at_all() {
        let receipt = b"held 7 3";
        let row = [&[0, 1, 0, 0, 0, 8], receipt.as_slice()].concat();
        let answer = [
            message(b'2', b""),
            message(b'D', &row),
            message(b'C', b"SELECT 1\0"),
            message(b'Z', b"I"),
        ]
        .concat();
        for cut in 0..answer.len() {
            assert_eq!(reply(&answer[..cut]).unwrap(), None, "cut at {cut}");
        }
        let followed = [answer.as_slice(), b"2"].concat();
        let expected = Reply { length: answer.len(), status: Some(b"held") };
        assert_eq!(reply(&followed).unwrap(), Some(expected));
    }

    #[test]
    fn an_error_has_no_status() {
        let answer = [message(b'E', b"SERROR\0\0"), message(b'Z', b"I")].concat();
        let expected = Reply { length: answer.len(), status: None };
        assert_eq!(reply(&answer).unwrap(), Some(expected));
    }
}
