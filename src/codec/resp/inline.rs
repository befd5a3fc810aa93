//! Inline requests: a line of words, split by Redis's quoting rules.

use super::parse::Part;

/// A quote that is not closed, or closed in the middle of a word.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct UnbalancedQuotes;

/// Splits `line` into words: their bytes, unescaped, go to `scratch`, their places to `words`.
pub(super) fn split(
    line: &[u8],
    scratch: &mut Vec<u8>,
    mut word: impl FnMut(Part),
) -> Result<(), UnbalancedQuotes> {
    let mut rest = line;
    loop {
        rest = rest.trim_ascii_start_c();
        if rest.is_empty() {
            return Ok(());
        }
        let start = scratch.len();
        rest = take_word(rest, scratch)?;
        word(Part { start, end: scratch.len() });
    }
}

/// White space as the C library sees it: ASCII's and the vertical tab.
trait TrimC {
    fn trim_ascii_start_c(&self) -> &Self;
}

impl TrimC for [u8] {
    fn trim_ascii_start_c(&self) -> &Self {
        let blank = |byte: &u8| byte.is_ascii_whitespace() || *byte == 0x0b;
        let first = self.iter().position(|byte| !blank(byte)).unwrap_or(self.len());
        self.get(first..).unwrap_or_default()
    }
}

/// Takes one word off the front of `text`; returns what follows it.
fn take_word<'a>(mut text: &'a [u8], out: &mut Vec<u8>) -> Result<&'a [u8], UnbalancedQuotes> {
    loop {
        match text {
            // A vertical tab separates no words, although it is skipped in front of one.
            [] | [b' ' | b'\n' | b'\r' | b'\t', ..] => return Ok(text),
            [b'"', rest @ ..] => return closed(take_double_quoted(rest, out)?),
            [b'\'', rest @ ..] => return closed(take_single_quoted(rest, out)?),
            [byte, rest @ ..] => {
                out.push(*byte);
                text = rest;
            }
        }
    }
}

/// A closing quote must end the word.
fn closed(rest: &[u8]) -> Result<&[u8], UnbalancedQuotes> {
    match rest.first() {
        Some(byte) if !byte.is_ascii_whitespace() && *byte != 0x0b => Err(UnbalancedQuotes),
        Some(_) | None => Ok(rest),
    }
}

/// Takes the rest of a word in double quotes, escapes and all.
fn take_double_quoted<'a>(
    mut text: &'a [u8],
    out: &mut Vec<u8>,
) -> Result<&'a [u8], UnbalancedQuotes> {
    loop {
        match text {
            [] => return Err(UnbalancedQuotes),
            [b'"', rest @ ..] => return Ok(rest),
            [b'\\', b'x', high, low, rest @ ..] if hex(*high).is_some() && hex(*low).is_some() => {
                out.push(hex(*high).unwrap_or(0) * 16 + hex(*low).unwrap_or(0));
                text = rest;
            }
            [b'\\', byte, rest @ ..] => {
                out.push(match byte {
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'b' => 0x08,
                    b'a' => 0x07,
                    other => *other,
                });
                text = rest;
            }
            [byte, rest @ ..] => {
                out.push(*byte);
                text = rest;
            }
        }
    }
}

/// Takes the rest of a word in single quotes, where only `\'` is an escape.
fn take_single_quoted<'a>(
    mut text: &'a [u8],
    out: &mut Vec<u8>,
) -> Result<&'a [u8], UnbalancedQuotes> {
    loop {
        match text {
            [] => return Err(UnbalancedQuotes),
            [b'\'', rest @ ..] => return Ok(rest),
            [b'\\', b'\'', rest @ ..] => {
                out.push(b'\'');
                text = rest;
            }
            [byte, rest @ ..] => {
                out.push(*byte);
                text = rest;
            }
        }
    }
}

/// The value of a hexadecimal digit.
fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &[u8]) -> Result<Vec<Vec<u8>>, UnbalancedQuotes> {
        let (mut scratch, mut parts) = (Vec::new(), Vec::new());
        split(line, &mut scratch, |part| parts.push(part))?;
        Ok(parts.iter().map(|part| scratch[part.start..part.end].to_vec()).collect())
    }

    #[test]
    fn splits_words_as_redis_does() {
        for (line, expected) in [
            (&b""[..], &[][..]),
            (b" \t\x0b ", &[]),
            (b"  ECHO   a  ", &[&b"ECHO"[..], b"a"]),
            (b"ECHO\ta", &[b"ECHO", b"a"]),
            (b"ECHO a\x0bb", &[b"ECHO", b"a\x0bb"]),
            (b"ECHO a\rb", &[b"ECHO", b"a", b"b"]),
            (b"ECHO \"\"", &[b"ECHO", b""]),
            (b"ECHO a\"b c\"", &[b"ECHO", b"ab c"]),
            (b"f'oo' a", &[b"foo", b"a"]),
            (b"\"\\x41\\n\\q\\\"\\xZZ\\r\\t\\b\\a\\\\\"", &[b"A\nq\"xZZ\r\t\x08\x07\\"]),
            (b"'a\\'b\\n'", &[b"a'b\\n"]),
        ] {
            assert_eq!(words(line).unwrap(), expected, "{line:?}");
        }
    }

    #[test]
    fn refuses_quotes_that_do_not_close_a_word() {
        for line in [&b"\"a"[..], b"'a", b"\"a\"b", b"'a'b", b"a\"b", b"\"\\", b"\"a\\\"", b"'a\\'"]
        {
            assert_eq!(words(line), Err(UnbalancedQuotes), "{line:?}");
        }
    }
}
