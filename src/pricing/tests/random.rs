//! Random cards and usage, held against the naive account.

use super::naive::{Big, Price, Rolled};
use super::{Ask, explain_running};
use crate::domain::rating::{Counter, Running, Unpriced};
use crate::domain::usage::Quantity;
use crate::pricing::read::{timeline, unchecked};
use proptest::prelude::*;

const UNITS: [&str; 8] = [
    "input_tokens",
    "output_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "reasoning_tokens",
    "requests",
    "seconds",
    "images",
];

#[derive(Debug)]
struct Before(Quantity);

impl Running for Before {
    fn so_far(&self, _: &Counter) -> Quantity {
        self.0
    }
}

fn decimal() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("0".to_owned()),
        (0_u32..100).prop_map(|n| n.to_string()),
        (0_u32..1_000, 0_u64..1_000_000_000).prop_map(|(n, f)| format!("{n}.{f:09}")),
        (0_u32..100, 1_usize..8).prop_map(|(f, zeros)| format!("0.{}{f:02}", "0".repeat(zeros))),
    ]
}

fn quantity() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("0".to_owned()),
        (0_u32..60).prop_map(|n| n.to_string()),
        (0_u32..5_000_000).prop_map(|n| n.to_string()),
        (0_u32..100, 0_u64..1_000_000).prop_map(|(n, f)| format!("{n}.{f:06}")),
    ]
}

fn tiers() -> impl Strategy<Value = Vec<(String, String)>> {
    (prop::collection::btree_set(1_u32..60, 0..4), prop::collection::vec(decimal(), 4)).prop_map(
        |(ends, prices)| {
            let ends = ends.into_iter().map(|end| end.to_string()).chain([String::new()]);
            ends.zip(prices.into_iter().chain(["3".to_owned()])).collect()
        },
    )
}

fn price() -> impl Strategy<Value = Price> {
    prop_oneof![
        3 => decimal().prop_map(Price::Each),
        1 => (decimal(), 1_u32..50).prop_map(|(p, size)| Price::Package(p, size.to_string())),
        2 => (any::<bool>(), prop::sample::select(vec!["request", "day", "month"]), tiers())
            .prop_map(|(is_volume, over, tiers)| Price::Tiers(is_volume, over, tiers)),
    ]
}

fn prices() -> impl Strategy<Value = Vec<(&'static str, Price)>> {
    let units = prop::sample::subsequence(&UNITS[..], 1..=UNITS.len());
    (units, prop::collection::vec(price(), UNITS.len()))
        .prop_map(|(units, prices)| units.into_iter().zip(prices).collect())
}

fn percent() -> impl Strategy<Value = String> {
    (-100_i32..500, 0_u32..10_000).prop_map(|(whole, fraction)| match whole {
        -100 => "-100".to_owned(),
        whole => format!("{whole}.{fraction:04}"),
    })
}

fn rolled() -> impl Strategy<Value = Rolled> {
    let above = prop::option::of((1_u32..100, prices()));
    let markup = prop::option::of((percent(), decimal()));
    (prices(), above, prop::option::of(decimal()), markup)
        .prop_map(|(prices, above, minimum, markup)| Rolled { prices, above, minimum, markup })
}

fn usage() -> impl Strategy<Value = Vec<(&'static str, String)>> {
    let units = prop::sample::subsequence(&UNITS[..], 1..4);
    (units, prop::collection::vec(quantity(), 4))
        .prop_map(|(units, quantities)| units.into_iter().zip(quantities).collect())
}

/// As proptest's own, but more cases, and no files beside the tests.
fn config() -> ProptestConfig {
    let usual = ProptestConfig::default();
    let cases = if std::env::var_os("PROPTEST_CASES").is_some() { usual.cases } else { 4_000 };
    ProptestConfig { cases, failure_persistence: None, ..usual }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn every_price_is_what_the_naive_account_says(
        rolled in rolled(),
        usage in usage(),
        before in quantity(),
    ) {
        // Dice roll what nobody means, too.
        let read = unchecked("book.toml", &rolled.text()).unwrap();
        let book = timeline(vec![read]).remove(0).1;
        let running = Before(before.parse().unwrap());
        let asked: Vec<_> = usage.iter().map(|(unit, n)| (*unit, n.as_str())).collect();
        let ask = Ask { model: "m", ..Ask::default() };
        let found = explain_running(&book, ask, &asked, &running);
        match rolled.reckon(&usage, &before) {
            None => prop_assert!(matches!(found, Err(Unpriced::NoUnit(_))), "{:?}", found),
            Some((cost, price)) => {
                let found = found.unwrap();
                prop_assert_eq!(Big::read(&found.rated.cost.to_string()), cost);
                prop_assert_eq!(Big::read(&found.rated.amount.to_string()), price.clone());
                let lines = found.lines.iter().map(|line| Big::read(&line.amount.0));
                prop_assert_eq!(lines.fold(Big::zero(), |sum, line| sum.plus(&line)), price);
                for line in &found.lines {
                    if let (Some(n), Some(price)) = (&line.quantity, &line.price) {
                        let product = Big::read(&n.0).times(&Big::read(&price.0));
                        prop_assert_eq!(product, Big::read(&line.amount.0));
                    }
                }
            }
        }
    }
}
