//! Ledgers as files for people's own tools: JSON lines, CSV, Parquet.
//!
//! One table, in `columns.rs`, says what a row holds; each format writes it in its own way. Amounts stay
//! exact in all of them: no float is ever involved. What is shown is what `LEDGER` shows, and what
//! an audit needs beside it: the currency, the credit line, the request's hash, places in the journal.

mod columns;
mod csv_file;
mod jsonl_file;
mod parquet_file;

use crate::codec::record::{Position, Record};
use crate::domain::id::Currency;
use crate::domain::ledger::LedgerRow;
use columns::cells;
use csv_file::CsvFile;
use jsonl_file::JsonlFile;
use parquet_file::ParquetFile;
use std::io::{self, Write};

/// The kinds of file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A JSON object a line.
    Jsonl,
    /// Comma-separated values, with a line of names.
    Csv,
    /// Columns, for analysis.
    Parquet,
}

impl Format {
    /// Every one there is.
    pub const ALL: [Self; 3] = [Self::Jsonl, Self::Csv, Self::Parquet];

    /// Its name, and how files of it end.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Jsonl => "jsonl",
            Self::Csv => "csv",
            Self::Parquet => "parquet",
        }
    }

    /// The format of this name, in any case.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.as_str().eq_ignore_ascii_case(name))
    }
}

/// One row to write.
#[derive(Debug, Clone, Copy)]
pub struct Row<'a> {
    /// What happened.
    pub record: &'a Record,
    /// The currency of the record's wallet.
    pub currency: &'a Currency,
    /// Where the record lies in the journal.
    pub position: Position,
}

/// Writes rows to a file, one after the other. However many there are, few are in memory; of Parquet
/// also a few KiB for each 128 Ki rows, the file's own index.
#[derive(Debug)]
pub struct RowWriter<W: Write + Send>(File<W>);

#[derive(Debug)]
enum File<W: Write + Send> {
    Jsonl(JsonlFile<W>),
    Csv(Box<CsvFile<W>>),
    Parquet(Box<ParquetFile<W>>),
}

impl<W: Write + Send> RowWriter<W> {
    /// Begins a file. What it writes is buffered, so `out` need not be.
    pub fn new(format: Format, out: W) -> io::Result<Self> {
        Ok(Self(match format {
            Format::Jsonl => File::Jsonl(JsonlFile::new(out)),
            Format::Csv => File::Csv(Box::new(CsvFile::new(out)?)),
            Format::Parquet => File::Parquet(Box::new(ParquetFile::new(out)?)),
        }))
    }

    /// Adds a row. After an error the file is of no use.
    pub fn write(&mut self, row: &Row<'_>) -> io::Result<()> {
        let record = row.record;
        let shown = LedgerRow::of(record.seq, &record.event, record.sums.balances());
        let texts = columns::Texts::of(row);
        let cells = cells(row, &shown, &texts);
        match &mut self.0 {
            File::Jsonl(file) => file.write(&cells),
            File::Csv(file) => file.write(&cells),
            File::Parquet(file) => file.write(&cells),
        }
    }

    /// Ends the file; without it, the file is not whole. Answers what was written to.
    pub fn finish(self) -> io::Result<W> {
        match self.0 {
            File::Jsonl(file) => file.finish(),
            File::Csv(file) => file.finish(),
            File::Parquet(file) => file.finish(),
        }
    }
}

#[cfg(test)]
mod tests;
