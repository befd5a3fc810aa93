//! Damage to the files of a data directory, tried on copies, each under a time limit.
//! `DAMAGE_FLIPS` sets how many bytes are flipped.

use crate::small::{State, fill, read};
use purser::codec::record::Position;
use purser::store::data_dir::DataDir;
use purser::store::recovery::Loss;
use purser::store::sled::SledJournal;
use purser::store::{Journal, is_guarded};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, Once, PoisonError, mpsc};
use std::time::Duration;

/// Commits of 18 KiB each.
const COMMITS: u64 = 1_000;

/// Panics that would have ended the process: outside of what the store guards.
static ESCAPED: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// As in production: a panic that the store expects passes, any other ends the process.
fn watch_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if is_guarded() {
                return;
            }
            let thread = std::thread::current().name().unwrap_or("?").to_owned();
            let escaped = format!("on thread {thread}: {info}");
            ESCAPED.lock().unwrap_or_else(PoisonError::into_inner).push(escaped);
            usual(info);
        }));
    });
}

fn escaped() -> Vec<String> {
    std::mem::take(&mut ESCAPED.lock().unwrap_or_else(PoisonError::into_inner))
}

/// The files of a directory and those below it.
type Files = Vec<(PathBuf, Vec<u8>)>;

fn files_of(root: &Path) -> Files {
    let mut files = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(root).expect("below it").to_owned();
                files.push((name, std::fs::read(&path).expect("a file")));
            }
        }
    }
    files.sort();
    files
}

/// A data directory, closed in order: its files, and the wallets that it comes to.
fn sample() -> (Files, State) {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = DataDir::take(folder.path()).expect("ours");
    drop(fill(SledJournal::open(&dir).expect("a new journal"), false));
    dir.close().expect("in order");
    let files = files_of(folder.path());
    let state = start(folder.path(), Loss::Refuse).expect("it is sound");
    assert_eq!(state.len(), 2);
    (files, state)
}

/// What a start says: the wallets, or why not.
fn start(path: &Path, loss: Loss) -> Result<State, String> {
    let dir = DataDir::take(path).map_err(|error| error.to_string())?;
    let mut journal = SledJournal::open(&dir).map_err(|error| error.to_string())?;
    read(&mut journal, loss).map_err(|error| error.to_string())
}

/// A start on these files, in its own thread; `None` if it takes too long.
fn start_on(files: &Files, loss: Loss) -> Option<Result<State, String>> {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, bytes) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().expect("one")).expect("a folder");
        std::fs::write(path, bytes).expect("a file");
    }
    let (sender, receiver) = mpsc::channel();
    let path = folder.path().to_owned();
    std::thread::spawn(move || sender.send(start(&path, loss)));
    let result = receiver.recv_timeout(Duration::from_secs(20));
    match result {
        Ok(result) => Some(result),
        Err(mpsc::RecvTimeoutError::Timeout) => None,
        Err(mpsc::RecvTimeoutError::Disconnected) => panic!("the start panicked: {:?}", escaped()),
    }
}

#[derive(Debug, Default)]
struct Tally {
    same: u32,
    refused: u32,
}

impl Tally {
    /// The same wallets, or a refusal that tells what is wrong.
    fn count(&mut self, what: &str, result: Option<Result<State, String>>, state: &State) {
        match result.unwrap_or_else(|| panic!("{what}: it hangs")) {
            Ok(found) => {
                assert_eq!(&found, state, "{what}: fewer, without a word");
                self.same += 1;
            }
            Err(text) => {
                let words = ["missing", "damaged", "cannot", "used by"];
                assert!(words.iter().any(|word| text.contains(word)), "{what}: {text}");
                self.refused += 1;
            }
        }
        let escaped = escaped();
        assert!(escaped.is_empty(), "{what}: {escaped:?}");
    }
}

fn index_of(files: &Files, name: &str) -> usize {
    files.iter().position(|(path, _)| path == Path::new(name)).expect("it is there")
}

#[test]
fn a_flipped_byte_is_harmless_or_refused() {
    watch_panics();
    let (files, state) = sample();
    let db = index_of(&files, "journal/db");
    let used: Vec<usize> =
        files[db].1.iter().enumerate().filter(|(_, byte)| **byte != 0).map(|(at, _)| at).collect();
    let mut tally = Tally::default();
    let mut random = 0_u64;
    let begun = std::time::Instant::now();
    let flips = std::env::var("DAMAGE_FLIPS").map_or(400, |text| text.parse().expect("a number"));
    for &at in used.iter().step_by((used.len() / flips).max(1)) {
        let mut damaged = files.clone();
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        damaged[db].1[at] ^= 1 << (random >> 61);
        tally.count(&format!("db, byte {at}"), start_on(&damaged, Loss::Refuse), &state);
    }
    eprintln!(
        "{tally:?} of {} bytes ({} used) in {:?}",
        files[db].1.len(),
        used.len(),
        begun.elapsed()
    );
    for name in ["journal/conf", "mark", "format"] {
        let file = index_of(&files, name);
        for at in (0..files[file].1.len().min(200)).step_by(3) {
            let mut damaged = files.clone();
            damaged[file].1[at] ^= 0x11;
            tally.count(&format!("{name}, byte {at}"), start_on(&damaged, Loss::Refuse), &state);
        }
    }
    eprintln!("{tally:?} in {:?}", begun.elapsed());
}

#[test]
fn a_cut_file_is_harmless_or_refused() {
    watch_panics();
    let (files, state) = sample();
    let mut tally = Tally::default();
    for name in ["journal/db", "journal/conf", "mark", "format"] {
        let file = index_of(&files, name);
        let length = files[file].1.len();
        for part in 0..40 {
            let mut damaged = files.clone();
            damaged[file].1.truncate(length * part / 40);
            tally.count(&format!("{name}, part {part}"), start_on(&damaged, Loss::Refuse), &state);
        }
    }
    eprintln!("cut files: {tally:?}");
}

#[test]
fn a_missing_file_is_harmless_or_refused() {
    watch_panics();
    let (files, state) = sample();
    let mut tally = Tally::default();
    for file in 0..files.len() {
        let mut damaged = files.clone();
        let (name, _) = damaged.remove(file);
        tally.count(&format!("without {name:?}"), start_on(&damaged, Loss::Refuse), &state);
    }
    let mut damaged = files.clone();
    damaged.retain(|(name, _)| !name.starts_with("journal"));
    let refused = start_on(&damaged, Loss::Refuse).expect("in time").expect_err("it is gone");
    assert!(refused.contains("were acknowledged and are missing"), "{refused}");
    damaged.retain(|(name, _)| name != Path::new("mark"));
    let refused = start_on(&damaged, Loss::Refuse).expect("in time").expect_err("both are gone");
    assert!(refused.contains("mark is missing"), "{refused}");
    damaged.retain(|(name, _)| name != Path::new("format"));
    let fresh = start_on(&damaged, Loss::Refuse).expect("in time");
    assert_eq!(fresh, Ok(State::new()), "an empty directory is a new one");
    eprintln!("missing files: {tally:?}");
}

/// The mark file keeps two marks a log, and the higher one counts. So a mark that was set back when
/// a loss was accepted did not count, and the next start refused what was accepted before.
#[test]
fn a_loss_is_accepted_once_and_for_all() {
    watch_panics();
    let (files, state) = sample();
    for lost in ["journal/db", "mark", "journal"] {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, bytes) in files.iter().filter(|(name, _)| !name.starts_with(lost)) {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().expect("one")).expect("a folder");
            std::fs::write(path, bytes).expect("a file");
        }
        start(folder.path(), Loss::Refuse).expect_err("something is lost");
        let left = start(folder.path(), Loss::Accept).expect("accepted");
        assert_eq!(left, if lost == "mark" { state.clone() } else { State::new() });
        assert_eq!(start(folder.path(), Loss::Refuse), Ok(left), "without {lost}");
    }
    assert_eq!(escaped(), Vec::<String>::new());
}

#[test]
fn leftovers_of_a_killed_start_are_no_obstacle() {
    watch_panics();
    let (mut files, state) = sample();
    let leftover = PathBuf::from("journal/snap.0000000000001000.generating");
    files.push((leftover, b"half a snapshot".to_vec()));
    assert_eq!(start_on(&files, Loss::Refuse), Some(Ok(state)));
}

#[test]
fn a_second_user_of_a_data_directory_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let first = DataDir::take(folder.path()).expect("ours");
    let refused = start(folder.path(), Loss::Refuse).expect_err("it is taken");
    assert!(refused.contains("used by another purser"), "{refused}");
    drop(first);
    assert_eq!(start(folder.path(), Loss::Refuse), Ok(State::new()));
}

/// Items above 128 KiB go to files of their own, which the database never syncs.
#[test]
fn large_batches_leave_no_blobs() {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = DataDir::take(folder.path()).expect("ours");
    let mut journal = SledJournal::open(&dir).expect("a new journal");
    let value = vec![0xa5; purser::codec::value::VALUE_MAX];
    let mut next = Position::new(0, 1);
    for _ in 0..COMMITS {
        for _ in 0..3 {
            journal.append(next, &value).expect("a sound disk");
            next = next.plus(1);
        }
        journal.sync().expect("a sound disk");
    }
    let blobs = std::fs::read_dir(dir.journal().join("blobs"));
    assert_eq!(blobs.map_or(0, Iterator::count), 0);
    let mut found = 0;
    journal
        .scan(&mut |_, _| {
            found += 1;
            Ok(())
        })
        .expect("it is readable");
    assert_eq!(found, COMMITS * 3);
}

/// The database's threads let go of its lock a little after everything else: a server that was started
/// as soon as the one before it had ended was refused, and so was a test now and then.
#[test]
fn a_start_waits_for_the_server_before_it_to_let_go() {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = DataDir::take(folder.path()).expect("ours");
    let first = SledJournal::open(&dir).expect("a new journal");
    let ends = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(300));
        drop(first);
    });
    drop(SledJournal::open(&dir).expect("it waits"));
    ends.join().expect("it ends");
}
