//! What the rows of a ledger must say.

use super::*;
use crate::domain::command::{GrantKind, OpenTerms, Overage, RequestHash, Terms};
use crate::domain::event::HoldPlaced;
use crate::domain::grant::GrantTerms;
use crate::domain::id::{Currency, TagKey, TagValue, Zone};
use crate::domain::posting::{GrantNo, Posting, Postings};
use std::sync::Arc;

fn amount(pico: i128) -> Amount {
    Amount::from_pico(pico)
}

fn op(text: &str) -> OpId {
    OpId::new(text.as_bytes()).unwrap()
}

fn note() -> Note {
    Note::new(b"why").unwrap()
}

fn tags() -> Tags {
    vec![(TagKey::new(b"model").unwrap(), TagValue::new(b"m1").unwrap())]
}

fn terms() -> Terms {
    Terms {
        credit_limit: Amount::ZERO,
        debt_limit: None,
        plan: None,
        zone: Zone::new(b"UTC").unwrap(),
    }
}

fn grant() -> Arc<GrantTerms> {
    let (number, op, kind) = (GrantNo(0), op("t"), GrantKind::Paid);
    Arc::new(GrantTerms { number, op, kind, priority: 30, expires_at: None })
}

fn event(kind: EventKind, postings: &[(PostingKind, i128)]) -> Event {
    let posting = |&(kind, pico): &(PostingKind, i128)| Posting {
        kind,
        grant: GrantNo(0),
        amount: amount(pico),
    };
    Event {
        at: Timestamp::from_millis(1_000),
        op: Some(op("o")),
        user: None,
        request: RequestHash(1),
        kind,
        postings: postings.iter().map(posting).collect::<Postings>(),
        price: None,
    }
}

fn row(kind: EventKind, postings: &[(PostingKind, i128)]) -> LedgerRow {
    let after =
        Balances { posted: amount(7), held: amount(2), debt: amount(1), available: amount(4) };
    LedgerRow::of(9, &event(kind, postings), after)
}

/// An event of every kind, its postings, and what the row of it says.
type Case = (EventKind, Vec<(PostingKind, i128)>, &'static str, i128, Vec<(&'static str, i128)>);

fn cases() -> Vec<Case> {
    [cases_without_usage(), cases_of_holds(), cases_of_usage()].concat()
}

fn cases_without_usage() -> Vec<Case> {
    use PostingKind as P;
    let (target, note) = (op("t"), note());
    let opened = OpenTerms { currency: Currency::new(b"USD").unwrap(), terms: terms() };
    let topped_up =
        EventKind::ToppedUp { amount: amount(10), grant: grant(), paid: None, note: note.clone() };
    let reversed =
        EventKind::Reversed { target: target.clone(), amount: amount(9), note: note.clone() };
    let revoked = EventKind::Revoked { target, note: note.clone() };
    vec![
        (EventKind::Opened(Box::new(opened)), vec![], "opened", 0, vec![]),
        (EventKind::TermsSet(Box::new(terms())), vec![], "set", 0, vec![]),
        (EventKind::Frozen { note: note.clone() }, vec![], "frozen", 0, vec![]),
        (EventKind::Unfrozen, vec![], "unfrozen", 0, vec![]),
        (EventKind::Closing { force: true }, vec![], "closing", 0, vec![]),
        (
            EventKind::Closed,
            vec![(P::WriteOff, 2), (P::WriteOff, 3)],
            "closed",
            5,
            vec![("grants", -5), ("writtenoff", 5)],
        ),
        (
            EventKind::Closed,
            vec![(P::Forgive, 4)],
            "closed",
            4,
            vec![("debt", 4), ("writtenoff", -4)],
        ),
        (
            topped_up,
            vec![(P::FundDebt, 4), (P::Fund, 6)],
            "toppedup",
            10,
            vec![("topups", -10), ("grants", 6), ("debt", 4)],
        ),
        (
            reversed,
            vec![(P::Reverse, 5), (P::ReverseDebt, 4)],
            "reversed",
            9,
            vec![("grants", -5), ("debt", -4), ("reversed", 9)],
        ),
        (revoked, vec![(P::Revoke, 5)], "revoked", 5, vec![("grants", -5), ("revoked", 5)]),
        (
            EventKind::Withdrawn { note },
            vec![(P::Withdraw, 1), (P::Withdraw, 2)],
            "withdrawn",
            3,
            vec![("grants", -3), ("withdrawn", 3)],
        ),
        (
            EventKind::GrantExpired { grant: GrantNo(0) },
            vec![(P::Expire, 8)],
            "lapsed",
            8,
            vec![("grants", -8), ("expired", 8)],
        ),
    ]
}

fn placed(tags: Tags) -> EventKind {
    let (amount, expires_at) = (amount(5), Timestamp::MAX);
    EventKind::HoldPlaced(Box::new(HoldPlaced { amount, expires_at, overage: Overage::Debt, tags }))
}

fn cases_of_holds() -> Vec<Case> {
    use PostingKind as P;
    let extended = |pico| EventKind::HoldExtended {
        hold: op("h"),
        amount: amount(pico),
        expires_at: Timestamp::MAX,
    };
    vec![
        (placed(tags()), vec![(P::Pin, 3), (P::CreditHold, 2)], "held", 5, vec![]),
        (extended(0), vec![], "extended", 0, vec![]),
        (extended(4), vec![(P::Pin, 4)], "extended", 4, vec![]),
        (
            EventKind::HoldVoided { hold: op("h"), note: note() },
            vec![(P::Unpin, 4), (P::CreditRelease, 1), (P::Repay, 4)],
            "voided",
            5,
            vec![("grants", -4), ("debt", 4)],
        ),
        (
            EventKind::HoldExpired { hold: op("h") },
            vec![(P::Unpin, 1), (P::Lapse, 2)],
            "expired",
            3,
            vec![("grants", -2), ("expired", 2)],
        ),
    ]
}

fn cases_of_usage() -> Vec<Case> {
    use PostingKind as P;
    let (uncovered, keep, late) = (amount(3), false, true);
    let captured = EventKind::Captured { hold: op("h"), uncovered, keep, late, tags: tags() };
    let charged = EventKind::Charged { uncovered, over: true, tags: tags() };
    let (target, amount) = (op("c"), amount(6));
    let refunded = EventKind::Refunded { target, amount, grants: vec![], note: note() };
    vec![
        // What the hold releases repays the debt that the capture makes.
        (
            captured,
            vec![(P::SpendPinned, 3), (P::SpendDebt, 2), (P::Unpin, 4), (P::Repay, 2)],
            "captured",
            5,
            vec![("grants", -5), ("usage", 5)],
        ),
        (
            charged,
            vec![(P::SpendFree, 3), (P::SpendDebt, 1)],
            "charged",
            4,
            vec![("grants", -3), ("debt", -1), ("usage", 4)],
        ),
        (
            refunded,
            vec![(P::RefundDebt, 2), (P::Refund, 4)],
            "refunded",
            6,
            vec![("grants", 4), ("debt", 2), ("usage", -6)],
        ),
    ]
}

#[test]
fn every_kind_of_event_has_a_row_that_sums_to_zero() {
    let mut kinds = Vec::new();
    for (kind, postings, word, about, entries) in cases() {
        let row = row(kind, &postings);
        let shown: Vec<_> = row.entries.iter().map(|(a, pico)| (a.as_str(), pico.pico())).collect();
        assert_eq!((row.kind.as_str(), row.amount.pico(), &shown), (word, about, &entries));
        assert_eq!(shown.iter().map(|(_, pico)| pico).sum::<i128>(), 0, "{word}");
        assert_eq!((row.posted, row.held, row.debt), (amount(7), amount(2), amount(1)));
        kinds.push(row.kind);
    }
    assert!(RowKind::ALL.iter().all(|kind| kinds.contains(kind)), "a kind is missing");
}

#[test]
fn every_kind_of_posting_sums_to_zero() {
    for &kind in &PostingKind::ALL {
        let row = row(EventKind::Closed, &[(kind, 3)]);
        assert_eq!(row.entries.iter().map(|(_, amount)| amount.pico()).sum::<i128>(), 0);
        assert_eq!(row.entries.is_empty(), kind.accounts().is_none(), "{kind:?}");
    }
}

#[test]
fn a_row_carries_what_came_with_the_request() {
    for (kind, postings, word, ..) in cases() {
        let row = row(kind, &postings);
        let hold = match word {
            "held" => Some("o"),
            "extended" | "captured" | "voided" | "expired" => Some("h"),
            _ => None,
        };
        assert_eq!(row.hold.as_ref().map(OpId::as_str), hold, "{word}");
        let is_tagged = ["held", "captured", "charged"].contains(&word);
        assert_eq!(row.tags, if is_tagged { tags() } else { vec![] }, "{word}");
        let is_noted =
            ["frozen", "toppedup", "reversed", "revoked", "withdrawn", "voided", "refunded"];
        assert_eq!(row.note.as_str(), if is_noted.contains(&word) { "why" } else { "" }, "{word}");
        let uncovered = if ["captured", "charged"].contains(&word) { 3 } else { 0 };
        assert_eq!(row.uncovered.pico(), uncovered, "{word}");
        assert_eq!((row.late, row.over), (word == "captured", word == "charged"));
    }
}

const ALL: LedgerQuery =
    LedgerQuery { count: 100, before: None, from: None, to: None, kinds: &[], hold: None };

/// The numbers of the rows that a walk over a history shows, and how many events it looked at.
fn walked(query: LedgerQuery) -> (Vec<u64>, usize) {
    let history = [
        (
            1,
            1_000,
            "t",
            EventKind::ToppedUp { amount: amount(9), grant: grant(), paid: None, note: note() },
        ),
        (2, 1_000, "h", placed(vec![])),
        (3, 2_000, "w", EventKind::Withdrawn { note: note() }),
        (4, 3_000, "v", EventKind::HoldVoided { hold: op("h"), note: note() }),
        (5, 4_000, "f", EventKind::Closing { force: false }),
    ];
    let (mut page, mut looked_at) = (LedgerPage::new(query), 0);
    for (place, (seq, at, id, kind)) in (1..).zip(history.into_iter().rev()) {
        looked_at = place;
        let event = Event { at: Timestamp::from_millis(at), op: Some(op(id)), ..event(kind, &[]) };
        if page.take(seq, &event, Balances::default()).is_break() {
            break;
        }
    }
    (page.into_rows().iter().map(|row| row.seq).collect(), looked_at)
}

#[test]
fn a_walk_back_shows_what_is_asked_and_stops_when_it_can() {
    let at = |millis| Some(Timestamp::from_millis(millis));
    for (query, rows, looked_at) in [
        (ALL, vec![5, 4, 3, 2, 1], 5),
        (LedgerQuery { count: 2, ..ALL }, vec![5, 4], 2),
        (LedgerQuery { before: Some(3), ..ALL }, vec![2, 1], 5),
        (LedgerQuery { before: Some(1), ..ALL }, vec![], 5),
        (LedgerQuery { from: at(2_000), to: at(4_000), ..ALL }, vec![4, 3], 4),
        (LedgerQuery { from: at(1_000), ..ALL }, vec![5, 4, 3, 2, 1], 5),
        (LedgerQuery { from: at(5_000), ..ALL }, vec![], 1),
        (LedgerQuery { kinds: &[RowKind::Withdrawn, RowKind::Closing], ..ALL }, vec![5, 3], 5),
        (LedgerQuery { hold: Some(op("h")), ..ALL }, vec![4, 2], 4),
        (LedgerQuery { hold: Some(op("h")), kinds: &[RowKind::Voided], ..ALL }, vec![4], 4),
    ] {
        assert_eq!(walked(query.clone()), (rows, looked_at), "{query:?}");
    }
}
