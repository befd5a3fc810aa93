//! `purser prices check | show | diff | import`: prices seen from outside a server.

use super::Source;
use crate::domain::time::Timestamp;
use crate::pricing::Book;
use crate::pricing::diff::diff;
use crate::pricing::import::{self, Report, Wanted};
use crate::pricing::read::{self, Timeline};
use crate::pricing::shown;
use anyhow::Context as _;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

/// A time as people read it.
fn in_words(time: Timestamp) -> String {
    if time == Timestamp::MIN {
        return "always".to_owned();
    }
    let words = jiff::Timestamp::from_millisecond(time.millis()).map(|time| time.to_string());
    words.unwrap_or_else(|_| time.to_string())
}

/// Checks a folder, or the shipped book; answers its versions, a line each.
pub fn check(source: &Source) -> anyhow::Result<String> {
    let mut said = String::new();
    for (start, book) in source.read()? {
        let (cards, markups) = (book.cards().len(), book.markups().len());
        let (version, start) = (book.version(), in_words(start));
        writeln!(said, "{version} from {start}: {cards} cards, {markups} markups")?;
    }
    Ok(said)
}

fn at(timeline: Timeline, time: Timestamp) -> anyhow::Result<Arc<Book>> {
    let started = timeline.into_iter().rev().find(|(start, _)| *start <= time);
    let book = started.map(|(_, book)| book);
    book.with_context(|| format!("no prices are in force at {}", in_words(time)))
}

/// The cards that price a model at a time, a line a price.
pub fn show(source: &Source, model: &str, time: Timestamp) -> anyhow::Result<String> {
    let book = at(source.read()?, time)?;
    let cards = book.closest(model);
    anyhow::ensure!(!cards.is_empty(), "{} has no card for {model}", book.version());
    let mut said = format!("version {}\n", book.version());
    for card in cards {
        said.push('\n');
        for (path, value) in shown::card(card).flat() {
            writeln!(said, "{path}: {value}")?;
        }
    }
    Ok(said)
}

/// What changes from one source to another at a time, a card a paragraph.
pub fn differences(old: &Source, new: &Source, time: Timestamp) -> anyhow::Result<String> {
    let (old, new) = (at(old.read()?, time)?, at(new.read()?, time)?);
    let mut said = String::new();
    for change in diff(&old, &new) {
        writeln!(said, "{change}")?;
    }
    Ok(said)
}

/// Makes a book of the JSON list in `file` and writes it to `out`.
pub fn import(file: &Path, out: &Path, wanted: Wanted<'_>) -> anyhow::Result<Report> {
    let is_json = out.extension().is_some_and(|end| end.eq_ignore_ascii_case("json"));
    anyhow::ensure!(is_json, "{}: a price book that is imported is JSON, *.json", out.display());
    let is_same = out.canonicalize().is_ok_and(|out| file.canonicalize().is_ok_and(|it| it == out));
    anyhow::ensure!(!is_same, "{}: --out would replace the list; name another file", out.display());
    let text = std::fs::read_to_string(file);
    let text = text.with_context(|| format!("cannot read {}", file.display()))?;
    let imported = import::import(&text, wanted);
    let (book, report) = imported.map_err(|what| anyhow::anyhow!("{}: {what}", file.display()))?;
    anyhow::ensure!(report.rated > 0, "{}: no model can be rated:\n{report}", file.display());
    let text = read::text_to_keep(&out.display().to_string(), &book)?;
    std::fs::write(out, text).with_context(|| format!("cannot write {}", out.display()))?;
    Ok(report)
}

/// Reads the time of a flag: RFC 3339.
pub fn time(text: &str) -> Result<Timestamp, String> {
    read::moment(text)
}
