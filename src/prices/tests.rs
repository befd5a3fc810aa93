use super::*;
use crate::domain::id::{Model, Unit};
use crate::domain::rating::NothingRunning;
use crate::pricing::read;
use std::fs;
use tempfile::TempDir;

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

/// A data directory and a folder of prices beside it.
struct World(TempDir);

impl World {
    fn new() -> Self {
        let world = Self(tempfile::tempdir().unwrap());
        fs::create_dir_all(world.0.path().join("files")).unwrap();
        world
    }

    fn write(&self, name: &str, from: Option<&str>, price: u32) {
        let from = from.map(|from| format!("from = \"{from}\"\n")).unwrap_or_default();
        let card = format!("[[card]]\nmodel = \"m\"\ncurrency = \"USD\"\nprice.images = {price}\n");
        fs::write(self.0.path().join("files").join(name), from + &card).unwrap();
    }

    fn data(&self) -> PathBuf {
        self.0.path().join("data")
    }

    fn open(&self, now: i64) -> Result<PriceBooks, PricesError> {
        fs::create_dir_all(self.data()).unwrap();
        PriceBooks::open(&self.data(), Source::of(Some(&self.0.path().join("files"))), at(now))
    }
}

/// What an image costs by the version in force at a time.
fn price(books: &PriceBooks, millis: i64) -> String {
    let version = books.in_force(at(millis)).unwrap();
    price_by(books, version)
}

fn price_by(books: &PriceBooks, version: PriceVersion) -> String {
    let model = Model::new(b"m").unwrap();
    let quantities = [(Unit::new(b"images").unwrap(), "1".parse().unwrap())];
    let used = Used { model: &model, variant: None, quantities: &quantities };
    let buyer = Buyer { wallet: None, plan: None, currency: None };
    let rated = books.rate(version, used, buyer, &NothingRunning).unwrap();
    let explained = books.explain(version, used, buyer, &NothingRunning).unwrap();
    assert_eq!(rated, explained.rated);
    rated.amount.to_string()
}

#[test]
fn every_version_answers_as_before_after_reloads_and_restarts() {
    let world = World::new();
    world.write("a.toml", None, 1);
    world.write("b.toml", Some("1970-01-01T00:00:05Z"), 2);
    let first = world.open(1_000).unwrap();
    let check = |books: &PriceBooks| {
        // Before anything was known: as it was at first.
        assert_eq!([0, 1_000, 4_999].map(|t| price(books, t)), ["1", "1", "1"]);
        assert_eq!([5_000, 6_999].map(|t| price(books, t)), ["2", "2"]);
    };
    check(&first);
    assert_eq!(price(&first, 1_000_000), "2");
    let pinned = first.in_force(at(1_000)).unwrap();

    world.write("a.toml", None, 3);
    world.write("b.toml", Some("1970-01-01T00:00:08Z"), 4);
    let second = first.reload(at(7_000)).unwrap();
    // The old one goes on as it was.
    check(&first);
    assert_eq!(price(&first, 8_000), "2");
    check(&second);
    assert_eq!([7_000, 7_999, 8_000].map(|t| price(&second, t)), ["3", "3", "4"]);
    assert_eq!(price_by(&second, pinned), "1");

    fs::remove_file(world.0.path().join("files/b.toml")).unwrap();
    let third = world.open(9_000).unwrap();
    check(&third);
    assert_eq!([7_000, 8_000, 9_000].map(|t| price(&third, t)), ["3", "4", "3"]);
    assert_eq!(price_by(&third, pinned), "1");
    let unknown = PriceVersion([7; 8]);
    assert!(third.book(unknown).unwrap().is_none());
}

#[test]
fn a_reload_is_all_or_nothing_and_says_where() {
    let world = World::new();
    world.write("a.toml", None, 1);
    let books = world.open(1).unwrap();
    world.write("a.toml", None, 2);
    fs::write(world.0.path().join("files/b.toml"), "[[card]]\nmodel = 5\n").unwrap();
    fs::write(world.0.path().join("files/c.json"), "{\n\"cards\":[]}").unwrap();
    let error = books.reload(at(2)).unwrap_err().to_string();
    assert!(error.contains("b.toml:2: ") && error.contains("c.json:2: "), "{error}");
    assert_eq!(price(&books, 3), "1");
    assert_eq!(price(&books.reload(at(2)).map_or(books, |next| next), 3), "1");
    for name in ["a.toml", "b.toml", "c.json"] {
        fs::remove_file(world.0.path().join("files").join(name)).unwrap();
    }
    let error = world.open(3).unwrap_err().to_string();
    assert!(error.contains("has no files"), "{error}");
}

#[test]
fn nothing_new_leaves_no_trace_and_time_never_runs_backwards() {
    let world = World::new();
    world.write("a.toml", None, 1);
    let books = world.open(1_000).unwrap();
    let history = world.data().join("prices/history");
    let before = fs::read(&history).unwrap();
    let books = books.reload(at(2_000)).unwrap();
    assert_eq!(fs::read(&history).unwrap(), before);
    world.write("a.toml", None, 2);
    let books = books.reload(at(500)).unwrap();
    // The reload counts from the last one's time on; what was before it is as it was.
    assert_eq!([999, 1_000].map(|t| price(&books, t)), ["1", "2"]);
}

#[test]
fn prices_that_begin_later_are_not_in_force_before() {
    let world = World::new();
    world.write("a.toml", Some("1970-01-01T00:00:05Z"), 2);
    let books = world.open(1_000).unwrap();
    assert_eq!(books.in_force(at(4_999)), None);
    assert!(books.book_at(at(0)).unwrap().is_none());
    assert_eq!(price(&books, 5_000), "2");
}

#[test]
fn what_is_kept_is_checked_and_damage_is_an_error() {
    let world = World::new();
    world.write("a.toml", None, 1);
    let version = world.open(1).unwrap().in_force(at(1)).unwrap();
    world.write("a.toml", None, 2);
    drop(world.open(2).unwrap());
    let kept = world.data().join(format!("prices/{version}.json"));
    let history = world.data().join("prices/history");
    let (text, lines) = (fs::read(&kept).unwrap(), fs::read(&history).unwrap());

    // A torn line was never in force.
    let torn = [&lines[..], b"0123"].concat();
    fs::write(&history, torn).unwrap();
    assert_eq!(price(&world.open(3).unwrap(), 1), "1");
    assert_eq!(fs::read(&history).unwrap(), lines);

    for index in 0..lines.len() - 1 {
        let mut bad = lines.clone();
        bad[index] ^= 1;
        fs::write(&history, bad).unwrap();
        let error = world.open(3).unwrap_err().to_string();
        assert!(error.contains("history is damaged: line "), "{index}: {error}");
    }
    fs::write(&history, &lines).unwrap();
    for index in 0..text.len() {
        let mut bad = text.clone();
        bad[index] ^= 0x81;
        fs::write(&kept, bad).unwrap();
        let error = world.open(3).unwrap_err().to_string();
        assert!(error.contains("its content is not the version's"), "{error}");
    }
    fs::remove_file(&kept).unwrap();
    assert!(world.open(3).unwrap_err().to_string().contains("it is missing"));
    fs::write(&kept, &text).unwrap();
    assert_eq!(price(&world.open(3).unwrap(), 1), "1");

    // A version that is damaged later is not taken for one without a card.
    let books = world.open(3).unwrap();
    fs::write(&kept, &text[1..]).unwrap();
    let (model, buyer) =
        (Model::new(b"m").unwrap(), Buyer { wallet: None, plan: None, currency: None });
    let used = Used { model: &model, variant: None, quantities: &[] };
    assert_eq!(books.rate(version, used, buyer, &NothingRunning), Err(Unpriced::Unreadable));
}

#[test]
fn an_import_never_replaces_its_own_list() {
    let world = World::new();
    let list = world.0.path().join("list.json");
    let text = r#"{"m": {"input_cost_per_token": 1e-6, "mode": "chat"}}"#;
    fs::write(&list, text).unwrap();
    let wanted = || crate::pricing::import::Wanted { figures: None, with_free: false };
    let refused = commands::import(&list, &list, wanted()).unwrap_err().to_string();
    assert!(refused.contains("name another file"), "{refused}");
    assert_eq!(fs::read_to_string(&list).unwrap(), text);
    commands::import(&list, &world.0.path().join("book.json"), wanted()).unwrap();
}

#[test]
fn the_shipped_book_is_its_own_canonical_text() {
    let timeline = Source::of(None).read().unwrap();
    let [(start, book)] = &timeline[..] else { panic!("one version") };
    assert_eq!(*start, Timestamp::MIN);
    assert!(book.text() == source::SHIPPED, "config/prices/models.json is not as it is written");
}

/// A start without the folder, or without lines of the history, made up other prices for the past.
#[test]
fn what_is_gone_is_noticed() {
    let world = World::new();
    world.write("a.toml", None, 1);
    drop(world.open(1_000).unwrap());
    world.write("a.toml", None, 2);
    drop(world.open(2_000).unwrap());
    let history = world.data().join("prices/history");
    let whole = fs::read_to_string(&history).unwrap();
    let lines: Vec<_> = whole.split_inclusive('\n').collect();
    assert_eq!(lines.len(), 2);
    for damaged in ["", lines[0], lines[1]] {
        fs::write(&history, damaged).unwrap();
        assert!(world.open(3_000).is_err(), "{damaged:?}");
    }
    fs::remove_file(&history).unwrap();
    assert!(world.open(3_000).is_err());
    fs::remove_dir_all(world.data().join("prices")).unwrap();
    let error = world.open(3_000).unwrap_err().to_string();
    assert!(error.contains("restore it from a backup"), "{error}");
    assert!(!world.data().join("prices").exists(), "a refused start leaves nothing");
}

#[test]
fn files_that_do_not_go_together_are_refused_with_their_place() {
    let world = World::new();
    world.write("a.toml", None, 1);
    let markup = "\n[[markup]]\ncurrency = \"EUR\"\npercent = 5\n";
    fs::write(world.0.path().join("files/b.toml"), markup).unwrap();
    let error = world.open(1).unwrap_err().to_string();
    let place = world.0.path().join("files/b.toml").display().to_string();
    assert!(error.starts_with(&format!("{place}:2: this markup can never apply")), "{error}");
}

/// What is kept can be looked at without a start, and nothing in it changes.
#[test]
fn what_is_kept_is_verified_as_it_lies() {
    let world = World::new();
    fs::create_dir_all(world.data()).unwrap();
    assert_eq!(verify(&world.data()).unwrap().len(), 0, "nothing was ever priced");
    world.write("a.toml", None, 1);
    let books = world.open(1).unwrap();
    world.write("b.toml", Some("1970-01-01T00:00:05Z"), 2);
    drop(books.reload(at(2)).unwrap());
    let sound = verify(&world.data()).unwrap();
    assert_eq!(sound.len(), 2);
    let history = world.data().join("prices/history");
    let torn = [&fs::read(&history).unwrap()[..], b"0123"].concat();
    fs::write(&history, &torn).unwrap();
    assert_eq!(verify(&world.data()).unwrap(), sound);
    assert_eq!(fs::read(&history).unwrap(), torn, "a start cuts it off, a look does not");

    // Its name is that of its content, but no version: purser never wrote it.
    let text = "{\"card\":[{}]}\n";
    let path = world.data().join(format!("prices/{}.json", read::version(text)));
    fs::write(&path, text).unwrap();
    let error = verify(&world.data()).unwrap_err().to_string();
    assert!(error.contains(&path.display().to_string()), "{error}");
    fs::remove_file(&path).unwrap();
    fs::remove_file(world.data().join(format!("prices/{}.json", sound.first().unwrap()))).unwrap();
    assert!(verify(&world.data()).unwrap_err().to_string().contains("it is missing"));
}
