//! The kinds of values that settings have, to and from text.

use super::{DurabilityMode, LogFormat};
use std::net::SocketAddr;
use std::path::PathBuf;

/// A kind of value.
pub(super) trait Value: Sized {
    /// Whether it is a string in the file, else it is a number.
    const IS_TEXT: bool = true;
    /// Reads it, or says what is allowed.
    fn read(text: &str) -> Result<Self, String>;
    /// The text that reads as it.
    fn show(&self) -> String;
}

macro_rules! numbers {
    ($($number:ty),+) => {$(
        impl Value for $number {
            const IS_TEXT: bool = false;

            fn read(text: &str) -> Result<Self, String> {
                let (min, max) = (Self::MIN, Self::MAX);
                let bare = text.replace('_', "");
                bare.parse().map_err(|_| format!("it must be a whole number from {min} to {max}"))
            }

            fn show(&self) -> String {
                self.to_string()
            }
        }
    )+};
}

numbers!(u8, u32, u64, usize, i64);

impl Value for SocketAddr {
    fn read(text: &str) -> Result<Self, String> {
        let allowed = "it must be an IP address and a port, such as 127.0.0.1:7411 or [::1]:7411";
        text.parse().map_err(|_| allowed.to_owned())
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

impl Value for PathBuf {
    fn read(text: &str) -> Result<Self, String> {
        if text.is_empty() { Err("it must be a path".to_owned()) } else { Ok(Self::from(text)) }
    }

    fn show(&self) -> String {
        self.display().to_string()
    }
}

impl Value for Option<PathBuf> {
    fn read(text: &str) -> Result<Self, String> {
        Ok((!text.is_empty()).then(|| PathBuf::from(text)))
    }

    fn show(&self) -> String {
        self.as_ref().map(Value::show).unwrap_or_default()
    }
}

/// Kinds of value that are one of some words.
macro_rules! words {
    ($($kind:ident: $($word:literal = $variant:ident),+;)+) => {$(
        impl Value for $kind {
            fn read(text: &str) -> Result<Self, String> {
                match text {
                    $($word => Ok(Self::$variant),)+
                    _ => Err(format!("it must be {}", [$($word),+].join(" or "))),
                }
            }

            fn show(&self) -> String {
                match self {
                    $(Self::$variant => $word.to_owned(),)+
                }
            }
        }
    )+};
}

words! {
    LogFormat: "text" = Text, "json" = Json;
    DurabilityMode: "commit" = Commit, "interval" = Interval;
}

impl Value for String {
    fn read(text: &str) -> Result<Self, String> {
        Ok(text.to_owned())
    }

    fn show(&self) -> String {
        self.clone()
    }
}
