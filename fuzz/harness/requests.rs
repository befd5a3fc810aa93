//! What must hold for any bytes that a client sends: no panic, no more memory than allowed, the same in
//! whatever pieces they come.

use purser::codec::commands;
use purser::codec::request::{self, Rules};
use purser::codec::resp::{Limits, Parsed, Parser, Proto, ProtocolError, Writer};

/// Limits small enough to be met.
const LIMITS: Limits = Limits { args_max: 32, request_bytes_max: 4_096 };

/// What a client's bytes come to: its requests, and how they ended.
#[derive(Debug, PartialEq, Eq)]
struct Heard {
    requests: Vec<Vec<Vec<u8>>>,
    end: Option<ProtocolError>,
}

/// Hands bytes over in pieces of a size, as sockets do.
fn hear(bytes: &[u8], piece: usize) -> Heard {
    let mut parser = Parser::new(LIMITS);
    let mut heard = Heard { requests: Vec::new(), end: None };
    let mut buffer = Vec::new();
    for piece in bytes.chunks(piece.max(1)) {
        buffer.extend_from_slice(piece);
        loop {
            // Nobody makes the server keep more than one request's bytes beyond a piece.
            match parser.next(&buffer) {
                Ok(Parsed::Incomplete) => break,
                Ok(Parsed::Nothing { consumed }) => {
                    assert!(consumed > 0 && consumed <= buffer.len());
                    buffer.drain(..consumed);
                }
                Ok(Parsed::Request { consumed }) => {
                    assert!(consumed > 0 && consumed <= buffer.len());
                    let args = parser.args(&buffer);
                    assert!((1..=LIMITS.args_max).contains(&args.len()));
                    heard.requests.push(args.iter_from(0).map(<[u8]>::to_vec).collect());
                    answer(&parser, &buffer);
                    buffer.drain(..consumed);
                }
                Err(error) => {
                    heard.end = Some(error);
                    return heard;
                }
            }
        }
        assert!(buffer.len() <= LIMITS.request_bytes_max + piece.len(), "{}", buffer.len());
    }
    heard
}

/// Decodes a request, and writes the error if it is none.
fn answer(parser: &Parser, buffer: &[u8]) {
    let args = parser.args(buffer);
    let rules = Rules::default();
    let first = request::parse(args, &rules);
    assert_eq!(first, request::parse(args, &rules), "the same request, read twice");
    let mut reply = Vec::new();
    for proto in [Proto::Resp2, Proto::Resp3] {
        let mut writer = Writer::new(&mut reply, proto);
        if let Err(error) = &first {
            error.write(&mut writer);
        }
        commands::write_info(args, &mut writer);
        commands::write_docs(args, &mut writer);
    }
}

/// Tries bytes whole and in pieces, whose size their first byte says.
pub(crate) fn requests(bytes: &[u8]) -> bool {
    let Some((size, bytes)) = bytes.split_first() else { return false };
    let whole = hear(bytes, bytes.len());
    let pieces = hear(bytes, usize::from(*size % 24) + 1);
    assert_eq!(whole.requests, pieces.requests, "what is sent in pieces is the same");
    assert_eq!(whole.end.is_some(), pieces.end.is_some());
    !whole.requests.is_empty()
}
