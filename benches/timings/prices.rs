//! Prices: from usage to an amount, and from a file to a book.

use criterion::Criterion;
use purser::domain::id::{Currency, Model, Unit, WalletId};
use purser::domain::rating::{Buyer, NothingRunning, Used};
use purser::domain::usage::Quantity;
use purser::prices::Source;
use purser::pricing::{Book, read};
use std::hint::black_box;
use std::sync::Arc;

/// The shipped cards, and what makes the way to a price longer: beginnings and markups.
fn book() -> Arc<Book> {
    let shipped = Source::of(None).read().unwrap();
    let more = r#"
        [[markup]]
        wallet = "staff-*"
        percent = -100
        [[markup]]
        model = "gpt-*"
        percent = "12.5"
        [[card]]
        model = "house-model-*"
        currency = "USD"
        per = 1_000_000
        price = { input_tokens = "1.25", cache_read_tokens = "0.125", output_tokens = "10" }
    "#;
    let shipped = read::file("a.json", &shipped.first().unwrap().1.text()).unwrap();
    let more = read::file("b.toml", more).unwrap();
    read::timeline(vec![shipped, more]).remove(0).1
}

pub(crate) fn prices(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("prices");
    let book = book();
    let quantities: Vec<(Unit, Quantity)> =
        [("cache_read_tokens", "11264"), ("input_tokens", "1213"), ("output_tokens", "377")]
            .map(|(unit, n)| (Unit::new(unit.as_bytes()).unwrap(), n.parse().unwrap()))
            .into();
    let wallet = WalletId::new(b"customer-0000000017").unwrap();
    let currency = Currency::new(b"USD").unwrap();
    let buyer = Buyer { wallet: Some(&wallet), plan: None, currency: Some(&currency) };
    for (name, model) in [
        ("rate, 3 components", "claude-sonnet-4-5"),
        ("rate, 3 components, markup", "gpt-5"),
        ("rate, 3 components, by beginning", "house-model-7"),
    ] {
        let model = Model::new(model.as_bytes()).unwrap();
        let used = Used { model: &model, variant: None, quantities: &quantities };
        group.bench_function(name, |bencher| {
            bencher.iter(|| book.rate(black_box(used), buyer, &NothingRunning).unwrap());
        });
        if name.ends_with("components") {
            group.bench_function("explain, 3 components", |bencher| {
                bencher.iter(|| book.explain(black_box(used), buyer, &NothingRunning).unwrap());
            });
        }
    }
    group.bench_function("read the shipped book", |bencher| {
        let source = Source::of(None);
        bencher.iter(|| source.read().unwrap());
    });
    group.finish();
}
