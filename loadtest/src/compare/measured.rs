//! What a measurement found, and how measurements compare.

use std::time::Duration;

use serde::Serialize;

use crate::rounding::fraction;

/// How much of a wrong answer is kept.
const SHOWN_MAX: usize = 200;

/// Answers that do not say what they must.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Wrong {
    pub(crate) count: u64,
    pub(crate) first: Option<String>,
}

impl Wrong {
    pub(crate) fn add(&mut self, answer: &[u8]) {
        self.count += 1;
        self.first.get_or_insert_with(|| {
            let shown = answer.get(..SHOWN_MAX).unwrap_or(answer);
            shown.escape_ascii().to_string()
        });
    }
}

/// One server, one round. A command is an operation: an authorization and its capture are two.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Measured {
    pub(crate) operations: u64,
    pub(crate) operations_per_s: f64,
    pub(crate) p50_us: u64,
    pub(crate) p99_us: u64,
    /// None where the tool does not say.
    pub(crate) p999_us: Option<u64>,
    pub(crate) max_us: u64,
    /// Of all processes of the server; none where it cannot be told apart.
    pub(crate) server_cpu_us_per_operation: Option<f64>,
    pub(crate) server_cores: Option<f64>,
    pub(crate) generator_cores: Option<f64>,
    pub(crate) wrong: Wrong,
    #[serde(skip)]
    took: Duration,
}

impl Measured {
    pub(crate) fn new(operations: u64, took: Duration, wrong: Wrong) -> Self {
        Self {
            operations,
            operations_per_s: fraction(operations) / took.as_secs_f64(),
            p50_us: 0,
            p99_us: 0,
            p999_us: None,
            max_us: 0,
            server_cpu_us_per_operation: None,
            server_cores: None,
            generator_cores: None,
            wrong,
            took,
        }
    }

    pub(crate) fn latencies(mut self, p50: u64, p99: u64, p999: Option<u64>, max: u64) -> Self {
        (self.p50_us, self.p99_us, self.p999_us, self.max_us) = (p50, p99, p999, max);
        self
    }

    /// Processor time of the server and of the generator.
    pub(crate) fn processor(mut self, server: Duration, generator: Duration) -> Self {
        let us = server.as_secs_f64() * 1_000_000.0;
        let took = self.took.as_secs_f64();
        self.server_cpu_us_per_operation = Some(us / fraction(self.operations));
        self.server_cores = Some(server.as_secs_f64() / took);
        self.generator_cores = Some(generator.as_secs_f64() / took);
        self
    }
}

/// The middle of some values, and their ends.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) least: f64,
    pub(crate) most: f64,
}

impl Spread {
    /// None of no values.
    pub(crate) fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let upper = *values.get(values.len() / 2)?;
        let lower = *values.get((values.len() - 1) / 2)?;
        let (least, most) = (*values.first()?, *values.last()?);
        Some(Self { median: f64::midpoint(lower, upper), least, most })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_is_the_median_and_the_ends() {
        let spread = |values: &[f64]| Spread::of(values.iter().copied());
        let (median, least, most) = (2.0, 1.0, 9.0);
        assert_eq!(spread(&[9.0, 1.0, 2.0]), Some(Spread { median, least, most }));
        let median_of_four = spread(&[9.0, 1.0, 3.0, 2.0]).map(|spread| spread.median);
        assert_eq!(median_of_four, Some(2.5));
        assert_eq!(spread(&[]), None);
    }

    #[test]
    fn rates_and_costs_are_of_what_was_measured() {
        let measured = Measured::new(10_000, Duration::from_secs(2), Wrong::default())
            .processor(Duration::from_secs(1), Duration::from_millis(500));
        assert_eq!(Some(measured.operations_per_s), Some(5_000.0));
        assert_eq!(measured.server_cpu_us_per_operation, Some(100.0));
        assert_eq!((measured.server_cores, measured.generator_cores), (Some(0.5), Some(0.25)));
    }

    #[test]
    fn wrong_answers_are_counted_and_the_first_is_kept() {
        let mut wrong = Wrong::default();
        wrong.add(b"-ERR one\r\n");
        wrong.add(b"-ERR two\r\n");
        assert_eq!((wrong.count, wrong.first.as_deref()), (2, Some("-ERR one\\r\\n")));
    }
}
