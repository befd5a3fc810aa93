//! `purser export`: every record of a store that nobody uses, as a row of a file.

use super::walk;
use super::{LookError, look, progress};
use crate::codec::record::{Position, Record};
use crate::domain::id::{Currency, WalletId};
use crate::domain::time::Timestamp;
use crate::export::{Format, Row, RowWriter};
use crate::store::StoreError;
use crate::store::still::Still;
use anyhow::Context as _;
use hashbrown::HashMap;
use std::io::{ErrorKind, Write};
use std::path::Path;

/// What is exported.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// In which format.
    pub format: Format,
    /// Of one wallet only.
    pub wallet: Option<WalletId>,
    /// What happened then or later.
    pub from: Option<Timestamp>,
    /// What happened before.
    pub to: Option<Timestamp>,
}

impl Wanted {
    fn wants(&self, at: Timestamp) -> bool {
        self.from.is_none_or(|from| at >= from) && self.to.is_none_or(|to| at < to)
    }
}

/// Writes the rows of the store in a directory to `out`; answers how many there were.
pub fn export(data: &Path, wanted: &Wanted, out: impl Write + Send) -> anyhow::Result<u64> {
    look(data, |still| {
        let mut rows = Rows::new(wanted, out)?;
        match &wanted.wallet {
            Some(wallet) => rows.of_wallet(still, wallet)?,
            None => rows.of_all(still)?,
        }
        rows.finish()
    })
}

/// The file in the making.
struct Rows<'a, W: Write + Send> {
    wanted: &'a Wanted,
    writer: RowWriter<W>,
    written: u64,
    /// The reader of a pipe has enough.
    is_enough: bool,
}

impl<'a, W: Write + Send> Rows<'a, W> {
    fn new(wanted: &'a Wanted, out: W) -> Result<Self, LookError> {
        let writer = RowWriter::new(wanted.format, out).context("cannot begin the file")?;
        Ok(Self { wanted, writer, written: 0, is_enough: false })
    }

    /// All records, in the order in which they lie.
    fn of_all(&mut self, still: &Still) -> Result<(), LookError> {
        let archive = still.history.archive();
        let records = archive.segments().map(|segment| segment.records);
        let bar = progress(records.fold(still.journaled, u64::saturating_add));
        let mut currencies = HashMap::<WalletId, Currency>::new();
        // An error of the file must not look like one of the store.
        let mut failed = None;
        let walked = walk::each_record(still, &mut |_, position, record| {
            bar.inc(1);
            if !currencies.contains_key(&record.wallet) {
                let currency = currency(still, &record)?;
                currencies.insert(record.wallet.clone(), currency);
            }
            let Some(currency) = currencies.get(&record.wallet) else { return Ok(()) };
            if failed.is_none()
                && let Err(error) = self.write(position, &record, currency)
            {
                failed = Some(error);
            }
            if failed.is_some() || self.is_enough { Err(ENOUGH) } else { Ok(()) }
        });
        bar.finish_and_clear();
        match (failed, walked) {
            (Some(error), _) => Err(error),
            (None, Err(error)) if !self.is_enough => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// The records of one wallet, in their order, found along their links.
    fn of_wallet(&mut self, still: &Still, id: &WalletId) -> Result<(), LookError> {
        let taken = still.history.take_up(id)?;
        let taken = taken.with_context(|| format!("there is no wallet {id}"))?;
        let currency = taken.wallet.balance_view().currency;
        let mut places = Vec::new();
        let mut next = taken.last;
        while next != Position::NONE {
            let Some(record) = record(still, next)? else { break };
            let at = record.event.at;
            if self.wanted.from.is_some_and(|from| at < from) {
                break;
            }
            if self.wanted.wants(at) {
                places.push(next);
            }
            next = record.previous;
        }
        for position in places.into_iter().rev() {
            if let Some(record) = record(still, position)? {
                self.write(position, &record, &currency)?;
            }
        }
        Ok(())
    }

    fn write(
        &mut self,
        position: Position,
        record: &Record,
        currency: &Currency,
    ) -> Result<(), LookError> {
        if self.is_enough || !self.wanted.wants(record.event.at) {
            return Ok(());
        }
        match self.writer.write(&Row { record, currency, position }) {
            Ok(()) => self.written = self.written.saturating_add(1),
            Err(error) if error.kind() == ErrorKind::BrokenPipe => self.is_enough = true,
            Err(error) => {
                return Err(anyhow::Error::new(error).context("cannot write a row").into());
            }
        }
        Ok(())
    }

    fn finish(self) -> Result<u64, LookError> {
        let finished = self.writer.finish().and_then(|mut out| out.flush());
        match finished {
            Err(error) if error.kind() != ErrorKind::BrokenPipe => {
                Err(anyhow::Error::new(error).context("cannot end the file").into())
            }
            _ => Ok(self.written),
        }
    }
}

/// Ends a walk that goes well.
const ENOUGH: StoreError = StoreError::Row { reason: "nobody wants more" };

/// The currency of a record's wallet: its first record names it, or its snapshot does.
fn currency(still: &Still, record: &Record) -> Result<Currency, StoreError> {
    use crate::domain::event::EventKind;
    if let EventKind::Opened(terms) = &record.event.kind {
        return Ok(terms.currency.clone());
    }
    if let Some(snapshot) = still.history.snapshot(&record.wallet)? {
        return Ok(snapshot.core.opened.currency);
    }
    // Its records lie in several logs, and the first is still to come.
    let taken = still.history.take_up(&record.wallet)?;
    let currency = taken.map(|taken| taken.wallet.balance_view().currency);
    currency.ok_or_else(|| super::replay::damaged(&record.wallet, "it has no currency"))
}

/// The record at a place; none where the history was given up.
fn record(still: &Still, position: Position) -> Result<Option<Record>, StoreError> {
    let is_given_up = |position: Position| {
        walk::is_shortened(still)
            && still
                .archived
                .iter()
                .any(|tail| tail.next.log() == position.log() && position < tail.next)
    };
    if is_given_up(position) {
        return still.history.archive().record(position);
    }
    still.history.record(position).map(Some)
}
