//! What `LEDGER` asks.

use super::Call;
use super::error::RequestError;
use super::spec::Opt;
use super::value::Value;
use crate::domain::ledger::{LedgerQuery, RowKind};

/// How many rows are shown when not told, and at most.
const ROWS: (usize, usize) = (100, 1000);

/// The commands whose rows have another word than their own name.
const COMMANDS: [(&str, &[RowKind]); 23] = [
    ("topup", &[RowKind::ToppedUp]),
    ("topup.reverse", &[RowKind::Reversed]),
    ("reverse", &[RowKind::Reversed]),
    ("topup.revoke", &[RowKind::Revoked]),
    ("revoke", &[RowKind::Revoked]),
    ("withdraw", &[RowKind::Withdrawn]),
    ("authorize", &[RowKind::Held]),
    ("extend", &[RowKind::Extended]),
    ("capture", &[RowKind::Captured]),
    ("void", &[RowKind::Voided]),
    ("charge", &[RowKind::Charged]),
    ("refund", &[RowKind::Refunded]),
    ("wallet.open", &[RowKind::Opened]),
    ("open", &[RowKind::Opened]),
    ("wallet.set", &[RowKind::Set]),
    ("wallet.freeze", &[RowKind::Frozen]),
    ("freeze", &[RowKind::Frozen]),
    ("wallet.unfreeze", &[RowKind::Unfrozen]),
    ("unfreeze", &[RowKind::Unfrozen]),
    ("wallet.close", &[RowKind::Closing, RowKind::Closed]),
    ("close", &[RowKind::Closing, RowKind::Closed]),
    ("expire", &[RowKind::Expired]),
    ("lapse", &[RowKind::Lapsed]),
];

/// Reads `KIND`: the word of a row, or the command that makes such rows.
pub(super) fn kinds(raw: &[u8]) -> Result<&'static [RowKind], RequestError> {
    let is = |word: &str| word.as_bytes().eq_ignore_ascii_case(raw);
    if let Some(kind) = RowKind::ALL.iter().find(|kind| is(kind.as_str())) {
        return Ok(std::slice::from_ref(kind));
    }
    let command = COMMANDS.iter().find(|(name, _)| is(name));
    command.map(|(_, kinds)| *kinds).ok_or_else(|| {
        let words: Vec<_> = RowKind::ALL.iter().map(|kind| kind.as_str()).collect();
        let words = words.join(", ");
        let text = format!("invalid KIND: it must be {words}, or a command that makes such rows");
        RequestError::malformed(text)
    })
}

impl Call<'_> {
    /// The query that the options make up.
    pub(super) fn ledger(&self) -> Result<LedgerQuery, RequestError> {
        let before = match self.integer(Opt::Before) {
            None => None,
            Some(seq @ 1..) => u64::try_from(seq).ok(),
            Some(_) => return Err(RequestError::range("BEFORE must be at least 1")),
        };
        Ok(LedgerQuery {
            count: self.count(ROWS)?,
            before,
            from: self.time(Opt::From),
            to: self.time(Opt::To),
            kinds: match self.value(Opt::RowKind) {
                Some(Value::RowKinds(kinds)) => kinds,
                _ => &[],
            },
            hold: self.op(Opt::Hold),
        })
    }
}

#[cfg(test)]
mod tests;
