//! Golden replies in both protocols.
//!
//! Frames are shown with blanks for line ends, and without the lengths of strings: `'held'`.

use super::*;
use crate::codec::resp::Proto;
use crate::domain::command::{GrantKind, Overage, Terms};
use crate::domain::id::{Currency, Model, OpId, Plan, TagKey, TagValue, Unit, Zone};
use crate::domain::rating::PriceVersion;

fn written(outcome: &Outcome, proto: Proto) -> String {
    let mut out = Vec::new();
    write_outcome(outcome, &mut Writer::new(&mut out, proto));
    let text = String::from_utf8(out).unwrap();
    let mut lines = text.strip_suffix("\r\n").unwrap().split("\r\n");
    let mut shown = Vec::new();
    while let Some(line) = lines.next() {
        shown.push(match line.strip_prefix('$') {
            Some(length) => {
                let value = lines.next().unwrap();
                assert_eq!(length, value.len().to_string());
                format!("'{value}'")
            }
            None => line.to_owned(),
        });
    }
    shown.join(" ")
}

/// In RESP2 and RESP3 the same, but for the headers of maps.
pub(super) fn check(outcome: &Outcome, resp3: &str) {
    assert_eq!(written(outcome, Proto::Resp3), resp3);
    let resp2: Vec<String> = resp3
        .split(' ')
        .map(|word| match word.strip_prefix('%') {
            Some(pairs) => format!("*{}", 2 * pairs.parse::<usize>().unwrap()),
            None => word.to_owned(),
        })
        .collect();
    assert_eq!(written(outcome, Proto::Resp2), resp2.join(" "));
}

fn amount(text: &str) -> Amount {
    text.parse().unwrap()
}

fn op(text: &str) -> OpId {
    OpId::new(text.as_bytes()).unwrap()
}

const AT: Timestamp = Timestamp::from_millis(1_700_000_000_000);

fn balances() -> Balances {
    Balances {
        posted: amount("30"),
        held: amount("5.4"),
        debt: amount("0"),
        available: amount("24.60"),
    }
}

fn receipt(status: ReceiptStatus) -> Receipt {
    Receipt::plain(status, balances())
}

#[test]
fn receipts_show_only_what_applies() {
    check(
        &Outcome::Receipt(receipt(ReceiptStatus::ToppedUp)),
        "%3 'status' 'toppedup' 'available' '24.6' 'held' '5.4'",
    );
    check(
        &Outcome::Receipt(Receipt {
            amount: Some(amount("5.4")),
            expires_at: Some(AT),
            replayed: true,
            state: Some(HoldState::Captured),
            ..receipt(ReceiptStatus::Held)
        }),
        "%7 'status' 'held' 'available' '24.6' 'held' '5.4' 'amount' '5.4' \
         'expires_at' :1700000000000 'replayed' :1 'state' 'captured'",
    );
    check(
        &Outcome::Receipt(Receipt {
            captured: Some(Amount::ZERO),
            debt: amount("1"),
            repaid: amount("2"),
            uncovered: amount("3"),
            over: true,
            late: true,
            price_version: Some(PriceVersion::of_number(7)),
            ..receipt(ReceiptStatus::Captured)
        }),
        "%10 'status' 'captured' 'available' '24.6' 'held' '5.4' 'captured' '0' 'debt' '1' \
         'repaid' '2' 'uncovered' '3' 'over' :1 'late' :1 'price_version' '0000000000000007'",
    );
}

#[test]
fn declines_are_answers() {
    for (reason, shown) in [
        (
            DeclineReason::NoFunds { required: amount("50") },
            "%5 'status' 'declined' 'reason' 'NOFUNDS' 'available' '24.6' 'held' '5.4' 'required' '50'",
        ),
        (
            DeclineReason::Frozen,
            "%4 'status' 'declined' 'reason' 'FROZEN' 'available' '24.6' 'held' '5.4'",
        ),
        (
            DeclineReason::Closed,
            "%4 'status' 'declined' 'reason' 'CLOSED' 'available' '24.6' 'held' '5.4'",
        ),
    ] {
        check(&Outcome::Declined(Decline { reason, balances: balances() }), shown);
    }
}

#[test]
fn views_of_a_wallet() {
    check(
        &Outcome::Balance(Box::new(BalanceView {
            currency: Currency::new(b"USD").unwrap(),
            status: WalletStatus::Frozen,
            balances: Balances { available: Amount::from_pico(-1), ..balances() },
            credit_limit: amount("10"),
            replayed: true,
        })),
        "%8 'currency' 'USD' 'status' 'frozen' 'posted' '30' 'held' '5.4' \
         'available' '-0.000000000001' 'debt' '0' 'credit_limit' '10' 'replayed' :1",
    );
    check(&Outcome::Status(WalletStatus::Closing), "%1 'status' 'closing'");
    let grant = |name, kind, expires_at| GrantView {
        op: op(name),
        kind,
        priority: 20,
        left: amount("30"),
        pinned: amount("5.4"),
        expires_at,
    };
    let mut view = WalletView {
        currency: Currency::new(b"USD").unwrap(),
        status: WalletStatus::Open,
        balances: balances(),
        terms: Terms {
            credit_limit: Amount::ZERO,
            debt_limit: None,
            plan: None,
            zone: Zone::new(b"UTC").unwrap(),
        },
        grants: vec![grant("t1", GrantKind::Promo, Some(AT)), grant("t2", GrantKind::Paid, None)],
        holds: 1,
        seq: 3,
        opened_at: AT,
    };
    check(
        &Outcome::Wallet(Box::new(view.clone())),
        "%14 'currency' 'USD' 'status' 'open' 'posted' '30' 'held' '5.4' 'available' '24.6' \
         'debt' '0' 'credit_limit' '0' 'debt_limit' 'none' 'plan' '' 'tz' 'UTC' 'grants' *2 \
         %6 'op' 't1' 'kind' 'promo' 'priority' :20 'left' '30' 'pinned' '5.4' \
         'expires_at' :1700000000000 \
         %5 'op' 't2' 'kind' 'paid' 'priority' :20 'left' '30' 'pinned' '5.4' \
         'holds' :1 'seq' :3 'opened_at' :1700000000000",
    );
    view.grants.clear();
    view.terms.debt_limit = Some(amount("9"));
    view.terms.plan = Some(Plan::new(b"pro").unwrap());
    check(
        &Outcome::Wallet(Box::new(view)),
        "%14 'currency' 'USD' 'status' 'open' 'posted' '30' 'held' '5.4' 'available' '24.6' \
         'debt' '0' 'credit_limit' '0' 'debt_limit' '9' 'plan' 'pro' 'tz' 'UTC' 'grants' *0 \
         'holds' :1 'seq' :3 'opened_at' :1700000000000",
    );
}

#[test]
fn views_of_holds_and_operations() {
    let hold = HoldView {
        hold: op("h1"),
        state: HoldState::Open,
        amount: amount("6"),
        remaining: amount("5.4"),
        captured: amount("0.6"),
        grants: vec![(op("t1"), amount("5"))],
        credit: amount("0.4"),
        overage: Overage::Debt,
        pin: None,
        tags: vec![(TagKey::new(b"user").unwrap(), TagValue::new(b"7").unwrap())],
        created_at: AT,
        expires_at: AT.after(crate::domain::time::Span::from_millis(1)),
    };
    let shown = "%11 'hold' 'h1' 'state' 'open' 'amount' '6' 'remaining' '5.4' 'captured' '0.6' \
                 'grants' *1 %2 'op' 't1' 'amount' '5' 'credit' '0.4' 'overage' 'debt' \
                 'tags' %1 'user' '7' 'created_at' :1700000000000 'expires_at' :1700000000001";
    check(&Outcome::Hold(Box::new(hold.clone())), shown);
    check(&Outcome::Holds(vec![hold.clone(), hold]), &format!("*2 {shown} {shown}"));
    check(&Outcome::Holds(vec![]), "*0");
    check(
        &Outcome::Op(Box::new(OpView {
            op: op("c1"),
            at: AT,
            answer: OpAnswer::Receipt(Receipt {
                captured: Some(amount("2")),
                ..receipt(ReceiptStatus::Charged)
            }),
            refundable: Some(amount("1.5")),
        })),
        "%7 'op' 'c1' 'at' :1700000000000 'status' 'charged' 'available' '24.6' 'held' '5.4' \
         'captured' '2' 'refundable' '1.5'",
    );
}

#[test]
fn refusals_are_a_code_details_and_a_sentence() {
    for (refusal, start) in [
        (Refusal::NoWallet, "-NOWALLET no such wallet"),
        (Refusal::NoHold, "-NOHOLD no such hold"),
        (Refusal::NoOp, "-NOOP no such operation"),
        (Refusal::HoldDone { state: HoldState::Voided }, "-HOLDDONE state=voided the hold"),
        (Refusal::OverCapture { held: amount("1.50") }, "-OVERCAPTURE held=1.5 capture"),
        (Refusal::OverRefund { refundable: amount("2") }, "-OVERREFUND refundable=2 refund"),
        (Refusal::IdReused, "-IDREUSED this id"),
        (Refusal::Exists, "-EXISTS the wallet"),
        (Refusal::Closed, "-CLOSED the wallet"),
        (Refusal::NotEmpty { balances: balances() }, "-NOTEMPTY posted=30 debt=0 empty"),
        (Refusal::Range(OutOfRange::Sum), "-RANGE a sum"),
        (Refusal::Range(OutOfRange::ExpiresInThePast), "-RANGE EXPIRES"),
        (Refusal::TooMany(TooMany::Holds { max: 9 }), "-TOOMANY max=9 the wallet"),
        (Refusal::TooMany(TooMany::Grants { max: 9 }), "-TOOMANY max=9 the wallet"),
        (Refusal::TooLate, "-TOOLATE SENT"),
        (Refusal::UsedTooLate, "-TOOLATE AT is older than late_window_ms"),
        (Refusal::Range(OutOfRange::UsedInTheFuture), "-RANGE AT is in the future"),
        (Refusal::Range(OutOfRange::Price), "-RANGE the price"),
        (Refusal::ModelMissing, "-ERR the hold was not rated and names no model"),
        (Refusal::no_price(model(), NoPrice::Model), "-NOPRICE model=gpt-5 unit= no rate card"),
        (
            Refusal::no_price(model(), NoPrice::Unit(Unit::new(b"images").unwrap())),
            "-NOPRICE model=gpt-5 unit=images its rate card",
        ),
        (
            Refusal::Currency(Box::new(Currency::new(b"EUR").unwrap())),
            "-CURRENCY card=EUR the model",
        ),
        (Refusal::Busy, "-BUSY too many"),
        (Refusal::Unavailable, "-UNAVAILABLE the store failed; the outcome is unknown"),
        (Refusal::Loading, "-LOADING purser is loading its journal in memory"),
    ] {
        let line = written(&Outcome::Refused(refusal), Proto::Resp2);
        assert!(line.starts_with(start), "{line}");
    }
}

fn model() -> Model {
    Model::new(b"gpt-5").unwrap()
}

#[test]
fn codes_are_single_upper_case_words() {
    for code in ErrorCode::ALL {
        assert!(code.as_str().bytes().all(|byte| byte.is_ascii_uppercase()), "{code:?}");
    }
}

#[test]
fn the_manual_lists_every_code() {
    let manual = include_str!("../../../docs/protocol.md");
    let (_, table) = manual.split_once("## Errors").unwrap();
    for code in ErrorCode::ALL {
        assert!(table.contains(&format!("`{}`", code.as_str())), "{code:?}");
    }
}
