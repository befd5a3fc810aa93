//! What became of a list: how many models are rated, and why the others are not.

use std::collections::BTreeMap;
use std::fmt;

/// What became of a list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// How many models the list has.
    pub models: usize,
    /// How many of them are rated.
    pub rated: usize,
    /// How many variants of rated models are rated.
    pub variants: usize,
    /// Models that are not, by reason.
    pub skipped: BTreeMap<String, Vec<String>>,
    /// Keys of rated models that are not, by reason: the models.
    pub ignored: BTreeMap<String, Vec<String>>,
    /// Prices of 0 of rated models that are taken as they stand, by reason: the models.
    pub kept: BTreeMap<String, Vec<String>>,
}

impl Report {
    /// How many models are not rated.
    pub fn skipped(&self) -> usize {
        self.skipped.values().map(Vec::len).sum()
    }
}

fn table(
    f: &mut fmt::Formatter<'_>,
    title: &str,
    reasons: &BTreeMap<String, Vec<String>>,
) -> fmt::Result {
    if reasons.is_empty() {
        return Ok(());
    }
    writeln!(f, "{title}")?;
    let mut rows: Vec<_> =
        reasons.iter().map(|(why, models)| (models.len(), why, models)).collect();
    rows.sort_by(|one, two| two.0.cmp(&one.0).then(one.1.cmp(two.1)));
    for (count, why, models) in rows {
        let example = models.first().map_or("", String::as_str);
        writeln!(f, "{count:>7}  {why} (such as {example})")?;
    }
    Ok(())
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} models in the list", self.models)?;
        writeln!(f, "{} rated, with {} variants", self.rated, self.variants)?;
        writeln!(f, "{} skipped", self.skipped())?;
        table(f, "models skipped:", &self.skipped)?;
        table(f, "keys of rated models left out:", &self.ignored)?;
        table(f, "prices of 0 taken as they stand:", &self.kept)
    }
}
