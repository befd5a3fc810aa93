//! That a snapshot is read as it was written, or refused.

use super::*;
use crate::domain::amount::Amount;
use crate::domain::command::{GrantKind, OpenTerms, Overage, Terms};
use crate::domain::counters::Count;
use crate::domain::grant::{Grant, GrantTerms};
use crate::domain::hold::{HoldNo, Slice};
use crate::domain::id::{Currency, Model, OpId, Plan, TagKey, TagValue, Unit, Variant, Zone};
use crate::domain::posting::GrantNo;
use crate::domain::price_tag::PricePin;
use crate::domain::rating::{CountWindow, Counter, PriceVersion};
use crate::domain::time::Timestamp;
use crate::domain::wallet::Status;
use std::sync::Arc;

fn hold(number: u64, credit: i128) -> Hold {
    let grant = GrantNo(3);
    Hold {
        number: HoldNo(number),
        id: OpId::new(format!("h{number}").as_bytes()).unwrap(),
        created_at: Timestamp::from_millis(1_000),
        expires_at: Timestamp::from_millis(2_000),
        overage: Overage::Cap,
        tags: vec![(TagKey::new(b"model").unwrap(), TagValue::new(b"m-1").unwrap())],
        pin: None,
        amount: Amount::from_pico(9),
        captured: Amount::from_pico(2),
        slices: [Slice { grant, amount: Amount::from_pico(7) }].into_iter().collect(),
        credit: Amount::from_pico(credit),
    }
}

fn snapshot() -> Snapshot {
    let terms = Terms {
        credit_limit: Amount::from_pico(100),
        debt_limit: Some(Amount::from_pico(50)),
        plan: Some(Plan::new(b"pro").unwrap()),
        zone: Zone::new(b"Europe/Berlin").unwrap(),
    };
    let grant = GrantTerms {
        number: GrantNo(3),
        op: OpId::new(b"t1").unwrap(),
        kind: GrantKind::Promo,
        priority: 20,
        expires_at: Some(Timestamp::from_millis(9_000)),
    };
    Snapshot {
        wallet: WalletId::new(b"alice").unwrap(),
        last: Position::new(1, 77),
        deadline: Some(Timestamp::from_millis(2_000)),
        core: Core {
            opened: OpenTerms {
                currency: Currency::new(b"USD").unwrap(),
                terms: Terms { debt_limit: None, plan: None, ..terms.clone() },
            },
            opened_at: Timestamp::from_millis(500),
            terms,
            status: Status::Closing { force: true },
            seq: 40,
            time: Timestamp::from_millis(1_500),
            grants: vec![Grant {
                number: GrantNo(3),
                terms: Arc::new(grant),
                free: Amount::from_pico(1_000),
                pinned: Amount::from_pico(14),
                expired: false,
            }],
            next_grant: 4,
            debt: Amount::ZERO,
            counts: vec![],
        },
        holds: vec![hold(30, 0), hold(31, 5)],
        paged: 0,
    }
}

#[test]
fn a_snapshot_is_read_as_it_was_written() {
    let bytes = encode(&snapshot()).unwrap();
    let read = decode(&bytes).unwrap();
    assert_eq!(read, snapshot());
    let wallet = read.restore(Vec::new()).unwrap();
    let Snapshot { wallet: id, last, deadline, .. } = snapshot();
    assert_eq!(Snapshot::of(&id, &wallet, last, deadline, false), snapshot());
}

#[test]
fn a_page_is_read_only_as_the_page_that_it_is() {
    let (wallet, page) = (snapshot().wallet, HoldPage(0));
    let holds = [hold(30, 0), hold(31, 5)];
    let bytes = encode_page(&wallet, page, holds.iter()).unwrap();
    assert_eq!(decode_page(&wallet, page, &bytes).unwrap(), holds);
    let other = WalletId::new(b"bob").unwrap();
    assert_eq!(decode_page(&other, page, &bytes), Err(SnapshotError::Impossible("page")));
    let misplaced = decode_page(&wallet, HoldPage(1), &bytes);
    assert_eq!(misplaced, Err(SnapshotError::Impossible("page")));
}

#[test]
fn every_flip_and_every_cut_is_noticed() {
    let bytes = encode(&snapshot()).unwrap();
    for place in 0..bytes.len() {
        assert!(decode(&bytes[..place]).is_err(), "cut at {place}");
        for bit in 0..8 {
            let mut flipped = bytes.clone();
            flipped[place] ^= 1 << bit;
            assert!(decode(&flipped).is_err(), "bit {bit} of byte {place}");
        }
    }
}

#[test]
fn what_cannot_be_a_wallet_is_not_restored() {
    let sound = snapshot;
    let mut pins_too_much = sound();
    pins_too_much.core.grants[0].pinned = Amount::from_pico(13);
    let mut owes_with_money = sound();
    owes_with_money.core.debt = Amount::from_pico(1);
    let mut same_hold = sound();
    same_hold.holds[1] = same_hold.holds[0].clone();
    let mut lacks_a_page = sound();
    lacks_a_page.paged = 1;
    for broken in [pins_too_much, owes_with_money, same_hold, lacks_a_page] {
        assert!(broken.clone().restore(Vec::new()).is_err(), "{broken:?}");
    }
    assert!(sound().restore(Vec::new()).is_ok());
}

/// What was written by the first purser is read by all later ones. `golden_v1.bin` is
/// [`snapshot`], written once.
#[test]
fn the_first_format_is_read_for_ever() {
    let golden = include_bytes!("golden_v1.bin");
    assert_eq!(decode(golden).unwrap(), snapshot());
    assert_eq!(encode(&snapshot()).unwrap(), golden, "version 1 must not change: add a version 2");
}

/// A wallet with prices: a running quantity, and a hold that pins what rates its captures.
fn priced() -> Snapshot {
    let mut snapshot = snapshot();
    let counter = Counter {
        card: Model::new(b"gpt-*").unwrap(),
        unit: Unit::new(b"input_tokens").unwrap(),
        window: CountWindow::Day,
    };
    let since = Timestamp::from_millis(1_000);
    snapshot.core.counts = vec![Count { counter, since, quantity: Amount::from_pico(12) }];
    snapshot.holds[1].pin = Some(Box::new(PricePin {
        version: PriceVersion::of_number(0xfeed),
        model: Model::new(b"gpt-5").unwrap(),
        variant: Some(Variant::new(b"batch").unwrap()),
    }));
    snapshot
}

#[test]
fn prices_are_kept_with_the_wallet() {
    let read = decode(&encode(&priced()).unwrap()).unwrap();
    assert_eq!(read, priced());
    let wallet = read.restore(Vec::new()).unwrap();
    let Snapshot { wallet: id, last, deadline, holds, .. } = priced();
    assert_eq!(Snapshot::of(&id, &wallet, last, deadline, false), priced());
    let bytes = encode_page(&id, HoldPage(0), holds.iter()).unwrap();
    assert_eq!(decode_page(&id, HoldPage(0), &bytes).unwrap(), holds);
}

/// The second format is frozen likewise.
#[test]
fn the_second_format_is_read_for_ever() {
    let golden = include_bytes!("golden_v2.bin");
    assert_eq!(decode(golden).unwrap(), priced());
    assert_eq!(encode(&priced()).unwrap(), golden, "version 2 must not change: add another");
}
