//! Patterns as Redis takes them in `SCAN … MATCH` and `CONFIG GET`: `*` any bytes, `?` one byte,
//! `[a-c]` and `[^a-c]` one of or none of some bytes, `\x` the byte x itself. Every byte string is a
//! pattern: a class that is not closed ends with the pattern.

/// The most bytes of a pattern that a client may send: names have 128 at most, and each of them is held
/// against it.
pub const PATTERN_MAX: usize = 256;

/// Whether a pattern matches the whole of a text.
///
/// Takes at most the product of both lengths in steps: only the last `*` is ever tried again.
pub fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut pattern, mut text) = (pattern, text);
    let mut retry: Option<(&[u8], &[u8])> = None;
    loop {
        if let Some((b'*', rest)) = pattern.split_first() {
            retry = Some((rest, text));
            pattern = rest;
            continue;
        }
        match (step(pattern, text.first().copied()), text.split_first()) {
            (None, None) => return true,
            (Some((rest, true)), Some((_, left))) => (pattern, text) = (rest, left),
            // The last star takes one byte more.
            _ => match retry {
                Some((rest, from)) if !from.is_empty() => {
                    let left = from.get(1..).unwrap_or_default();
                    retry = Some((rest, left));
                    (pattern, text) = (rest, left);
                }
                _ => return false,
            },
        }
    }
}

/// The pattern behind its first element, which is no star, and whether that element matches a byte;
/// none when the pattern is at its end.
fn step(pattern: &[u8], byte: Option<u8>) -> Option<(&[u8], bool)> {
    let (first, rest) = pattern.split_first()?;
    Some(match (first, rest) {
        (b'?', _) => (rest, byte.is_some()),
        (b'[', _) => class(rest, byte),
        (b'\\', [escaped, rest @ ..]) => (rest, byte == Some(*escaped)),
        _ => (rest, byte == Some(*first)),
    })
}

/// The pattern behind a class whose `[` was taken, and whether the class has a byte.
fn class(pattern: &[u8], byte: Option<u8>) -> (&[u8], bool) {
    let (mut rest, is_inverted) = match pattern {
        [b'^', rest @ ..] => (rest, true),
        _ => (pattern, false),
    };
    let mut has = false;
    loop {
        rest = match rest {
            [] => break,
            [b']', behind @ ..] => {
                rest = behind;
                break;
            }
            [b'\\', escaped, behind @ ..] => {
                has |= byte == Some(*escaped);
                behind
            }
            [from, b'-', to, behind @ ..] => {
                let range = *from.min(to)..=*from.max(to);
                has |= byte.is_some_and(|byte| range.contains(&byte));
                behind
            }
            [one, behind @ ..] => {
                has |= byte == Some(*one);
                behind
            }
        };
    }
    (rest, byte.is_some() && has != is_inverted)
}

#[cfg(test)]
mod tests {
    use super::matches;
    use proptest::prelude::*;

    #[test]
    fn patterns_match_as_in_redis() {
        for (pattern, text) in [
            ("", ""),
            ("*", ""),
            ("a*c", "abcbc"),
            ("a*b*c*", "axxbyyc"),
            ("h?llo", "hxllo"),
            ("h[ae]llo", "hallo"),
            ("h[^e]llo", "hallo"),
            ("h[c-a]llo", "hbllo"),
            ("team-[0-9]*", "team-7:x"),
            ("{a,b}", "{a,b}"),
            ("a\\*", "a*"),
            ("[\\]]", "]"),
            ("a\\", "a\\"),
            ("a[bc", "ac"),
            ("[^]", "x"),
        ] {
            assert!(matches(pattern.as_bytes(), text.as_bytes()), "{pattern} {text}");
        }
        for (pattern, text) in [
            ("", "a"),
            ("?", ""),
            ("a", "ab"),
            ("h[ae]llo", "hillo"),
            ("h[^e]llo", "hello"),
            ("{a,b}", "a"),
            ("a\\*", "ab"),
            ("[]", "x"),
            ("A", "a"),
        ] {
            assert!(!matches(pattern.as_bytes(), text.as_bytes()), "{pattern} {text}");
        }
    }

    #[test]
    fn many_stars_take_no_exponential_time() {
        let pattern = "a*".repeat(60);
        assert!(!matches(format!("{pattern}b").as_bytes(), "a".repeat(120).as_bytes()));
    }

    /// The same without a trick: a star tries every length.
    fn naive(pattern: &[u8], text: &[u8]) -> bool {
        match pattern {
            [] => text.is_empty(),
            [b'*', rest @ ..] => (0..=text.len()).any(|skip| naive(rest, &text[skip..])),
            _ => match (super::step(pattern, text.first().copied()), text) {
                (Some((rest, true)), [_, left @ ..]) => naive(rest, left),
                _ => false,
            },
        }
    }

    proptest! {
        #[test]
        fn one_star_tried_again_finds_what_all_would(pattern in "[ab*?]{0,8}", text in "[ab]{0,8}") {
            prop_assert_eq!(
                matches(pattern.as_bytes(), text.as_bytes()),
                naive(pattern.as_bytes(), text.as_bytes())
            );
        }
    }
}
