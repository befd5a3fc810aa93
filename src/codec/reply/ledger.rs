//! Rows of a ledger, as reply frames.

use super::price::write_quantities;
use super::{Fields, write_tags};
use crate::codec::resp::Writer;
use crate::domain::id::{OpId, User};
use crate::domain::ledger::LedgerRow;

/// Writes one row. Like a receipt it ends with what only some rows have.
pub(super) fn write_row(row: &LedgerRow, writer: &mut Writer<'_>) {
    let mut fields = Fields::new();
    fields.number("seq", row.seq);
    fields.time("at", row.at);
    fields.text("kind", row.kind.as_str());
    fields.text("op", row.op.as_ref().map_or("", OpId::as_str));
    fields.text("hold", row.hold.as_ref().map_or("", OpId::as_str));
    fields.amount("amount", row.amount);
    fields.amount("posted", row.posted);
    fields.amount("held", row.held);
    fields.amount("debt", row.debt);
    let mut rest = Fields::new();
    rest.text("note", row.note.as_str());
    rest.text("user", row.user.as_ref().map_or("", User::as_str));
    if !row.uncovered.is_zero() {
        rest.amount("uncovered", row.uncovered);
    }
    rest.flag("over", row.over);
    rest.flag("late", row.late);
    if let Some(price) = &row.price {
        rest.price(price);
    }
    if let Some(paid) = &row.paid {
        rest.amount("paid", paid.amount);
        rest.text("paid_currency", paid.currency.as_str());
    }
    let maps = 2_usize.saturating_add(usize::from(row.price.is_some()));
    fields.write_before(rest.0.len().saturating_add(maps), writer);
    writer.text("entries");
    writer.array_header(row.entries.len());
    for (account, amount) in &row.entries {
        let mut entry = Fields::new();
        entry.text("account", account.as_str());
        entry.amount("amount", *amount);
        entry.write(writer);
    }
    write_tags(&row.tags, writer);
    rest.write_on(writer);
    if let Some(price) = &row.price {
        write_quantities(&price.quantities, writer);
    }
}

#[cfg(test)]
mod tests;
