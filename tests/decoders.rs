//! Every decoder of what lies on the disk against bytes that nobody wrote: it refuses them or reads
//! something, and never panics, hangs or asks for memory that the bytes do not justify. What it reads
//! it can write, and reads the same again. `FUZZ_CASES` sets how many are tried of each kind;
//! `FUZZ_SEED` where the dice begin.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test")]

#[cfg(test)]
#[expect(dead_code, reason = "it serves several tests")]
mod small;

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
use purser::store::memory_state::MemoryState;
use purser::store::recovery::Loss;
use purser::store::redo::{self, RedoWriter};
use purser::store::state::{Row, State, Table};

/// Dice that fall alike for a seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 11).unwrap() % sides.max(1)
    }

    fn byte(&mut self) -> u8 {
        u8::try_from(self.roll(256)).unwrap()
    }

    /// Sound bytes with some damage, or bytes that never were sound.
    fn damage(&mut self, sound: &[u8]) -> Vec<u8> {
        if self.roll(8) == 0 {
            return (0..self.roll(300)).map(|_| self.byte()).collect();
        }
        let mut bytes = sound.to_vec();
        for _ in 0..=self.roll(4) {
            let place = self.roll(bytes.len());
            match self.roll(6) {
                0 => bytes.truncate(place),
                1 => bytes.insert(place, self.byte()),
                2 => {
                    let some = bytes[place..(place + self.roll(16)).min(bytes.len())].to_vec();
                    bytes.splice(place..place, some);
                }
                3 if !bytes.is_empty() => bytes[place] = [0, 1, 0x7f, 0x80, 0xff][self.roll(5)],
                _ if !bytes.is_empty() => bytes[place] ^= 1 << self.roll(8),
                _ => {}
            }
        }
        bytes
    }
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

/// Tries damaged bytes on a decoder.
fn fuzz(sound: &[Vec<u8>], share: u64, mut decode: impl FnMut(&[u8])) {
    let mut dice = Dice(number("FUZZ_SEED", 0x9e37_79b9_7f4a_7c15) | 1);
    for _ in 0..number("FUZZ_CASES", 20_000) / share {
        let which = dice.roll(sound.len());
        let bytes = dice.damage(&sound[which]);
        decode(&bytes);
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

/// Snapshots of the small journal's wallets, and pages of holds.
fn snapshots() -> (Vec<Vec<u8>>, Vec<Vec<u8>>) {
    let mut journal = journal();
    let last = journal.values().last().unwrap().0;
    let (mut cores, mut pages) = (Vec::new(), Vec::new());
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
        let holds: Vec<_> = (0..20).map(hold).collect();
        pages.push(snapshot::encode_page(&id, HoldPage(0), holds.iter()).unwrap());
        let plain = holds.iter().filter(|hold| hold.pin.is_none());
        pages.push(snapshot::encode_page(&id, HoldPage(0), plain).unwrap());
    }
    (cores, pages)
}

/// The same bytes with the checksum that they would have been written with: so that damage gets past it.
fn sealed(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    if bytes.len() >= 8 {
        let mut crc = crc32fast::Hasher::new();
        crc.update(&bytes[8..]);
        crc.update(&bytes[..4]);
        bytes[4..8].copy_from_slice(&crc.finalize().to_le_bytes());
    }
    bytes
}

#[test]
fn records() {
    fuzz(&frames(), 1, |bytes| {
        let peeked = record::peek(bytes).map(|(_, length)| length).ok();
        let Ok((read, length)) = record::decode(bytes) else { return };
        assert_eq!(peeked, Some(length), "what can be read can be looked at");
        let again = RecordRef {
            wallet: &read.wallet,
            seq: read.seq,
            previous: read.previous,
            event: &read.event,
            sums: read.sums,
            status: read.status,
            burned: &read.burned,
        };
        let mut written = Vec::new();
        record::encode(&again, &mut written).unwrap();
        assert_eq!(record::decode(&written).unwrap().0, read);
    });
}

#[test]
fn journal_values() {
    fuzz(&values(), 1, |bytes| {
        if let Ok(value) = value::decode(bytes) {
            assert!(value.body.len() < bytes.len());
        }
    });
}

#[test]
fn cores_and_pages_of_snapshots() {
    let (cores, pages) = snapshots();
    fuzz(&cores, 2, |bytes| {
        for bytes in [bytes.to_vec(), sealed(bytes)] {
            let Ok(read) = snapshot::decode(&bytes) else { continue };
            assert_eq!(snapshot::decode(&snapshot::encode(&read).unwrap()).unwrap(), read);
            drop(read.restore(Vec::new()));
        }
    });
    let wallet = WalletId::new(b"anna").unwrap();
    fuzz(&pages, 2, |bytes| {
        for page in 0..3 {
            drop(snapshot::decode_page(&wallet, HoldPage(page), &sealed(bytes)));
        }
    });
}

#[test]
fn files_beside_the_databases() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mark");
    let mut mark = MarkFile::create(&path).unwrap();
    for known in journal().marks().unwrap() {
        mark.write(known).unwrap();
    }
    let sound = std::fs::read(&path).unwrap();
    fuzz(&[sound], 20, |bytes| {
        std::fs::write(&path, bytes).unwrap();
        drop(MarkFile::open(&path).and_then(|file| file.read()));
    });
    let path = folder.path().join("redo");
    let mut redo = RedoWriter::create(&path).unwrap();
    for (place, core) in (0_u8..).zip(snapshots().0) {
        redo.add(&Row::put(Table::Wallets, vec![place], core)).unwrap();
    }
    redo.finish().unwrap();
    let sound = std::fs::read(&path).unwrap();
    fuzz(&[sound], 20, |bytes| {
        std::fs::write(&path, bytes).unwrap();
        drop(redo::apply(&path, &MemoryState::default(), &|| true));
    });
}

#[test]
fn the_checkpoint() {
    let mut debts = Debts::default();
    debts.change(&Currency::new(b"USD").unwrap(), Amount::ZERO, Amount::from_pico(7));
    let row = Checkpoint { number: 3, wallets: 9, debts, ..Checkpoint::default() }.row();
    fuzz(&[row.value.clone().unwrap()], 1, |bytes| {
        let state = MemoryState::default();
        let value = Some(bytes.to_vec());
        state.put(&Row { value, ..row.clone() }).unwrap();
        drop(Checkpoint::of(&state));
    });
}

#[test]
fn segments_and_their_indexes() {
    let journal = journal();
    let (folder, damaged) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let open = |path| Archive::open(path, Secret::new([1; 16]), Settings::default());
    let mut archive = open(folder.path()).unwrap();
    archive.append(&mut |visit| journal.scan(visit)).unwrap();
    let files: Vec<_> = std::fs::read_dir(folder.path()).unwrap().flatten().collect();
    assert_eq!(files.len(), 2);
    for file in &files {
        let sound = std::fs::read(file.path()).unwrap();
        fuzz(&[sound], 100, |bytes| {
            for other in &files {
                std::fs::copy(other.path(), damaged.path().join(other.file_name())).unwrap();
            }
            std::fs::write(damaged.path().join(file.file_name()), bytes).unwrap();
            let Ok(mut archive) = open(damaged.path()) else { return };
            drop(archive.read_filters());
            drop(archive.view().check_indexes());
            drop(archive.view().scan(&mut |_, _| Ok(())));
        });
    }
}
