//! RESP for purser and Redis: commands, the length of a reply, and a plain conversation for what is
//! not measured.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use bytes::{BufMut, BytesMut};

use crate::resp::{self, Reply};

/// How long to wait for an answer.
const PATIENCE: Duration = Duration::from_secs(20);
/// How many commands are sent before their answers are read.
const AT_ONCE: usize = 200;

/// Writes a command.
pub(crate) fn command(words: &[&[u8]], out: &mut BytesMut) {
    let mut digits = itoa::Buffer::new();
    let mut head = |kind: u8, length: usize, out: &mut BytesMut| {
        out.put_u8(kind);
        out.put_slice(digits.format(length).as_bytes());
        out.put_slice(b"\r\n");
    };
    head(b'*', words.len(), out);
    for word in words {
        head(b'$', word.len(), out);
        out.put_slice(word);
        out.put_slice(b"\r\n");
    }
}

/// How long the first reply is, or nothing while it is not all here.
pub(crate) fn length(bytes: &[u8]) -> Result<Option<usize>> {
    let mut elements = 1_usize;
    let mut at = 0;
    while elements > 0 {
        let Some(rest) = bytes.get(at..) else { return Ok(None) };
        let Some(end) = rest.iter().position(|&byte| byte == b'\n') else { return Ok(None) };
        let line = rest.get(..end).and_then(|line| line.strip_suffix(b"\r"));
        let (&kind, text) = line.and_then(<[u8]>::split_first).context("this is no RESP")?;
        at += end + 1;
        elements -= 1;
        match kind {
            b'+' | b'-' | b':' => {}
            b'$' => at += number(text)?.map_or(0, |length| length + 2),
            b'*' => elements += number(text)?.unwrap_or_default(),
            _ => bail!("this is no RESP"),
        }
    }
    Ok((at <= bytes.len()).then_some(at))
}

/// A length; -1 says that there is nothing.
fn number(text: &[u8]) -> Result<Option<usize>> {
    if text == b"-1" {
        return Ok(None);
    }
    let text = str::from_utf8(text)?;
    text.parse::<u32>().map(usize::try_from)?.map(Some).context("this is no RESP")
}

/// A connection on which everything is answered before more is asked.
#[derive(Debug)]
pub(crate) struct Talk {
    stream: TcpStream,
    input: Vec<u8>,
}

impl Talk {
    pub(crate) fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self { stream, input: Vec::new() })
    }

    /// Asks one thing; an error reply is an error.
    pub(crate) fn ask(&mut self, words: &[&str]) -> Result<Reply> {
        self.stream.write_all(&resp::encode(words))?;
        self.answer()
    }

    /// Asks all at once, some at a time, and hands each answer over.
    pub(crate) fn ask_all(
        &mut self,
        commands: impl IntoIterator<Item = Vec<String>>,
        mut take: impl FnMut(Reply) -> Result<()>,
    ) -> Result<()> {
        let mut commands = commands.into_iter();
        loop {
            let mut bytes = Vec::new();
            let mut asked = 0;
            for words in commands.by_ref().take(AT_ONCE) {
                let words: Vec<&str> = words.iter().map(String::as_str).collect();
                bytes.extend(resp::encode(&words));
                asked += 1;
            }
            if asked == 0 {
                return Ok(());
            }
            self.stream.write_all(&bytes)?;
            for _ in 0..asked {
                take(self.answer()?)?;
            }
        }
    }

    fn answer(&mut self) -> Result<Reply> {
        loop {
            match resp::decode(&self.input) {
                Ok(Some((reply, length))) => {
                    self.input.drain(..length);
                    return match reply {
                        Reply::Error(error) => bail!("the server answers: {error}"),
                        reply => Ok(reply),
                    };
                }
                Ok(None) => {}
                Err(resp::Malformed) => bail!("the server sends what is no RESP"),
            }
            let mut more = [0; 16 * 1024];
            let count = self.stream.read(&mut more).context("no answer")?;
            if count == 0 {
                bail!("the server closed the connection");
            }
            self.input.extend_from_slice(more.get(..count).unwrap_or_default());
        }
    }
}

/// The whole number that a reply's element is.
pub(crate) fn whole(reply: Option<&Reply>) -> Result<u64> {
    match reply {
        Some(Reply::Text(text)) => {
            text.parse().with_context(|| format!("`{text}` is no whole number of units"))
        }
        other => bail!("{other:?} is no number"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_is_as_long_as_the_decoder_says() {
        let replies: [&[u8]; 5] = [
            b"+OK\r\n",
            b"-ERR no\r\n",
            b"$-1\r\n",
            b"$6\r\na\r\nb\r\n\r\n",
            b"*4\r\n$6\r\nstatus\r\n$4\r\nheld\r\n*2\r\n:1\r\n+x\r\n*0\r\n",
        ];
        for reply in replies {
            for cut in 0..reply.len() {
                assert_eq!(length(&reply[..cut]).unwrap(), None, "cut at {cut}");
            }
            let followed = [reply, b"+next\r\n"].concat();
            assert_eq!(length(&followed).unwrap(), Some(reply.len()));
            assert_eq!(resp::decode(&followed).unwrap().unwrap().1, reply.len());
        }
        for nonsense in ["HTTP/1.1 400\r\n", "\n", "$x\r\n", "*-2\r\n"] {
            assert!(length(nonsense.as_bytes()).is_err(), "{nonsense:?}");
        }
    }

    #[test]
    fn commands_are_what_the_other_encoder_writes() {
        let mut out = BytesMut::new();
        command(&[b"PING", b"", b"12345678901"], &mut out);
        assert_eq!(out, resp::encode(&["PING", "", "12345678901"]).as_slice());
    }
}
