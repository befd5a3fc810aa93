//! RESP, the Redis serialization protocol: an incremental request parser and a reply writer.
//!
//! Both work on byte buffers that somebody else owns and fills. Nothing here knows any command.

mod inline;
mod parse;
mod write;

pub use parse::{Args, ArgsIter, Limits, Parsed, Parser, ProtocolError};
pub use write::{Proto, Writer, write_request};
