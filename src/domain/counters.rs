//! A wallet's running quantities: what it has used of a unit in a day or a month.
//!
//! A window is the date with which it begins in the wallet's time zone, written as midnight of that date
//! in UTC: so it stays the same window when the wallet moves to another zone. The latest few windows of
//! a counter are kept, for usage that is told after its day or month has ended.

use super::amount::Overflow;
use super::id::Zone;
use super::price_tag::Counted;
use super::rating::{CountWindow, Counter, Running};
use super::time::Timestamp;
use super::usage::Quantity;
use jiff::civil;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use std::sync::LazyLock;

/// How many windows of a counter are kept: usage is told late by hours, not by days.
const WINDOWS_KEPT: usize = 3;

/// The running quantities of a wallet, by counter and window.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counters(Vec<Count>);

/// A running quantity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Count {
    /// What is counted.
    pub counter: Counter,
    /// The window.
    pub since: Timestamp,
    /// How much.
    pub quantity: Quantity,
}

impl Counters {
    /// Counters as they were; none when one is there twice.
    pub(super) fn restore(mut counts: Vec<Count>) -> Option<Self> {
        counts.sort_by(|a, b| a.place().cmp(&b.place()));
        let is_once = counts.windows(2).all(|pair| match pair {
            [a, b] => a.place() != b.place(),
            _ => true,
        });
        is_once.then_some(Self(counts))
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Count> {
        self.0.iter()
    }

    fn find(&self, counter: &Counter, window: Timestamp) -> Result<usize, usize> {
        self.0.binary_search_by(|count| count.place().cmp(&(counter, window)))
    }

    /// How much was counted in a window.
    pub(super) fn so_far(&self, counter: &Counter, window: Timestamp) -> Quantity {
        let count = self.find(counter, window).ok().and_then(|place| self.0.get(place));
        count.map_or(Quantity::ZERO, |count| count.quantity)
    }

    /// Adds what was counted. Windows that are older than those that are kept count no more.
    pub(super) fn add(&mut self, counted: &Counted) -> Result<(), Overflow> {
        let Counted { counter, since, added, .. } = counted;
        match self.find(counter, *since) {
            Ok(place) => {
                if let Some(count) = self.0.get_mut(place) {
                    count.quantity = count.quantity.plus(*added)?;
                }
            }
            Err(place) => {
                let count = Count { counter: counter.clone(), since: *since, quantity: *added };
                self.0.insert(place, count);
                self.drop_oldest(counter);
            }
        }
        Ok(())
    }

    /// Keeps no more windows of a counter than are kept.
    fn drop_oldest(&mut self, counter: &Counter) {
        let is_of = |count: &Count| count.counter == *counter;
        let kept = self.0.iter().filter(|count| is_of(count)).count();
        if kept > WINDOWS_KEPT
            && let Some(oldest) = self.0.iter().position(is_of)
        {
            self.0.remove(oldest);
        }
    }
}

impl Count {
    /// Its place among all: by counter, then by window.
    const fn place(&self) -> (&Counter, Timestamp) {
        (&self.counter, self.since)
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

/// The window that runs at a time, in a time zone.
pub(super) fn window_start(window: CountWindow, zone: &Zone, at: Timestamp) -> Timestamp {
    static ZONES: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);
    let start = || {
        let zone = ZONES.get(zone.as_str()).unwrap_or(TimeZone::UTC);
        let now = jiff::Timestamp::from_millisecond(at.millis()).ok()?;
        let date = zone.to_datetime(now).date();
        let first = match window {
            CountWindow::Day => date,
            CountWindow::Month => date.first_of_month(),
        };
        let midnight = first.to_datetime(civil::Time::midnight());
        let begins = TimeZone::UTC.to_ambiguous_timestamp(midnight).compatible().ok()?;
        Some(Timestamp::from_millis(begins.as_millisecond()))
    };
    // A time that no calendar has stands for itself: nothing was counted in it.
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
    fn windows_are_dates_of_the_wallets_zone() {
        let vienna = Zone::new(b"Europe/Vienna").unwrap();
        let utc = Zone::new(b"UTC").unwrap();
        let now = at("2026-03-31T23:30:00Z");
        assert_eq!(window_start(CountWindow::Day, &utc, now), at("2026-03-31T00:00:00Z"));
        assert_eq!(window_start(CountWindow::Month, &utc, now), at("2026-03-01T00:00:00Z"));
        // Half past one of April 1st there, in summer time.
        assert_eq!(window_start(CountWindow::Day, &vienna, now), at("2026-04-01T00:00:00Z"));
        assert_eq!(window_start(CountWindow::Month, &vienna, now), at("2026-04-01T00:00:00Z"));
        let before = at("2026-03-31T21:59:59Z");
        assert_eq!(window_start(CountWindow::Month, &vienna, before), at("2026-03-01T00:00:00Z"));
    }

    /// Windows began at a moment and only the latest was kept: a wallet that moved to another zone lost
    /// its count, and late usage of yesterday cost as if nothing had been used.
    #[test]
    fn late_usage_counts_in_its_own_window_and_old_windows_go() {
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
            let shown = |count: &Count| (count.since.millis(), count.quantity.pico());
            counters.iter().map(shown).collect::<Vec<_>>()
        };
        assert_eq!(add(100, 5), [(100, 5)]);
        assert_eq!(add(200, 2), [(100, 5), (200, 2)]);
        assert_eq!(add(100, 1), [(100, 6), (200, 2)], "what comes late from the last window");
        assert_eq!(add(300, 1), [(100, 6), (200, 2), (300, 1)]);
        assert_eq!(add(400, 1), [(200, 2), (300, 1), (400, 1)]);
        assert_eq!(add(50, 9), [(200, 2), (300, 1), (400, 1)], "too old to count");
        let restored = Counters::restore(counters.iter().cloned().collect()).unwrap();
        assert_eq!(restored, counters);
    }
}
