//! What `LEDGER` may ask.

use super::*;
use crate::codec::reply::ErrorCode;
use crate::codec::request::Parsed;
use crate::codec::request::tests::{op, parse_line};
use crate::domain::id::WalletId;
use crate::domain::time::Timestamp;

const ALL: LedgerQuery =
    LedgerQuery { count: 100, before: None, from: None, to: None, kinds: &[], hold: None };

#[test]
fn queries_are_understood() {
    let at = |millis| Some(Timestamp::from_millis(millis));
    for (line, query, sent) in [
        ("LEDGER w", ALL, None),
        ("LEDGER w COUNT 1", LedgerQuery { count: 1, ..ALL }, None),
        ("LEDGER w COUNT 1001", LedgerQuery { count: 1000, ..ALL }, None),
        (
            "ledger w sent 9 hold h1 kind Captured to 3 from 2 before 7 count 5",
            LedgerQuery {
                count: 5,
                before: Some(7),
                from: at(2),
                to: at(3),
                kinds: &[RowKind::Captured],
                hold: Some(op("h1")),
            },
            at(9),
        ),
        // The engine's own names may be referred to.
        ("LEDGER w HOLD @h", LedgerQuery { hold: Some(op("@h")), ..ALL }, None),
    ] {
        let wallet = WalletId::new(b"w").unwrap();
        assert_eq!(parse_line(line), Ok(Parsed::Ledger { wallet, query, sent }), "{line}");
    }
}

#[test]
fn kinds_go_by_the_words_of_rows_and_by_commands() {
    let kinds_of = |word: &str| match parse_line(&format!("LEDGER w KIND {word}")) {
        Ok(Parsed::Ledger { query, .. }) => query.kinds,
        other => panic!("{word}: {other:?}"),
    };
    for kind in RowKind::ALL {
        assert_eq!(kinds_of(kind.as_str()), [*kind]);
        assert_eq!(kinds_of(&kind.as_str().to_uppercase()), [*kind]);
    }
    for (command, kinds) in COMMANDS {
        assert_eq!(kinds_of(command), kinds);
    }
    assert_eq!(kinds_of("TopUp.Reverse"), [RowKind::Reversed]);
    assert_eq!(kinds_of("WALLET.CLOSE"), [RowKind::Closing, RowKind::Closed]);
}

/// Whoever knows a command finds its rows.
#[test]
fn every_command_that_changes_a_wallet_is_a_kind() {
    for command in crate::codec::commands::all() {
        if command.wallet == Some(crate::codec::commands::Access::Write) {
            assert!(kinds(command.name.as_bytes()).is_ok(), "{}", command.name);
        }
    }
}

#[test]
fn what_cannot_be_asked_is_refused() {
    use ErrorCode::{Err as Malformed, Range};
    for (line, code, text) in [
        ("LEDGER", Malformed, "wrong number of arguments for 'ledger' command"),
        ("LEDGER w COUNT", Malformed, "syntax error: COUNT lacks its value"),
        ("LEDGER w COUNT x", Malformed, "invalid COUNT"),
        ("LEDGER w COUNT 0", Range, "COUNT must be at least 1"),
        ("LEDGER w BEFORE 0", Range, "BEFORE must be at least 1"),
        ("LEDGER w BEFORE x", Malformed, "invalid BEFORE"),
        ("LEDGER w FROM -1", Range, "FROM must be Unix milliseconds"),
        ("LEDGER w TO 99999999999999999999", Range, "TO must be Unix milliseconds"),
        ("LEDGER w TO 1 TO 2", Malformed, "syntax error: TO is repeated"),
        ("LEDGER w HOLD a'b", Malformed, "invalid HOLD"),
        ("LEDGER w KIND paid", Malformed, "invalid KIND: it must be toppedup, reversed, revoked,"),
        ("LEDGER w AFTER h", Malformed, "syntax error: unknown option 'AFTER'"),
        ("LEDGER w h", Malformed, "syntax error: unknown option 'h'"),
        ("TOPUP w 1 ID t KIND captured", Malformed, "invalid KIND: it must be paid, promo"),
    ] {
        let error = parse_line(line).unwrap_err();
        let found = String::from_utf8_lossy(error.text());
        assert!(error.code() == code && found.starts_with(text), "{line}: {found}");
    }
}
