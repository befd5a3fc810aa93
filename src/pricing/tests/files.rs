//! Files: what is refused and where, versions by time, the canonical text.

use super::{CARD, SHAPES, book};
use crate::domain::time::Timestamp;
use crate::pricing::read::{canonical, file, moment, timeline};
use proptest::prelude::*;

#[test]
fn what_is_wrong_is_told_with_its_line() {
    let head = "currency = \"USD\"\n[[card]]\nmodel = \"m\"\n";
    for (rest, line, what) in [
        ("price.a = \"-1\"", 4, "negative"),
        ("price.a = -1", 4, "negative"),
        ("price.a = 1.25", 4, "written as text"),
        ("price.a = \"1\"\nprices = 1", 5, "prices"),
        ("price.a = \"one\"", 4, "digits"),
        ("price.a = \"1000000.1\"", 2, "above the most"),
        ("price.a = { price = 1, per = 3 }", 2, "no end as a decimal"),
        ("price.a = { price = 1, per = 0 }", 2, "per must be above 0"),
        ("price.a = { package = 1 }", 2, "package and size"),
        ("price.a = { package = 1, size = 0 }", 2, "size must be above 0"),
        ("price.a = { price = 1, tiers = [] }", 2, "it takes price"),
        ("price.a = { mode = \"volume\", tiers = [] }", 2, "empty"),
        ("price.a = { mode = \"steps\", tiers = [] }", 4, "graduated"),
        ("price.a = { tiers = [{ price = 1 }] }", 2, "need a mode"),
        ("price.a = { mode = \"volume\", tiers = [{ up_to = 1, price = 1 }] }", 2, "last tier"),
        (
            "price.a = { mode = \"volume\", tiers = [{ up_to = 2, price = 1 }, { up_to = 2, price = 1 }, { price = 1 }] }",
            2,
            "in order",
        ),
        (
            "price.a = 1\nabove = [{ tokens = 2, price.a = 1 }, { tokens = 2, price.a = 2 }]",
            2,
            "in order",
        ),
        ("price = {}", 2, "no price"),
        ("", 2, "price"),
        ("price.'a b' = 1", 2, "printable"),
        ("price.a = 1\nfigures = \"today\"", 2, "date"),
        ("price.a = 1\nprice.a = 2", 5, "duplicate"),
        ("price.a = 1\n\n[[card]]\nmodel = \"m\"\nprice.a = 1", 6, "the first is in line 2"),
        ("price.a = 1\n[[card]]\nmodel = \"a*b\"\nprice.a = 1", 5, "last character"),
        ("price.a = 1\n[[markup]]\nmodel = \"m\"", 5, "percent or fixed"),
        ("price.a = 1\n[[markup]]\nfixed = 1", 5, "needs a currency"),
        ("price.a = 1\n[[markup]]\npercent = -101", 5, "-100 to"),
    ] {
        let wrong = file("p.toml", &format!("{head}{rest}\n")).unwrap_err();
        assert_eq!((wrong.file.as_str(), wrong.line), ("p.toml", line), "{rest}: {wrong}");
        assert!(wrong.what.contains(what), "{rest}: {wrong}");
        assert!(wrong.to_string().starts_with(&format!("p.toml:{line}: ")), "{wrong}");
    }
    for (text, line, what) in [
        ("", 1, "neither a card"),
        ("currency = \"USD\"\n", 1, "neither a card"),
        ("per = 1\nfrom = \"soon\"\n", 2, "no time"),
        ("[[card]]\nmodel = \"m\"\nprice.a = 1", 1, "currency"),
    ] {
        let wrong = file("p.toml", text).unwrap_err();
        assert_eq!(wrong.line, line, "{text}: {wrong}");
        assert!(wrong.what.contains(what), "{text}: {wrong}");
    }
}

#[test]
fn json_is_read_as_strictly() {
    let head = "{\"currency\":\"USD\",\n\"card\":[\n{\"model\":\"m\",\"price\":{\"a\":\"1\"}},\n";
    for (rest, line, what) in [
        ("{\"model\":\"n\",\n\"price\":{\"a\":\"-1\"}}]}", 5, "negative"),
        ("{\"model\":\"n\",\n\"price\":{\"a\":1.5}}]}", 5, "written as text"),
        ("{\"model\":\"n\",\"price\":{\"a\":1,\"a\":2}}]}", 4, "twice"),
        ("{\"model\":\"n\",\"price\":{\"a\":1},\"b\":2}]}", 4, "unknown field `b`"),
        ("\n{\"model\":\"m\",\"price\":{\"a\":1}}]}", 5, "the first is in line 3"),
        ("{\"model\":\"n\",", 5, "EOF"),
    ] {
        let wrong = file("p.json", &format!("{head}{rest}\n")).unwrap_err();
        assert_eq!(wrong.line, line, "{rest}: {wrong}");
        assert!(wrong.what.contains(what) && !wrong.what.contains("at line"), "{rest}: {wrong}");
    }
}

#[test]
fn later_files_replace_cards_and_markups_from_their_time_on() {
    let card = |model: &str, price: u32| {
        format!("[[card]]\nmodel = \"{model}\"\ncurrency = \"USD\"\nprice.a = {price}\n")
    };
    let later =
        format!("from = \"2026-12-01T00:00:00Z\"\n[[markup]]\npercent = 10\n{}", card("m", 3));
    let files = [
        ("b.toml", card("m", 2)),
        ("later.toml", later),
        ("a.toml", card("m", 1) + &card("n", 7)),
        ("z.toml", "from = \"2026-12-01T00:00:00Z\"\nmarkup = []\n".to_owned()),
    ];
    let files = files.iter().map(|(name, text)| file(name, text).unwrap()).collect();
    let line = timeline(files);
    let starts: Vec<_> = line.iter().map(|(start, _)| *start).collect();
    assert_eq!(starts, [Timestamp::MIN, moment("2026-12-01T00:00:00Z").unwrap()]);
    let usage = [("a", "1")];
    let of = |index: usize, model| super::amount(&line[index].1, model, &usage);
    assert_eq!([of(0, "m"), of(0, "n"), of(1, "m"), of(1, "n")], ["2", "7", "3", "7"]);
    assert!(line[1].1.markups().is_empty());
    assert_ne!(line[0].1.version(), line[1].1.version());
}

#[test]
fn a_version_is_named_by_what_it_says_and_not_by_how() {
    let one = book(CARD);
    let other = CARD.replace("\"1.25\"", "\"1.250\"").replace("per = 1_000_000", "per = 1000000");
    assert_eq!(book(&other).version(), one.version());
    assert_ne!(book(&CARD.replace("\"1.25\"", "\"1.26\"")).version(), one.version());
    for text in [CARD, SHAPES] {
        let one = book(text);
        let again = canonical("kept", &one.text()).unwrap();
        assert_eq!((again.version(), again.text()), (one.version(), one.text()));
        assert_eq!(again.cards(), one.cards());
        let read = timeline(vec![file("x.json", &one.text()).unwrap()]);
        assert_eq!(read[0].1.version(), one.version());
    }
}

#[test]
fn a_canonical_text_is_read_back_whatever_its_markups_add() {
    let card = "[[card]]\nmodel = \"m\"\ncurrency = \"USD\"\nprice.a = 1\n";
    for markup in ["percent = 0", "percent = \"-0\"", "currency = \"USD\"\nfixed = \"0.0\""] {
        let one = book(&format!("{card}[[markup]]\nwallet = \"staff-*\"\n{markup}\n"));
        let again = canonical("kept", &one.text()).unwrap();
        assert_eq!((again.version(), again.text()), (one.version(), one.text()), "{markup}");
        assert_eq!(again.markups(), one.markups());
    }
}

#[test]
fn times_are_whole_milliseconds() {
    assert_eq!(moment("1970-01-01T00:00:01.5Z").unwrap().millis(), 1_500);
    assert_eq!(moment("1970-01-01T01:00:00+01:00").unwrap().millis(), 0);
    for bad in ["1970-01-01", "1970-01-01T00:00:00", "1970-01-01T00:00:00.0001Z", ""] {
        assert!(moment(bad).is_err(), "{bad}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Pieces of good files in any order, and anything else: an answer, never a panic.
    #[test]
    fn no_text_makes_the_reader_panic(
        pieces in prop::collection::vec(prop_oneof![
            "\\PC{0,20}",
            "[0-9.e-]{0,60}",
            prop::sample::select(vec![
                "[[card]]\n", "model = ", "\"m\"", "\"m*\"", "\n", "price.a = ", "{", "}", "[", "]",
                "tiers = ", "per = ", "0", "\"1.5\"", "from = ", ",", "currency = \"USD\"\n", "\"", ":",
                "\"card\":[", "{\"model\":\"m\",\"price\":{", "\"a\":\"1\"", "above = ", "tokens = ",
            ]).prop_map(str::to_owned),
        ], 0..40),
    ) {
        let text = pieces.concat();
        let _ = file("x.toml", &text).map(|read| timeline(vec![read]));
        let _ = file("x.json", &text).map(|read| timeline(vec![read]));
    }

    #[test]
    fn no_damage_to_a_canonical_text_makes_the_reader_panic(at in 0_usize..900, byte in 0_u8..128) {
        let mut bytes = book(SHAPES).text().into_bytes();
        let at = at % bytes.len();
        bytes[at] = byte;
        let text = String::from_utf8(bytes).unwrap();
        let _ = canonical("kept", &text);
    }
}
