//! RESP2 as a client sees it: commands out, replies in. Bytes only, no sockets.
//!
//! Written apart from the server's codec on purpose: a checker that shares its decoder with what it
//! checks would share its mistakes.

/// How deep a reply may nest; purser's are at most three deep.
const DEPTH_MAX: u8 = 8;

/// One reply of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reply {
    /// A simple or bulk string.
    Text(String),
    Error(String),
    Integer(i64),
    Null,
    Array(Vec<Reply>),
}

/// The server sent something that is no RESP2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed;

/// A command as an array of bulk strings.
pub(crate) fn encode(words: &[&str]) -> Vec<u8> {
    let mut out = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        out.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        out.extend_from_slice(word.as_bytes());
        out.extend_from_slice(b"\r\n");
    }
    out
}

/// The first reply in `bytes` and how long it is, or nothing while it is incomplete.
pub(crate) fn decode(bytes: &[u8]) -> Result<Option<(Reply, usize)>, Malformed> {
    let mut rest = bytes;
    match reply(&mut rest, 0) {
        Ok(reply) => Ok(Some((reply, bytes.len().saturating_sub(rest.len())))),
        Err(Stop::Incomplete) => Ok(None),
        Err(Stop::Malformed) => Err(Malformed),
    }
}

enum Stop {
    Incomplete,
    Malformed,
}

fn reply(rest: &mut &[u8], depth: u8) -> Result<Reply, Stop> {
    if depth > DEPTH_MAX {
        return Err(Stop::Malformed);
    }
    let head = line(rest)?;
    let (&kind, text) = head.split_first().ok_or(Stop::Malformed)?;
    match kind {
        b'+' => Ok(Reply::Text(string(text))),
        b'-' => Ok(Reply::Error(string(text))),
        b':' => Ok(Reply::Integer(integer(text)?)),
        b'$' => match length(text)? {
            None => Ok(Reply::Null),
            Some(length) => Ok(Reply::Text(string(bulk(rest, length)?))),
        },
        b'*' => match length(text)? {
            None => Ok(Reply::Null),
            // Collected one by one: a length that was only claimed reserves nothing.
            Some(length) => (0..length)
                .map(|_| reply(rest, depth + 1))
                .collect::<Result<_, _>>()
                .map(Reply::Array),
        },
        _ => Err(Stop::Malformed),
    }
}

fn line<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8], Stop> {
    let end = rest.windows(2).position(|pair| pair == b"\r\n").ok_or(Stop::Incomplete)?;
    let (line, tail) = rest.split_at(end);
    *rest = tail.get(2..).ok_or(Stop::Incomplete)?;
    Ok(line)
}

fn bulk<'a>(rest: &mut &'a [u8], length: usize) -> Result<&'a [u8], Stop> {
    let whole = length.checked_add(2).ok_or(Stop::Malformed)?;
    let (bulk, tail) = rest.split_at_checked(whole).ok_or(Stop::Incomplete)?;
    *rest = tail;
    bulk.strip_suffix(b"\r\n").ok_or(Stop::Malformed)
}

/// A length; -1 says that there is no value.
fn length(text: &[u8]) -> Result<Option<usize>, Stop> {
    match integer(text)? {
        -1 => Ok(None),
        length => usize::try_from(length).map(Some).map_err(|_| Stop::Malformed),
    }
}

fn integer(text: &[u8]) -> Result<i64, Stop> {
    std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()).ok_or(Stop::Malformed)
}

fn string(text: &[u8]) -> String {
    String::from_utf8_lossy(text).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_arrays_of_bulk_strings() {
        assert_eq!(encode(&["PING", ""]), b"*2\r\n$4\r\nPING\r\n$0\r\n\r\n");
    }

    #[test]
    fn replies_decode_whole_or_not_at_all() {
        let bytes = b"*4\r\n+OK\r\n$4\r\na\r\nb\r\n*2\r\n:-7\r\n$-1\r\n-BUSY later\r\n";
        let expected = Reply::Array(vec![
            Reply::Text("OK".into()),
            Reply::Text("a\r\nb".into()),
            Reply::Array(vec![Reply::Integer(-7), Reply::Null]),
            Reply::Error("BUSY later".into()),
        ]);
        for cut in 0..bytes.len() {
            assert_eq!(decode(&bytes[..cut]), Ok(None), "cut at {cut}");
        }
        let followed = [bytes.as_slice(), b"+next"].concat();
        assert_eq!(decode(&followed), Ok(Some((expected, bytes.len()))));
    }

    #[test]
    fn what_is_no_resp_is_refused() {
        let deep = "*1\r\n".repeat(100);
        for bytes in ["HTTP/1.1 400\r\n", "\r\n", ":x\r\n", "$-2\r\n", "$1\r\nabc\r\n", &deep] {
            assert_eq!(decode(bytes.as_bytes()), Err(Malformed), "{bytes:?}");
        }
    }
}
