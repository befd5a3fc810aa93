//! The search for the highest rate that a bound allows: up in steps until one fails, then halving
//! the gap. Pure.

use serde::Serialize;

use crate::latencies::Percentiles;

/// One step: a rate that was tried, and what came of it.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Step {
    pub(crate) rate: f64,
    pub(crate) accepted_per_s: f64,
    pub(crate) latency: Percentiles,
    /// Its 99th percentile stayed under the bound, nothing was refused, and all of it was sent.
    pub(crate) is_good: bool,
    /// Why not, in words.
    pub(crate) why_not: Option<String>,
}

/// The search.
#[derive(Debug)]
pub(crate) struct Ramp {
    factor: f64,
    halvings: u32,
    first: f64,
    good: Option<f64>,
    bad: Option<f64>,
}

impl Ramp {
    pub(crate) const fn new(first: f64, factor: f64, halvings: u32) -> Self {
        Self { factor, halvings, first, good: None, bad: None }
    }

    /// The rate to try next; none when the search is over.
    pub(crate) fn next(&mut self) -> Option<f64> {
        match (self.good, self.bad) {
            (None, None) => Some(self.first),
            (Some(good), None) => Some(good * self.factor),
            (good, Some(bad)) => {
                self.halvings = self.halvings.checked_sub(1)?;
                Some(f64::midpoint(good.unwrap_or_default(), bad))
            }
        }
    }

    /// What came of a rate.
    pub(crate) fn tell(&mut self, rate: f64, is_good: bool) {
        if is_good {
            self.good = Some(rate);
        } else {
            self.bad = Some(rate);
        }
    }

    /// The highest rate that was good.
    pub(crate) const fn highest(&self) -> Option<f64> {
        self.good
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The rates that are tried on a server that is good up to `most`, and the highest good one.
    fn search(first: f64, most: f64) -> (Vec<f64>, Option<f64>) {
        let mut ramp = Ramp::new(first, 2.0, 3);
        let mut tried = Vec::new();
        while let Some(rate) = ramp.next() {
            tried.push(rate);
            ramp.tell(rate, rate <= most);
        }
        (tried, ramp.highest())
    }

    #[test]
    fn goes_up_until_it_fails_and_then_halves_the_gap() {
        let (tried, highest) = search(100.0, 1_050.0);
        assert_eq!(tried, [100.0, 200.0, 400.0, 800.0, 1_600.0, 1_200.0, 1_000.0, 1_100.0]);
        assert_eq!(highest, Some(1_000.0));
    }

    #[test]
    fn goes_down_when_the_first_rate_is_too_much() {
        assert_eq!(search(100.0, 30.0), (vec![100.0, 50.0, 25.0, 37.5], Some(25.0)));
        assert_eq!(search(100.0, 1.0).1, None);
    }
}
