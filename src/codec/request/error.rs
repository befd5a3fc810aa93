//! Why a request is not understood.

use crate::codec::reply::ErrorCode;
use crate::codec::resp::{Args, Writer};
use crate::domain::amount::ParseAmountError;
use crate::domain::id::IdError;

/// Redis shows so many bytes of an unknown command, and of its arguments.
const SHOWN_MAX: usize = 128;

/// A request that cannot be passed on: an error line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestError {
    code: ErrorCode,
    /// Not always text: it may show what the client sent.
    text: Vec<u8>,
}

impl RequestError {
    /// The first word of the error line.
    pub const fn code(&self) -> ErrorCode {
        self.code
    }

    /// The rest of the line; it may hold bytes of the client's.
    pub fn text(&self) -> &[u8] {
        &self.text
    }

    /// Writes the error line.
    pub fn write(&self, writer: &mut Writer<'_>) {
        writer.error(self.code.as_str(), &self.text);
    }

    /// A request that is malformed.
    pub(super) fn malformed(text: impl Into<Vec<u8>>) -> Self {
        Self { code: ErrorCode::Err, text: text.into() }
    }

    /// A value that is beyond what it may be.
    pub(super) fn range(text: impl Into<Vec<u8>>) -> Self {
        Self { code: ErrorCode::Range, text: text.into() }
    }

    /// More tags than configured.
    pub(super) fn too_many_tags(max: usize) -> Self {
        let text = format!("max={max} an operation has at most {max} tags; send fewer");
        Self { code: ErrorCode::TooMany, text: text.into() }
    }

    /// More units than an operation may have.
    pub(super) fn too_many_units(max: usize) -> Self {
        let text = format!("max={max} an operation has at most {max} units; send fewer");
        Self { code: ErrorCode::TooMany, text: text.into() }
    }

    /// `name` is no name for what `what` says.
    pub(super) fn name(what: &str, error: IdError) -> Self {
        Self::malformed(format!("invalid {what}: {error}"))
    }

    /// An amount that is none.
    pub(super) fn amount(what: &str, error: ParseAmountError) -> Self {
        let text = format!("invalid {what}: {error}");
        match error {
            ParseAmountError::Malformed => Self::malformed(text),
            ParseAmountError::TooLarge => Self::range(text),
        }
    }

    /// A command that nobody knows, in the words of Redis.
    pub fn unknown_command(args: Args<'_>) -> Self {
        let mut text = b"unknown command '".to_vec();
        text.extend(args.name().iter().take(SHOWN_MAX));
        text.extend_from_slice(b"', with args beginning with: ");
        let start = text.len();
        for arg in args.iter_from(1) {
            let shown = text.len().saturating_sub(start);
            if shown >= SHOWN_MAX {
                break;
            }
            text.push(b'\'');
            text.extend(arg.iter().take(SHOWN_MAX.saturating_sub(shown)));
            text.extend_from_slice(b"' ");
        }
        Self::malformed(text)
    }

    /// A subcommand that nobody knows, in the words of Redis.
    pub fn unknown_subcommand(args: Args<'_>) -> Self {
        let mut text = b"unknown subcommand '".to_vec();
        text.extend(args.get(1).unwrap_or_default().iter().take(SHOWN_MAX));
        text.extend_from_slice(b"'. Try ");
        text.extend(args.name().to_ascii_uppercase());
        text.extend_from_slice(b" HELP.");
        Self::malformed(text)
    }

    /// A known command with too few or too many arguments, in the words of Redis.
    pub fn wrong_arity(name: &str) -> Self {
        let name = name.to_ascii_lowercase();
        Self::malformed(format!("wrong number of arguments for '{name}' command"))
    }
}
