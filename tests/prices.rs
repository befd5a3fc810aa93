//! The shipped prices against the list that they were made of: 200 of its entries, drawn by
//! `tests/prices/sample.py`, are priced again straight from the decimal text of their JSON, with big
//! integers and nothing of the code that imports and rates. Not one digit may differ.

#[cfg(test)]
mod tests {
    use num_bigint::BigInt;
    use purser::domain::id::{Model, Unit, Variant};
    use purser::domain::rating::{Buyer, NothingRunning, Used};
    use purser::domain::usage::Quantity;
    use purser::pricing::import::{Wanted, import};
    use purser::pricing::{Book, shown};
    use serde_json::value::RawValue;
    use std::collections::BTreeMap;
    use std::sync::Arc;

    const SAMPLE: &str = include_str!("prices/model_prices_sample.json");
    const PLACES: usize = 60;

    type Entry = BTreeMap<String, Box<RawValue>>;

    /// A JSON number as a count of 10^-60.
    fn big(text: &str) -> BigInt {
        let (digits, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let mantissa: BigInt = format!("{whole}{fraction}").parse().unwrap();
        let exponent: isize = exponent.parse().unwrap();
        let places = (PLACES - fraction.len()).checked_add_signed(exponent).unwrap();
        mantissa * BigInt::from(10).pow(places.try_into().unwrap())
    }

    /// What each key is the price of, once more.
    const KEYS: [(&str, &str); 12] = [
        ("input_tokens", "input_cost_per_token"),
        ("output_tokens", "output_cost_per_token"),
        ("cache_read_tokens", "cache_read_input_token_cost"),
        ("cache_write_tokens", "cache_creation_input_token_cost"),
        ("cache_write_1h_tokens", "cache_creation_input_token_cost_above_1hr"),
        ("reasoning_tokens", "output_cost_per_reasoning_token"),
        ("audio_input_tokens", "input_cost_per_audio_token"),
        ("images", "output_cost_per_image"),
        ("seconds_1080p", "output_cost_per_second_1080p"),
        ("characters", "input_cost_per_character"),
        ("queries", "input_cost_per_query"),
        ("pages", "ocr_cost_per_page"),
    ];

    /// The price of a unit for a request of this size, straight from the entry.
    fn price(entry: &Entry, unit: &str, suffix: &str, size: u64) -> Option<BigInt> {
        let stem = KEYS.iter().find(|(name, _)| *name == unit)?.1;
        let number = |key: &str| entry.get(key).map(|raw| big(raw.get()));
        if let Some(tiers) = entry.get("tiered_pricing").filter(|_| suffix.is_empty()) {
            let tiers: Vec<Entry> = serde_json::from_str(tiers.get()).unwrap();
            let within = |tier: &&Entry| {
                let range: [Box<RawValue>; 2] =
                    serde_json::from_str(tier.get("range")?.get()).ok()?;
                let end = |raw: &RawValue| raw.get().split('.').next()?.parse::<u64>().ok();
                Some(size > end(&range[0])? && size <= end(&range[1])?)
            };
            let tier = tiers.iter().find(|tier| within(tier) == Some(true))?;
            return tier.get(stem).map(|raw| big(raw.get()));
        }
        let sized = entry.keys().filter_map(|key| {
            let rest = key.strip_prefix(stem)?.strip_prefix("_above_")?;
            let (tokens, ending) = rest.split_once("k_tokens")?;
            (ending == suffix).then(|| tokens.parse::<u64>().ok()).flatten().map(|k| k * 1_000)
        });
        let above = sized.filter(|tokens| size > *tokens).max();
        let above =
            above.and_then(|n| number(&format!("{stem}_above_{}k_tokens{suffix}", n / 1_000)));
        above.or_else(|| number(&format!("{stem}{suffix}")))
    }

    fn roll(seed: &mut u64) -> u64 {
        *seed =
            seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        *seed >> 33
    }

    fn rate(book: &Book, name: &str, variant: Option<&str>, usage: &[(&str, u64)]) -> String {
        let model = Model::new(name.as_bytes()).unwrap();
        let variant = variant.map(|name| Variant::new(name.as_bytes()).unwrap());
        let mut quantities: Vec<(Unit, Quantity)> = usage
            .iter()
            .map(|(unit, n)| (Unit::new(unit.as_bytes()).unwrap(), n.to_string().parse().unwrap()))
            .collect();
        quantities.sort();
        let used = Used { model: &model, variant: variant.as_ref(), quantities: &quantities };
        let buyer = Buyer { wallet: None, plan: None, currency: None };
        let rated = book.rate(used, buyer, &NothingRunning);
        rated.unwrap_or_else(|why| panic!("{name} {usage:?}: {why:?}")).amount.to_string()
    }

    fn shipped() -> Arc<Book> {
        purser::prices::Source::of(None).read().unwrap().remove(0).1
    }

    #[test]
    fn every_sample_costs_what_its_json_says() {
        let list: BTreeMap<String, Entry> = serde_json::from_str(SAMPLE).unwrap();
        assert_eq!(list.len(), 200);
        let (book, mut seed) = (shipped(), 7);
        let (mut models, mut asked, mut sized, mut varied) = (0, 0, 0, 0);
        for (name, entry) in &list {
            let Some(card) = book.closest(name).first().copied().cloned() else { continue };
            models += 1;
            for _ in 0..30 {
                for (variant, suffix) in [
                    (None, ""),
                    (Some("batch"), "_batches"),
                    (Some("priority"), "_priority"),
                    (Some("flex"), "_flex"),
                ] {
                    let has = card.variants.iter().any(|(name, _)| Some(name.as_str()) == variant);
                    if variant.is_some() && !has {
                        continue;
                    }
                    let scale =
                        [1_000, 60_000, 400_000][usize::try_from(roll(&mut seed) % 3).unwrap()];
                    let mut usage: Vec<(&str, u64)> =
                        KEYS.iter().map(|(unit, _)| (*unit, 1 + roll(&mut seed) % scale)).collect();
                    let input = [
                        "input_tokens",
                        "cache_read_tokens",
                        "cache_write_tokens",
                        "cache_write_1h_tokens",
                        "audio_input_tokens",
                    ];
                    // Only what the entry prices, in this variant, is asked; of the rest there is no price.
                    let rates = card
                        .rates(variant.map(|v| Variant::new(v.as_bytes()).unwrap()).as_ref())
                        .unwrap();
                    usage.retain(|(unit, _)| rates.prices.named(unit).is_some());
                    let size: u64 =
                        usage.iter().filter(|(unit, _)| input.contains(unit)).map(|(_, n)| n).sum();
                    let mut exact = BigInt::ZERO;
                    for (unit, n) in &usage {
                        let price = price(entry, unit, suffix, size);
                        exact +=
                            price.unwrap_or_else(|| panic!("{name}: {unit}")) * BigInt::from(*n);
                    }
                    if usage.is_empty() {
                        continue;
                    }
                    let grain = BigInt::from(10).pow(48);
                    let pico: BigInt = (exact + &grain - 1) / &grain;
                    let expected =
                        purser::domain::amount::Amount::from_pico(pico.try_into().unwrap());
                    assert_eq!(
                        rate(&book, name, variant, &usage),
                        expected.to_string(),
                        "{name} {variant:?} {usage:?}"
                    );
                    asked += 1;
                    sized += usize::from(
                        rates
                            .above
                            .iter()
                            .any(|a| a.tokens.pico() < i128::from(size) * 1_000_000_000_000),
                    );
                    varied += usize::from(variant.is_some());
                }
            }
        }
        // The dice have shown what they are for.
        eprintln!("{models} models, {asked} requests, {sized} above a size, {varied} in a variant");
        assert!(models >= 170 && asked >= 3_000 && sized >= 100 && varied >= 500);
    }

    #[test]
    fn the_shipped_book_is_what_the_import_makes() {
        let wanted = Wanted { figures: Some("2026-11-23"), with_free: false };
        let (book, report) = import(SAMPLE, wanted).unwrap();
        assert_eq!(report.models, 200);
        assert_eq!(report.rated + report.skipped(), 200);
        let shipped = shipped();
        for card in book.cards() {
            let others = shipped.closest(card.model.as_str());
            let other = others.first().unwrap_or_else(|| panic!("{} is not shipped", card.model));
            assert_eq!(shown::card(card), shown::card(other));
        }
        assert_eq!(
            shipped
                .cards()
                .iter()
                .filter(|card| SAMPLE.contains(&format!("\n\"{}\":", card.model)))
                .count(),
            book.cards().len()
        );
    }

    #[test]
    fn what_cannot_be_rated_is_skipped_with_its_reason() {
        for (entry, reason) in [
            (r#"{"input_cost_per_token": -1e-6}"#, "a negative price"),
            (r#"{"input_cost_per_token": 0.5}"#, "absurd"),
            (r#"{"output_cost_per_image": 5000}"#, "absurd"),
            (r#"{"input_cost_per_token": "1e-6"}"#, "a price of which"),
            (r#"{"input_cost_per_token": 1e-60}"#, "a price"),
            (r#"{"input_cost_per_token": 1e-6, "surge_pricing": 2}"#, "surge_pricing cannot"),
            (
                r#"{"input_cost_per_token": 0, "output_cost_per_token": 0.0}"#,
                "all of its prices are 0",
            ),
            (r#"{"mode": "chat"}"#, "it has no price"),
            (
                r#"{"input_cost_per_token": 1e-6, "cache_read_input_token_cost": 0}"#,
                "a price of 0 for cached",
            ),
            (r#"{"input_cost_per_token": 1e-6, "input_cost_per_token": 2e-6}"#, "no table of keys"),
            (
                r#"{"input_cost_per_second": 1e-6, "output_cost_per_second": 2e-6}"#,
                "two different prices",
            ),
            (
                r#"{"input_cost_per_token": 1e-6, "cache_read_input_token_cost": 1e-7, "input_cost_per_token_above_200k_tokens": 2e-6}"#,
                "no price for cache_read_tokens above a size",
            ),
            (
                r#"{"input_cost_per_token": 1e-6, "tiered_pricing": [{"input_cost_per_token": 1e-6}]}"#,
                "tiered_pricing cannot",
            ),
            ("5", "no table of keys"),
        ] {
            let list = format!(r#"{{"m": {entry}, "sample_spec": 1}}"#);
            let (book, report) = import(&list, Wanted::default()).unwrap();
            assert_eq!((book.cards().len(), report.models, report.skipped()), (0, 1, 1), "{entry}");
            let why = report.skipped.keys().next().unwrap();
            assert!(why.contains(reason), "{entry}: {why}");
        }
        let free = r#"{"m": {"input_cost_per_token": 0}, "a b": {"input_cost_per_token": 1e-6}}"#;
        let (book, report) = import(free, Wanted { figures: None, with_free: true }).unwrap();
        assert_eq!(rate(&book, "m", None, &[("input_tokens", 5)]), "0");
        assert!(report.skipped.keys().next().unwrap().starts_with("its name is none"));
        assert!(import("[]", Wanted::default()).is_err());
        assert!(import("{}", Wanted { figures: Some("now"), with_free: false }).is_err());
    }

    #[test]
    fn options_raise_the_prices_of_tokens() {
        let list = r#"{"m": {"input_cost_per_token": 1e-6, "output_cost_per_token": 3e-6,
            "search_context_cost_per_query": {"search_context_size_low": 0.01, "search_context_size_medium": 0.01, "search_context_size_high": 0.01},
            "provider_specific_entry": {"us": 1.1, "fast": 2.0}}}"#;
        let (book, _) = import(list, Wanted::default()).unwrap();
        let usage = [("input_tokens", 1_000_000), ("output_tokens", 1_000_000)];
        assert_eq!(rate(&book, "m", None, &usage), "4");
        assert_eq!(rate(&book, "m", Some("us"), &usage), "4.4");
        assert_eq!(rate(&book, "m", Some("fast"), &usage), "8");
        assert_eq!(rate(&book, "m", None, &[("web_searches", 2)]), "0.02");
    }
}
