//! Parquet: a column at a time, so rows are collected until they make up a row group. Amounts are
//! `DECIMAL(38,12)`, which every reader keeps exact; lists and maps are JSON text.

use super::columns::{COLUMNS, Cell, Type};
use parquet::basic::Compression;
use parquet::column::writer::ColumnWriter;
use parquet::data_type::{ByteArray, FixedLenByteArray};
use parquet::errors::ParquetError;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use std::io::{self, Write};
use std::sync::Arc;

/// How much a row group holds at most: what is in memory while rows are collected.
#[derive(Debug, Clone, Copy)]
pub(super) struct GroupMax {
    pub(super) rows: usize,
    pub(super) bytes: usize,
}

/// Groups of this size are read fast, and the file's own index of them stays small.
const GROUP_MAX: GroupMax = GroupMax { rows: 128 * 1024, bytes: 32 * 1024 * 1024 };
/// The bytes of an amount.
const AMOUNT_BYTES: usize = 16;

pub(super) struct ParquetFile<W: Write + Send> {
    file: SerializedFileWriter<W>,
    group_max: GroupMax,
    columns: Vec<Column>,
    /// What the columns hold.
    rows: usize,
    bytes: usize,
}

impl<W: Write + Send> std::fmt::Debug for ParquetFile<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { rows, bytes, .. } = self;
        f.debug_struct("ParquetFile").field("rows", rows).field("bytes", bytes).finish()
    }
}

impl<W: Write + Send> ParquetFile<W> {
    pub(super) fn new(out: W) -> io::Result<Self> {
        Self::with_groups(out, GROUP_MAX)
    }

    /// A file with row groups of another size.
    pub(super) fn with_groups(out: W, group_max: GroupMax) -> io::Result<Self> {
        let schema = Arc::new(parse_message_type(&schema()).map_err(failed)?);
        let properties = WriterProperties::builder()
            .set_created_by(concat!("purser ", env!("CARGO_PKG_VERSION")).to_owned())
            .set_compression(Compression::SNAPPY)
            // What is kept of every page until the end would grow with the file.
            .set_statistics_enabled(EnabledStatistics::Chunk)
            .set_offset_index_disabled(true)
            .build();
        let file = SerializedFileWriter::new(out, schema, Arc::new(properties)).map_err(failed)?;
        let columns = COLUMNS.iter().map(|(_, kind)| Column::new(*kind)).collect();
        Ok(Self { file, group_max, columns, rows: 0, bytes: 0 })
    }

    pub(super) fn write(&mut self, cells: &[Cell<'_>]) -> io::Result<()> {
        for (column, cell) in self.columns.iter_mut().zip(cells) {
            self.bytes = self.bytes.saturating_add(column.push(cell)?);
        }
        self.rows = self.rows.saturating_add(1);
        if self.rows >= self.group_max.rows || self.bytes >= self.group_max.bytes {
            self.write_group()?;
        }
        Ok(())
    }

    pub(super) fn finish(mut self) -> io::Result<W> {
        if self.rows > 0 {
            self.write_group()?;
        }
        let mut out = self.file.into_inner().map_err(failed)?;
        out.flush()?;
        Ok(out)
    }

    /// Writes the rows that were collected.
    fn write_group(&mut self) -> io::Result<()> {
        let mut group = self.file.next_row_group().map_err(failed)?;
        for column in &mut self.columns {
            let writer = group.next_column().map_err(failed)?;
            let mut writer = writer.ok_or_else(|| io::Error::other("a column too many"))?;
            column.write(writer.untyped())?;
            writer.close().map_err(failed)?;
        }
        group.close().map_err(failed)?;
        (self.rows, self.bytes) = (0, 0);
        Ok(())
    }
}

/// The schema, in Parquet's own words.
fn schema() -> String {
    let mut schema = String::from("message ledger {");
    for (name, kind) in COLUMNS {
        let (column, annotation) = match kind {
            Type::Text | Type::Json => ("required binary", "(UTF8)"),
            Type::Number => ("required int64", ""),
            Type::OptionalNumber => ("optional int64", ""),
            Type::Time => ("required int64", "(TIMESTAMP(MILLIS,true))"),
            Type::Amount => ("required fixed_len_byte_array(16)", "(DECIMAL(38,12))"),
            Type::Flag => ("required boolean", ""),
        };
        schema.extend([column, " ", name, " ", annotation, ";"]);
    }
    schema.push('}');
    schema
}

/// The values of a column that were not written yet. Texts and amounts lie side by side; only of the
/// column that is being written each has an allocation of its own, as the file keeps the least and
/// the greatest of every group to its end, and with them what they are a part of.
#[derive(Debug)]
enum Column {
    Texts {
        bytes: Vec<u8>,
        lengths: Vec<usize>,
    },
    Numbers(Vec<i64>),
    /// Those that are there, and for each row whether it is (1) or not (0).
    OptionalNumbers(Vec<i64>, Vec<i16>),
    /// Big-endian, two's complement.
    Amounts(Vec<u8>),
    Flags(Vec<bool>),
}

impl Column {
    const fn new(kind: Type) -> Self {
        match kind {
            Type::Text | Type::Json => Self::Texts { bytes: Vec::new(), lengths: Vec::new() },
            Type::Number | Type::Time => Self::Numbers(Vec::new()),
            Type::OptionalNumber => Self::OptionalNumbers(Vec::new(), Vec::new()),
            Type::Amount => Self::Amounts(Vec::new()),
            Type::Flag => Self::Flags(Vec::new()),
        }
    }

    /// Adds a value; answers how many bytes it takes.
    fn push(&mut self, cell: &Cell<'_>) -> io::Result<usize> {
        match (self, cell) {
            (Self::Texts { bytes, lengths }, cell) => {
                let before = bytes.len();
                match cell {
                    Cell::Text(text) => bytes.extend_from_slice(text.as_bytes()),
                    cell => serde_json::to_writer(&mut *bytes, cell)?,
                }
                let length = bytes.len().saturating_sub(before);
                lengths.push(length);
                return Ok(length.saturating_add(size_of::<usize>()));
            }
            (Self::Numbers(numbers), Cell::Number(number)) => numbers.push(signed(*number)?),
            (Self::Numbers(numbers), Cell::Time(millis)) => numbers.push(*millis),
            (Self::OptionalNumbers(numbers, there), Cell::OptionalNumber(number)) => {
                there.push(i16::from(number.is_some()));
                numbers.extend(number.map(signed).transpose()?);
            }
            (Self::Amounts(bytes), Cell::Amount(amount)) => {
                bytes.extend_from_slice(&amount.pico().to_be_bytes());
                return Ok(AMOUNT_BYTES);
            }
            (Self::Flags(flags), Cell::Flag(on)) => flags.push(*on),
            _ => return Err(io::Error::other("a value is in a wrong column")),
        }
        Ok(size_of::<i64>())
    }

    /// Writes the values, and is empty then.
    fn write(&mut self, writer: &mut ColumnWriter<'_>) -> io::Result<()> {
        let written = match (self, writer) {
            (Self::Texts { bytes, lengths }, ColumnWriter::ByteArrayColumnWriter(writer)) => {
                let mut rest = bytes.as_slice();
                let texts = lengths.drain(..).map(|length| {
                    let (text, after) = rest.split_at_checked(length).unwrap_or_default();
                    rest = after;
                    ByteArray::from(text)
                });
                let texts: Vec<_> = texts.collect();
                bytes.clear();
                writer.write_batch(&texts, None, None)
            }
            (Self::Numbers(numbers), ColumnWriter::Int64ColumnWriter(writer)) => {
                writer.write_batch(&std::mem::take(numbers), None, None)
            }
            (Self::OptionalNumbers(numbers, there), ColumnWriter::Int64ColumnWriter(writer)) => {
                writer.write_batch(&std::mem::take(numbers), Some(&std::mem::take(there)), None)
            }
            (Self::Amounts(bytes), ColumnWriter::FixedLenByteArrayColumnWriter(writer)) => {
                let amounts = bytes.chunks_exact(AMOUNT_BYTES);
                let amounts = amounts.map(|amount| FixedLenByteArray::from(amount.to_vec()));
                let amounts: Vec<_> = amounts.collect();
                bytes.clear();
                writer.write_batch(&amounts, None, None)
            }
            (Self::Flags(flags), ColumnWriter::BoolColumnWriter(writer)) => {
                writer.write_batch(&std::mem::take(flags), None, None)
            }
            _ => return Err(io::Error::other("the schema has another type")),
        };
        written.map(drop).map_err(failed)
    }
}

fn signed(number: u64) -> io::Result<i64> {
    i64::try_from(number).map_err(io::Error::other)
}

/// The error of the sink, where it is one.
fn failed(error: ParquetError) -> io::Error {
    match error {
        ParquetError::External(inner) => match inner.downcast::<io::Error>() {
            Ok(error) => *error,
            Err(inner) => io::Error::other(inner),
        },
        error => io::Error::other(error),
    }
}
