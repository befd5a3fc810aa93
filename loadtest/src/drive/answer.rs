//! Replies, read where they lie: nothing is copied or allocated.
//!
//! Written apart from the server's codec on purpose, like [`crate::resp`]: a checker that shares
//! its decoder with what it checks would share its mistakes.

use purser::domain::amount::Amount;

/// How deep a reply may nest; purser's are at most three deep.
const DEPTH_MAX: u8 = 8;

/// One reply, borrowed from the bytes that arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer<'a> {
    /// A simple or bulk string.
    Text(&'a [u8]),
    Error(&'a [u8]),
    Integer(i64),
    Null,
    Fields(Fields<'a>),
}

/// The elements of an array, read as names and values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fields<'a>(&'a [u8]);

/// Why there is no reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    /// Not all of it is here.
    Incomplete,
    /// This is no RESP2.
    Malformed,
}

/// Takes the first reply off `bytes`.
pub(crate) fn take<'a>(bytes: &mut &'a [u8]) -> Result<Answer<'a>, Stop> {
    element(bytes, 0)
}

fn element<'a>(bytes: &mut &'a [u8], depth: u8) -> Result<Answer<'a>, Stop> {
    if depth > DEPTH_MAX {
        return Err(Stop::Malformed);
    }
    let mut rest = *bytes;
    let (&kind, text) = line(&mut rest)?.split_first().ok_or(Stop::Malformed)?;
    let answer = match kind {
        b'+' => Answer::Text(text),
        b'-' => Answer::Error(text),
        b':' => Answer::Integer(integer(text)?),
        b'$' | b'*' if text == b"-1" => Answer::Null,
        b'$' => {
            let whole = length(text)?.checked_add(2).ok_or(Stop::Malformed)?;
            let (bulk, tail) = rest.split_at_checked(whole).ok_or(Stop::Incomplete)?;
            rest = tail;
            Answer::Text(bulk.strip_suffix(b"\r\n").ok_or(Stop::Malformed)?)
        }
        b'*' => {
            let all = rest;
            for _ in 0..length(text)? {
                element(&mut rest, depth + 1)?;
            }
            Answer::Fields(Fields(all.get(..all.len() - rest.len()).unwrap_or_default()))
        }
        _ => return Err(Stop::Malformed),
    };
    *bytes = rest;
    Ok(answer)
}

fn line<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8], Stop> {
    let end = rest.iter().position(|&byte| byte == b'\r').ok_or(Stop::Incomplete)?;
    let (line, tail) = rest.split_at(end);
    match tail {
        [_, b'\n', tail @ ..] => {
            *rest = tail;
            Ok(line)
        }
        [_] => Err(Stop::Incomplete),
        _ => Err(Stop::Malformed),
    }
}

fn length(text: &[u8]) -> Result<usize, Stop> {
    usize::try_from(integer(text)?).map_err(|_| Stop::Malformed)
}

fn integer(text: &[u8]) -> Result<i64, Stop> {
    let (is_negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(Stop::Malformed);
    }
    let add = |sum: i64, &digit: &u8| {
        sum.checked_mul(10)?.checked_add(i64::from(digit.wrapping_sub(b'0')))
    };
    let magnitude = digits.iter().try_fold(0, add).ok_or(Stop::Malformed)?;
    Ok(if is_negative { -magnitude } else { magnitude })
}

impl<'a> Fields<'a> {
    /// All fields whose value is text or a number.
    pub(crate) fn pairs(self) -> impl Iterator<Item = (&'a [u8], Value<'a>)> {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            loop {
                let name = element(&mut rest, 0).ok()?;
                let value = element(&mut rest, 0).ok()?;
                match (name, value) {
                    (Answer::Text(name), Answer::Text(text)) => {
                        return Some((name, Value::Text(text)));
                    }
                    (Answer::Text(name), Answer::Integer(number)) => {
                        return Some((name, Value::Integer(number)));
                    }
                    // What is absent, or a list, is nothing that a run looks at.
                    _ => {}
                }
            }
        })
    }

    /// The elements as they are.
    pub(crate) fn elements(self) -> impl Iterator<Item = Answer<'a>> {
        let mut rest = self.0;
        std::iter::from_fn(move || element(&mut rest, 0).ok())
    }

    /// The number of that name; none when it is missing or is no number.
    pub(crate) fn integer(self, wanted: &str) -> Option<i64> {
        self.pairs().find_map(|(name, value)| match value {
            Value::Integer(number) if name == wanted.as_bytes() => Some(number),
            Value::Integer(_) | Value::Text(_) => None,
        })
    }

    pub(crate) fn text(self, wanted: &str) -> Option<&'a [u8]> {
        self.pairs().find_map(|(name, value)| match value {
            Value::Text(text) if name == wanted.as_bytes() => Some(text),
            Value::Text(_) | Value::Integer(_) => None,
        })
    }

    /// The amount of that name; none when it is missing or is no amount.
    pub(crate) fn amount(self, name: &str) -> Option<Amount> {
        amount(self.text(name)?)
    }
}

/// A field's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Value<'a> {
    Text(&'a [u8]),
    Integer(i64),
}

impl Value<'_> {
    /// The amount that it is; none when it is none.
    pub(crate) fn amount(self) -> Option<Amount> {
        match self {
            Self::Text(text) => amount(text),
            Self::Integer(_) => None,
        }
    }
}

/// What is available may be negative; `Amount` reads only what a caller may state.
fn amount(text: &[u8]) -> Option<Amount> {
    match text {
        [b'-', magnitude @ ..] => Amount::ZERO.minus(Amount::parse(magnitude).ok()?).ok(),
        _ => Amount::parse(text).ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_are_read_whole_or_not_at_all() {
        let bytes = b"*8\r\n$6\r\nstatus\r\n$4\r\nheld\r\n$4\r\nlist\r\n*1\r\n+x\r\n$4\r\nnull\r\n\
                      $-1\r\n$8\r\nreplayed\r\n:-1\r\n";
        for cut in 0..bytes.len() {
            assert_eq!(take(&mut &bytes[..cut]), Err(Stop::Incomplete), "cut at {cut}");
        }
        let followed = [bytes.as_slice(), b"-BUSY later\r\n"].concat();
        let mut rest = followed.as_slice();
        let Ok(Answer::Fields(fields)) = take(&mut rest) else { panic!("no fields") };
        let expected: [(&[u8], Value<'_>); 2] =
            [(b"status", Value::Text(b"held")), (b"replayed", Value::Integer(-1))];
        assert_eq!(fields.pairs().collect::<Vec<_>>(), expected);
        assert_eq!(take(&mut rest), Ok(Answer::Error(b"BUSY later")));
        assert_eq!(take(&mut rest), Err(Stop::Incomplete));
    }

    #[test]
    fn amounts_are_exact_and_may_be_negative() {
        let bytes = b"*4\r\n$1\r\na\r\n$15\r\n-0.000000000001\r\n$1\r\nb\r\n$4\r\n1e-6\r\n";
        let Ok(Answer::Fields(fields)) = take(&mut bytes.as_slice()) else { panic!("no fields") };
        assert_eq!(fields.amount("a"), Some(Amount::from_pico(-1)));
        assert_eq!(fields.amount("b"), None);
        assert_eq!(fields.amount("c"), None);
    }

    #[test]
    fn what_is_no_resp_is_refused() {
        let deep = "*1\r\n".repeat(100);
        for bytes in
            ["HTTP/1.1 400\r\n", "\r\n", ":x\r\n", "$-2\r\n", "$1\r\nabc\r\n", "+a\rb", &deep]
        {
            assert_eq!(take(&mut bytes.as_bytes()), Err(Stop::Malformed), "{bytes:?}");
        }
    }
}
