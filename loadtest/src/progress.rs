//! How far it is: bars on the terminal, and now and then a line where there is none.

use std::io::IsTerminal as _;
use std::time::Duration;

use anyhow::{Context, Result};
use indicatif::{HumanCount, ProgressBar, ProgressStyle};

/// How often a line is written.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// A bar that counts.
pub(crate) fn bar(length: u64, what: &str) -> Result<ProgressBar> {
    let template = format!(
        "{{bar:40}} {{human_pos}}/{{human_len}} {what}, {{elapsed}}, {{eta}} left  {{msg}}"
    );
    let what = what.to_owned();
    styled(length, &template, move |bar| {
        format!("{} of {} {what}", HumanCount(bar.position()), HumanCount(length))
    })
}

/// A bar that fills in a known time; its positions are milliseconds.
pub(crate) fn time(duration: Duration, what: &str) -> Result<ProgressBar> {
    let length = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let template = format!("{{bar:40}} {what}, {{elapsed}} of {duration:?}  {{msg}}");
    let what = what.to_owned();
    styled(length, &template, move |bar| {
        format!("{what}, {} s of {duration:?}", bar.position() / 1_000)
    })
}

fn styled(
    length: u64,
    template: &str,
    line: impl Fn(&ProgressBar) -> String + Send + 'static,
) -> Result<ProgressBar> {
    let style = ProgressStyle::with_template(template).context("cannot make a progress bar")?;
    let bar = ProgressBar::new(length).with_style(style);
    if !std::io::stderr().is_terminal() {
        let watched = bar.downgrade();
        std::thread::spawn(move || {
            loop {
                std::thread::sleep(LINE_EVERY);
                let bar = watched.upgrade().filter(|bar| !bar.is_finished());
                let Some(bar) = bar else { return };
                eprintln!("purser-loadtest: {}  {}", line(&bar), bar.message());
            }
        });
    }
    Ok(bar)
}
