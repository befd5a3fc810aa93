//! What the parser must do, fed whole and in pieces.

use proptest::prelude::*;

use super::*;
use crate::codec::resp::write_request;

type Request = Vec<Vec<u8>>;

/// Feeds `chunks` one after another; what came of it, and the error that ended it.
fn feed(limits: Limits, chunks: &[&[u8]]) -> (Vec<Request>, Option<ProtocolError>) {
    let mut parser = Parser::new(limits);
    let (mut buf, mut requests) = (Vec::new(), Vec::new());
    for chunk in chunks {
        buf.extend_from_slice(chunk);
        loop {
            match parser.next(&buf) {
                Ok(Parsed::Incomplete) => break,
                Ok(Parsed::Nothing { consumed }) => {
                    buf.drain(..consumed);
                }
                Ok(Parsed::Request { consumed }) => {
                    requests.push(parser.args(&buf).iter_from(0).map(<[u8]>::to_vec).collect());
                    buf.drain(..consumed);
                }
                Err(error) => return (requests, Some(error)),
            }
        }
        assert!(buf.len() <= limits.request_bytes_max, "waits for more than it would accept");
        assert!(parser.parts.capacity() <= limits.args_max.next_power_of_two().max(16));
        assert!(parser.scratch.capacity() <= 2 * limits.request_bytes_max);
    }
    (requests, None)
}

fn whole(bytes: &[u8]) -> (Vec<Request>, Option<ProtocolError>) {
    feed(Limits::default(), &[bytes])
}

fn bytewise(bytes: &[u8]) -> (Vec<Request>, Option<ProtocolError>) {
    feed(Limits::default(), &bytes.chunks(1).collect::<Vec<_>>())
}

/// Each line was sent to a Redis 7.0.15, which answered the same.
#[test]
fn refuses_what_redis_refuses_in_the_same_words() {
    let endless = |start: &str| [start.as_bytes(), &b"1".repeat(70_000)].concat();
    for (bytes, line) in [
        (b"*x\r\n".to_vec(), "Protocol error: invalid multibulk length"),
        (b"*\r\n".to_vec(), "Protocol error: invalid multibulk length"),
        (b"*+1\r\n$4\r\nPING\r\n".to_vec(), "Protocol error: invalid multibulk length"),
        (b"* 1\r\n$4\r\nPING\r\n".to_vec(), "Protocol error: invalid multibulk length"),
        (b"*01\r\n$4\r\nPING\r\n".to_vec(), "Protocol error: invalid multibulk length"),
        (b"*-0\r\nPING\r\n".to_vec(), "Protocol error: invalid multibulk length"),
        (b"*1\nx$4\r\nPING\r\n".to_vec(), "Protocol error: invalid multibulk length"),
        (b"*99999999999999999999\r\n".to_vec(), "Protocol error: invalid multibulk length"),
        (b"*1\r\nx\r\n".to_vec(), "Protocol error: expected '$', got 'x'"),
        (b"*1\r\n\r\n".to_vec(), "Protocol error: expected '$', got ' '"),
        (b"*1\r$4\r\nPING\r\n".to_vec(), "Protocol error: expected '$', got '4'"),
        (b"*1\r\n$x\r\n".to_vec(), "Protocol error: invalid bulk length"),
        (b"*1\r\n$-1\r\n".to_vec(), "Protocol error: invalid bulk length"),
        (b"*1\r\n$\r\n".to_vec(), "Protocol error: invalid bulk length"),
        (b"*1\r\n$04\r\nPING\r\n".to_vec(), "Protocol error: invalid bulk length"),
        (b"ECHO \"a\r\n".to_vec(), "Protocol error: unbalanced quotes in request"),
        (b"ECHO 'a'b\r\n".to_vec(), "Protocol error: unbalanced quotes in request"),
        (endless("*"), "Protocol error: too big mbulk count string"),
        (endless("*1\r\n$"), "Protocol error: too big bulk count string"),
        (endless("a"), "Protocol error: too big inline request"),
    ] {
        let expected = format!("-ERR {line}\r\n");
        for (requests, error) in [whole(&bytes), bytewise(&bytes)] {
            let mut out = Vec::new();
            error.expect("an error").write_to(&mut out);
            assert_eq!(String::from_utf8_lossy(&out), expected);
            assert!(requests.is_empty());
        }
    }
}

#[test]
fn reads_what_redis_reads() {
    let ping = || vec![b"PING".to_vec()];
    for (bytes, requests) in [
        (&b"*-1\r\nPING\r\n"[..], vec![ping()]),
        (b"*0\r\nPING\r\n", vec![ping()]),
        (b"*-2\r\n", vec![]),
        (b"\r\n\n   \r\nPING\n", vec![ping()]),
        (b"*1\r\n$4\r\nPINGxxPING\r\n", vec![ping(), ping()]),
        (b"*2\r\n$4\r\nECHO\r\n$0\r\n\r\n", vec![vec![b"ECHO".to_vec(), vec![]]]),
        (b"*1\r\n$4\r\nPI\r\n\r\nPING", vec![vec![b"PI\r\n".to_vec()]]),
    ] {
        assert_eq!(whole(bytes), (requests.clone(), None), "{bytes:?}");
        assert_eq!(bytewise(bytes), (requests, None), "{bytes:?}");
    }
}

#[test]
fn limits_are_named_and_judged_before_the_bytes_arrive() {
    let limits = Limits { args_max: 3, request_bytes_max: 40 };
    let text = |bytes: &[u8]| feed(limits, &[bytes]).1.map(|error| error.to_string());
    assert_eq!(
        text(b"*4\r\n").unwrap(),
        "Protocol error: invalid multibulk length, a request has at most 3 arguments"
    );
    assert_eq!(
        text(b"a b c d\r\n").unwrap(),
        "Protocol error: invalid multibulk length, a request has at most 3 arguments"
    );
    assert_eq!(
        text(b"*2\r\n$4\r\nPING\r\n$536870912\r\n").unwrap(),
        "Protocol error: invalid bulk length, a request has at most 40 bytes"
    );
    // 40 bytes exactly pass, one more does not.
    let fits = b"*1\r\n$29\r\n01234567890123456789012345678\r\n";
    assert_eq!((fits.len(), text(fits)), (40, None));
    assert!(text(b"*1\r\n$30\r\n").is_some());
}

#[test]
fn a_large_request_byte_by_byte_is_read_once() {
    let args: Vec<Vec<u8>> = (0..200).map(|i| vec![b'a'; 100 + i % 7]).collect();
    let mut bytes = Vec::new();
    write_request(&mut bytes, &args);
    let mut parser = Parser::new(Limits::default());
    for end in 1..bytes.len() {
        assert_eq!(parser.next(&bytes[..end]), Ok(Parsed::Incomplete));
        // Progress only ever grows, so no byte is looked at twice.
        assert!(parser.searched <= end + 108);
    }
    assert_eq!(parser.next(&bytes), Ok(Parsed::Request { consumed: bytes.len() }));
    assert_eq!(parser.args(&bytes).len(), 200);
}

/// Cuts `bytes` at `cuts`, taken modulo their number.
fn cut<'a>(bytes: &'a [u8], cuts: &[usize]) -> Vec<&'a [u8]> {
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).collect();
    cuts.extend([0, bytes.len()]);
    cuts.sort_unstable();
    cuts.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect()
}

/// A request as a client would send it, in either form.
fn any_request() -> impl Strategy<Value = (bool, Request)> {
    let arg = prop::collection::vec(any::<u8>(), 0..20);
    (any::<bool>(), prop::collection::vec(arg, 1..8))
}

fn encode(inline: bool, request: &Request, out: &mut Vec<u8>) {
    if !inline {
        return write_request(out, request);
    }
    for arg in request {
        out.extend_from_slice(b" \"");
        for byte in arg {
            out.extend_from_slice(format!("\\x{byte:02x}").as_bytes());
        }
        out.push(b'"');
    }
    out.extend_from_slice(b"\r\n");
}

proptest! {
    #[test]
    fn a_stream_parses_the_same_wherever_it_is_cut(
        requests in prop::collection::vec(any_request(), 1..12),
        cuts in prop::collection::vec(any::<usize>(), 0..20),
    ) {
        let mut bytes = Vec::new();
        for (inline, request) in &requests {
            encode(*inline, request, &mut bytes);
        }
        let expected: Vec<Request> = requests.into_iter().map(|(_, request)| request).collect();
        prop_assert_eq!(feed(Limits::default(), &cut(&bytes, &cuts)), (expected, None));
    }

    #[test]
    fn garbage_never_panics_and_ends_the_same_wherever_it_is_cut(
        bytes in prop::collection::vec(
            prop_oneof![any::<u8>(), prop::sample::select(b"*$\r\n0123456789-'\"\\x ".to_vec())],
            0..400,
        ),
        cuts in prop::collection::vec(any::<usize>(), 0..20),
    ) {
        let limits = Limits { args_max: 20, request_bytes_max: 200 };
        // `feed` asserts that neither the buffer nor the parser outgrows the limits.
        prop_assert_eq!(feed(limits, &cut(&bytes, &cuts)), feed(limits, &[&bytes]));
    }
}
