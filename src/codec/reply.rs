//! What a wallet answers, as reply frames.
//!
//! Receipts and views are maps; a decline is one, too, for it is an answer. Refusals are error
//! lines: a code, `key=value` details, and a sentence that says what to do.

mod error_code;
mod ledger;
mod price;

use smallvec::SmallVec;

pub use error_code::ErrorCode;

use super::request::{kind_word, overage_word};
use super::resp::Writer;
use crate::domain::amount::Amount;
use crate::domain::id::{Tags, Variant};
use crate::domain::outcome::{
    BalanceView, Balances, Decline, DeclineReason, GrantView, HoldState, HoldView, NoPrice,
    OpAnswer, OpView, OutOfRange, Outcome, Receipt, ReceiptStatus, Refusal, TooMany, WalletStatus,
    WalletView,
};
use crate::domain::rating::PriceVersion;
use crate::domain::time::Timestamp;

/// Writes the reply to a request.
pub fn write_outcome(outcome: &Outcome, writer: &mut Writer<'_>) {
    match outcome {
        Outcome::Receipt(receipt) => Fields::of_receipt(receipt).write(writer),
        Outcome::Declined(decline) => write_decline(decline, writer),
        Outcome::Refused(refusal) => write_refusal(refusal, writer),
        Outcome::Balance(view) => write_balance(view, writer),
        Outcome::Wallet(view) => write_wallet(view, writer),
        Outcome::Status(status) => write_status(*status, writer),
        Outcome::Hold(view) => write_hold(view, writer),
        Outcome::Holds(views) => {
            writer.array_header(views.len());
            for view in views {
                write_hold(view, writer);
            }
        }
        Outcome::Op(view) => write_op(view, writer),
        Outcome::Price(view) => price::write_price(view, writer),
        Outcome::Prices(answer) => price::write_answer(answer, writer),
        Outcome::Explanation(explanation) => price::write_explanation(explanation, writer),
        Outcome::Ledger(rows) => {
            writer.array_header(rows.len());
            for row in rows {
                ledger::write_row(row, writer);
            }
        }
        Outcome::Wallets(page) => {
            writer.array_header(2);
            writer.text(itoa::Buffer::new().format(page.cursor));
            writer.array_header(page.wallets.len());
            for wallet in &page.wallets {
                writer.text(wallet.as_str());
            }
        }
    }
}

/// Writes a refusal as an error line.
pub fn write_refusal(refusal: &Refusal, writer: &mut Writer<'_>) {
    let (code, text) = match refusal {
        Refusal::NoWallet => (ErrorCode::NoWallet, "no such wallet; open it with WALLET.OPEN"),
        Refusal::NoHold => (ErrorCode::NoHold, "no such hold in this wallet"),
        Refusal::NoOp => {
            (ErrorCode::NoOp, "no such operation in this wallet that this could be for")
        }
        Refusal::IdReused => {
            (ErrorCode::IdReused, "this id belongs to a different request; use a new one")
        }
        Refusal::Exists => (
            ErrorCode::Exists,
            "the wallet was opened with other parameters; change them with WALLET.SET",
        ),
        Refusal::Closed => (ErrorCode::Closed, "the wallet is closed and takes no changes"),
        Refusal::TooLate => (
            ErrorCode::TooLate,
            "SENT is older than the dedup window; ask with OP.GET what became of the request",
        ),
        Refusal::Busy => (ErrorCode::Busy, "too many requests wait; nothing happened, retry later"),
        Refusal::Unavailable => (
            ErrorCode::Unavailable,
            "the store failed; the outcome is unknown, retry with the same id",
        ),
        Refusal::Loading => (ErrorCode::Loading, "purser is loading its journal in memory"),
        Refusal::Range(OutOfRange::Sum) => (ErrorCode::Range, "a sum would pass 10^24"),
        Refusal::Range(OutOfRange::ExpiresInThePast) => {
            (ErrorCode::Range, "EXPIRES is not in the future")
        }
        Refusal::UsedTooLate => (
            ErrorCode::TooLate,
            "AT is older than late_window_ms; the usage cannot be charged any more",
        ),
        Refusal::ModelMissing => {
            (ErrorCode::Err, "the hold was not rated and names no model; name it with MODEL")
        }
        Refusal::Range(OutOfRange::UsedInTheFuture) => (ErrorCode::Range, "AT is in the future"),
        Refusal::Range(OutOfRange::Price) => (
            ErrorCode::Range,
            "the price would pass 10^18, or 38 digits on the way to it; state less, or fewer decimals, at once",
        ),
        Refusal::HoldDone { .. }
        | Refusal::OverCapture { .. }
        | Refusal::OverRefund { .. }
        | Refusal::NotEmpty { .. }
        | Refusal::NoPrice(_)
        | Refusal::Currency(_)
        | Refusal::TooMany(_) => return write_detailed(refusal, writer),
    };
    writer.error(code.as_str(), text.as_bytes());
}

/// Writes a refusal that has details.
fn write_detailed(refusal: &Refusal, writer: &mut Writer<'_>) {
    let (code, text) = match refusal {
        Refusal::HoldDone { state } => {
            let state = state_word(*state);
            (ErrorCode::HoldDone, format!("state={state} the hold is done; place a new one"))
        }
        Refusal::OverCapture { held } => {
            (ErrorCode::OverCapture, format!("held={held} capture at most what is held"))
        }
        Refusal::OverRefund { refundable } => (
            ErrorCode::OverRefund,
            format!("refundable={refundable} refund at most what is left to refund"),
        ),
        Refusal::NotEmpty { balances: Balances { posted, debt, .. } } => (
            ErrorCode::NotEmpty,
            format!("posted={posted} debt={debt} empty the wallet, or write it off with FORCE"),
        ),
        Refusal::TooMany(TooMany::Holds { max }) => {
            (ErrorCode::TooMany, format!("max={max} the wallet has too many open holds; end some"))
        }
        Refusal::TooMany(TooMany::Grants { max }) => (
            ErrorCode::TooMany,
            format!("max={max} the wallet has too many grants; spend or revoke some"),
        ),
        Refusal::NoPrice(unpriced) => {
            let (model, why) = &**unpriced;
            let (unit, text) = match why {
                NoPrice::Model => ("", "no rate card for this model and variant; see PRICES.LIST"),
                NoPrice::Unit(unit) => {
                    (unit.as_str(), "its rate card has no price for this unit; see PRICES.GET")
                }
                NoPrice::Unreadable => (
                    "",
                    "the version of the prices that it was rated by cannot be read; see the server's log",
                ),
            };
            (ErrorCode::NoPrice, format!("model={model} unit={unit} {text}"))
        }
        Refusal::Currency(card) => (
            ErrorCode::Currency,
            format!("card={card} the model is not priced in the wallet's currency"),
        ),
        Refusal::NoWallet
        | Refusal::NoHold
        | Refusal::NoOp
        | Refusal::IdReused
        | Refusal::Exists
        | Refusal::Closed
        | Refusal::TooLate
        | Refusal::UsedTooLate
        | Refusal::ModelMissing
        | Refusal::Busy
        | Refusal::Unavailable
        | Refusal::Loading
        | Refusal::Range(_) => return,
    };
    writer.error(code.as_str(), text.as_bytes());
}

/// The value of a field.
#[derive(Debug, Clone, Copy)]
enum Field<'a> {
    Text(&'a str),
    Amount(Amount),
    Time(Timestamp),
    Number(u64),
    Version(PriceVersion),
}

/// The fields of a map, collected first because a map begins with their number.
struct Fields<'a>(SmallVec<[(&'static str, Field<'a>); 20]>);

impl<'a> Fields<'a> {
    fn new() -> Self {
        Self(SmallVec::new())
    }

    fn of_receipt(receipt: &Receipt) -> Self {
        let mut fields = Self::new();
        fields.receipt(receipt);
        fields
    }

    fn receipt(&mut self, receipt: &Receipt) {
        self.text("status", receipt_word(receipt.status));
        self.amount("available", receipt.balances.available);
        self.amount("held", receipt.balances.held);
        if let Some(amount) = receipt.amount {
            self.amount("amount", amount);
        }
        if let Some(at) = receipt.expires_at {
            self.time("expires_at", at);
        }
        if let Some(captured) = receipt.captured {
            self.amount("captured", captured);
        }
        for (name, amount) in
            [("debt", receipt.debt), ("repaid", receipt.repaid), ("uncovered", receipt.uncovered)]
        {
            if !amount.is_zero() {
                self.amount(name, amount);
            }
        }
        self.flag("over", receipt.over);
        self.flag("late", receipt.late);
        self.flag("replayed", receipt.replayed);
        if let Some(state) = receipt.state {
            self.text("state", state_word(state));
        }
        if let Some(version) = receipt.price_version {
            self.0.push(("price_version", Field::Version(version)));
        }
    }

    fn balance(&mut self, view: &'a BalanceView) {
        self.text("currency", view.currency.as_str());
        self.text("status", status_word(view.status));
        self.balances(&view.balances, view.credit_limit);
        self.flag("replayed", view.replayed);
    }

    fn balances(&mut self, balances: &Balances, credit_limit: Amount) {
        self.amount("posted", balances.posted);
        self.amount("held", balances.held);
        self.amount("available", balances.available);
        self.amount("debt", balances.debt);
        self.amount("credit_limit", credit_limit);
    }

    fn text(&mut self, name: &'static str, text: &'a str) {
        self.0.push((name, Field::Text(text)));
    }

    fn amount(&mut self, name: &'static str, amount: Amount) {
        self.0.push((name, Field::Amount(amount)));
    }

    fn time(&mut self, name: &'static str, time: Timestamp) {
        self.0.push((name, Field::Time(time)));
    }

    fn number(&mut self, name: &'static str, number: u64) {
        self.0.push((name, Field::Number(number)));
    }

    fn flag(&mut self, name: &'static str, on: bool) {
        if on {
            self.number(name, 1);
        }
    }

    fn write(&self, writer: &mut Writer<'_>) {
        self.write_before(0, writer);
    }

    /// Writes the fields as the beginning of a map that has `more` others.
    fn write_before(&self, more: usize, writer: &mut Writer<'_>) {
        writer.map_header(self.0.len().saturating_add(more));
        self.write_on(writer);
    }

    /// Writes the fields inside a map whose header is written.
    fn write_on(&self, writer: &mut Writer<'_>) {
        for (name, field) in &self.0 {
            writer.text(name);
            match field {
                Field::Text(text) => writer.text(text),
                Field::Amount(amount) => writer.amount(*amount),
                Field::Time(time) => writer.integer(time.millis()),
                Field::Number(number) => writer.integer(*number),
                Field::Version(version) => writer.text(&version.to_string()),
            }
        }
    }
}

fn write_decline(decline: &Decline, writer: &mut Writer<'_>) {
    let (reason, required) = match decline.reason {
        DeclineReason::NoFunds { required } => ("NOFUNDS", Some(required)),
        DeclineReason::Frozen => ("FROZEN", None),
        DeclineReason::Closed => ("CLOSED", None),
    };
    let mut fields = Fields::new();
    fields.text("status", "declined");
    fields.text("reason", reason);
    fields.amount("available", decline.balances.available);
    fields.amount("held", decline.balances.held);
    if let Some(required) = required {
        fields.amount("required", required);
    }
    fields.write(writer);
}

fn write_balance(view: &BalanceView, writer: &mut Writer<'_>) {
    let mut fields = Fields::new();
    fields.balance(view);
    fields.write(writer);
}

fn write_status(status: WalletStatus, writer: &mut Writer<'_>) {
    let mut fields = Fields::new();
    fields.text("status", status_word(status));
    fields.write(writer);
}

fn write_wallet(view: &WalletView, writer: &mut Writer<'_>) {
    let mut fields = Fields::new();
    fields.text("currency", view.currency.as_str());
    fields.text("status", status_word(view.status));
    fields.balances(&view.balances, view.terms.credit_limit);
    match view.terms.debt_limit {
        Some(limit) => fields.amount("debt_limit", limit),
        None => fields.text("debt_limit", "none"),
    }
    fields.text("plan", view.terms.plan.as_ref().map_or("", |plan| plan.as_str()));
    fields.text("tz", view.terms.zone.as_str());
    fields.write_before(4, writer);
    writer.text("grants");
    writer.array_header(view.grants.len());
    for grant in &view.grants {
        write_grant(grant, writer);
    }
    writer.text("holds");
    writer.integer(view.holds);
    writer.text("seq");
    writer.integer(view.seq);
    writer.text("opened_at");
    writer.integer(view.opened_at.millis());
}

fn write_grant(grant: &GrantView, writer: &mut Writer<'_>) {
    let mut fields = Fields::new();
    fields.text("op", grant.op.as_str());
    fields.text("kind", kind_word(grant.kind));
    fields.number("priority", u64::from(grant.priority));
    fields.amount("left", grant.left);
    fields.amount("pinned", grant.pinned);
    if let Some(at) = grant.expires_at {
        fields.time("expires_at", at);
    }
    fields.write(writer);
}

fn write_hold(view: &HoldView, writer: &mut Writer<'_>) {
    let mut fields = Fields::new();
    fields.text("hold", view.hold.as_str());
    fields.text("state", state_word(view.state));
    fields.amount("amount", view.amount);
    fields.amount("remaining", view.remaining);
    fields.amount("captured", view.captured);
    fields.write_before(if view.pin.is_some() { 9 } else { 6 }, writer);
    writer.text("grants");
    writer.array_header(view.grants.len());
    for (op, amount) in &view.grants {
        let mut pinned = Fields::new();
        pinned.text("op", op.as_str());
        pinned.amount("amount", *amount);
        pinned.write(writer);
    }
    let mut rest = Fields::new();
    rest.amount("credit", view.credit);
    rest.text("overage", overage_word(view.overage));
    if let Some(pin) = &view.pin {
        rest.text("model", pin.model.as_str());
        rest.text("variant", pin.variant.as_ref().map_or("", Variant::as_str));
        rest.0.push(("price_version", Field::Version(pin.version)));
    }
    rest.write_on(writer);
    write_tags(&view.tags, writer);
    let mut times = Fields::new();
    times.time("created_at", view.created_at);
    times.time("expires_at", view.expires_at);
    times.write_on(writer);
}

/// Writes the field `tags`.
fn write_tags(tags: &Tags, writer: &mut Writer<'_>) {
    writer.text("tags");
    writer.map_header(tags.len());
    for (key, value) in tags {
        writer.text(key.as_str());
        writer.text(value.as_str());
    }
}

fn write_op(view: &OpView, writer: &mut Writer<'_>) {
    let mut fields = Fields::new();
    fields.text("op", view.op.as_str());
    fields.time("at", view.at);
    match &view.answer {
        OpAnswer::Receipt(receipt) => fields.receipt(receipt),
        OpAnswer::Balance(balance) => fields.balance(balance),
    }
    if let Some(refundable) = view.refundable {
        fields.amount("refundable", refundable);
    }
    fields.write(writer);
}

const fn receipt_word(status: ReceiptStatus) -> &'static str {
    match status {
        ReceiptStatus::Held => "held",
        ReceiptStatus::Extended => "extended",
        ReceiptStatus::Captured => "captured",
        ReceiptStatus::Voided => "voided",
        ReceiptStatus::Charged => "charged",
        ReceiptStatus::ToppedUp => "toppedup",
        ReceiptStatus::Reversed => "reversed",
        ReceiptStatus::Revoked => "revoked",
        ReceiptStatus::Withdrawn => "withdrawn",
        ReceiptStatus::Refunded => "refunded",
        ReceiptStatus::Set => "set",
    }
}

const fn status_word(status: WalletStatus) -> &'static str {
    match status {
        WalletStatus::Open => "open",
        WalletStatus::Frozen => "frozen",
        WalletStatus::Closing => "closing",
        WalletStatus::Closed => "closed",
    }
}

const fn state_word(state: HoldState) -> &'static str {
    match state {
        HoldState::Open => "open",
        HoldState::Captured => "captured",
        HoldState::Voided => "voided",
        HoldState::Expired => "expired",
    }
}

#[cfg(test)]
mod tests;
