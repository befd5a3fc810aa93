//! Version 2 of snapshots: version 1, and what prices add to it. Frozen like it.

use super::v1::{CoreV1, PageV1};
use super::{Snapshot, SnapshotError};
use crate::codec::window;
use crate::domain::amount::Amount;
use crate::domain::counters::Count;
use crate::domain::hold::{Hold, HoldPage};
use crate::domain::id::{Model, Unit, Variant, WalletId};
use crate::domain::parts::Core;
use crate::domain::price_tag::PricePin;
use crate::domain::rating::{Counter, PriceVersion};
use crate::domain::time::Timestamp;
use rkyv::{Archive, Deserialize, Serialize};

/// A wallet without what lies on pages.
#[derive(Debug, Archive, Serialize, Deserialize)]
pub(super) struct CoreV2 {
    core: CoreV1,
    counts: Vec<CountV2>,
    pins: Vec<PinV2>,
}

/// The holds of a page.
#[derive(Debug, Archive, Serialize, Deserialize)]
pub(super) struct PageV2 {
    page: PageV1,
    pins: Vec<PinV2>,
}

/// A running quantity.
#[derive(Debug, Archive, Serialize, Deserialize)]
struct CountV2 {
    card: String,
    unit: String,
    /// 0 day, 1 month.
    window: u8,
    since: i64,
    quantity: i128,
}

/// The prices that a hold pins.
#[derive(Debug, Archive, Serialize, Deserialize)]
struct PinV2 {
    hold: u64,
    version: u64,
    model: String,
    variant: Option<String>,
}

/// What was read, or why not.
type Read<T> = Result<T, SnapshotError>;

fn impossible<E>(what: &'static str) -> impl FnOnce(E) -> SnapshotError {
    move |_| SnapshotError::Impossible(what)
}

/// Whether version 1 does not say it all.
pub(super) fn is_needed(core: &Core, holds: &[Hold]) -> bool {
    !core.counts.is_empty() || holds.iter().any(|hold| hold.pin.is_some())
}

impl CoreV2 {
    pub(super) fn of(snapshot: &Snapshot) -> Self {
        Self {
            core: CoreV1::of(snapshot),
            counts: snapshot.core.counts.iter().map(CountV2::of).collect(),
            pins: snapshot.holds.iter().filter_map(PinV2::of).collect(),
        }
    }

    pub(super) fn read(self) -> Read<Snapshot> {
        let mut snapshot = self.core.read()?;
        snapshot.core.counts = self.counts.into_iter().map(CountV2::read).collect::<Read<_>>()?;
        pin(&mut snapshot.holds, self.pins)?;
        Ok(snapshot)
    }
}

impl PageV2 {
    pub(super) fn of<'h>(
        wallet: &WalletId,
        page: HoldPage,
        holds: impl Iterator<Item = &'h Hold> + Clone,
    ) -> Self {
        let pins = holds.clone().filter_map(PinV2::of).collect();
        Self { page: PageV1::of(wallet, page, holds), pins }
    }

    pub(super) fn read(self, wallet: &WalletId, page: HoldPage) -> Read<Vec<Hold>> {
        let mut holds = self.page.read(wallet, page)?;
        pin(&mut holds, self.pins)?;
        Ok(holds)
    }
}

/// Gives holds the prices that they pin; both are in the order of their numbers.
fn pin(holds: &mut [Hold], pins: Vec<PinV2>) -> Read<()> {
    let mut holds = holds.iter_mut();
    for pinned in pins {
        let hold = holds.find(|hold| hold.number.0 == pinned.hold);
        let hold = hold.ok_or(SnapshotError::Impossible("price of a hold"))?;
        hold.pin = Some(Box::new(pinned.read()?));
    }
    Ok(())
}

impl CountV2 {
    fn of(count: &Count) -> Self {
        Self {
            card: count.counter.card.as_str().to_owned(),
            unit: count.counter.unit.as_str().to_owned(),
            window: window::code(count.counter.window),
            since: count.since.millis(),
            quantity: count.quantity.pico(),
        }
    }

    fn read(self) -> Read<Count> {
        Ok(Count {
            counter: Counter {
                card: Model::new(self.card.as_bytes()).map_err(impossible("counter"))?,
                unit: Unit::new(self.unit.as_bytes()).map_err(impossible("counter"))?,
                window: window::of(self.window).ok_or(SnapshotError::Impossible("window"))?,
            },
            since: Timestamp::from_millis(self.since),
            quantity: Amount::from_pico(self.quantity),
        })
    }
}

impl PinV2 {
    fn of(hold: &Hold) -> Option<Self> {
        let pin = hold.pin.as_ref()?;
        Some(Self {
            hold: hold.number.0,
            version: pin.version.number(),
            model: pin.model.as_str().to_owned(),
            variant: pin.variant.as_ref().map(|variant| variant.as_str().to_owned()),
        })
    }

    fn read(self) -> Read<PricePin> {
        let variant = self.variant.map(|variant| Variant::new(variant.as_bytes()));
        Ok(PricePin {
            version: PriceVersion::of_number(self.version),
            model: Model::new(self.model.as_bytes()).map_err(impossible("model"))?,
            variant: variant.transpose().map_err(impossible("variant"))?,
        })
    }
}
