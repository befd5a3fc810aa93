//! Sound bytes of each kind, to be damaged.

use crate::small;
use purser::codec::record::{self, Record, RecordRef};
use purser::codec::snapshot::{self, Snapshot};
use purser::codec::value;
use purser::domain::amount::Amount;
use purser::domain::command::Overage;
use purser::domain::counters::Count;
use purser::domain::debts::Debts;
use purser::domain::event::EventKind;
use purser::domain::hold::{Hold, HoldNo, HoldPage, Slice};
use purser::domain::id::{Currency, Model, OpId, Plan, TagKey, TagValue, Unit, Variant, WalletId};
use purser::domain::posting::GrantNo;
use purser::domain::price_tag::{Counted, PricePin, PriceTag};
use purser::domain::rating::{CountWindow, Counter, PriceVersion};
use purser::domain::time::Timestamp;
use purser::store::Journal as _;
use purser::store::archive::{Archive, Secret, Settings};
use purser::store::checkpoint::Checkpoint;
use purser::store::mark::MarkFile;
use purser::store::memory::MemoryJournal;
use purser::store::recovery::Loss;
use purser::store::redo::RedoWriter;
use purser::store::state::{Row, Table};

/// Those of a target.
pub(crate) fn of(target: &str) -> Vec<Vec<u8>> {
    match target {
        "records" => frames(),
        "values" => values(),
        "snapshots" => snapshots(),
        "pages" => pages(),
        "checkpoint" => vec![checkpoint()],
        "mark" => vec![mark()],
        "redo" => vec![redo()],
        "segments" => vec![archived("seg")],
        "indexes" => vec![archived("idx")],
        _ => panic!("no sound bytes of {target}"),
    }
}

/// The small journal.
fn journal() -> MemoryJournal {
    let journal = MemoryJournal::default();
    drop(small::fill(journal.clone(), false));
    journal
}

/// Its values.
fn values() -> Vec<Vec<u8>> {
    journal().values().into_iter().map(|(_, value)| value).collect()
}

fn model() -> Model {
    Model::new(b"m-1").unwrap()
}

fn pin() -> PricePin {
    let variant = Some(Variant::new(b"batch").unwrap());
    PricePin { version: PriceVersion::of_number(7), model: model(), variant }
}

fn counter() -> Counter {
    Counter { card: model(), unit: Unit::new(b"tokens").unwrap(), window: CountWindow::Month }
}

/// The same record, with a price.
fn priced(mut record: Record) -> Vec<u8> {
    let PricePin { version, model, variant } = pin();
    let amount = Amount::from_pico(5);
    let counted =
        Counted { counter: counter(), since: Timestamp::default(), before: amount, added: amount };
    record.event.price = Some(Box::new(PriceTag {
        version,
        model,
        variant,
        quantities: vec![(Unit::new(b"tokens").unwrap(), amount)],
        amount,
        cost: amount,
        plan: Some(Plan::new(b"pro").unwrap()),
        counted: vec![counted],
        used_at: Some(Timestamp::default()),
    }));
    let Record { wallet, seq, previous, event, sums, status, burned } = &record;
    let (seq, previous, sums, status) = (*seq, *previous, *sums, *status);
    let borrowed = RecordRef { wallet, seq, previous, event, sums, status, burned };
    let mut bytes = Vec::new();
    record::encode(&borrowed, &mut bytes).unwrap();
    assert_eq!(record::decode(&bytes).unwrap().0, record);
    bytes
}

fn frames() -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    for value in values() {
        let value = value::decode(&value).unwrap();
        let mut rest = value.body;
        while let Ok((read, length)) = record::decode(rest) {
            frames.push(rest[..length].to_vec());
            if matches!(read.event.kind, EventKind::Captured { .. }) {
                frames.push(priced(read));
            }
            rest = &rest[length..];
        }
    }
    assert!(frames.len() > 10);
    frames
}

fn hold(number: u64) -> Hold {
    let amount = Amount::from_pico(i128::from(number));
    Hold {
        number: HoldNo(number),
        id: OpId::new(format!("h{number}").as_bytes()).unwrap(),
        created_at: Timestamp::from_millis(1),
        expires_at: Timestamp::from_millis(2),
        overage: Overage::Cap,
        pin: (number % 2 == 1).then(|| Box::new(pin())),
        tags: vec![(TagKey::new(b"model").unwrap(), TagValue::new(b"m").unwrap())],
        amount,
        captured: amount,
        slices: [Slice { grant: GrantNo(1), amount }].into_iter().collect(),
        credit: amount,
    }
}

/// Snapshots of the small journal's wallets.
fn snapshots() -> Vec<Vec<u8>> {
    let mut journal = journal();
    let last = journal.values().last().unwrap().0;
    let mut cores = Vec::new();
    for (id, wallet) in small::read(&mut journal, Loss::Refuse).unwrap() {
        let id = WalletId::new(id.as_bytes()).unwrap();
        for on_pages in [false, true] {
            let deadline = Some(wallet.time());
            let mut taken = Snapshot::of(&id, &wallet, last, deadline, on_pages);
            cores.push(snapshot::encode(&taken).unwrap());
            let (counter, since) = (counter(), Timestamp::default());
            taken.core.counts.push(Count { counter, since, quantity: Amount::ZERO });
            cores.push(snapshot::encode(&taken).unwrap());
        }
    }
    cores
}

/// Pages of holds of the wallet whose pages are read.
fn pages() -> Vec<Vec<u8>> {
    let wallet = WalletId::new(b"anna").unwrap();
    let holds: Vec<_> = (0..20).map(hold).collect();
    let plain: Vec<_> = holds.iter().filter(|hold| hold.pin.is_none()).cloned().collect();
    [holds, plain]
        .map(|holds| snapshot::encode_page(&wallet, HoldPage(0), holds.iter()).unwrap())
        .to_vec()
}

fn checkpoint() -> Vec<u8> {
    let mut debts = Debts::default();
    debts.change(&Currency::new(b"USD").unwrap(), Amount::ZERO, Amount::from_pico(7));
    let tails = small::fill(MemoryJournal::default(), true);
    let tails = [0, 1].map(|log| tails.tail(log)).to_vec();
    let checkpoint = Checkpoint { number: 3, wallets: 9, tails, debts, ..Checkpoint::default() };
    checkpoint.row().value.unwrap()
}

fn mark() -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mark");
    let mut mark = MarkFile::create(&path).unwrap();
    for known in journal().marks().unwrap() {
        mark.write(known).unwrap();
    }
    std::fs::read(&path).unwrap()
}

fn redo() -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("redo");
    let mut redo = RedoWriter::create(&path).unwrap();
    for (place, core) in (0_u8..).zip(snapshots()) {
        redo.add(&Row::put(Table::Wallets, vec![place], core)).unwrap();
    }
    redo.finish().unwrap();
    std::fs::read(&path).unwrap()
}

/// A file of an archive that has the small journal.
fn archived(ending: &str) -> Vec<u8> {
    let (folder, journal) = (tempfile::tempdir().unwrap(), journal());
    let mut archive =
        Archive::open(folder.path(), Secret::new([1; 16]), Settings::default()).unwrap();
    archive.append(&mut |visit| journal.scan(visit)).unwrap();
    let file = format!("0000000001-0000000001.{ending}");
    std::fs::read(folder.path().join(file)).unwrap()
}
