//! CSV as in RFC 4180, but with plain line ends: a line of names, then a line a row. Amounts are
//! plain decimals, lists and maps JSON.

use super::columns::{COLUMNS, Cell};
use std::io::{self, Write};

#[derive(Debug)]
pub(super) struct CsvFile<W: Write> {
    file: csv::Writer<W>,
    /// One cell's text.
    text: Vec<u8>,
}

impl<W: Write> CsvFile<W> {
    pub(super) fn new(out: W) -> io::Result<Self> {
        let mut file = csv::Writer::from_writer(out);
        file.write_record(COLUMNS.map(|(name, _)| name))?;
        Ok(Self { file, text: Vec::new() })
    }

    pub(super) fn write(&mut self, cells: &[Cell<'_>]) -> io::Result<()> {
        for cell in cells {
            self.text.clear();
            match cell {
                Cell::Text(text) => self.text.extend_from_slice(text.as_bytes()),
                Cell::OptionalNumber(None) => {}
                Cell::Number(number) | Cell::OptionalNumber(Some(number)) => {
                    write!(self.text, "{number}")?;
                }
                Cell::Time(millis) => write!(self.text, "{millis}")?,
                Cell::Amount(amount) => write!(self.text, "{amount}")?,
                Cell::Flag(on) => write!(self.text, "{on}")?,
                Cell::Entries(_) | Cell::Tags(_) | Cell::Quantities(_) => {
                    serde_json::to_writer(&mut self.text, cell)?;
                }
            }
            self.file.write_field(&self.text)?;
        }
        Ok(self.file.write_record(None::<&[u8]>)?)
    }

    pub(super) fn finish(self) -> io::Result<W> {
        let mut out = self.file.into_inner().map_err(csv::IntoInnerError::into_error)?;
        out.flush()?;
        Ok(out)
    }
}
