//! Reads files of the price book: strictly, and with the place of what is wrong.

use super::book::{Book, key, version_of};
use super::card::{About, Card, Markup};
use super::compile::{self, Defaults};
use super::decimal::Decimal;
use super::slips;
use super::text::{CardText, FileText, MarkupText};
use crate::domain::rating::PriceVersion;
use crate::domain::time::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::sync::Arc;
use toml::Spanned;

/// What is wrong with a file, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}: {what}")]
pub struct Wrong {
    /// The file.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// What is wrong, and what is allowed.
    pub what: String,
}

/// A file of the price book.
#[derive(Debug, Clone)]
pub struct BookFile {
    /// Its name.
    pub name: String,
    /// From when on it is in force; always without.
    pub from: Option<Timestamp>,
    /// Its cards.
    pub cards: Vec<Arc<Card>>,
    /// Its markups, if it says anything of them.
    pub markups: Option<Vec<Markup>>,
    /// Where they stand.
    pub lines: Lines,
}

/// In which lines cards and markups of a file begin, in their order.
#[derive(Debug, Clone, Default)]
pub struct Lines {
    /// Those of the cards.
    pub cards: Vec<usize>,
    /// Those of the markups.
    pub markups: Vec<usize>,
}

/// Who wrote a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Author {
    /// Somebody: what can never have been meant is refused.
    Anybody,
    /// purser, of what was in force. Holds may pin it, so it is read however strict files are by now.
    Purser,
}

/// A text that is read, and a part of it with its place.
struct Source<'a> {
    name: &'a str,
    text: &'a str,
}

impl Source<'_> {
    fn line_at(&self, offset: usize) -> usize {
        let before = self.text.as_bytes().get(..offset).unwrap_or(self.text.as_bytes());
        memchr::memchr_iter(b'\n', before).count().saturating_add(1)
    }

    /// The lines of offsets that ascend, in one pass.
    fn lines_at(&self, offsets: impl Iterator<Item = usize>) -> Vec<usize> {
        let (mut from, mut line) = (0, 1_usize);
        let lines = offsets.map(|offset| {
            let between = self.text.as_bytes().get(from..offset).unwrap_or_default();
            line = line.saturating_add(memchr::memchr_iter(b'\n', between).count());
            from = offset;
            line
        });
        lines.collect()
    }

    fn wrong(&self, line: usize, what: impl Into<String>) -> Wrong {
        Wrong { file: self.name.to_owned(), line, what: what.into() }
    }
}

/// What stands at an offset of the file.
struct Placed<T> {
    offset: usize,
    it: T,
}

type Parsed = FileText<Placed<CardText>, Placed<MarkupText>>;

/// Reads a file by its name's ending: `.toml` or `.json`.
pub fn file(name: &str, text: &str) -> Result<BookFile, Wrong> {
    read(name, text, Author::Anybody)
}

/// Reads a file without asking whether it could be meant.
#[cfg(test)]
pub(super) fn unchecked(name: &str, text: &str) -> Result<BookFile, Wrong> {
    read(name, text, Author::Purser)
}

fn read(name: &str, text: &str, author: Author) -> Result<BookFile, Wrong> {
    let source = Source { name, text };
    let is_json = name.rsplit_once('.').is_some_and(|(_, end)| end.eq_ignore_ascii_case("json"));
    let parsed = if is_json { json(&source)? } else { toml(&source)? };
    compiled(&source, parsed, author)
}

/// The canonical text of a book, to be kept under a name: it is read again as it is written, or it is
/// wrong. Holds will pin it, so what could not be read back must never come into force.
pub fn text_to_keep(name: &str, book: &Book) -> Result<String, Wrong> {
    let text = book.text();
    if canonical(name, &text)?.text() == text {
        return Ok(text);
    }
    let source = Source { name, text: &text };
    Err(source.wrong(1, "it would not be read as it is written".to_owned()))
}

/// Reads the canonical text of a version.
pub fn canonical(name: &str, text: &str) -> Result<Book, Wrong> {
    let source = Source { name, text };
    let read = compiled(&source, json(&source)?, Author::Purser)?;
    Ok(Book::compile(version_of(text), read.cards, read.markups.unwrap_or_default()))
}

fn toml(source: &Source<'_>) -> Result<Parsed, Wrong> {
    let parsed = toml::from_str::<FileText<Spanned<CardText>, Spanned<MarkupText>>>(source.text);
    let parsed = parsed.map_err(|error| {
        let offset = error.span().map_or(0, |span| span.start);
        source.wrong(source.line_at(offset), error.message().replace('\n', " "))
    })?;
    parsed.map(placed, placed)
}

#[expect(clippy::unnecessary_wraps, reason = "what is spanned was read already; JSON may fail")]
fn placed<T>(spanned: Spanned<T>) -> Result<Placed<T>, Wrong> {
    Ok(Placed { offset: spanned.span().start, it: spanned.into_inner() })
}

fn json(source: &Source<'_>) -> Result<Parsed, Wrong> {
    let parsed = serde_json::from_str::<FileText<&RawValue, &RawValue>>(source.text);
    let parsed = parsed.map_err(|error| source.wrong(error.line().max(1), bare(&error)))?;
    parsed.map(|raw| from_raw(source, raw), |raw| from_raw(source, raw))
}

/// Reads a part of a JSON text.
fn from_raw<T: DeserializeOwned>(source: &Source<'_>, raw: &RawValue) -> Result<Placed<T>, Wrong> {
    // The part is a slice of the text, so their addresses tell where it stands.
    let offset = raw.get().as_ptr().addr().saturating_sub(source.text.as_ptr().addr());
    let it = serde_json::from_str::<T>(raw.get()).map_err(|error| {
        let line = source.line_at(offset).saturating_add(error.line().saturating_sub(1));
        source.wrong(line, bare(&error))
    })?;
    Ok(Placed { offset, it })
}

/// What a JSON error says, without the place: that is told before it.
fn bare(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.rsplit_once(" at line ").map_or(text.as_str(), |(what, _)| what).to_owned()
}

impl<C, M> FileText<C, M> {
    fn map<D, N>(
        self,
        card: impl FnMut(C) -> Result<D, Wrong>,
        markup: impl FnMut(M) -> Result<N, Wrong>,
    ) -> Result<FileText<D, N>, Wrong> {
        let cards = self.card.map(|cards| cards.into_iter().map(card).collect());
        let markups = self.markup.map(|markups| markups.into_iter().map(markup).collect());
        Ok(FileText {
            from: self.from,
            currency: self.currency,
            provider: self.provider,
            figures: self.figures,
            per: self.per,
            markup: markups.transpose()?,
            card: cards.transpose()?,
        })
    }
}

/// The line of a key that stands before all tables.
fn line_of(source: &Source<'_>, key: &str) -> usize {
    let holds = |line: &str| line.trim_start_matches([' ', '{', '"', '\t']).starts_with(key);
    source.text.lines().position(holds).unwrap_or_default().saturating_add(1)
}

fn compiled(source: &Source<'_>, parsed: Parsed, author: Author) -> Result<BookFile, Wrong> {
    let FileText { from, currency, provider, figures, per, markup, card } = parsed;
    let wrong = |key| move |what: String| source.wrong(line_of(source, key), what);
    let from = from.as_deref().map(moment).transpose().map_err(wrong("from"))?;
    let per = compile::per(per, Decimal::whole(1)).map_err(wrong("per"))?;
    compile::figures(figures.as_deref()).map_err(wrong("figures"))?;
    let mut lines = Lines::default();
    if author == Author::Anybody {
        slips::from(from).map_err(wrong("from"))?;
        let currency = currency.as_deref().map(compile::currency).transpose();
        currency.map_err(wrong("currency"))?;
        lines.cards = source.lines_at(card.iter().flatten().map(|card| card.offset));
        lines.markups = source.lines_at(markup.iter().flatten().map(|markup| markup.offset));
    }
    let about = About { provider, figures, ..About::default() };
    let defaults = Defaults { currency, about, per };
    let cards = cards(source, card.unwrap_or_default(), &defaults, author)?;
    let markups = markup.map(|texts| markups(source, texts, author)).transpose()?;
    if cards.is_empty() && markups.is_none() {
        return Err(source.wrong(1, "it has neither a card nor a markup"));
    }
    Ok(BookFile { name: source.name.to_owned(), from, cards, markups, lines })
}

impl Author {
    /// What was compiled, if it could be meant.
    fn meant<T>(
        self,
        compiled: Result<T, String>,
        check: impl FnOnce(&T) -> Result<(), String>,
    ) -> Result<T, String> {
        let it = compiled?;
        if self == Self::Anybody {
            check(&it)?;
        }
        Ok(it)
    }
}

fn cards(
    source: &Source<'_>,
    texts: Vec<Placed<CardText>>,
    defaults: &Defaults,
    author: Author,
) -> Result<Vec<Arc<Card>>, Wrong> {
    let mut seen = BTreeMap::new();
    let mut cards = Vec::new();
    for Placed { offset, it } in texts {
        // Lines are counted only when there is something to tell: the book is read at every start.
        let line = || source.line_at(offset);
        let name = it.model.clone();
        let card = author.meant(compile::card(it, defaults), slips::card);
        let card = card.map_err(|what| source.wrong(line(), format!("card {name}: {what}")))?;
        let (model, currency) = key(&card);
        if let Some(first) = seen.insert((model.clone(), currency.clone()), offset) {
            let first = source.line_at(first);
            let what =
                format!("a second card of {model} in {currency}; the first is in line {first}");
            return Err(source.wrong(line(), what));
        }
        cards.push(Arc::new(card));
    }
    Ok(cards)
}

fn markups(
    source: &Source<'_>,
    texts: Vec<Placed<MarkupText>>,
    author: Author,
) -> Result<Vec<Markup>, Wrong> {
    let offsets: Vec<_> = texts.iter().map(|text| text.offset).collect();
    let mut markups = Vec::new();
    for Placed { offset, it } in texts {
        // The canonical text leaves zeros out: there a markup without both adds nothing.
        if author == Author::Anybody && it.percent.is_none() && it.fixed.is_none() {
            let what = "a markup needs percent or fixed".to_owned();
            return Err(source.wrong(source.line_at(offset), what));
        }
        let markup = author.meant(compile::markup(it), slips::markup);
        markups.push(markup.map_err(|what| source.wrong(source.line_at(offset), what))?);
    }
    let hidden = slips::hidden(&markups).filter(|_| author == Author::Anybody);
    let Some((later, earlier)) = hidden else { return Ok(markups) };
    let line = |index: usize| source.line_at(offsets.get(index).copied().unwrap_or_default());
    let what = format!(
        "this markup is never tried: the one in line {} fits whatever it fits, and the first that fits counts; put it before that one, or leave it out",
        line(earlier)
    );
    Err(source.wrong(line(later), what))
}

/// Reads an RFC 3339 time in whole milliseconds.
pub fn moment(text: &str) -> Result<Timestamp, String> {
    let refuse = || format!("{text:?} is no time like 2026-12-01T00:00:00Z, in whole milliseconds");
    let time = text.parse::<jiff::Timestamp>().map_err(|_| refuse())?;
    let millis = time.as_millisecond();
    let is_whole = time.subsec_nanosecond().checked_rem(1_000_000) == Some(0);
    is_whole.then(|| Timestamp::from_millis(millis)).ok_or_else(refuse)
}

/// From when on which version is in force.
pub type Timeline = Vec<(Timestamp, Arc<Book>)>;

/// The versions that files come to, by time: at any time those are in force whose beginning has
/// come, in the order of their beginning, then of their name; a later one replaces the cards of the
/// same name and currency, and the markups if it has any.
pub fn timeline(mut files: Vec<BookFile>) -> Timeline {
    files.sort_by(|one, two| (one.from, &one.name).cmp(&(two.from, &two.name)));
    let mut cards = BTreeMap::new();
    let mut markups = Vec::new();
    let mut timeline = Timeline::new();
    let mut files = files.into_iter().peekable();
    while let Some(file) = files.next() {
        for card in file.cards {
            let (model, currency) = key(&card);
            cards.insert((model.clone(), currency.clone()), card);
        }
        markups = file.markups.unwrap_or(markups);
        if files.peek().is_none_or(|next| next.from != file.from) {
            let book = Book::new(cards.values().cloned().collect(), markups.clone());
            timeline.push((file.from.unwrap_or(Timestamp::MIN), Arc::new(book)));
        }
    }
    timeline
}

/// The version of a text, if it is a version's own.
pub fn version(text: &str) -> PriceVersion {
    version_of(text)
}
