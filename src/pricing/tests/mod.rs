//! Rate cards at work: lookup, fallbacks, thresholds, edges of tiers and packages, what is refused.

mod examples;
mod files;
mod naive;
mod random;
mod slips;

use super::Book;
use super::read::{file, timeline};
use crate::domain::amount::Amount;
use crate::domain::id::{Currency, Model, Plan, Unit, Variant, WalletId};
use crate::domain::rating::{
    Buyer, CountWindow, Counter, Explained, NothingRunning, Rated, Running, Unpriced, Used,
};
use crate::domain::usage::Quantity;
use std::sync::Arc;

/// The book that one TOML text comes to.
pub(super) fn book(text: &str) -> Arc<Book> {
    let read = file("book.toml", text).unwrap_or_else(|wrong| panic!("{wrong}"));
    timeline(vec![read]).remove(0).1
}

/// A buyer and what is bought, as tests write it.
#[derive(Clone, Copy, Default)]
pub(super) struct Ask<'a> {
    pub(super) model: &'a str,
    pub(super) variant: Option<&'a str>,
    pub(super) wallet: Option<&'a str>,
    pub(super) plan: Option<&'a str>,
    pub(super) currency: Option<&'a str>,
}

pub(super) fn explain_running(
    book: &Book,
    ask: Ask<'_>,
    usage: &[(&str, &str)],
    running: &dyn Running,
) -> Result<Explained, Unpriced> {
    let model = Model::new(ask.model.as_bytes()).unwrap();
    let variant = ask.variant.map(|name| Variant::new(name.as_bytes()).unwrap());
    let wallet = ask.wallet.map(|name| WalletId::new(name.as_bytes()).unwrap());
    let plan = ask.plan.map(|name| Plan::new(name.as_bytes()).unwrap());
    let currency = ask.currency.map(|name| Currency::new(name.as_bytes()).unwrap());
    let unit = |name: &str| Unit::new(name.as_bytes()).unwrap();
    let mut quantities: Vec<(Unit, Quantity)> =
        usage.iter().map(|(name, n)| (unit(name), n.parse().unwrap())).collect();
    quantities.sort();
    let used = Used { model: &model, variant: variant.as_ref(), quantities: &quantities };
    let buyer = Buyer { wallet: wallet.as_ref(), plan: plan.as_ref(), currency: currency.as_ref() };
    let explained = book.explain(used, buyer, running);
    let rated: Result<Rated, Unpriced> = book.rate(used, buyer, running);
    assert_eq!(rated, explained.clone().map(|explained| explained.rated), "rate is not explain");
    explained
}

fn explain(book: &Book, ask: Ask<'_>, usage: &[(&str, &str)]) -> Result<Explained, Unpriced> {
    explain_running(book, ask, usage, &NothingRunning)
}

fn amount(book: &Book, model: &str, usage: &[(&str, &str)]) -> String {
    explain(book, Ask { model, ..Ask::default() }, usage).unwrap().rated.amount.to_string()
}

fn no_unit(name: &str) -> Unpriced {
    Unpriced::NoUnit(Unit::new(name.as_bytes()).unwrap())
}

const CARD: &str = r#"
currency = "USD"
per = 1_000_000
[[card]]
model = "gpt-5"
price = { input_tokens = "1.25", output_tokens = "10", cache_read_tokens = "0.125" }
variants.batch.price = { input_tokens = "0.625", output_tokens = "5" }
[[card]]
model = "gpt-5*"
price.input_tokens = "2"
[[card]]
model = "gpt-*"
price.input_tokens = "3"
[[card]]
model = "gpt-5-*"
currency = "EUR"
price.input_tokens = "4"
"#;

#[test]
fn the_closest_card_in_the_buyers_currency_counts() {
    let book = book(CARD);
    let million = [("input_tokens", "1000000")];
    for (model, currency, expected) in [
        ("gpt-5", "USD", Ok("1.25")),
        ("gpt-5-mini", "USD", Ok("2")),
        ("gpt-4", "USD", Ok("3")),
        ("gpt-5-mini", "EUR", Ok("4")),
        ("gpt-5", "EUR", Err(Unpriced::Currency(Currency::new(b"USD").unwrap()))),
        ("claude", "USD", Err(Unpriced::NoModel)),
    ] {
        let ask = Ask { model, currency: Some(currency), ..Ask::default() };
        let found = explain(&book, ask, &million).map(|e| e.rated.amount.to_string());
        assert_eq!(found, expected.map(str::to_owned), "{model} {currency}");
    }
    // For nobody: the closest card, whatever its currency.
    let nobody = explain(&book, Ask { model: "gpt-5-mini", ..Ask::default() }, &million).unwrap();
    assert_eq!((nobody.rated.amount.to_string(), nobody.currency.as_str()), ("4".into(), "EUR"));
}

#[test]
fn variants_have_prices_of_their_own_and_units_fall_back_within_them() {
    let book = book(CARD);
    let usage = [("cache_read_tokens", "1000000"), ("reasoning_tokens", "1000000")];
    assert_eq!(amount(&book, "gpt-5", &usage), "10.125");
    let batch = Ask { model: "gpt-5", variant: Some("batch"), ..Ask::default() };
    assert_eq!(explain(&book, batch, &usage).unwrap().rated.amount.to_string(), "5.625");
    let flex = Ask { variant: Some("flex"), ..batch };
    assert_eq!(explain(&book, flex, &usage), Err(Unpriced::NoModel));
    let audio = [("audio_input_tokens", "0")];
    assert_eq!(explain(&book, batch, &audio), Err(no_unit("audio_input_tokens")));
    // No output price: reasoning costs as nothing that is known.
    let mini = Ask { model: "gpt-5-mini", ..Ask::default() };
    let reasoning = [("reasoning_tokens", "1")];
    assert_eq!(explain(&book, mini, &reasoning), Err(no_unit("reasoning_tokens")));
}

#[test]
fn a_request_above_a_threshold_costs_the_other_price_altogether() {
    let book = book(
        r#"
        [[card]]
        model = "long"
        currency = "USD"
        price = { input_tokens = "1", cache_read_tokens = "0.5", output_tokens = "2" }
        above = [
            { tokens = 100, price = { input_tokens = "10", output_tokens = "20" } },
            { tokens = 200, price = { input_tokens = "100" } },
        ]
    "#,
    );
    for (input, cached, output, expected) in [
        ("100", "0", "1000", "2100"),
        ("60", "40", "1", "82"),
        ("60", "41", "1", "640.5"),
        ("100.000000000001", "0", "0", "1000.00000000001"),
        ("201", "0", "1", "20120"),
    ] {
        let usage =
            [("input_tokens", input), ("cache_read_tokens", cached), ("output_tokens", output)];
        assert_eq!(amount(&book, "long", &usage), expected, "{usage:?}");
    }
}

const SHAPES: &str = r#"
currency = "credits"
[[card]]
model = "pack"
price.characters = { package = "0.5", size = 1000 }
[[card]]
model = "graduated"
[card.price.tokens]
mode = "graduated"
over = "month"
tiers = [{ up_to = 10, price = 3 }, { up_to = 20, price = 2 }, { price = 1 }]
[[card]]
model = "volume"
[card.price.tokens]
mode = "volume"
tiers = [{ up_to = 10, price = 3 }, { up_to = 20, price = 2 }, { price = 1 }]
[[card]]
model = "pooled"
price.input_tokens = { package = 1, size = 10 }
[[card]]
model = "fee"
minimum = "0.3"
price = { requests = "0.25", seconds = "0.1" }
"#;

struct SoFar(Amount);

impl Running for SoFar {
    fn so_far(&self, counter: &Counter) -> Quantity {
        assert_eq!((counter.card.as_str(), counter.unit.as_str()), ("graduated", "tokens"));
        assert_eq!(counter.window, CountWindow::Month);
        self.0
    }
}

#[test]
fn packages_and_tiers_are_exact_at_their_edges() {
    let book = book(SHAPES);
    for (used, expected) in
        [("0", "0"), ("0.000000000001", "0.5"), ("1000", "0.5"), ("1000.5", "1"), ("2000", "1")]
    {
        assert_eq!(amount(&book, "pack", &[("characters", used)]), expected);
    }
    for (used, expected) in [("0", "0"), ("10", "30"), ("10.5", "21"), ("20", "40"), ("21", "21")] {
        assert_eq!(amount(&book, "volume", &[("tokens", used)]), expected);
    }
    let ask = Ask { model: "graduated", ..Ask::default() };
    for (before, used, expected) in [
        ("0", "10", "30"),
        ("0", "25", "55"),
        ("10", "1", "2"),
        ("9.5", "1", "2.5"),
        ("19", "2", "3"),
        ("1000", "2", "2"),
    ] {
        let running = SoFar(before.parse().unwrap());
        let found = explain_running(&book, ask, &[("tokens", used)], &running).unwrap();
        assert_eq!(found.rated.amount.to_string(), expected, "{before} + {used}");
        let [(counter, added)] = &found.rated.counts[..] else { panic!("no counter") };
        assert_eq!((counter.card.as_str(), added.to_string().as_str()), ("graduated", used));
    }
    // What costs as input tokens fills the same packages.
    let usage = [("input_tokens", "5"), ("cache_read_tokens", "5"), ("cache_write_tokens", "1")];
    assert_eq!(amount(&book, "pooled", &usage), "2");
}

#[test]
fn a_request_is_priced_once_unless_its_number_is_stated() {
    let book = book(SHAPES);
    for (usage, expected) in [
        (&[("seconds", "10")][..], "1.25"),
        (&[("seconds", "0")], "0.3"),
        (&[("seconds", "0"), ("requests", "0")], "0"),
        (&[("requests", "4")], "1"),
        (&[("seconds", "10"), ("requests", "0")], "1"),
        (&[("seconds", "0.1"), ("requests", "0")], "0.3"),
    ] {
        assert_eq!(amount(&book, "fee", usage), expected, "{usage:?}");
    }
}

#[test]
fn the_first_markup_that_fits_counts_and_every_part_has_a_line() {
    let book = book(
        r#"
        currency = "USD"
        [[markup]]
        wallet = "staff-*"
        percent = -100
        [[markup]]
        plan = "pro"
        model = "m*"
        percent = "12.5"
        [[markup]]
        currency = "USD"
        percent = 20
        fixed = "0.01"
        [[card]]
        model = "m"
        minimum = "1.5"
        price.seconds = { price = "0.0000000000001", per = 1 }
        price.images = 1
    "#,
    );
    let ask = |wallet, plan| Ask { model: "m", wallet, plan, ..Ask::default() };
    let usage = [("images", "3"), ("seconds", "1")];
    let of = |ask| explain(&book, ask, &usage).unwrap();
    assert_eq!(of(ask(Some("staff-1"), Some("pro"))).rated.amount.to_string(), "1.5");
    assert_eq!(of(ask(Some("w"), Some("pro"))).rated.amount.to_string(), "3.375000000001");
    let found = of(ask(None, None));
    assert_eq!(found.rated.amount.to_string(), "3.610000000001");
    assert_eq!(found.rated.cost.to_string(), "3.000000000001");
    let lines: Vec<_> =
        found.lines.iter().map(|line| (line.unit.as_str(), line.amount.0.as_str())).collect();
    assert_eq!(
        lines,
        [
            ("images", "3"),
            ("seconds", "0.0000000000001"),
            ("markup", "0.61000000000002"),
            ("rounding", "0.00000000000088"),
        ]
    );
}

#[test]
fn what_no_amount_can_hold_is_refused() {
    let book = book("[[card]]\nmodel = \"m\"\ncurrency = \"USD\"\nprice.images = 1000000");
    let ask = Ask { model: "m", ..Ask::default() };
    assert_eq!(amount(&book, "m", &[("images", "1000000000000")]), "1000000000000000000");
    let most = [("images", "1000000000000000000")];
    assert_eq!(explain(&book, ask, &most), Err(Unpriced::TooLarge));
}
