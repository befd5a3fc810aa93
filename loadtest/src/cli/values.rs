//! What the flags' values may be.

use std::time::Duration;

/// The longest that a wallet or op id may be is 64 bytes; the rest of it is ours.
const PREFIX_LENGTH_MAX: usize = 40;

pub(super) fn speed(text: &str) -> Result<f64, String> {
    number(text, 0.001, 1_000_000.0)
}

pub(super) fn skew(text: &str) -> Result<f64, String> {
    number(text, 0.0, 10.0)
}

pub(super) fn milliseconds(text: &str) -> Result<Duration, String> {
    let ms = number(text, 0.0, 86_400_000.0)?;
    Duration::try_from_secs_f64(ms / 1000.0).map_err(|error| error.to_string())
}

pub(super) fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = number(text, 0.0, 86_400.0)?;
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}

pub(super) fn some_seconds(text: &str) -> Result<Duration, String> {
    let seconds = number(text, 0.1, 86_400.0)?;
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}

pub(super) fn share(text: &str) -> Result<f64, String> {
    number(text, 0.0, 1.0)
}

pub(super) fn rate(text: &str) -> Result<f64, String> {
    number(text, 1.0, 100_000_000.0)
}

pub(super) fn factor(text: &str) -> Result<f64, String> {
    number(text, 1.01, 1_000.0)
}

/// A finite number within bounds.
fn number(text: &str, least: f64, most: f64) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if (least..=most).contains(&number) => Ok(number),
        Ok(_) | Err(_) => Err(format!("a number from {least} to {most} is needed")),
    }
}

pub(super) fn prefix(text: &str) -> Result<String, String> {
    let fits = (1..=PREFIX_LENGTH_MAX).contains(&text.len())
        && !text.starts_with('@')
        && text.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\'' | b'`'));
    if fits {
        Ok(text.to_owned())
    } else {
        Err(format!(
            "1 to {PREFIX_LENGTH_MAX} printable ASCII characters without space and quotes, not \
             beginning with @"
        ))
    }
}
