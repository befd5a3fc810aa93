//! Slips: what was taken as it stood, charged nothing or refused everybody, and is refused now; and that
//! what is kept is read all the same.

use super::{Ask, explain};
use crate::pricing::across;
use crate::pricing::read::{BookFile, canonical, file};

fn read(name: &str, text: &str) -> BookFile {
    file(name, text).unwrap_or_else(|wrong| panic!("{wrong}"))
}

/// Cards and markups like these were read without a word. Prices above a size that no request has,
/// minimums below every price, units that no app tells: whoever wrote them had something in mind, and it
/// did not happen. Each is refused with its line, and with what to do.
#[test]
fn what_can_never_have_been_meant_is_refused() {
    let head = "currency = \"USD\"\n[[card]]\nmodel = \"m\"\n";
    for (rest, line, what, remedy) in [
        ("price.rounding = 1", 2, "name of a line", "take another"),
        ("price.markup = 1", 2, "name of a line", "take another"),
        ("price.a = 1\nvariants.v.price.minimum = 1", 2, "name of a line", "take another"),
        ("price.'characters/1000' = 1", 2, "like the line of a package", "take another"),
        ("price.Input_Tokens = 1", 2, "usage is told as input_tokens", "write it so"),
        ("price.output-tokens = 1", 2, "usage is told as output_tokens", "write it so"),
        (
            "price.images = 1\nabove = [{ tokens = 5, price.images = 2 }]",
            2,
            "above 5: it can never apply",
            "leave it out",
        ),
        (
            "price.a = 1\nvariants.v = { price.b = 1, above = [{ tokens = 5, price.b = 2 }] }",
            2,
            "variant v: above 5: it can never apply",
            "leave it out",
        ),
        (
            "price.input_tokens = 1\nabove = [{ tokens = 5, price.output_tokens = 2 }]",
            2,
            "above 5: output_tokens has no price for smaller requests",
            "state one",
        ),
        ("price.a = 1\nminimum = 0", 2, "minimum must be above 0", "leave it out"),
        ("price.a = 1\nminimum = \"0.0\"", 2, "minimum must be above 0", "leave it out"),
        ("per = 0\nprice.a = { package = 1, size = 2 }", 2, "per must be above 0", ""),
        (
            "price.a = 1\nvariants.Batch.price.a = 1\nvariants.batch.price.a = 2",
            2,
            "case counts",
            "leave one out",
        ),
        ("price.a = 1\n[[markup]]\npercent = 1\n[[markup]]\npercent = 2", 7, "line 5", "before"),
        (
            "price.a = 1\n[[markup]]\nmodel = \"m*\"\npercent = 1\n[[markup]]\nmodel = \"mm\"\nplan = \"p\"\npercent = 2",
            8,
            "never tried: the one in line 5",
            "before",
        ),
        (
            "price.a = 1\n[[markup]]\nmodel = \"*\"\npercent = 1\n[[markup]]\nwallet = \"w\"\npercent = 2",
            8,
            "never tried",
            "leave it out",
        ),
        ("price.a = 1\n[[markup]]\nwallet = \"a b*\"\npercent = 1", 5, "no wallet has", ""),
        ("price.a = 1\n[[markup]]\nmodel = \"é\"\npercent = 1", 5, "no model has", ""),
        ("price.a = 1\n[[markup]]\nmodel = \"\"\npercent = 1", 5, "it is a name", ""),
    ] {
        let wrong = file("p.toml", &format!("{head}{rest}\n")).unwrap_err();
        assert_eq!((wrong.file.as_str(), wrong.line), ("p.toml", line), "{rest}: {wrong}");
        assert!(wrong.what.contains(what) && wrong.what.contains(remedy), "{rest}: {wrong}");
    }
    for (text, line, what) in [
        (
            "currency = \"US D\"\n[[card]]\nmodel = \"m\"\ncurrency = \"USD\"\nprice.a = 1",
            1,
            "currency: it",
        ),
        ("markup = []\nper = 0", 2, "per must be above 0"),
        ("markup = []\nfrom = \"0202-12-01T00:00:00Z\"", 2, "before 1970"),
    ] {
        let wrong = file("p.toml", text).unwrap_err();
        assert_eq!(wrong.line, line, "{text}: {wrong}");
        assert!(wrong.what.contains(what), "{text}: {wrong}");
    }
    let text = "{\"currency\":\"USD\",\n\"card\":[\n{\"model\":\"m\",\"price\":{\"a\":\"1\"}},\n{\"model\":\"n\",\"price\":{\"rounding\":\"1\"}}]}";
    assert_eq!(file("p.json", text).unwrap_err().line, 4);
}

/// What looks like a slip and is none.
#[test]
fn what_may_be_meant_is_taken() {
    let head = "currency = \"USD\"\n[[card]]\nmodel = \"m\"\n";
    for rest in [
        // Cached input has a price for small requests: that of input.
        "price.input_tokens = 1\nabove = [{ tokens = 5, price.cache_read_tokens = 1 }]",
        "price.audio_input_tokens = 1\nabove = [{ tokens = 5, price.audio_input_tokens = 2 }]",
        "price.input_tokens = 1\nabove = [{ tokens = 5, price.requests = 2 }]",
        // A plan without a markup, before everybody's.
        "price.a = 1\n[[markup]]\nplan = \"free\"\npercent = 0\n[[markup]]\npercent = 20",
        // Every wallet, then those who have none: a price for nobody.
        "price.a = 1\n[[markup]]\nwallet = \"*\"\npercent = 1\n[[markup]]\npercent = 2",
        "price.a = 1\n[[markup]]\nmodel = \"m-*\"\npercent = 1\n[[markup]]\nmodel = \"m*\"\npercent = 2",
        "price.'tokens/fast' = 1",
        "price.a = 1\nvariants.a.price.a = 1\nvariants.b.price.a = 1",
    ] {
        let _ = read("p.toml", &format!("{head}{rest}\n"));
    }
}

/// Files that are right one by one, and together are not.
#[test]
fn files_are_held_against_each_other() {
    let card = "[[card]]\nmodel = \"m*\"\ncurrency = \"USD\"\nprice.a = 1\n";
    let pack = "[[card]]\nmodel = \"n\"\ncurrency = \"USD\"\nminimum = 2\n\
                price = { a = { package = 2, size = 5 }, b = { package = 3, size = 5 } }\n";
    let later = "from = \"2026-12-01T00:00:00Z\"\n";
    let markup = |what: &str| format!("[[markup]]\n{what}\npercent = 1\n");
    let discount = format!("{later}[[markup]]\npercent = -1\n");
    for (files, line, what) in [
        ([card.to_owned(), card.replace("USD", "usd")], 1, "case counts"),
        ([card.to_owned(), markup("currency = \"Usd\"")], 1, "case counts"),
        ([card.to_owned(), markup("currency = \"EUR\"")], 1, "never apply"),
        ([card.to_owned(), format!("\n{}", markup("model = \"k\""))], 2, "never apply"),
        ([markup("model = \"m\""), "markup = []".to_owned()], 1, "no file has a card"),
        ([format!("{card}{}", markup("")), markup("")], 5, "never in force: b.toml"),
        ([card.to_owned(), pack.to_owned()], 1, "card n: the minimum of 2 can never apply"),
    ] {
        let [a, b] = &files;
        let wrong = across::check(&[read("a.toml", a), read("b.toml", b)]);
        let of_b = wrong.iter().find(|wrong| wrong.what.contains(what));
        let of_b = of_b.unwrap_or_else(|| panic!("{files:?}: {wrong:?}"));
        assert_eq!(of_b.line, line, "{files:?}: {wrong:?}");
        let is_a = what.contains("b.toml") || what.contains("no file");
        assert_eq!(of_b.file, if is_a { "a.toml" } else { "b.toml" }, "{wrong:?}");
    }
    for [a, b] in [
        [card.to_owned(), markup("model = \"m-5\"")],
        [card.to_owned(), markup("model = \"m-*\"\ncurrency = \"USD\"")],
        [format!("{card}{}", markup("")), format!("{later}{}", markup(""))],
        [card.to_owned(), card.replace("= 1", "= 2")],
        // A discount goes below the packages, but not below the minimum.
        [pack.to_owned(), discount],
        [card.to_owned(), pack.replace("package = 3", "package = 1")],
        [card.to_owned(), pack.replace("{ package = 3, size = 5 }", "3")],
    ] {
        let wrong = across::check(&[read("a.toml", &a), read("b.toml", &b)]);
        assert_eq!(wrong, [], "{a}\n{b}");
    }
}

/// A version that was in force before files were held against all this: holds may pin it.
#[test]
fn what_is_kept_is_read_whatever_it_says() {
    let kept = r#"{"currency":"USD","per":1,"markup":[
{"percent":"1"},
{"percent":"2","wallet":"a b"}],"card":[
{"model":"m","price":{"rounding":"3","Images":"1"},"above":[{"tokens":"5","price":{"Images":"2"}}]}]}
"#;
    assert!(file("kept.json", kept).is_err());
    let kept = canonical("kept.json", kept).unwrap();
    let ask = Ask { model: "m", ..Ask::default() };
    assert_eq!(explain(&kept, ask, &[("rounding", "1")]).unwrap().rated.amount.to_string(), "3.03");
    let again = canonical("again.json", &kept.text()).unwrap();
    assert_eq!((again.text(), again.cards()), (kept.text(), kept.cards()));
}

/// The shipped book is a file like any other: a copy of it in a folder is taken.
#[test]
fn the_shipped_book_has_no_slips() {
    let shipped = include_str!("../../../config/prices/models.json");
    let read = read("models.json", shipped);
    assert_eq!(across::check(std::slice::from_ref(&read)), []);
    assert_eq!(read.lines.cards.len(), read.cards.len());
    let second = shipped.lines().position(|line| line.starts_with("{\"model\":")).unwrap() + 1;
    assert_eq!(read.lines.cards.first(), Some(&second));
}
