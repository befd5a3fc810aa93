//! Usage that the engine prices itself: what is sent instead of an amount, and what it must come to.
//!
//! The price is worked out here a second time, from the rate card as the server shows it, in whole
//! numbers of 10^-24 and in code that shares nothing with the engine's. Only cards that price each
//! unit alike, above a size or not, are understood; any other is refused.

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use purser::domain::amount::Amount;

use crate::resp::{Reply, encode};

/// Decimals of a price of one unit.
const PRICE_DECIMALS: u32 = 24;
/// Decimals of an amount.
const AMOUNT_DECIMALS: u32 = 12;

/// The tokens of a request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tokens {
    /// Input that no cache had.
    pub(crate) input: u32,
    /// Input that a cache had.
    pub(crate) cached: u32,
    /// Output.
    pub(crate) output: u32,
}

/// A model with its rate card.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RatedModel {
    model: String,
    small: Prices,
    /// Prices above so many input tokens, from the least on.
    above: Vec<(u32, Prices)>,
}

/// What one token costs, in 10^-24; none where the card has no price of its own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Prices {
    input: Option<i128>,
    cached: Option<i128>,
    output: Option<i128>,
}

/// Asks for a model's rate card.
pub(crate) fn ask(model: &str) -> Vec<u8> {
    encode(&["PRICES.GET", model])
}

impl RatedModel {
    /// The card that the server shows; of several currencies that of the wallets.
    pub(crate) fn read(model: &str, currency: &str, reply: &Reply) -> Result<Self> {
        if let Reply::Error(error) = reply {
            bail!("{error}");
        }
        let cards = match reply {
            Reply::Array(items) if matches!(items.first(), Some(Reply::Array(_))) => items.clone(),
            card => vec![card.clone()],
        };
        let is_wanted = |card: &&Reply| text(field(card, "currency")) == Some(currency);
        let card = cards.iter().find(is_wanted);
        let card = card.with_context(|| format!("{model} has no card in {currency}"))?;
        ensure!(field(card, "minimum").is_none(), "its minimum charge is not understood");
        let per = number(field(card, "per").context("the card has no `per`")?)?;
        let small = Prices::read(field(card, "price").context("the card has no prices")?, per)?;
        let mut above = Vec::new();
        if let Some(Reply::Array(sizes)) = field(card, "above") {
            for size in sizes {
                let tokens = number(field(size, "tokens").context("a size without tokens")?)?;
                let prices = field(size, "price").context("a size without prices")?;
                let below = above.last().map_or(small, |(_, prices)| *prices);
                let prices = Prices::read(prices, per)?.or(below);
                above.push((u32::try_from(tokens).context("a size is too large")?, prices));
            }
        }
        Ok(Self { model: model.to_owned(), small, above })
    }

    /// The words that stand for an amount in a command.
    pub(crate) fn words(&self, tokens: Tokens) -> Vec<String> {
        let mut words = vec!["RATED".to_owned(), "MODEL".to_owned(), self.model.clone()];
        let mut add = |unit: &str, count: u32| {
            words.extend(["QTY".to_owned(), unit.to_owned(), count.to_string()]);
        };
        add("input_tokens", tokens.input);
        if tokens.cached > 0 {
            add("cache_read_tokens", tokens.cached);
        }
        add("output_tokens", tokens.output);
        words
    }

    /// What tokens cost: exact, then rounded up once.
    pub(crate) fn cost(&self, tokens: Tokens) -> Result<Amount> {
        let size = tokens.input.checked_add(tokens.cached).context("too many tokens")?;
        let above = self.above.iter().rev().find(|(over, _)| size > *over);
        let prices = above.map_or(self.small, |(_, prices)| *prices);
        let input = prices.input.context("the card has no price for input_tokens")?;
        let output = prices.output.context("the card has no price for output_tokens")?;
        let part = |price: i128, count: u32| price.checked_mul(i128::from(count));
        let sum = part(input, tokens.input)
            .zip(part(prices.cached.unwrap_or(input), tokens.cached))
            .zip(part(output, tokens.output))
            .and_then(|((input, cached), output)| input.checked_add(cached)?.checked_add(output));
        let sum = sum.context("the price is too large")?;
        let grain = 10_i128.pow(PRICE_DECIMALS - AMOUNT_DECIMALS);
        Ok(Amount::from_pico(sum / grain + i128::from(sum % grain != 0)))
    }
}

impl Prices {
    fn read(list: &Reply, per: i128) -> Result<Self> {
        let price = |unit: &str| field(list, unit).map(|price| each(price, per)).transpose();
        Ok(Self {
            input: price("input_tokens").context("input_tokens")?,
            cached: price("cache_read_tokens").context("cache_read_tokens")?,
            output: price("output_tokens").context("output_tokens")?,
        })
    }

    fn or(self, below: Self) -> Self {
        Self {
            input: self.input.or(below.input),
            cached: self.cached.or(below.cached),
            output: self.output.or(below.output),
        }
    }
}

/// What one costs: a price of `per`, or a map that says more.
fn each(price: &Reply, per: i128) -> Result<i128> {
    let (price, per) = match price {
        Reply::Text(price) => (price.as_str(), per),
        map => {
            let price = text(field(map, "price")).context("only prices of each are understood")?;
            (price, field(map, "per").map_or(Ok(per), number)?)
        }
    };
    let (whole, decimals) = price.split_once('.').unwrap_or((price, ""));
    let digits: i128 = format!("{whole}{decimals}").parse().context("a price is no decimal")?;
    let places = u32::try_from(decimals.len()).context("a price has too many decimals")?;
    let shift = PRICE_DECIMALS.checked_sub(places).context("a price is too fine")?;
    let scaled = digits.checked_mul(10_i128.pow(shift)).context("a price is too large")?;
    ensure!(per > 0 && scaled % per == 0, "a price of {per} is too fine");
    Ok(scaled / per)
}

/// A field of a map, which is a flat list here.
fn field<'a>(map: &'a Reply, name: &str) -> Option<&'a Reply> {
    let Reply::Array(items) = map else { return None };
    let pairs = items.chunks_exact(2);
    pairs
        .filter_map(|pair| Some((pair.first()?, pair.get(1)?)))
        .find_map(|(key, value)| matches!(key, Reply::Text(key) if key == name).then_some(value))
}

fn text(reply: Option<&Reply>) -> Option<&str> {
    match reply {
        Some(Reply::Text(text)) => Some(text),
        _ => None,
    }
}

fn number(reply: &Reply) -> Result<i128> {
    match reply {
        Reply::Integer(number) => Ok(i128::from(*number)),
        Reply::Text(number) => Ok(number.parse()?),
        other => Err(anyhow!("not a number: {other:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(parts: &[(&str, Reply)]) -> Reply {
        let part = |(name, value): &(&str, Reply)| [word(name), value.clone()];
        Reply::Array(parts.iter().flat_map(part).collect())
    }

    fn word(text: &str) -> Reply {
        Reply::Text(text.to_owned())
    }

    fn card() -> Reply {
        let above = map(&[("tokens", word("200")), ("price", map(&[("input_tokens", word("4"))]))]);
        map(&[
            ("model", word("m")),
            ("currency", word("USD")),
            ("per", Reply::Integer(1_000_000)),
            (
                "price",
                map(&[
                    ("cache_read_tokens", word("0.125")),
                    ("input_tokens", word("2.5")),
                    (
                        "output_tokens",
                        map(&[("price", word("0.00001")), ("per", Reply::Integer(1))]),
                    ),
                ]),
            ),
            ("above", Reply::Array(vec![above])),
        ])
    }

    #[test]
    fn costs_are_exact_and_rounded_up_once() {
        let model = RatedModel::read("m", "USD", &card()).unwrap();
        let cost = |input, cached, output| {
            model.cost(Tokens { input, cached, output }).unwrap().to_string()
        };
        assert_eq!(cost(100, 0, 1), "0.00026");
        assert_eq!(cost(100, 100, 0), "0.0002625");
        assert_eq!(cost(101, 100, 0), "0.0004165", "above 200 all input costs more");
        let fine = map(&[
            ("currency", word("USD")),
            ("per", Reply::Integer(1_000_000)),
            ("price", map(&[("input_tokens", word("0.0000001")), ("output_tokens", word("0"))])),
        ]);
        let fine = RatedModel::read("m", "USD", &fine).unwrap();
        let cost = |input| fine.cost(Tokens { input, ..Tokens::default() }).unwrap().pico();
        assert_eq!([cost(0), cost(1), cost(10), cost(11)], [0, 1, 1, 2]);
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        assert!(RatedModel::read("m", "EUR", &card()).is_err());
        assert!(RatedModel::read("m", "USD", &Reply::Error("NOPRICE".to_owned())).is_err());
        let tiers = map(&[("mode", word("graduated"))]);
        let card = map(&[
            ("currency", word("USD")),
            ("per", Reply::Integer(1)),
            ("price", map(&[("input_tokens", tiers)])),
        ]);
        assert!(RatedModel::read("m", "USD", &card).is_err());
    }
}
