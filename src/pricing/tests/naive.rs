//! A naive account of prices: big integers that count 10^-100, no regard for speed, nothing of the
//! code that it is held against.

use num_bigint::BigInt;

const PLACES: u32 = 100;

/// A number, as a count of 10^-100.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Big(pub(super) BigInt);

fn ten(places: u32) -> BigInt {
    BigInt::from(10).pow(places)
}

impl Big {
    pub(super) fn zero() -> Self {
        Self(BigInt::ZERO)
    }

    /// Reads `-12.5`.
    pub(super) fn read(text: &str) -> Self {
        let (sign, digits) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let mantissa: BigInt = format!("{whole}{fraction}").parse().unwrap();
        Self(mantissa * sign * ten(PLACES - u32::try_from(fraction.len()).unwrap()))
    }

    pub(super) fn plus(&self, other: &Self) -> Self {
        Self(&self.0 + &other.0)
    }

    pub(super) fn minus(&self, other: &Self) -> Self {
        Self(&self.0 - &other.0)
    }

    pub(super) fn times(&self, other: &Self) -> Self {
        let product = &self.0 * &other.0;
        assert_eq!(&product % ten(PLACES), BigInt::ZERO, "100 places are too few");
        Self(product / ten(PLACES))
    }

    /// How often `size` has to be taken to reach it.
    pub(super) fn started(&self, size: &Self) -> Self {
        let up = (&self.0 + &size.0 - BigInt::from(1)) / &size.0;
        Self(up * ten(PLACES))
    }

    /// Up to the next 10^-12; of what is not negative.
    pub(super) fn rounded_up(&self) -> Self {
        let grain = ten(PLACES - 12);
        Self((&self.0 + &grain - BigInt::from(1)) / &grain * &grain)
    }
}

#[derive(Debug, Clone)]
pub(super) enum Price {
    Each(String),
    Package(String, String),
    /// Whether it is by volume, over what, and ends with prices; the last end is empty.
    Tiers(bool, &'static str, Vec<(String, String)>),
}

/// A card as it was rolled, to be written as a file and to be reckoned with.
#[derive(Debug, Clone)]
pub(super) struct Rolled {
    pub(super) prices: Vec<(&'static str, Price)>,
    pub(super) above: Option<(u32, Vec<(&'static str, Price)>)>,
    pub(super) minimum: Option<String>,
    pub(super) markup: Option<(String, String)>,
}

fn costs_as(unit: &str) -> &str {
    match unit {
        "cache_read_tokens" | "cache_write_tokens" => "input_tokens",
        "reasoning_tokens" => "output_tokens",
        unit => unit,
    }
}

impl Price {
    fn text(&self) -> String {
        match self {
            Self::Each(price) => format!("{{ price = \"{price}\", per = 1000 }}"),
            Self::Package(price, size) => {
                format!("{{ package = \"{price}\", size = \"{size}\" }}")
            }
            Self::Tiers(is_volume, over, tiers) => {
                let tier = |(end, price): &(String, String)| match end.as_str() {
                    "" => format!("{{ price = \"{price}\" }}"),
                    end => format!("{{ up_to = \"{end}\", price = \"{price}\" }}"),
                };
                let tiers: Vec<_> = tiers.iter().map(tier).collect();
                let mode = if *is_volume { "volume" } else { "graduated" };
                format!(
                    "{{ mode = \"{mode}\", over = \"{over}\", tiers = [{}] }}",
                    tiers.join(", ")
                )
            }
        }
    }

    /// The cost of so many, of which some were used before.
    fn cost(&self, used: &Big, before: &Big) -> Big {
        match self {
            Self::Each(price) => Big::read(price).times(&Big::read("0.001")).times(used),
            Self::Package(price, size) => Big::read(price).times(&used.started(&Big::read(size))),
            Self::Tiers(is_volume, over, tiers) => {
                let nothing = Big::zero();
                let before = if *over == "request" { &nothing } else { before };
                let after = before.plus(used);
                let (mut cost, mut lower) = (Big::zero(), Big::zero());
                for (end, price) in tiers {
                    let upper = if end.is_empty() { after.clone() } else { Big::read(end) };
                    let is_last = end.is_empty() || after <= upper;
                    if *is_volume && is_last {
                        return Big::read(price).times(used);
                    }
                    let (from, to) =
                        (lower.clone().max(before.clone()), upper.clone().min(after.clone()));
                    if !is_volume && to > from {
                        cost = cost.plus(&Big::read(price).times(&to.minus(&from)));
                    }
                    if is_last {
                        break;
                    }
                    lower = upper;
                }
                cost
            }
        }
    }
}

impl Rolled {
    pub(super) fn text(&self) -> String {
        let prices = |prices: &[(&str, Price)]| {
            let prices: Vec<_> =
                prices.iter().map(|(unit, price)| format!("{unit} = {}", price.text())).collect();
            format!("{{ {} }}", prices.join(", "))
        };
        let mut parts = Vec::new();
        if let Some((percent, fixed)) = &self.markup {
            parts.push(format!(
                "[[markup]]\ncurrency = \"USD\"\npercent = \"{percent}\"\nfixed = \"{fixed}\""
            ));
        }
        parts.push("[[card]]\nmodel = \"m\"\ncurrency = \"USD\"".to_owned());
        parts.push(format!("price = {}", prices(&self.prices)));
        if let Some((tokens, above)) = &self.above {
            parts.push(format!("above = [{{ tokens = {tokens}, price = {} }}]", prices(above)));
        }
        let minimum = self.minimum.iter().filter(|minimum| Big::read(minimum) > Big::zero());
        parts.extend(minimum.map(|minimum| format!("minimum = \"{minimum}\"")));
        parts.join("\n")
    }

    /// Cost and amount, both rounded up; `None` when a unit has no price.
    pub(super) fn reckon(&self, usage: &[(&str, String)], before: &str) -> Option<(Big, Big)> {
        let sides = ["input_tokens", "cache_read_tokens", "cache_write_tokens"];
        let size = usage.iter().filter(|(unit, _)| sides.contains(unit));
        let size = size.fold(Big::zero(), |sum, (_, n)| sum.plus(&Big::read(n)));
        let mut list = self.prices.clone();
        if let Some((tokens, above)) = &self.above
            && size > Big::read(&tokens.to_string())
        {
            list.retain(|(unit, _)| above.iter().all(|(other, _)| other != unit));
            list.extend(above.iter().cloned());
        }
        let has = |unit: &str| list.iter().any(|(name, _)| *name == unit);
        let mut usage = usage.to_vec();
        if has("requests") && usage.iter().all(|(unit, _)| *unit != "requests") {
            usage.push(("requests", "1".to_owned()));
        }
        let mut pools = Vec::<(&str, Big)>::new();
        for (unit, quantity) in &usage {
            let priced_as = if has(unit) { *unit } else { costs_as(unit) };
            if !has(priced_as) {
                return None;
            }
            match pools.iter_mut().find(|(name, _)| *name == priced_as) {
                Some((_, sum)) => *sum = sum.plus(&Big::read(quantity)),
                None => pools.push((priced_as, Big::read(quantity))),
            }
        }
        let mut cost = Big::zero();
        for (unit, used) in &pools {
            let price = &list.iter().find(|(name, _)| name == unit).unwrap().1;
            cost = cost.plus(&price.cost(used, &Big::read(before)));
        }
        let mut price = cost.clone();
        if pools.iter().any(|(_, used)| *used > Big::zero()) {
            if let Some((percent, fixed)) = &self.markup {
                let share = Big::read(percent).times(&Big::read("0.01"));
                price = price.plus(&cost.times(&share)).plus(&Big::read(fixed));
            }
            if let Some(minimum) = &self.minimum {
                price = price.max(Big::read(minimum));
            }
        }
        Some((cost.rounded_up(), price.rounded_up()))
    }
}
