//! Golden rows in both protocols.

use super::*;
use crate::codec::reply::tests::check;
use crate::domain::amount::Amount;
use crate::domain::id::{Note, TagKey, TagValue};
use crate::domain::ledger::{Entries, RowKind};
use crate::domain::outcome::Outcome;
use crate::domain::posting::Account;
use crate::domain::time::Timestamp;

fn op(text: &str) -> Option<OpId> {
    OpId::new(text.as_bytes()).ok()
}

fn row() -> LedgerRow {
    LedgerRow {
        seq: 7,
        at: Timestamp::from_millis(1_700_000_000_000),
        kind: RowKind::Captured,
        op: op("c1"),
        hold: op("h1"),
        amount: "2.50".parse().unwrap(),
        posted: "7.5".parse().unwrap(),
        held: Amount::ZERO,
        debt: "1".parse().unwrap(),
        entries: Entries::from_slice(&[
            (Account::Grants, Amount::from_pico(-1_500_000_000_000)),
            (Account::Debt, Amount::from_pico(-1_000_000_000_000)),
            (Account::Usage, Amount::from_pico(2_500_000_000_000)),
        ]),
        tags: vec![(TagKey::new(b"model").unwrap(), TagValue::new(b"m1").unwrap())],
        note: Note::default(),
        user: None,
        price: None,
        paid: None,
        uncovered: "0.000000000001".parse().unwrap(),
        over: false,
        late: true,
    }
}

#[test]
fn rows_are_maps_that_end_with_what_only_some_have() {
    let captured = "%15 'seq' :7 'at' :1700000000000 'kind' 'captured' 'op' 'c1' 'hold' 'h1' \
                    'amount' '2.5' 'posted' '7.5' 'held' '0' 'debt' '1' \
                    'entries' *3 %2 'account' 'grants' 'amount' '-1.5' \
                    %2 'account' 'debt' 'amount' '-1' %2 'account' 'usage' 'amount' '2.5' \
                    'tags' %1 'model' 'm1' 'note' '' 'user' '' \
                    'uncovered' '0.000000000001' 'late' :1";
    check(&Outcome::Ledger(vec![row()]), &format!("*1 {captured}"));
    let closed = LedgerRow {
        kind: RowKind::Closed,
        op: None,
        hold: None,
        entries: Entries::new(),
        tags: Vec::new(),
        note: Note::new(b"why").unwrap(),
        uncovered: Amount::ZERO,
        over: true,
        late: false,
        ..row()
    };
    let shown = "%14 'seq' :7 'at' :1700000000000 'kind' 'closed' 'op' '' 'hold' '' \
                 'amount' '2.5' 'posted' '7.5' 'held' '0' 'debt' '1' 'entries' *0 'tags' %0 \
                 'note' 'why' 'user' '' 'over' :1";
    check(&Outcome::Ledger(vec![closed, row()]), &format!("*2 {shown} {captured}"));
    check(&Outcome::Ledger(vec![]), "*0");
}
