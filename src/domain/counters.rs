//! A wallet's running quantities: what it has used of a unit since the day or the month began.

use super::amount::Overflow;
use super::id::Zone;
use super::price_tag::Counted;
use super::rating::{CountWindow, Counter, Running};
use super::time::Timestamp;
use super::usage::Quantity;
use jiff::civil;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use std::sync::LazyLock;

/// The running quantities of a wallet, by counter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counters(Vec<Count>);

/// A running quantity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Count {
    /// What is counted.
    pub counter: Counter,
    /// When the window began in which it was counted last.
    pub since: Timestamp,
    /// How much.
    pub quantity: Quantity,
}

impl Counters {
    /// Counters as they were; none when one is there twice.
    pub(super) fn restore(mut counts: Vec<Count>) -> Option<Self> {
        counts.sort_by(|a, b| a.counter.cmp(&b.counter));
        let is_once = counts.windows(2).all(|pair| match pair {
            [a, b] => a.counter != b.counter,
            _ => true,
        });
        is_once.then_some(Self(counts))
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Count> {
        self.0.iter()
    }

    /// How much was counted in the window that began then.
    pub(super) fn so_far(&self, counter: &Counter, since: Timestamp) -> Quantity {
        let place = self.0.binary_search_by(|count| count.counter.cmp(counter));
        let count = place.ok().and_then(|place| self.0.get(place));
        count.filter(|count| count.since == since).map_or(Quantity::ZERO, |count| count.quantity)
    }

    /// Adds what was counted. A window that is over counts no more.
    pub(super) fn add(&mut self, counted: &Counted) -> Result<(), Overflow> {
        let Counted { counter, since, added, .. } = counted;
        match self.0.binary_search_by(|count| count.counter.cmp(counter)) {
            Ok(place) => {
                let Some(count) = self.0.get_mut(place) else { return Ok(()) };
                if *since > count.since {
                    (count.since, count.quantity) = (*since, *added);
                } else if *since == count.since {
                    count.quantity = count.quantity.plus(*added)?;
                }
            }
            Err(place) => {
                let count = Count { counter: counter.clone(), since: *since, quantity: *added };
                self.0.insert(place, count);
            }
        }
        Ok(())
    }
}

/// The running quantities of a wallet at a time.
#[derive(Debug, Clone, Copy)]
pub(super) struct RunningAt<'a> {
    pub(super) counters: &'a Counters,
    pub(super) zone: &'a Zone,
    pub(super) at: Timestamp,
}

impl Running for RunningAt<'_> {
    fn so_far(&self, counter: &Counter) -> Quantity {
        self.counters.so_far(counter, window_start(counter.window, self.zone, self.at))
    }
}

/// When the window began that runs at a time, in a time zone.
pub(super) fn window_start(window: CountWindow, zone: &Zone, at: Timestamp) -> Timestamp {
    static ZONES: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);
    let start = || {
        let zone = ZONES.get(zone.as_str()).unwrap_or(TimeZone::UTC);
        let now = jiff::Timestamp::from_millisecond(at.millis()).ok()?;
        let date: civil::Date = zone.to_datetime(now).date();
        let first = match window {
            CountWindow::Day => date,
            CountWindow::Month => date.first_of_month(),
        };
        let midnight = first.to_datetime(civil::Time::midnight());
        let begins = zone.to_ambiguous_timestamp(midnight).compatible().ok()?;
        Some(Timestamp::from_millis(begins.as_millisecond()))
    };
    // A time that no calendar has stands for itself: nothing was counted since.
    start().unwrap_or(at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::id::{Model, Unit};

    fn at(text: &str) -> Timestamp {
        Timestamp::from_millis(text.parse::<jiff::Timestamp>().unwrap().as_millisecond())
    }

    #[test]
    fn windows_begin_at_midnight_of_the_wallets_zone() {
        let vienna = Zone::new(b"Europe/Vienna").unwrap();
        let utc = Zone::new(b"UTC").unwrap();
        let now = at("2026-03-31T23:30:00Z");
        assert_eq!(window_start(CountWindow::Day, &utc, now), at("2026-03-31T00:00:00Z"));
        assert_eq!(window_start(CountWindow::Month, &utc, now), at("2026-03-01T00:00:00Z"));
        // Half past one of April 1st there, in summer time.
        assert_eq!(window_start(CountWindow::Day, &vienna, now), at("2026-03-31T22:00:00Z"));
        assert_eq!(window_start(CountWindow::Month, &vienna, now), at("2026-03-31T22:00:00Z"));
        // The month that changes its clocks began in winter time.
        let before = at("2026-03-31T21:59:59Z");
        assert_eq!(window_start(CountWindow::Month, &vienna, before), at("2026-02-28T23:00:00Z"));
        // Midnight does not exist everywhere: the day begins when it is first there.
        let beirut = Zone::new(b"Asia/Beirut").unwrap();
        let gap = at("2024-03-31T12:00:00Z");
        assert_eq!(window_start(CountWindow::Day, &beirut, gap), at("2024-03-30T22:00:00Z"));
    }

    #[test]
    fn a_window_that_is_over_counts_no_more() {
        let counter = Counter {
            card: Model::new(b"m").unwrap(),
            unit: Unit::new(b"input_tokens").unwrap(),
            window: CountWindow::Day,
        };
        let mut counters = Counters::default();
        let mut add = |since, added| {
            let entry = Counted {
                counter: counter.clone(),
                since: Timestamp::from_millis(since),
                before: Quantity::ZERO,
                added: Quantity::from_pico(added),
            };
            counters.add(&entry).unwrap();
            counters.iter().map(|count| (count.since.millis(), count.quantity.pico())).next()
        };
        assert_eq!(add(100, 5), Some((100, 5)));
        assert_eq!(add(100, 2), Some((100, 7)));
        assert_eq!(add(50, 9), Some((100, 7)), "what comes late from the last window");
        assert_eq!(add(200, 1), Some((200, 1)), "the next window begins anew");
    }
}
