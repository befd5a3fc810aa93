//! The reply writer: frames of RESP2 or RESP3 into a buffer, without a detour over text.

use crate::domain::amount::Amount;

/// Which version of the protocol a connection speaks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Proto {
    /// The default of every connection.
    #[default]
    Resp2,
    /// After `HELLO 3`.
    Resp3,
}

/// Writes reply frames to the end of a buffer.
#[derive(Debug)]
pub struct Writer<'a> {
    out: &'a mut Vec<u8>,
    proto: Proto,
}

impl<'a> Writer<'a> {
    /// A writer for a connection that speaks `proto`.
    pub const fn new(out: &'a mut Vec<u8>, proto: Proto) -> Self {
        Self { out, proto }
    }

    /// The protocol it writes.
    pub const fn proto(&self) -> Proto {
        self.proto
    }

    /// `+text`; the text must not hold line ends.
    pub fn simple(&mut self, text: &str) {
        self.out.push(b'+');
        self.line(text.as_bytes());
    }

    /// `-CODE text`; line ends in the text become blanks.
    pub fn error(&mut self, code: &str, text: &[u8]) {
        self.out.push(b'-');
        self.out.extend_from_slice(code.as_bytes());
        if !text.is_empty() {
            self.out.push(b' ');
        }
        let one_line = |&byte: &u8| if matches!(byte, b'\r' | b'\n') { b' ' } else { byte };
        self.out.extend(text.iter().map(one_line));
        self.out.extend_from_slice(b"\r\n");
    }

    /// A whole frame that was written before, for the same protocol.
    pub fn written(&mut self, frame: &[u8]) {
        self.out.extend_from_slice(frame);
    }

    /// A string of any bytes.
    pub fn bulk(&mut self, bytes: &[u8]) {
        self.header(b'$', bytes.len());
        self.line(bytes);
    }

    /// A string.
    pub fn text(&mut self, text: &str) {
        self.bulk(text.as_bytes());
    }

    /// An integer.
    pub fn integer(&mut self, value: impl itoa::Integer) {
        self.out.push(b':');
        self.line(itoa::Buffer::new().format(value).as_bytes());
    }

    /// An amount, as a bulk string.
    pub fn amount(&mut self, amount: Amount) {
        amount.with_text(|parts| {
            self.header(b'$', parts.iter().map(|part| part.len()).sum());
            for part in parts {
                self.out.extend_from_slice(part);
            }
            self.out.extend_from_slice(b"\r\n");
        });
    }

    /// The header of a map of `pairs` keys and values; in RESP2 an array of both.
    pub fn map_header(&mut self, pairs: usize) {
        match self.proto {
            Proto::Resp2 => self.header(b'*', pairs.saturating_mul(2)),
            Proto::Resp3 => self.header(b'%', pairs),
        }
    }

    /// The header of an array.
    pub fn array_header(&mut self, elements: usize) {
        self.header(b'*', elements);
    }

    /// The header of a set; in RESP2 an array.
    pub fn set_header(&mut self, elements: usize) {
        match self.proto {
            Proto::Resp2 => self.header(b'*', elements),
            Proto::Resp3 => self.header(b'~', elements),
        }
    }

    /// A text for people; in RESP2 a bulk string.
    pub fn verbatim(&mut self, text: &str) {
        match self.proto {
            Proto::Resp2 => self.text(text),
            Proto::Resp3 => {
                self.header(b'=', text.len().saturating_add(4));
                self.out.extend_from_slice(b"txt:");
                self.line(text.as_bytes());
            }
        }
    }

    /// Nothing; in RESP2 the null bulk string.
    pub fn null(&mut self) {
        self.out.extend_from_slice(match self.proto {
            Proto::Resp2 => b"$-1\r\n",
            Proto::Resp3 => b"_\r\n",
        });
    }

    /// Nothing where an array would be; in RESP2 the null array.
    pub fn null_array(&mut self) {
        self.out.extend_from_slice(match self.proto {
            Proto::Resp2 => b"*-1\r\n",
            Proto::Resp3 => b"_\r\n",
        });
    }

    fn header(&mut self, kind: u8, count: usize) {
        // Most lengths have one digit.
        if let Some(digit) = u8::try_from(count).ok().filter(|count| *count < 10) {
            self.out.extend_from_slice(&[kind, b'0' | digit, b'\r', b'\n']);
            return;
        }
        self.out.push(kind);
        self.line(itoa::Buffer::new().format(count).as_bytes());
    }

    fn line(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
        self.out.extend_from_slice(b"\r\n");
    }
}

/// Writes a request as clients send it: an array of bulk strings.
pub fn write_request(out: &mut Vec<u8>, args: &[impl AsRef<[u8]>]) {
    let mut writer = Writer::new(out, Proto::Resp2);
    writer.array_header(args.len());
    for arg in args {
        writer.bulk(arg.as_ref());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(proto: Proto, write: impl Fn(&mut Writer<'_>)) -> String {
        let mut out = Vec::new();
        write(&mut Writer::new(&mut out, proto));
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn frames_differ_by_protocol_only_where_they_must() {
        let frames = |w: &mut Writer<'_>| {
            w.simple("OK");
            w.error("NOHOLD", b"no such\r\nhold");
            w.text("a");
            w.integer(-7_i64);
            w.map_header(2);
            w.array_header(2);
            w.set_header(3);
            w.verbatim("b");
            w.null();
        };
        let common = "+OK\r\n-NOHOLD no such  hold\r\n$1\r\na\r\n:-7\r\n";
        assert_eq!(
            written(Proto::Resp2, frames),
            format!("{common}*4\r\n*2\r\n*3\r\n$1\r\nb\r\n$-1\r\n")
        );
        assert_eq!(
            written(Proto::Resp3, frames),
            format!("{common}%2\r\n*2\r\n~3\r\n=5\r\ntxt:b\r\n_\r\n")
        );
    }

    #[test]
    fn amounts_are_bulk_strings_behind_what_was_there() {
        let amounts = |w: &mut Writer<'_>| {
            w.simple("OK");
            w.amount("24.60".parse().unwrap());
            w.amount(Amount::from_pico(-1));
            w.amount(Amount::ZERO);
        };
        assert_eq!(
            written(Proto::Resp2, amounts),
            "+OK\r\n$4\r\n24.6\r\n$15\r\n-0.000000000001\r\n$1\r\n0\r\n"
        );
    }
}
