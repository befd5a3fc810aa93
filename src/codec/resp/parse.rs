//! The request parser: arrays of bulk strings, and inline lines.
//!
//! The caller owns the bytes; the parser keeps only places in them. It remembers how far it has
//! read, so a request that arrives byte by byte is read once, and reserves nothing for a length
//! that was merely announced. What it accepts, skips and refuses is what Redis 7 does, except for
//! its own two limits and that a NUL in an inline line is a byte like any other.

use memchr::memchr;
use smallvec::SmallVec;

use super::inline;

/// What one request may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The most arguments, the command's name included.
    pub args_max: usize,
    /// The most bytes, framing included.
    pub request_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { args_max: 256, request_bytes_max: 64 * 1024 }
    }
}

/// What the front of the buffer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parsed {
    /// The beginning of a request; more bytes are needed.
    Incomplete,
    /// A request of at least one argument. [`Parser::args`] reads it until the next call.
    Request {
        /// How many bytes of the buffer it took.
        consumed: usize,
    },
    /// An empty array or line, to be skipped without a reply.
    Nothing {
        /// How many bytes of the buffer it took.
        consumed: usize,
    },
}

/// The bytes are no request; the connection is beyond repair and must be closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProtocolError {
    /// The length of an array is no number.
    #[error("Protocol error: invalid multibulk length")]
    MultibulkLength,
    /// The length of a bulk string is no number, or negative.
    #[error("Protocol error: invalid bulk length")]
    BulkLength,
    /// An element of the array is no bulk string.
    #[error("Protocol error: expected '$', got '{}'", .0.escape_ascii())]
    NotABulk(u8),
    /// A line without an end.
    #[error("Protocol error: too big inline request")]
    InlineTooBig,
    /// An array length without an end.
    #[error("Protocol error: too big mbulk count string")]
    MultibulkCountTooBig,
    /// A bulk length without an end.
    #[error("Protocol error: too big bulk count string")]
    BulkCountTooBig,
    /// An inline line whose quotes do not match.
    #[error("Protocol error: unbalanced quotes in request")]
    UnbalancedQuotes,
    /// More arguments than [`Limits::args_max`].
    #[error("Protocol error: invalid multibulk length, a request has at most {max} arguments")]
    TooManyArgs {
        /// The limit.
        max: usize,
    },
    /// More bytes than [`Limits::request_bytes_max`].
    #[error("Protocol error: invalid bulk length, a request has at most {max} bytes")]
    TooManyBytes {
        /// The limit.
        max: usize,
    },
}

impl ProtocolError {
    /// The whole error line, as the last thing that the connection is sent.
    pub fn write_to(self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"-ERR ");
        match self {
            // The one error with a byte of the client's, sent as it is; line ends become blanks.
            Self::NotABulk(byte) => {
                out.extend_from_slice(b"Protocol error: expected '$', got '");
                out.push(if matches!(byte, b'\r' | b'\n') { b' ' } else { byte });
                out.push(b'\'');
            }
            Self::MultibulkLength
            | Self::BulkLength
            | Self::InlineTooBig
            | Self::MultibulkCountTooBig
            | Self::BulkCountTooBig
            | Self::UnbalancedQuotes
            | Self::TooManyArgs { .. }
            | Self::TooManyBytes { .. } => out.extend_from_slice(self.to_string().as_bytes()),
        }
        out.extend_from_slice(b"\r\n");
    }
}

/// How far the end of a line is looked for byte by byte.
const NEAR: usize = 6;

/// Where an argument lies.
#[derive(Debug, Clone, Copy)]
pub(super) struct Part {
    pub(super) start: usize,
    pub(super) end: usize,
}

/// What the parser is in the middle of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nothing of a request was seen.
    Start,
    /// An inline line, up to its end.
    Line,
    /// The `*n` line.
    Count,
    /// The `$n` line of the next argument.
    Length,
    /// The bytes of an argument and the line end after them.
    Body(usize),
}

/// Room for so many bytes of an inline request is kept.
const SCRATCH_KEPT: usize = 1_024;

/// Cuts requests out of a stream of bytes.
#[derive(Debug)]
pub struct Parser {
    limits: Limits,
    state: State,
    /// Where the element that is being read begins, from the start of the request.
    at: usize,
    /// How far an unfinished line was searched for its end.
    searched: usize,
    /// How many arguments are still to come.
    missing: usize,
    parts: SmallVec<[Part; 16]>,
    /// Whether the arguments lie in `scratch` instead of the caller's buffer.
    inline: bool,
    scratch: Vec<u8>,
}

impl Parser {
    /// A parser at the start of a stream.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            state: State::Start,
            at: 0,
            searched: 0,
            missing: 0,
            parts: SmallVec::new(),
            inline: false,
            scratch: Vec::new(),
        }
    }

    /// Requests that begin from now on have other limits.
    pub fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// Frees the room of a long inline request. The arguments of the last request are gone then.
    pub fn tidy(&mut self) {
        if self.scratch.capacity() > SCRATCH_KEPT {
            self.scratch = Vec::new();
        }
    }

    /// Reads on. `buf` begins where the last request ended, and holds at least what it held when
    /// the last call said [`Parsed::Incomplete`]. After an error the parser is of no more use.
    pub fn next(&mut self, buf: &[u8]) -> Result<Parsed, ProtocolError> {
        loop {
            let step = match self.state {
                State::Start => self.start(buf),
                State::Line => return self.line(buf),
                State::Count => self.count(buf)?,
                State::Length => self.length(buf)?,
                State::Body(length) => self.body(buf, length),
            };
            if let Some(parsed) = step {
                return Ok(parsed);
            }
        }
    }

    /// The arguments of the request that the last call of [`Self::next`] found in this `buf`.
    pub fn args<'a>(&'a self, buf: &'a [u8]) -> Args<'a> {
        Args { parts: &self.parts, bytes: if self.inline { &self.scratch } else { buf } }
    }

    fn start(&mut self, buf: &[u8]) -> Option<Parsed> {
        self.parts.clear();
        self.at = 0;
        self.searched = 0;
        match buf.first() {
            None => return Some(Parsed::Incomplete),
            Some(b'*') => {
                self.inline = false;
                self.state = State::Count;
            }
            Some(_) => {
                self.inline = true;
                self.state = State::Line;
            }
        }
        None
    }

    fn line(&mut self, buf: &[u8]) -> Result<Parsed, ProtocolError> {
        let max = self.limits.request_bytes_max;
        let Some(end) = self.find(buf, b'\n') else {
            let endless = buf.len() > max;
            return if endless { Err(ProtocolError::InlineTooBig) } else { Ok(Parsed::Incomplete) };
        };
        if end >= max {
            return Err(ProtocolError::InlineTooBig);
        }
        let line = buf.get(..end).unwrap_or_default();
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        self.scratch.clear();
        let parts = &mut self.parts;
        inline::split(line, &mut self.scratch, |part| parts.push(part))
            .map_err(|inline::UnbalancedQuotes| ProtocolError::UnbalancedQuotes)?;
        if self.parts.len() > self.limits.args_max {
            return Err(ProtocolError::TooManyArgs { max: self.limits.args_max });
        }
        self.state = State::Start;
        let consumed = end + 1;
        Ok(if self.parts.is_empty() {
            Parsed::Nothing { consumed }
        } else {
            Parsed::Request { consumed }
        })
    }

    fn count(&mut self, buf: &[u8]) -> Result<Option<Parsed>, ProtocolError> {
        let Some(end) = self.find(buf, b'\r') else {
            return self.unfinished(buf, ProtocolError::MultibulkCountTooBig);
        };
        if end + 2 > self.limits.request_bytes_max {
            return Err(ProtocolError::MultibulkCountTooBig);
        }
        if buf.len() < end + 2 {
            return Ok(Some(Parsed::Incomplete));
        }
        let count = decimal(buf.get(1..end)).ok_or(ProtocolError::MultibulkLength)?;
        let consumed = end + 2;
        let Some(count) = usize::try_from(count).ok().filter(|&count| count > 0) else {
            self.state = State::Start;
            return Ok(Some(Parsed::Nothing { consumed }));
        };
        if count > self.limits.args_max {
            return Err(ProtocolError::TooManyArgs { max: self.limits.args_max });
        }
        self.missing = count;
        self.go(consumed, State::Length);
        Ok(None)
    }

    fn length(&mut self, buf: &[u8]) -> Result<Option<Parsed>, ProtocolError> {
        let Some(end) = self.find(buf, b'\r') else {
            return self.unfinished(buf, ProtocolError::BulkCountTooBig);
        };
        if end + 2 > self.limits.request_bytes_max {
            return Err(ProtocolError::BulkCountTooBig);
        }
        if buf.len() < end + 2 {
            return Ok(Some(Parsed::Incomplete));
        }
        match buf.get(self.at) {
            Some(b'$') => {}
            Some(&byte) => return Err(ProtocolError::NotABulk(byte)),
            None => return Ok(Some(Parsed::Incomplete)),
        }
        let length = decimal(buf.get(self.at + 1..end))
            .and_then(|length| usize::try_from(length).ok())
            .ok_or(ProtocolError::BulkLength)?;
        let max = self.limits.request_bytes_max;
        if length.saturating_add(end + 4) > max {
            return Err(ProtocolError::TooManyBytes { max });
        }
        self.go(end + 2, State::Body(length));
        Ok(None)
    }

    fn body(&mut self, buf: &[u8], length: usize) -> Option<Parsed> {
        let end = self.at + length;
        // Like Redis, two bytes are skipped here without a look at them.
        if buf.len() < end + 2 {
            return Some(Parsed::Incomplete);
        }
        self.parts.push(Part { start: self.at, end });
        self.missing = self.missing.saturating_sub(1);
        if self.missing == 0 {
            self.state = State::Start;
            return Some(Parsed::Request { consumed: end + 2 });
        }
        self.go(end + 2, State::Length);
        None
    }

    /// Enters `state` for the element that begins at `at`.
    fn go(&mut self, at: usize, state: State) {
        self.at = at;
        self.searched = at;
        self.state = state;
    }

    /// Looks for `end` where no call has looked before.
    fn find(&mut self, buf: &[u8], end: u8) -> Option<usize> {
        let from = self.searched;
        let rest = buf.get(from..)?;
        // The end of a length is a few bytes away, where a plain loop is faster than any search.
        let near = rest.iter().take(NEAR).position(|&byte| byte == end);
        let found = near.or_else(|| memchr(end, rest)).map(|offset| from + offset);
        self.searched = found.unwrap_or(buf.len());
        found
    }

    /// A length line without an end: wait for it, but not for ever.
    fn unfinished(
        &self,
        buf: &[u8],
        error: ProtocolError,
    ) -> Result<Option<Parsed>, ProtocolError> {
        let endless = buf.len() > self.limits.request_bytes_max;
        if endless { Err(error) } else { Ok(Some(Parsed::Incomplete)) }
    }
}

/// Reads a decimal as Redis does: no blanks, plus signs or leading zeros.
fn decimal(digits: Option<&[u8]>) -> Option<i64> {
    let digits = digits?;
    // Most lengths have one digit or two.
    match *digits {
        [one @ b'0'..=b'9'] => return Some(i64::from(one - b'0')),
        [ten @ b'1'..=b'9', one @ b'0'..=b'9'] => {
            return Some(i64::from(ten - b'0') * 10 + i64::from(one - b'0'));
        }
        _ => {}
    }
    let unsigned = digits.strip_prefix(b"-").unwrap_or(digits);
    match unsigned {
        [b'0'] if unsigned.len() == digits.len() => return Some(0),
        [b'1'..=b'9', ..] if unsigned.iter().all(u8::is_ascii_digit) => {}
        _ => return None,
    }
    let value = std::str::from_utf8(digits).ok()?.parse::<i64>().ok()?;
    // An array of more elements than an `int` counts is malformed to Redis, too.
    (value <= i64::from(i32::MAX)).then_some(value)
}

/// The arguments of one request, the command's name first.
#[derive(Debug, Clone, Copy)]
pub struct Args<'a> {
    parts: &'a [Part],
    bytes: &'a [u8],
}

impl<'a> Args<'a> {
    /// How many there are, at least one.
    pub const fn len(&self) -> usize {
        self.parts.len()
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// One of them.
    pub fn get(&self, index: usize) -> Option<&'a [u8]> {
        let part = self.parts.get(index)?;
        self.bytes.get(part.start..part.end)
    }

    /// The command's name; empty when there is none.
    pub fn name(&self) -> &'a [u8] {
        self.get(0).unwrap_or_default()
    }

    /// All of them from the one at `index` on.
    pub fn iter_from(&self, index: usize) -> ArgsIter<'a> {
        ArgsIter { args: *self, next: index }
    }
}

/// Walks arguments.
#[derive(Debug, Clone)]
pub struct ArgsIter<'a> {
    args: Args<'a>,
    next: usize,
}

impl<'a> Iterator for ArgsIter<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let arg = self.args.get(self.next)?;
        self.next += 1;
        Some(arg)
    }
}

#[cfg(test)]
#[path = "parse_tests.rs"]
mod tests;
