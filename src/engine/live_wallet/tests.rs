//! That a wallet with very many holds is kept in parts as it would be at once.

use super::*;
use crate::codec::request::{self, Parsed};
use crate::codec::resp::{Limits, Parser, write_request};
use crate::domain::rating::NoPrices;
use crate::engine::batch::FillingBatch;
use crate::store::Journal as _;
use crate::store::archive::Secret;
use crate::store::history::History;
use crate::store::memory::MemoryJournal;
use crate::store::memory_state::MemoryState;
use crate::store::state::State;
use crate::store::tail::TailRecords;
use crate::store::writer::Tail;
use proptest::prelude::*;

/// A wallet in a shard of its own, with a state that keeps it.
struct Scene {
    live: LiveWallet,
    records: FillingBatch,
    state: Arc<MemoryState>,
    now: i64,
}

impl Scene {
    fn new(holds: usize) -> Self {
        let live = LiveWallet::unopened(WalletId::new(b"w").unwrap());
        let records = FillingBatch::after(Tail::empty(0));
        let mut scene = Self { live, records, state: Arc::default(), now: 1_000 };
        scene.ask("WALLET.OPEN w CURRENCY USD");
        scene.ask("TOPUP w 1000000 ID t");
        for number in 0..holds {
            scene.ask(&format!("AUTHORIZE w 1 ID h{number}"));
        }
        scene
    }

    fn ask(&mut self, line: &str) {
        let mut bytes = Vec::new();
        write_request(&mut bytes, &line.split(' ').collect::<Vec<_>>());
        let mut parser = Parser::new(Limits::default());
        parser.next(&bytes).unwrap();
        let parsed = request::parse(parser.args(&bytes), &request::Rules::default());
        let Ok(Parsed::Wallet { request, .. }) = parsed else { panic!("{line}") };
        self.now += 1;
        let now = Timestamp::from_millis(self.now);
        let rules = Rules::default();
        self.live.execute(&request, now, &rules, &NoPrices, &mut self.records).unwrap();
    }

    /// Keeps the wallet in parts of so many pages; between them something happens.
    fn keep(&mut self, limit: usize, mut between: impl FnMut(&mut Self)) -> usize {
        let mut parts = 0;
        while let Some(rows) = self.live.some_pages(limit).unwrap() {
            assert!(rows.len() <= limit, "a part is as large as it may be");
            for row in &rows {
                self.state.put(row).unwrap();
            }
            parts += 1;
            between(self);
        }
        let rows = self.live.snapshot(&Rules::default(), &mut Debts::default()).unwrap();
        for row in &rows {
            self.state.put(row).unwrap();
        }
        parts
    }

    /// The wallet as the state has it.
    fn kept(&self) -> Wallet {
        let journal = MemoryJournal::default().reader();
        let state: Arc<dyn State> = Arc::<MemoryState>::clone(&self.state);
        let secret = Secret::new([0; 16]);
        let history = History::new(state, journal, Arc::default(), TailRecords::default(), secret);
        history.take_up(self.live.id()).unwrap().expect("it is kept").wallet
    }

    fn check(&self) {
        let kept = self.kept();
        let live = self.live.wallet().unwrap();
        assert_eq!(kept.core(), live.core());
        assert_eq!(kept.holds(), live.holds());
    }
}

/// A busy wallet with very many holds changed its pages faster than it gave them: no checkpoint was ever
/// complete, and journal and memory grew without end.
#[test]
fn a_wallet_that_changes_faster_than_it_is_kept_is_kept_all_the_same() {
    let mut scene = Scene::new(2_000);
    let pages = scene.live.wallet().unwrap().holds().pages().len();
    let mut asked = 0;
    let parts = scene.keep(2, |scene| {
        for hold in (0..2_000).step_by(20) {
            asked += 1;
            scene.ask(&format!("EXTEND w h{hold} 0.000001 ID e{asked}"));
        }
        assert!(asked < 100_000, "it never ends");
    });
    assert!(parts >= pages / 2 && parts <= pages + 1, "{parts} parts of {pages} pages");
    scene.check();
    assert_eq!(scene.keep(pages + 1, |_| {}), 0, "the next one begins anew");
    scene.check();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    /// What changes between two parts is in the snapshot, whichever page it is on.
    #[test]
    fn parts_come_to_the_same(
        holds in 0_usize..500,
        limit in 1_usize..6,
        ended in prop::collection::vec((0_usize..500, 0_usize..3), 0..40),
    ) {
        let mut scene = Scene::new(holds);
        let mut ended = ended.into_iter().enumerate();
        let mut between = |scene: &mut Scene| {
            if let Some((number, (hold, what))) = ended.next() {
                scene.ask(&match what {
                    0 => format!("VOID w h{hold}"),
                    1 => format!("CAPTURE w h{hold} 0.5 ID c{number} KEEP"),
                    _ => format!("AUTHORIZE w 1 ID n{number}"),
                });
            }
        };
        scene.keep(limit, &mut between);
        scene.check();
        // Then only what changed, and what becomes of pages when few holds are left.
        between(&mut scene);
        scene.keep(limit, &mut between);
        scene.check();
        for hold in 0..holds.saturating_sub(10) {
            scene.ask(&format!("VOID w h{hold}"));
        }
        scene.keep(limit, &mut between);
        scene.check();
    }
}

#[test]
fn a_snapshot_of_many_pages_is_given_in_parts() {
    let mut scene = Scene::new(500);
    assert!(scene.keep(4, |_| {}) >= 3);
    assert_eq!(scene.keep(4, |_| {}), 0, "nothing has changed");
    scene.check();
}
