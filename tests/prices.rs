//! The shipped prices against the list that they were made of: 200 of its entries, drawn by
//! `tests/prices/sample.py`, are priced again straight from the decimal text of their JSON, with big
//! integers and nothing of the code that imports and rates. Not one digit may differ.

#[cfg(test)]
mod tests {
    use num_bigint::BigInt;
    use purser::domain::id::{Model, Unit, Variant};
    use purser::domain::rating::{Buyer, NothingRunning, Unpriced, Used};
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
        let rated = try_rate(book, name, variant, usage);
        rated.unwrap_or_else(|why| panic!("{name} {usage:?}: {why:?}"))
    }

    fn try_rate(
        book: &Book,
        name: &str,
        variant: Option<&str>,
        usage: &[(&str, u64)],
    ) -> Result<String, Unpriced> {
        let model = Model::new(name.as_bytes()).unwrap();
        let variant = variant.map(|name| Variant::new(name.as_bytes()).unwrap());
        let mut quantities: Vec<(Unit, Quantity)> = usage
            .iter()
            .map(|(unit, n)| (Unit::new(unit.as_bytes()).unwrap(), n.to_string().parse().unwrap()))
            .collect();
        quantities.sort();
        let used = Used { model: &model, variant: variant.as_ref(), quantities: &quantities };
        let buyer = Buyer { wallet: None, plan: None, currency: None };
        book.rate(used, buyer, &NothingRunning).map(|rated| rated.amount.to_string())
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

    /// Of eight shipped models a cached token cost less in a large request than in a small one: the list
    /// has its price only above a size, below it cost as input. Six of them had, as the price of a write
    /// above 200,000 tokens, a fifth of what the same write cost below.
    #[test]
    fn a_price_on_one_side_of_a_size_is_no_price() {
        let list = r#"{
            "writes": {"input_cost_per_token": 1.25e-6, "output_cost_per_token": 1e-5,
                "input_cost_per_token_above_200k_tokens": 2.5e-6, "output_cost_per_token_above_200k_tokens": 1.5e-5,
                "cache_creation_input_token_cost_above_200k_tokens": 2.5e-7},
            "dear": {"input_cost_per_token": 1e-6, "input_cost_per_token_above_200k_tokens": 2e-6,
                "cache_creation_input_token_cost_above_200k_tokens": 2.5e-6},
            "reads": {"input_cost_per_token": 1e-6, "input_cost_per_token_above_200k_tokens": 2e-6,
                "cache_read_input_token_cost_above_200k_tokens": 2e-7},
            "flex": {"input_cost_per_token": 2e-6, "cache_read_input_token_cost": 2e-7,
                "input_cost_per_token_above_272k_tokens": 4e-6, "cache_read_input_token_cost_above_272k_tokens": 4e-7,
                "input_cost_per_token_flex": 1e-6, "input_cost_per_token_above_272k_tokens_flex": 2e-6,
                "cache_read_input_token_cost_above_272k_tokens_flex": 2e-7},
            "swapped": {"input_cost_per_token": 2.75e-6, "cache_creation_input_token_cost": 1.38e-6},
            "mixed": {"input_cost_per_token": 1e-6, "input_cost_per_token_above_200k_tokens": 2e-6,
                "cache_creation_input_token_cost": 1.25e-6, "cache_creation_input_token_cost_above_200k_tokens": 2.5e-7}
        }"#;
        let (book, report) = import(list, Wanted::default()).unwrap();
        let write = |name, tokens| rate(&book, name, None, &[("cache_write_tokens", tokens)]);
        assert_eq!([write("writes", 200_000), write("writes", 200_001)], ["0.25", "0.5000025"]);
        assert_eq!(write("swapped", 1_000_000), "2.75");
        let left_out: Vec<_> = report.ignored.into_iter().collect();
        let [(flex, of_flex), (writes, of_writes)] = &left_out[..] else { panic!("{left_out:?}") };
        assert!(flex.contains("on one side of a size"), "{flex}");
        assert_eq!(of_flex, &["flex"]);
        assert!(writes.contains("for less than input"), "{writes}");
        assert_eq!(of_writes, &["writes", "swapped"]);
        let flex = try_rate(&book, "flex", Some("flex"), &[("input_tokens", 1)]);
        assert_eq!(flex, Err(Unpriced::NoModel));
        assert_eq!(rate(&book, "flex", None, &[("cache_read_tokens", 1_000)]), "0.0002");
        let skipped: Vec<_> = report.skipped.into_iter().collect();
        let [(mixed, of_mixed), (reads, of_reads), (dear, of_dear)] = &skipped[..] else {
            panic!("{skipped:?}")
        };
        assert!(mixed.contains("for some sizes"), "{mixed}");
        assert_eq!(of_mixed, &["mixed"]);
        assert_eq!(reads, "no price for cache_read_tokens below a size");
        assert_eq!(of_reads, &["reads"]);
        assert_eq!(dear, "no price for cache_write_tokens below a size");
        assert_eq!(of_dear, &["dear"]);
    }

    /// The shipped book gave away what chat models answer where the list has 0 beside a price for input:
    /// a router, say, whose list entry remarks that the model behind it is paid for besides.
    #[test]
    fn a_price_of_zero_beside_others_is_only_taken_where_it_is_known_to_be_meant() {
        let list = r#"{
            "router": {"mode": "chat", "input_cost_per_token": 1.4e-7, "output_cost_per_token": 0.0},
            "untold": {"input_cost_per_token": 1.6e-8, "output_cost_per_token": 0.0},
            "song": {"mode": "chat", "input_cost_per_token": 0, "output_cost_per_token": 0, "output_cost_per_image": 0.04},
            "vector": {"mode": "embedding", "input_cost_per_token": 1e-7, "output_cost_per_token": 0.0},
            "order": {"mode": "rerank", "input_cost_per_token": 0.0, "output_cost_per_token": 0.0, "input_cost_per_query": 0.002},
            "online": {"mode": "chat", "input_cost_per_token": 0.0, "output_cost_per_token": 1.8e-6, "input_cost_per_request": 0.005},
            "gift": {"mode": "chat", "input_cost_per_token": 0.0, "output_cost_per_token": 1.8e-6},
            "verdicts": {"mode": "chat", "input_cost_per_token": 1e-6, "output_cost_per_token": 4e-6,
                "input_cost_per_token_decisions": 1e-7, "output_cost_per_token_decisions": 0,
                "input_cost_per_token_batches": 5e-7, "output_cost_per_token_batches": 0},
            "drawing": {"mode": "image_generation", "input_cost_per_image": 0.0, "output_cost_per_image": 0.008}
        }"#;
        let (book, report) = import(list, Wanted::default()).unwrap();
        assert_eq!(report.rated, 9, "{report}");
        for (name, variant, unit) in [
            ("router", None, "output_tokens"),
            ("router", None, "reasoning_tokens"),
            ("untold", None, "output_tokens"),
            ("song", None, "input_tokens"),
            ("song", None, "output_tokens"),
            ("gift", None, "input_tokens"),
        ] {
            let rated = try_rate(&book, name, variant, &[(unit, 5)]);
            assert!(matches!(rated, Err(Unpriced::NoUnit(_))), "{name}: {rated:?}");
        }
        let batch = try_rate(&book, "verdicts", Some("batch"), &[("input_tokens", 5)]);
        assert_eq!(batch, Err(Unpriced::NoModel));
        let million = [("input_tokens", 1_000_000), ("output_tokens", 1_000_000)];
        for (name, variant, usage, price) in [
            ("router", None, &million[..1], "0.14"),
            ("vector", None, &million, "0.1"),
            ("order", None, &[("queries", 1), ("input_tokens", 500)], "0.002"),
            ("online", None, &million, "1.805"),
            ("verdicts", Some("decisions"), &million, "0.1"),
            ("song", None, &[("images", 1)], "0.04"),
            ("drawing", None, &[("images", 1), ("input_images", 1)], "0.008"),
        ] {
            assert_eq!(rate(&book, name, variant, usage), price, "{name}");
        }
        let left_out: Vec<_> = report.ignored.iter().collect();
        let [(variant, of_variant), (zeros, of_zeros)] = &left_out[..] else {
            panic!("{left_out:?}")
        };
        assert!(zeros.contains("tokens at 0 beside another price"), "{zeros}");
        assert_eq!(*of_zeros, &["router", "untold", "song", "gift", "verdicts"]);
        assert!(variant.contains("without a price for input or output"), "{variant}");
        assert_eq!(*of_variant, &["verdicts"]);
        let kept: Vec<_> = report.kept.values().collect();
        assert_eq!(kept, [&vec!["online"], &vec!["vector", "order", "verdicts"], &vec!["drawing"]]);
        assert!(report.to_string().contains("prices of 0 taken as they stand:"), "{report}");
    }
}
