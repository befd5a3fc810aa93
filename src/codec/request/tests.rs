//! What the request parser must do.

use proptest::prelude::*;

use super::*;
use crate::codec::reply::ErrorCode;
use crate::codec::resp::{Limits, Parsed as Frame, Parser, Proto, Writer, write_request};
use crate::domain::command::RequestHash;
use crate::domain::id::{Currency, Note, Plan};
use crate::domain::time::Span;

fn parse_args(args: &[impl AsRef<[u8]>]) -> Result<Parsed, RequestError> {
    let mut bytes = Vec::new();
    write_request(&mut bytes, args);
    let mut parser = Parser::new(Limits::default());
    assert!(matches!(parser.next(&bytes), Ok(Frame::Request { .. })));
    parse(parser.args(&bytes), &Rules::default())
}

/// Parses words between blanks.
pub(super) fn parse_line(line: &str) -> Result<Parsed, RequestError> {
    parse_args(&line.split_ascii_whitespace().collect::<Vec<_>>())
}

fn request(line: &str) -> Request {
    match parse_line(line) {
        Ok(Parsed::Wallet { request, .. }) => request,
        other => panic!("{line}: {other:?}"),
    }
}

fn command(line: &str) -> Command {
    request(line).command
}

fn hash(line: &str) -> RequestHash {
    request(line).hash
}

pub(super) fn op(text: &str) -> OpId {
    OpId::new(text.as_bytes()).unwrap()
}

fn amount(text: &str) -> Amount {
    text.parse().unwrap()
}

fn tags(pairs: &[(&str, &str)]) -> Tags {
    let tag = |(key, value): &(&str, &str)| {
        (TagKey::new(key.as_bytes()).unwrap(), TagValue::new(value.as_bytes()).unwrap())
    };
    pairs.iter().map(tag).collect()
}

fn note(text: &str) -> Note {
    Note::new(text.as_bytes()).unwrap()
}

#[test]
fn spends_are_understood() {
    let authorize = Authorize {
        worth: amount("2.5").into(),
        min: Some(amount("1")),
        ttl: Some(Span::from_millis(60_000)),
        overage: Overage::Cap,
        tags: tags(&[("a", "1"), ("b", "2")]),
    };
    let hold = op("h1");
    for (line, expected) in [
        (
            "authorize w 2.50 overage CAP tag b 2 id h1 Tag a 1 min 1 ttl 60000",
            Command::Authorize(authorize),
        ),
        (
            "AUTHORIZE w 0 ID h1",
            Command::Authorize(Authorize {
                worth: Amount::ZERO.into(),
                min: None,
                ttl: None,
                overage: Overage::Debt,
                tags: vec![],
            }),
        ),
        (
            "EXTEND w h1 0 ID e1 TTL 1",
            Command::Extend {
                hold: hold.clone(),
                amount: Amount::ZERO,
                min: None,
                ttl: Some(Span::TTL_MIN),
            },
        ),
        (
            "CAPTURE w h1 3 STRICT ID c KEEP",
            Command::Capture {
                hold: hold.clone(),
                worth: amount("3").into(),
                keep: true,
                strict: true,
                tags: vec![],
            },
        ),
        (
            "CHARGE w 3 ID c",
            Command::Charge {
                worth: amount("3").into(),
                overage: Overage::Reject,
                used_at: None,
                tags: vec![],
            },
        ),
        ("VOID w h1", Command::Void { hold: hold.clone(), note: Note::default() }),
        ("VOID w @auto NOTE n ID v", Command::Void { hold: op("@auto"), note: note("n") }),
    ] {
        assert_eq!(command(line), expected, "{line}");
    }
}

#[test]
fn money_in_and_out_is_understood() {
    for (line, expected) in [
        (
            "REFUND w c 3 ID r NOTE sorry",
            Command::Refund { op: op("c"), amount: amount("3"), note: note("sorry") },
        ),
        (
            "TOPUP w 9 ID t",
            Command::TopUp(Box::new(TopUp {
                amount: amount("9"),
                kind: GrantKind::Paid,
                priority: None,
                expiry: Expiry::Never,
                paid: None,
                note: Note::default(),
            })),
        ),
        (
            "TOPUP w 9 ID t KIND Promo PRIORITY 65535 EXPIRES 253402300799999 NOTE n",
            Command::TopUp(Box::new(TopUp {
                amount: amount("9"),
                kind: GrantKind::Promo,
                priority: Some(u16::MAX),
                expiry: Expiry::At(Timestamp::MAX),
                paid: None,
                note: note("n"),
            })),
        ),
        (
            "TOPUP w 9 ID t TTL 2678400000",
            Command::TopUp(Box::new(TopUp {
                amount: amount("9"),
                kind: GrantKind::Paid,
                priority: None,
                expiry: Expiry::In(Span::TTL_MAX),
                paid: None,
                note: Note::default(),
            })),
        ),
        (
            "TOPUP.REVERSE w t ID r AMOUNT 1",
            Command::Reverse { op: op("t"), amount: Some(amount("1")), note: Note::default() },
        ),
        ("TOPUP.REVOKE w t ID r", Command::Revoke { op: op("t"), note: Note::default() }),
        ("WITHDRAW w 1 ID r", Command::Withdraw { amount: amount("1"), note: Note::default() }),
    ] {
        assert_eq!(command(line), expected, "{line}");
    }
}

#[test]
fn wallets_and_reads_are_understood() {
    let hold = op("h1");
    for (line, expected) in [
        ("BALANCE w", Command::Balance),
        ("HOLD.GET w h1", Command::HoldGet { hold: hold.clone() }),
        ("HOLD.LIST w", Command::HoldList { after: None, count: 100 }),
        ("HOLD.LIST w COUNT 1001", Command::HoldList { after: None, count: 1000 }),
        ("HOLD.LIST w COUNT 1000 AFTER h1", Command::HoldList { after: Some(hold), count: 1000 }),
        ("OP.GET w c", Command::OpGet { op: op("c") }),
        ("WALLET.GET w", Command::Get),
        ("WALLET.FREEZE w NOTE why", Command::Freeze { note: note("why") }),
        ("WALLET.UNFREEZE w", Command::Unfreeze),
        ("WALLET.CLOSE w", Command::Close { force: false }),
        ("WALLET.CLOSE w force", Command::Close { force: true }),
        (
            "WALLET.OPEN w TZ europe/vienna CURRENCY USD DEBTLIMIT 0 PLAN pro CREDITLIMIT 5",
            Command::Open(Box::new(OpenTerms {
                currency: Currency::new(b"USD").unwrap(),
                terms: Terms {
                    credit_limit: amount("5"),
                    debt_limit: Some(Amount::ZERO),
                    plan: Some(Plan::new(b"pro").unwrap()),
                    zone: Zone::new(b"Europe/Vienna").unwrap(),
                },
            })),
        ),
        (
            "WALLET.OPEN w CURRENCY credits",
            Command::Open(Box::new(OpenTerms {
                currency: Currency::new(b"credits").unwrap(),
                terms: Terms {
                    credit_limit: Amount::ZERO,
                    debt_limit: None,
                    plan: None,
                    zone: Zone::new(b"UTC").unwrap(),
                },
            })),
        ),
        (
            "WALLET.SET w DEBTLIMIT None ID s",
            Command::Set(Box::new(TermsChange {
                debt_limit: Some(None),
                ..TermsChange::default()
            })),
        ),
        (
            "WALLET.SET w DEBTLIMIT 0 ID s",
            Command::Set(Box::new(TermsChange {
                debt_limit: Some(Some(Amount::ZERO)),
                ..TermsChange::default()
            })),
        ),
    ] {
        assert_eq!(command(line), expected, "{line}");
    }
}

#[test]
fn ids_and_send_times_travel_beside_the_command() {
    let Ok(Parsed::Wallet { request, sent }) = parse_line("VOID w h1 SENT 5 ID v") else {
        panic!()
    };
    assert_eq!((request.id, sent), (Some(op("v")), Some(Timestamp::from_millis(5))));
}

#[test]
fn scan_asks_all_wallets() {
    // A pattern of 60,000 bytes held a shard up for a minute.
    let long = format!("WALLET.SCAN 0 MATCH *[{}]", "b".repeat(254));
    assert_eq!(parse_line(&long).unwrap_err().code(), ErrorCode::Range);
    let scan = |cursor, pattern: Option<&[u8]>, count| {
        Ok(Parsed::Scan(Scan { cursor, pattern: pattern.map(<[u8]>::to_vec), count, sent: None }))
    };
    assert_eq!(parse_line("WALLET.SCAN 0"), scan(0, None, 10));
    assert_eq!(parse_line("wallet.scan 7 count 99999 match a*"), scan(7, Some(b"a*"), 1_000));
    assert_eq!(parse_line("wallet.scan 7 count 99999"), scan(7, None, 10_000));
    for line in ["WALLET.SCAN x", "WALLET.SCAN -1", "WALLET.SCAN 0 MATCH"] {
        assert_eq!(parse_line(line).unwrap_err().code(), ErrorCode::Err, "{line}");
    }
    assert_eq!(parse_line("WALLET.SCAN 0 COUNT 0").unwrap_err().code(), ErrorCode::Range);
}

#[test]
fn what_is_not_understood_is_refused_by_name() {
    use ErrorCode::{Err, Range};
    for (line, code, text) in [
        ("foo a b", Err, "unknown command 'foo', with args beginning with: 'a' 'b' "),
        ("NOSUCH w", Err, "unknown command 'NOSUCH', with args beginning with: 'w' "),
        ("WALLET.Open", Err, "wrong number of arguments for 'wallet.open' command"),
        ("CAPTURE w h", Err, "wrong number of arguments for 'capture' command"),
        ("WALLET.OPEN w", Err, "syntax error: WALLET.OPEN needs CURRENCY"),
        ("TOPUP w 1", Err, "syntax error: TOPUP needs ID"),
        ("TOPUP w 1 ID", Err, "syntax error: ID lacks its value"),
        ("CHARGE w 1 ID c TAG k", Err, "syntax error: TAG lacks its value"),
        ("BALANCE w x", Err, "syntax error: unknown option 'x'"),
        ("TOPUP w 1 ID a KEEP", Err, "syntax error: unknown option 'KEEP'"),
        ("TOPUP w 1 ID a id b", Err, "syntax error: ID is repeated"),
        ("CHARGE w 1 ID c TAG k 1 TAG k 2", Err, "syntax error: TAG k is repeated"),
        ("TOPUP w 1 ID t TTL 1 EXPIRES 1", Err, "syntax error: EXPIRES and TTL are exclusive"),
        ("WALLET.SET w ID s", Err, "syntax error: WALLET.SET needs CREDITLIMIT, "),
        ("TOPUP w 1 ID @t", Err, "invalid ID: names that begin with @"),
        ("WALLET.OPEN @w CURRENCY c", Err, "invalid wallet: names that begin with @"),
        ("WALLET.GET w\"", Err, "invalid wallet: it must be printable ASCII"),
        ("VOID w h'", Err, "invalid hold: it must be printable ASCII"),
        ("TOPUP w 1e3 ID t", Err, "invalid amount: an amount is digits"),
        ("TOPUP w -1 ID t", Err, "invalid amount: an amount is digits"),
        ("TOPUP w 1000000000000000001 ID t", Range, "invalid amount: an amount is at most"),
        ("TOPUP w 0 ID t", Range, "amount must be above zero"),
        ("WITHDRAW w 0.0 ID t", Range, "amount must be above zero"),
        ("REFUND w c 0 ID t", Range, "amount must be above zero"),
        ("TOPUP.REVERSE w t AMOUNT 0 ID r", Range, "AMOUNT must be above zero"),
        ("AUTHORIZE w 1 MIN 1.1 ID h", Range, "MIN must be at most the amount"),
        ("EXTEND w h 1 MIN 1.1 ID h", Range, "MIN must be at most the amount"),
        ("AUTHORIZE w 1 TTL 1s ID h", Err, "invalid TTL: it must be an integer"),
        ("AUTHORIZE w 1 TTL 0 ID h", Range, "TTL must be 1 ms to 31 days"),
        ("AUTHORIZE w 1 TTL -5 ID h", Range, "TTL must be 1 ms to 31 days"),
        ("AUTHORIZE w 1 TTL 2678400001 ID h", Range, "TTL must be 1 ms to 31 days"),
        ("AUTHORIZE w 1 TTL 99999999999999999999999 ID h", Range, "TTL must be"),
        ("TOPUP w 1 ID t EXPIRES 1.5", Err, "invalid EXPIRES: it must be an integer"),
        ("TOPUP w 1 ID t EXPIRES -1", Range, "EXPIRES must be Unix milliseconds"),
        ("BALANCE w SENT 253402300800000", Range, "SENT must be Unix milliseconds"),
        ("BALANCE w SENT now", Err, "invalid SENT: it must be an integer"),
        ("TOPUP w 1 ID t PRIORITY 65536", Range, "PRIORITY must be 0 to 65535"),
        ("TOPUP w 1 ID t PRIORITY high", Err, "invalid PRIORITY: it must be an integer"),
        ("TOPUP w 1 ID t KIND free", Err, "invalid KIND: "),
        ("CHARGE w 1 ID t OVERAGE x", Err, "invalid OVERAGE: "),
        ("HOLD.LIST w COUNT 0", Range, "COUNT must be at least 1"),
        ("WALLET.OPEN w CURRENCY c TZ Mars/Base", Err, "invalid TZ: "),
        ("WALLET.OPEN w CURRENCY c DEBTLIMIT none", Err, "invalid DEBTLIMIT: "),
        ("WALLET.OPEN w CURRENCY 12345678901234567", Err, "invalid CURRENCY: it must have 1 to"),
    ] {
        let error = parse_line(line).expect_err(line);
        let shown = String::from_utf8_lossy(error.text()).into_owned();
        assert_eq!(error.code(), code, "{line}: {shown}");
        assert!(shown.starts_with(text), "{line}: {shown}");
    }
}

#[test]
fn texts_and_tags_are_bounded() {
    let charge = |more: &[&[u8]]| {
        parse_args(&[&[&b"CHARGE"[..], b"w", b"1", b"ID", b"c"], more].concat())
            .map_err(|error| error.code())
    };
    assert!(charge(&[b"TAG", b"k", &[b'v'; 256]]).is_ok());
    assert!(charge(&[b"TAG", b"k", b""]).is_ok());
    assert_eq!(charge(&[b"TAG", b"k", &[b'v'; 257]]), Err(ErrorCode::Range));
    assert_eq!(charge(&[b"TAG", b"k", b"\xff"]), Err(ErrorCode::Err));
    assert_eq!(charge(&[b"TAG", b"", b"v"]), Err(ErrorCode::Err));
    let keys: Vec<Vec<u8>> = (0..17).map(|i| format!("k{i}").into_bytes()).collect();
    let tags = |n| keys[..n].iter().flat_map(|k| [&b"TAG"[..], k, b"v"]).collect::<Vec<_>>();
    assert!(charge(&tags(16)).is_ok());
    assert_eq!(charge(&tags(17)), Err(ErrorCode::TooMany));
    let void = |note: &[u8]| {
        parse_args(&[&b"VOID"[..], b"w", b"h", b"NOTE", note]).map_err(|error| error.code())
    };
    assert!(void(&[b'n'; 512]).is_ok());
    assert_eq!(void(&[b'n'; 513]), Err(ErrorCode::Range));
    assert_eq!(void(b"\xff"), Err(ErrorCode::Err));
}

/// Each line was sent to a Redis 7.0.15, which answered the same.
#[test]
fn unknown_commands_are_shown_as_redis_shows_them() {
    let text = |args: &[&[u8]]| {
        let mut out = Vec::new();
        let error = parse_args(args).unwrap_err();
        error.write(&mut Writer::new(&mut out, Proto::Resp2));
        out
    };
    let long = "a".repeat(200);
    let line =
        format!("-ERR unknown command 'foo', with args beginning with: '{}' \r\n", "a".repeat(128));
    assert_eq!(text(&[b"foo", long.as_bytes(), b"b"]), line.as_bytes());
    let many: Vec<&[u8]> = std::iter::once(&b"foo"[..]).chain([&b"a"[..]; 130]).collect();
    let line =
        format!("-ERR unknown command 'foo', with args beginning with: {}\r\n", "'a' ".repeat(32));
    assert_eq!(text(&many), line.as_bytes());
    assert_eq!(
        text(&[b"f\r\n\x01", b"a\x80\nb"]),
        b"-ERR unknown command 'f  \x01', with args beginning with: 'a\x80 b' \r\n"
    );
    assert_eq!(
        text(&[b"\xff\xfe"]),
        b"-ERR unknown command '\xff\xfe', with args beginning with: \r\n"
    );
}

/// The hashes lie on disk: when this test fails, the format was changed, and must not be.
#[test]
fn the_form_of_a_request_is_frozen() {
    for (line, hash) in [
        ("AUTHORIZE w 2.5 ID h MIN 1 TTL 60000 OVERAGE cap TAG b 2 TAG a 1", 0xf007_ca82_9295_af84),
        ("AUTHORIZE w 2.5 ID h", 0xd1c1_5148_e289_27a2),
        ("EXTEND w h 0 ID e TTL 1", 0x3119_2ea3_5993_77d3),
        ("CAPTURE w h 3 ID c KEEP STRICT", 0x03c6_efbe_cca6_195c),
        ("CHARGE w 3 ID c OVERAGE debt", 0x9384_eb32_1925_a400),
        ("VOID w h", 0xb5c6_9f6b_3ed7_4b6b),
        ("REFUND w c 3 ID r NOTE sorry", 0x58e0_2b7d_4a2e_2e13),
        ("TOPUP w 9 ID t KIND promo PRIORITY 5 EXPIRES 1700000000000", 0xd86c_df46_3978_d683),
        ("TOPUP.REVERSE w t ID r AMOUNT 1", 0x5ff3_1c01_c5f9_c1fc),
        ("TOPUP.REVOKE w t ID r", 0x3d50_ec05_6d1d_1409),
        ("WITHDRAW w 1 ID x", 0x3f24_4c9b_2501_2a4b),
        ("WALLET.SET w CREDITLIMIT 1 DEBTLIMIT none PLAN pro TZ UTC ID s", 0x62ed_553d_85af_b029),
        ("WALLET.OPEN w CURRENCY USD", 0xa452_e9d5_13d4_bbab),
    ] {
        assert_eq!(request(line).hash, RequestHash(hash), "{line}");
    }
}

#[test]
fn equal_requests_hash_equal_and_others_do_not() {
    let first = hash("TOPUP w 9 ID t KIND promo PRIORITY 5 TTL 60000");
    for same in [
        "topup w 09.000 ttl 060000 priority 005 kind PROMO id other",
        "TOPUP w2 9 ID t KIND promo PRIORITY 5 TTL 60000 SENT 5",
    ] {
        assert_eq!(hash(same), first, "{same}");
    }
    for other in [
        "TOPUP w 9.000000000001 ID t KIND promo PRIORITY 5 TTL 60000",
        "TOPUP w 9 ID t KIND paid PRIORITY 5 TTL 60000",
        "TOPUP w 9 ID t KIND promo PRIORITY 6 TTL 60000",
        "TOPUP w 9 ID t KIND promo PRIORITY 5 TTL 60001",
        "TOPUP w 9 ID t KIND promo PRIORITY 5 EXPIRES 60000",
        "TOPUP w 9 ID t KIND promo TTL 60000",
        "TOPUP w 9 ID t KIND promo PRIORITY 5 TTL 60000 NOTE n",
    ] {
        assert_ne!(hash(other), first, "{other}");
    }
    // An omitted option is not its default spelled out.
    assert_ne!(hash("CHARGE w 1 ID c"), hash("CHARGE w 1 ID c OVERAGE reject"));
    assert_ne!(hash("CHARGE w 1 ID c TAG a b"), hash("CHARGE w 1 ID c TAG ab c"));
    assert_ne!(hash("TOPUP.REVOKE w t ID r"), hash("TOPUP.REVERSE w t ID r"));
}

/// The options of a `CAPTURE` or `AUTHORIZE`: keyword and values.
fn any_options() -> impl Strategy<Value = Vec<Vec<String>>> {
    let words = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>();
    let option = move |name: &'static str, value: String| words(&[name, &value]);
    let tags = prop::collection::btree_map("[a-c]{1,3}", "[a-c ]{0,3}", 0..5).prop_map(|tags| {
        tags.into_iter().map(|(k, v)| vec!["TAG".to_owned(), k, v]).collect::<Vec<_>>()
    });
    (
        prop::option::of(1..1_000_000_i64),
        prop::option::of(0..1000_u32),
        prop::option::of(prop::sample::select(vec!["debt", "cap", "reject"])),
        tags,
    )
        .prop_map(move |(ttl, min, overage, mut options)| {
            options.extend(ttl.map(|ttl| option("TTL", ttl.to_string())));
            options.extend(min.map(|min| option("MIN", min.to_string())));
            options.extend(overage.map(|overage| option("OVERAGE", overage.to_owned())));
            options.push(option("ID", "h".to_owned()));
            options
        })
}

fn authorize(amount: &str, options: &[Vec<String>]) -> Request {
    let mut args: Vec<String> = vec!["AUTHORIZE".to_owned(), "w".to_owned(), amount.to_owned()];
    args.extend(options.iter().flatten().cloned());
    match parse_args(&args) {
        Ok(Parsed::Wallet { request, .. }) => request,
        other => panic!("{args:?}: {other:?}"),
    }
}

/// The same options, written differently.
fn respelled(options: &[Vec<String>]) -> Vec<Vec<String>> {
    let mut respelled = options.to_vec();
    for option in &mut respelled {
        option[0] = option[0].to_lowercase();
        match option[0].as_str() {
            "ttl" => option[1].insert_str(0, "00"),
            "min" => option[1].push_str(".000"),
            "overage" => option[1] = option[1].to_uppercase(),
            _ => {}
        }
    }
    respelled
}

proptest! {
    #[test]
    fn order_and_spelling_do_not_matter(
        (options, shuffled) in any_options().prop_flat_map(|options| {
            (Just(options.clone()), Just(options).prop_shuffle())
        }),
    ) {
        prop_assert_eq!(authorize("1000", &options), authorize("01000.0", &respelled(&shuffled)));
    }

    #[test]
    fn every_value_matters(options in any_options(), which in any::<prop::sample::Index>()) {
        let mut changed = options.clone();
        let option = which.get_mut(&mut changed);
        let id = option[0] == "ID";
        let last = option.last_mut().unwrap();
        *last = match last.as_str() {
            "debt" => "cap".to_owned(),
            "cap" => "reject".to_owned(),
            "reject" => "debt".to_owned(),
            other => format!("{other}1"),
        };
        prop_assume!(options.iter().zip(&changed).all(|(_, o)| o[0] != "MIN" || o[1].len() < 4));
        let (before, after) = (authorize("1000", &options), authorize("1000", &changed));
        prop_assert_eq!(before.hash == after.hash, id);
        prop_assert_ne!(before, after);
    }

    #[test]
    fn no_request_panics(
        name in prop::sample::select(super::spec::SPECS.iter().map(|s| s.name).collect::<Vec<_>>()),
        args in prop::collection::vec(
            prop_oneof![
                prop::sample::select(super::spec::Opt::ALL.iter().map(|o| o.keyword().as_bytes().to_vec())
                    .chain([b"w".to_vec(), b"1".to_vec(), b"0".to_vec(), b"-1".to_vec()]).collect::<Vec<_>>()),
                prop::collection::vec(any::<u8>(), 0..10),
            ],
            0..12,
        ),
    ) {
        let mut all = vec![name.as_bytes().to_vec()];
        all.extend(args);
        let _ = parse_args(&all);
    }
}
