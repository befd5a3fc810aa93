//! Progress bars on the terminal, if there is one.

use std::time::Duration;

use anyhow::{Context, Result};
use indicatif::{ProgressBar, ProgressStyle};

/// A bar that counts.
pub(crate) fn bar(length: u64, what: &str) -> Result<ProgressBar> {
    let template = format!(
        "{{bar:40}} {{human_pos}}/{{human_len}} {what}, {{elapsed}}, {{eta}} left  {{msg}}"
    );
    styled(length, &template)
}

/// A bar that fills in a known time; its positions are milliseconds.
pub(crate) fn time(duration: Duration, what: &str) -> Result<ProgressBar> {
    let length = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    styled(length, &format!("{{bar:40}} {what}, {{elapsed}} of {duration:?}  {{msg}}"))
}

fn styled(length: u64, template: &str) -> Result<ProgressBar> {
    let style = ProgressStyle::with_template(template).context("cannot make a progress bar")?;
    Ok(ProgressBar::new(length).with_style(style))
}
