//! Prices and why they are what they are, as reply frames.

use super::{ErrorCode, Field, Fields, write_refusal};
use crate::codec::resp::Writer;
use crate::domain::id::{OpId, Unit, Variant};
use crate::domain::outcome::{Explanation, NoPrice, PriceView, Refusal};
use crate::domain::price_tag::PriceTag;
use crate::domain::rating::{BookAnswer, PriceLine, PriceVersion, Shown};
use crate::domain::usage::Quantity;

/// Writes what `PRICE` answers.
pub(super) fn write_price(view: &PriceView, writer: &mut Writer<'_>) {
    let mut fields = Fields::new();
    fields.amount("amount", view.explained.rated.amount);
    fields.text("currency", view.explained.currency.as_str());
    fields.version("price_version", view.version);
    fields.write_before(1, writer);
    write_lines(&view.explained.lines, writer);
}

/// Writes what the price book says of itself.
pub(super) fn write_answer(answer: &BookAnswer, writer: &mut Writer<'_>) {
    match answer {
        // A model has one rate card, or one for each currency.
        BookAnswer::Cards(cards) => match cards.as_slice() {
            [card] => write_shown(card, writer),
            cards => write_all(cards, writer),
        },
        BookAnswer::Models(models) => {
            writer.array_header(models.len());
            for model in models {
                writer.text(model.as_str());
            }
        }
        BookAnswer::Reloaded(version) => writer.text(&version.to_string()),
        BookAnswer::NoModel(model) => {
            write_refusal(&Refusal::no_price(model.clone(), NoPrice::Model), writer);
        }
        BookAnswer::Failed(reason) => {
            let text = format!("the price book is as it was: {reason}");
            writer.error(ErrorCode::Err.as_str(), text.as_bytes());
        }
    }
}

fn write_all(shown: &[Shown], writer: &mut Writer<'_>) {
    writer.array_header(shown.len());
    for part in shown {
        write_shown(part, writer);
    }
}

fn write_shown(shown: &Shown, writer: &mut Writer<'_>) {
    match shown {
        Shown::Text(text) => writer.text(text),
        Shown::Number(number) => writer.integer(*number),
        Shown::List(parts) => write_all(parts, writer),
        Shown::Map(parts) => {
            writer.map_header(parts.len());
            for (name, part) in parts {
                writer.text(name);
                write_shown(part, writer);
            }
        }
    }
}

/// Writes what `EXPLAIN` answers. What its price consists of is there when it was rated.
pub(super) fn write_explanation(explanation: &Explanation, writer: &mut Writer<'_>) {
    let row = &explanation.row;
    let mut fields = Fields::new();
    fields.text("op", row.op.as_ref().map_or("", OpId::as_str));
    fields.text("hold", row.hold.as_ref().map_or("", OpId::as_str));
    fields.text("kind", row.kind.as_str());
    fields.time("at", row.at);
    fields.amount("amount", row.amount);
    if !row.uncovered.is_zero() {
        fields.amount("uncovered", row.uncovered);
    }
    fields.flag("over", row.over);
    fields.flag("late", row.late);
    let mut rest = Fields::new();
    let lines = match &explanation.price {
        None => &[][..],
        Some((tag, explained)) => {
            rest.text("currency", explained.currency.as_str());
            rest.price(tag);
            &explained.lines
        }
    };
    let quantities = explanation.price.as_ref().map(|(tag, _)| &tag.quantities);
    let maps = 3_usize.saturating_add(usize::from(quantities.is_some()));
    fields.write_before(rest.0.len().saturating_add(maps), writer);
    rest.write_on(writer);
    if let Some(quantities) = quantities {
        write_quantities(quantities, writer);
    }
    write_lines(lines, writer);
    writer.text("grants");
    writer.array_header(explanation.burned.len());
    for (op, amount) in &explanation.burned {
        let mut burned = Fields::new();
        burned.text("op", op.as_str());
        burned.amount("amount", *amount);
        burned.write(writer);
    }
    // No limits are set yet.
    writer.text("limits");
    writer.array_header(0);
}

impl<'a> Fields<'a> {
    /// How usage was priced.
    pub(super) fn price(&mut self, tag: &'a PriceTag) {
        self.text("model", tag.model.as_str());
        if let Some(variant) = &tag.variant {
            self.text("variant", Variant::as_str(variant));
        }
        self.version("price_version", tag.version);
        self.amount("price", tag.amount);
        self.amount("cost", tag.cost);
        self.amount("margin", tag.margin());
        if let Some(at) = tag.used_at {
            self.time("used_at", at);
        }
    }

    fn version(&mut self, name: &'static str, version: PriceVersion) {
        self.0.push((name, Field::Version(version)));
    }
}

/// Writes the field `quantities`.
pub(super) fn write_quantities(quantities: &[(Unit, Quantity)], writer: &mut Writer<'_>) {
    writer.text("quantities");
    writer.map_header(quantities.len());
    for (unit, quantity) in quantities {
        writer.text(unit.as_str());
        writer.amount(*quantity);
    }
}

/// Writes the field `lines`. What is no quantity of a unit counts as one of it.
fn write_lines(lines: &[PriceLine], writer: &mut Writer<'_>) {
    writer.text("lines");
    writer.array_header(lines.len());
    for line in lines {
        let one = line.quantity.as_ref().map_or("1", |quantity| &quantity.0);
        let mut fields = Fields::new();
        fields.text("unit", &line.unit);
        fields.text("quantity", one);
        fields.text("price", &line.price.as_ref().unwrap_or(&line.amount).0);
        fields.text("amount", &line.amount.0);
        fields.write(writer);
    }
}
