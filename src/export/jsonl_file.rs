//! JSON lines: an object a row, lists and maps nested, amounts as strings.

use super::columns::{COLUMNS, Cell};
use serde::ser::{Serialize, SerializeMap as _, Serializer};
use std::io::{self, BufWriter, Write};

#[derive(Debug)]
pub(super) struct JsonlFile<W: Write>(BufWriter<W>);

impl<W: Write> JsonlFile<W> {
    pub(super) fn new(out: W) -> Self {
        Self(BufWriter::new(out))
    }

    pub(super) fn write(&mut self, cells: &[Cell<'_>]) -> io::Result<()> {
        serde_json::to_writer(&mut self.0, &Object(cells))?;
        self.0.write_all(b"\n")
    }

    pub(super) fn finish(self) -> io::Result<W> {
        let mut out = self.0.into_inner().map_err(io::IntoInnerError::into_error)?;
        out.flush()?;
        Ok(out)
    }
}

struct Object<'a>(&'a [Cell<'a>]);

impl Serialize for Object<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for ((name, _), cell) in COLUMNS.iter().zip(self.0) {
            map.serialize_entry(name, cell)?;
        }
        map.end()
    }
}
