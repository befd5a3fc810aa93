//! Walks in slices against a naive one, while a checkpoint archives what they have not come to.

use super::*;
use crate::codec::record::Record;
use crate::domain::id::{OpId, WalletId};
use crate::domain::ledger::{LedgerPage, LedgerQuery, LedgerRow, RowKind};
use crate::store::history::History;
use crate::store::memory_state::MemoryState;
use crate::store::tail::TailRecords;
use crate::store::walk::{EventWalk, LedgerWalk, Walk};
use crate::store::{Journal as _, JournalReader};

/// Walks in slices of so many steps; `between` happens after each.
fn in_slices<W: Walk>(
    mut walk: W,
    history: &History,
    steps: usize,
    mut between: impl FnMut(),
) -> W::Found {
    loop {
        if let Some(found) = walk.go_on(history, steps).unwrap() {
            return found;
        }
        between();
    }
}

/// The rows that a query wants of a wallet's records.
fn rows(records: &[&Record], query: &LedgerQuery) -> Vec<LedgerRow> {
    let mut page = LedgerPage::new(query.clone());
    let mut newest_first = records.iter().rev();
    let _ = newest_first
        .try_for_each(|record| page.take(record.seq, &record.event, record.sums.balances()));
    page.into_rows()
}

/// A query, some of them for what may not be there.
fn query(world: &mut World, records: &[&Record]) -> LedgerQuery {
    let some = |world: &mut World| {
        let any = usize::try_from(world.below(1_000)).unwrap() % records.len().max(1);
        records.get(any).copied().filter(|_| world.below(3) == 0)
    };
    let kinds: &[&[RowKind]] = &[&[], &[], &[RowKind::Charged], &[RowKind::Withdrawn]];
    LedgerQuery {
        count: usize::try_from(1 + world.below(30)).unwrap(),
        before: some(world).map(|record| record.seq),
        from: some(world).map(|record| record.event.at),
        to: some(world).map(|record| record.event.at),
        kinds: kinds[usize::try_from(world.below(4)).unwrap()],
        hold: some(world).and_then(|record| record.event.hold().cloned()),
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 6,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    /// A ledger was walked at one go, and whoever else asked for something waited as long.
    #[test]
    fn slices_of_any_size_give_what_a_naive_walk_gives(seed: u64, steps in 1_usize..20) {
        let folder = tempfile::tempdir().unwrap();
        let mut archive = open(folder.path());
        let mut world = World::new(seed);
        for _ in 0..3 {
            (0..80).for_each(|_| world.write());
            world.archive(&mut archive);
        }
        (0..160).for_each(|_| world.write());
        let (state, tail) = (Arc::new(MemoryState::default()), TailRecords::default());
        let reader: Arc<dyn JournalReader> = world.journal.reader();
        let history = History::new(state, Arc::clone(&reader), archive.view(), tail, secret());
        let all = world.records.clone();
        let mut until_checkpoint = world.below(60);
        for number in 0..12 {
            let wallet = WalletId::new(format!("w{number}").as_bytes()).unwrap();
            let mut of_wallet: Vec<_> =
                all.iter().filter(|(_, record)| record.wallet == wallet).collect();
            of_wallet.sort_by_key(|(_, record)| record.seq);
            let Some(&(&head, _)) = of_wallet.last() else { continue };
            let records: Vec<_> = of_wallet.iter().map(|(_, record)| *record).collect();
            let mut between = |world: &World| {
                until_checkpoint = until_checkpoint.wrapping_sub(1);
                if until_checkpoint == 0 {
                    world.archive(&mut archive);
                    history.show(archive.view());
                    archive.tails().iter().for_each(|tail| reader.trim(tail.next).unwrap());
                }
            };
            for _ in 0..6 {
                let query = query(&mut world, &records);
                let walk = LedgerWalk::new(&history, wallet.clone(), head, query.clone());
                let found = in_slices(walk, &history, steps, || between(&world));
                prop_assert_eq!(found, rows(&records, &query), "{:?}", query);
            }
            for record in records.iter().step_by(5) {
                let Some(op) = record.event.op.clone() else { continue };
                let walk = EventWalk::new(&history, &wallet, head, op.clone()).unwrap();
                let found = in_slices(walk, &history, steps, || between(&world)).unwrap();
                prop_assert_eq!((&found.wallet, found.event.op), (&wallet, Some(op)));
            }
            let stranger = OpId::new(b"stranger").unwrap();
            let walk = EventWalk::new(&history, &wallet, head, stranger).unwrap();
            prop_assert_eq!(in_slices(walk, &history, steps, || between(&world)), None);
        }
    }
}
