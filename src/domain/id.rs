//! Names: of wallets, operations, currencies; and the texts that travel with an operation.
//!
//! Each type can only hold what the contract allows, so nothing behind the parser checks again. A
//! copy of a name costs no allocation: an operation's id stands in its event, its hold and the
//! wallet's memory.

use smol_str::SmolStr;
use std::fmt;

/// Why a text cannot be used as a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// Empty, or longer than allowed.
    #[error("it must have 1 to {max} bytes")]
    Length {
        /// The most bytes it may have.
        max: usize,
    },
    /// A byte that is not printable ASCII, or a space or a quote.
    #[error("it must be printable ASCII without spaces and quotes")]
    Character,
    /// It begins with `@`.
    #[error("names that begin with @ are made by the engine")]
    Reserved,
}

/// Checks the characters and the length of a name.
fn check(text: &[u8], max: usize) -> Result<SmolStr, IdError> {
    if text.is_empty() || text.len() > max {
        return Err(IdError::Length { max });
    }
    let allowed = |&byte: &u8| byte.is_ascii_graphic() && byte != b'"' && byte != b'\'';
    if !text.iter().all(allowed) {
        return Err(IdError::Character);
    }
    std::str::from_utf8(text).map(SmolStr::new).map_err(|_| IdError::Character)
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $max:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(SmolStr);

        impl $name {
            /// The most bytes that it may have.
            pub const MAX: usize = $max;

            /// Takes a name that somebody refers to; it may be one that the engine made.
            pub fn new(text: &[u8]) -> Result<Self, IdError> {
                check(text, Self::MAX).map(Self)
            }

            /// Takes a name that a caller gives; those that begin with `@` are the engine's.
            pub fn given(text: &[u8]) -> Result<Self, IdError> {
                if text.first() == Some(&b'@') { Err(IdError::Reserved) } else { Self::new(text) }
            }

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name!(
    /// The name of a wallet.
    WalletId, 128
);
name!(
    /// The caller's idempotency key of an operation; also the name of the hold or grant it made.
    OpId, 64
);
name!(
    /// The currency of a wallet, such as `USD` or `credits`.
    Currency, 16
);
name!(
    /// The plan that a customer is on; the engine only keeps it.
    Plan, 64
);
name!(
    /// The name of a time zone of the IANA database, such as `Europe/Vienna`.
    Zone, 64
);
name!(
    /// The key of a tag.
    TagKey, 64
);
name!(
    /// The name of a user of the server, who asks for operations.
    User, 64
);
name!(
    /// The name of a model or product, such as `gpt-5` or `openai/gpt-5`.
    Model, 256
);
name!(
    /// How a model is used: `batch`, `priority`, `flex`, or whatever a rate card names.
    Variant, 64
);
name!(
    /// What is counted, such as `input_tokens`.
    Unit, 64
);

macro_rules! text {
    ($(#[$doc:meta])* $name:ident, $max:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(SmolStr);

        impl $name {
            /// The most bytes that it may have.
            pub const MAX: usize = $max;

            /// Takes any UTF-8 text of at most [`Self::MAX`] bytes.
            pub fn new(text: &[u8]) -> Option<Self> {
                if text.len() > Self::MAX { None } else { std::str::from_utf8(text).ok().map(|text| Self(SmolStr::new(text))) }
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
    };
}

text!(
    /// The value of a tag.
    TagValue, 256
);
text!(
    /// A remark that a person or a program left with an operation.
    Note, 512
);

/// What an operation was for, sorted by key, each key once.
pub type Tags = Vec<(TagKey, TagValue)>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_printable_ascii_of_bounded_length() {
        assert!(WalletId::new(b"customer:42/eu").is_ok());
        assert_eq!(WalletId::new(b""), Err(IdError::Length { max: 128 }));
        assert_eq!(OpId::new(&[b'x'; 65]), Err(IdError::Length { max: 64 }));
        for bad in [&b"a b"[..], b"a\"b", b"a'b", b"a\x7f", b"\xc3\xa9", b"a\nb"] {
            assert_eq!(OpId::new(bad), Err(IdError::Character), "{bad:?}");
        }
    }

    #[test]
    fn a_caller_may_refer_to_the_engines_names_but_not_give_them() {
        assert!(OpId::new(b"@topup-1").is_ok());
        assert_eq!(OpId::given(b"@topup-1"), Err(IdError::Reserved));
    }
}
