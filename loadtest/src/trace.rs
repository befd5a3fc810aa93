//! A trace: a CSV file of requests, each with a time and two counts of tokens.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use csv::StringRecord;
use jiff::civil::DateTime;

const HEADER: [&str; 3] = ["TIMESTAMP", "ContextTokens", "GeneratedTokens"];
const EXAMPLE: &str = "2023-11-16 18:17:03.9799600,4808,10";

/// One request of the trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) at: DateTime,
    pub(crate) input_tokens: u32,
    pub(crate) output_tokens: u32,
}

/// Reads the first `limit` rows of a trace, in the file's order.
pub(crate) fn read(path: &Path, limit: Option<usize>) -> Result<Vec<Row>> {
    let shown = path.display();
    let file = File::open(path).with_context(|| format!("cannot open the trace {shown}"))?;
    let rows = parse(file, limit).with_context(|| format!("the trace {shown} is malformed"))?;
    ensure!(!rows.is_empty(), "the trace {shown} has no rows");
    Ok(rows)
}

fn parse(input: impl Read, limit: Option<usize>) -> Result<Vec<Row>> {
    // Flexible: a row with a field too many gets our own message, with its line.
    let mut reader =
        csv::ReaderBuilder::new().flexible(true).trim(csv::Trim::All).from_reader(input);
    let header = reader.headers().context("cannot read line 1")?;
    if header.iter().ne(HEADER) {
        let found = header.iter().collect::<Vec<_>>().join(",");
        bail!("line 1: expected the header {}, found `{found}`", HEADER.join(","));
    }
    let mut rows = Vec::new();
    for record in reader.records().take(limit.unwrap_or(usize::MAX)) {
        let record = record.context("cannot read on")?;
        let line = record.position().map_or(0, csv::Position::line);
        let row = row(&record).with_context(|| format!("line {line}"));
        rows.push(row.with_context(|| format!("a row is like {EXAMPLE}"))?);
    }
    Ok(rows)
}

fn row(record: &StringRecord) -> Result<Row> {
    let fields: Vec<&str> = record.iter().collect();
    let [at, input, output] = fields.as_slice() else {
        bail!("expected 3 fields, found {}", fields.len());
    };
    let at = DateTime::strptime("%Y-%m-%d %H:%M:%S%.f", at)
        .ok()
        .with_context(|| format!("expected a time YYYY-MM-DD HH:MM:SS.fffffff, found `{at}`"))?;
    Ok(Row { at, input_tokens: tokens(input)?, output_tokens: tokens(output)? })
}

fn tokens(text: &str) -> Result<u32> {
    text.parse().ok().with_context(|| format!("expected a whole number of tokens, found `{text}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "TIMESTAMP,ContextTokens,GeneratedTokens\n";

    fn parsed(body: &str) -> Result<Vec<Row>> {
        parse(format!("{HEAD}{body}").as_bytes(), None)
    }

    #[test]
    fn reads_rows_in_any_order_with_any_line_ending() {
        let rows = parsed(
            "2023-11-16 18:17:03.9799600,4808,10\r\n\
             2023-11-16 18:17:03,110,0\n\
             2023-11-15 23:59:59.1,7437,1899",
        )
        .unwrap();
        let nanos: Vec<i32> = rows.iter().map(|row| row.at.subsec_nanosecond()).collect();
        assert_eq!(nanos, [979_960_000, 0, 100_000_000]);
        assert_eq!((rows[0].input_tokens, rows[0].output_tokens), (4808, 10));
        assert_eq!((rows[2].input_tokens, rows[2].output_tokens), (7437, 1899));
        assert!(rows[2].at < rows[1].at);
    }

    #[test]
    fn says_which_line_is_wrong_and_what_was_expected() {
        let good = "2023-11-16 18:17:03.9799600,4808,10\n";
        for (bad, expected) in [
            ("2023-11-16 18:17:04,1,2,3", "line 3: expected 3 fields, found 4"),
            ("2023-11-16 18:17:04,1", "line 3: expected 3 fields, found 2"),
            ("16.11.2023 18:17,1,2", "line 3: expected a time YYYY-MM-DD"),
            ("2023-11-16 18:17:04,1.5,2", "line 3: expected a whole number of tokens, found `1.5`"),
            ("2023-11-16 18:17:04,1,-2", "line 3: expected a whole number of tokens, found `-2`"),
        ] {
            let error = format!("{:#}", parsed(&format!("{good}{bad}")).unwrap_err());
            assert!(error.contains(expected), "{error}");
            assert!(error.contains(EXAMPLE), "{error}");
        }
    }

    #[test]
    fn wants_the_header() {
        let error = parse("2023-11-16 18:17:03.97,4808,10\n".as_bytes(), None).unwrap_err();
        assert!(format!("{error:#}").contains("line 1: expected the header TIMESTAMP,"));
    }

    #[test]
    fn stops_at_the_limit() {
        let body = "2023-11-16 18:17:03,1,1\n".repeat(5);
        let rows = parse(format!("{HEAD}{body}broken").as_bytes(), Some(5)).unwrap();
        assert_eq!(rows.len(), 5);
    }
}
