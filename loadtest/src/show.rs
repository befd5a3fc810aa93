//! Shows what a run found: tables on the terminal, JSON, and a page.

mod chart;
mod page;
pub(crate) mod tables;

use std::io::{Write, stdout};
use std::path::Path;

use anyhow::{Context, Result};

use crate::cli::RunArgs;
use crate::findings::Findings;

/// Prints the report, and writes it to the files that the flags name.
pub(crate) fn show(findings: &Findings, options: &RunArgs) -> Result<()> {
    let text = tables::text(findings);
    stdout().lock().write_all(text.as_bytes()).context("cannot print the report")?;
    if let Some(path) = &options.json {
        write(path, &serde_json::to_vec_pretty(findings).context("cannot write JSON")?)?;
    }
    write_page(findings, options)
}

/// Writes the page, if the flags name a file for it.
pub(crate) fn write_page(findings: &Findings, options: &RunArgs) -> Result<()> {
    match &options.report {
        Some(path) => write(path, page::html(findings).as_bytes()),
        None => Ok(()),
    }
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    std::fs::write(path, bytes).with_context(|| format!("cannot write {}", path.display()))
}
