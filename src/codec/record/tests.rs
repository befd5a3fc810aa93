use super::*;
use crate::domain::command::{GrantKind, OpenTerms, Overage, RequestHash, Terms};
use crate::domain::event::{EventKind, HoldPlaced, Paid};
use crate::domain::grant::GrantTerms;
use crate::domain::id::{
    Currency, Model, Note, OpId, Plan, TagKey, TagValue, Unit, User, Variant, Zone,
};
use crate::domain::posting::{GrantNo, Posting, PostingKind, Postings};
use crate::domain::price_tag::{Counted, PriceTag};
use crate::domain::rating::{CountWindow, Counter, PriceVersion};
use crate::domain::time::Timestamp;
use std::sync::Arc;

fn op(text: &str) -> OpId {
    OpId::new(text.as_bytes()).unwrap()
}

fn terms() -> Terms {
    Terms {
        credit_limit: Amount::from_pico(5),
        debt_limit: None,
        plan: Some(Plan::new(b"pro").unwrap()),
        zone: Zone::new(b"Europe/Vienna").unwrap(),
    }
}

fn grant() -> Arc<GrantTerms> {
    Arc::new(GrantTerms {
        number: GrantNo(3),
        op: op("topup-1"),
        kind: GrantKind::Promo,
        priority: 20,
        expires_at: Some(Timestamp::from_millis(9_000)),
    })
}

/// One event of every kind.
fn kinds() -> Vec<EventKind> {
    let note = Note::new("Grüße".as_bytes()).unwrap();
    let tags = vec![(TagKey::new(b"model").unwrap(), TagValue::new(b"gpt 4").unwrap())];
    let hold = op("hold-1");
    let amount = Amount::from_pico(12);
    let expires_at = Timestamp::from_millis(77);
    let uncovered = Amount::from_pico(4);
    let currency = Currency::new(b"USD").unwrap();
    vec![
        EventKind::Opened(Box::new(OpenTerms { currency, terms: terms() })),
        EventKind::TermsSet(Box::new(Terms { debt_limit: Some(Amount::ZERO), ..terms() })),
        EventKind::Frozen { note: note.clone() },
        EventKind::Unfrozen,
        EventKind::Closing { force: true },
        EventKind::Closed,
        EventKind::ToppedUp { amount, grant: grant(), paid: None, note: note.clone() },
        EventKind::Reversed { target: op("topup-1"), amount, note: note.clone() },
        EventKind::Revoked { target: op("topup-1"), note: note.clone() },
        EventKind::Withdrawn { note: note.clone() },
        EventKind::HoldPlaced(Box::new(HoldPlaced {
            amount: Amount::from_pico(15),
            expires_at,
            overage: Overage::Reject,
            tags: tags.clone(),
        })),
        EventKind::HoldExtended { hold: hold.clone(), amount: Amount::from_pico(15), expires_at },
        EventKind::Captured {
            hold: hold.clone(),
            uncovered,
            keep: true,
            late: true,
            tags: tags.clone(),
        },
        EventKind::HoldVoided { hold: hold.clone(), note: note.clone() },
        EventKind::HoldExpired { hold },
        EventKind::Charged { uncovered, over: true, tags },
        EventKind::Refunded { target: op("charge-1"), amount, grants: vec![grant()], note },
        EventKind::GrantExpired { grant: GrantNo(9) },
    ]
}

fn record(kind: EventKind) -> Record {
    let reserves = matches!(kind, EventKind::HoldPlaced(_) | EventKind::HoldExtended { .. });
    let postings = [
        Posting { kind: PostingKind::Pin, grant: GrantNo(3), amount: Amount::from_pico(10) },
        Posting { kind: PostingKind::CreditHold, grant: GrantNo(0), amount: Amount::from_pico(5) },
    ];
    Record {
        wallet: WalletId::new(b"customer:7").unwrap(),
        seq: 5,
        previous: Position::new(1, 17),
        event: Event {
            at: Timestamp::from_millis(1_700_000_000_000),
            op: Some(op("op-1")),
            user: None,
            request: RequestHash(0xfeed),
            kind,
            postings: if reserves { Postings::from_slice(&postings) } else { Postings::new() },
            price: None,
        },
        sums: Sums {
            posted: Amount::from_pico(1),
            held: Amount::from_pico(2),
            debt: Amount::from_pico(3),
            credit_limit: Amount::ZERO,
        },
        status: WalletStatus::Open,
        burned: vec![grant()],
    }
}

fn bytes_of(record: &Record) -> Vec<u8> {
    let mut bytes = vec![0xee; 3];
    let Record { wallet, seq, previous, event, sums, status, burned } = record;
    let (seq, previous, sums, status) = (*seq, *previous, *sums, *status);
    let borrowed = RecordRef { wallet, seq, previous, event, sums, status, burned };
    let length = encode(&borrowed, &mut bytes).unwrap();
    assert_eq!(bytes.len(), length + 3, "what was in the buffer stays");
    bytes.split_off(3)
}

#[test]
fn every_kind_of_record_survives_its_bytes() {
    for kind in kinds() {
        let record = record(kind);
        let bytes = bytes_of(&record);
        let (read, length) = decode(&bytes).unwrap();
        assert_eq!(read, record);
        assert_eq!(length, bytes.len());
    }
}

/// A credit line is part of the money that a receipt shows, so that it can be shown again.
#[test]
fn a_credit_line_and_a_status_survive_too() {
    for status in [WalletStatus::Frozen, WalletStatus::Closing, WalletStatus::Closed] {
        for kind in kinds() {
            let mut record = record(kind);
            record.status = status;
            record.sums.credit_limit = Amount::from_pico(1 << 100);
            assert_eq!(decode(&bytes_of(&record)).unwrap().0, record);
        }
    }
}

#[test]
fn a_cut_record_is_refused_at_every_byte() {
    for kind in kinds() {
        let bytes = bytes_of(&record(kind));
        for length in 0..bytes.len() {
            assert!(decode(&bytes[..length]).is_err(), "cut to {length}");
        }
    }
}

#[test]
fn no_flipped_byte_makes_the_decoder_fail_otherwise_than_by_an_error() {
    for kind in kinds() {
        let bytes = bytes_of(&record(kind));
        for place in 0..bytes.len() {
            for flip in [1, 0x80, 0xff] {
                let mut damaged = bytes.clone();
                damaged[place] ^= flip;
                let _ = decode(&damaged);
            }
        }
    }
}

/// The format is frozen: these bytes were written by version 1 and must be readable for ever.
#[test]
fn version_1_is_readable_for_ever() {
    let golden = include_bytes!("golden_v1.bin");
    let mut rest = &golden[..];
    for kind in kinds() {
        let (read, length) = decode(rest).unwrap();
        assert_eq!(read, record(kind));
        rest = &rest[length..];
    }
    assert!(rest.is_empty());
    let written: Vec<u8> = kinds().into_iter().flat_map(|kind| bytes_of(&record(kind))).collect();
    assert_eq!(written, golden, "version 1 must not change: add a version 2");
}

#[test]
fn positions_name_log_and_number() {
    let position = Position::new(63, 5).plus(2);
    assert_eq!((position.log(), position.number()), (63, 7));
    assert_eq!(position.to_string(), "63:7");
}

/// A price, with everything that a price can have.
fn price() -> PriceTag {
    let tokens = || Unit::new(b"input_tokens").unwrap();
    let counter =
        Counter { card: Model::new(b"gpt-*").unwrap(), unit: tokens(), window: CountWindow::Month };
    PriceTag {
        version: PriceVersion::of_number(0xfeed_beef),
        model: Model::new(b"gpt-5").unwrap(),
        variant: Some(Variant::new(b"batch").unwrap()),
        quantities: vec![(tokens(), Amount::from_pico(1_000_000_000_000_000))],
        amount: Amount::from_pico(1_500),
        cost: Amount::from_pico(1_250),
        plan: Some(Plan::new(b"pro").unwrap()),
        counted: vec![Counted {
            counter,
            since: Timestamp::from_millis(1_600_000_000_000),
            before: Amount::from_pico(3),
            added: Amount::from_pico(4),
        }],
        used_at: Some(Timestamp::from_millis(1_699_999_999_999)),
    }
}

/// Records as versions 2 and 3 write them.
fn later_records() -> (Vec<Record>, Vec<Record>) {
    let credit_limit = Amount::from_pico(1 << 100);
    let with_credit = kinds().into_iter().map(|kind| {
        let mut record = record(kind);
        record.sums.credit_limit = credit_limit;
        record
    });
    let priced = kinds().into_iter().map(|kind| {
        let mut record = record(kind);
        record.sums.credit_limit = credit_limit;
        record.event.user = User::new(b"app").ok();
        record.event.price = Some(Box::new(price()));
        if let EventKind::ToppedUp { paid, .. } = &mut record.event.kind {
            let currency = Currency::new(b"EUR").unwrap();
            *paid = Some(Box::new(Paid { amount: Amount::from_pico(9), currency }));
            record.event.price = None;
        }
        record
    });
    (with_credit.collect(), priced.collect())
}

#[test]
fn prices_payments_and_users_survive_their_bytes() {
    let (_, priced) = later_records();
    for record in priced {
        assert_eq!(decode(&bytes_of(&record)).unwrap().0, record);
        let plain = Record {
            event: Event { user: None, price: None, ..record.event.clone() },
            ..record.clone()
        };
        assert!(bytes_of(&plain).len() < bytes_of(&record).len() || record.event.price.is_none());
    }
    // A user alone needs no new version.
    let mut with_user = record(EventKind::Unfrozen);
    with_user.event.user = User::new(b"app").ok();
    let bytes = bytes_of(&with_user);
    assert_eq!((bytes[4], decode(&bytes).unwrap().0), (PLAIN, with_user));
}

/// Versions 2 and 3 are frozen likewise.
#[test]
fn later_versions_are_readable_for_ever() {
    let (with_credit, priced) = later_records();
    let golden: [(&[u8], Vec<Record>); 2] =
        [(include_bytes!("golden_v2.bin"), with_credit), (include_bytes!("golden_v3.bin"), priced)];
    for (golden, records) in golden {
        let mut rest = golden;
        for record in &records {
            let (read, length) = decode(rest).unwrap();
            assert_eq!(read, *record);
            rest = &rest[length..];
        }
        assert!(rest.is_empty());
        let written: Vec<u8> = records.iter().flat_map(bytes_of).collect();
        assert_eq!(written, golden, "a version must not change: add another");
    }
}
