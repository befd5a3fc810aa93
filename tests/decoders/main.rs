//! Every decoder of what clients send and of what lies on the disk, against bytes that nobody wrote:
//! what must hold stands in `fuzz/harness`. Here dice choose the damage (`FUZZ_CASES` sets how many
//! tries a decoder gets, `FUZZ_SEED` where the dice begin), and what coverage-guided fuzzing found worth
//! keeping is replayed.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test")]

#[cfg(test)]
#[path = "../../fuzz/harness/mod.rs"]
mod harness;
#[cfg(test)]
#[expect(dead_code, reason = "it serves several tests")]
#[path = "../small/mod.rs"]
mod small;
#[cfg(test)]
mod sound;

use harness::{TARGETS, Target};
use std::path::PathBuf;

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

/// Tries bytes on a target; whether there was anything to read in them.
fn run(target: &Target, bytes: &[u8], what: &str) -> bool {
    let ran = std::panic::catch_unwind(|| (target.run)(bytes));
    assert!(ran.is_ok(), "{}: {what}", target.name);
    ran.unwrap_or_default()
}

/// What is kept for a target.
fn corpus(target: &Target) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/corpus")).join(target.name)
}

#[test]
fn what_fuzzing_found_is_replayed() {
    for target in &TARGETS {
        let mut count = 0;
        for entry in std::fs::read_dir(corpus(target)).unwrap() {
            let path = entry.unwrap().path();
            run(target, &std::fs::read(&path).unwrap(), &path.display().to_string());
            count += 1;
        }
        assert!(count > 0, "{}", target.name);
    }
}

/// Tries damaged bytes on a target.
fn damage(name: &str, share: u64) {
    let target = TARGETS.iter().find(|target| target.name == name).unwrap();
    let sound = sound::of(name);
    let seed = number("FUZZ_SEED", 0x9e37_79b9_7f4a_7c15) | 1;
    let mut dice = Dice(seed);
    for case in 0..number("FUZZ_CASES", 20_000) / share {
        let which = dice.roll(sound.len());
        let bytes = dice.damage(&sound[which]);
        run(target, &bytes, &format!("case {case} of seed {seed}"));
    }
}

#[test]
fn rows_that_nobody_wrote() {
    for (name, share) in
        [("records", 2), ("values", 4), ("snapshots", 4), ("pages", 4), ("checkpoint", 2)]
    {
        damage(name, share);
    }
}

#[test]
fn files_that_nobody_wrote() {
    for (name, share) in [("mark", 40), ("redo", 40), ("segments", 200), ("indexes", 200)] {
        damage(name, share);
    }
}

/// Sound bytes are read, or all else shows nothing.
#[test]
fn what_is_sound_is_read() {
    for target in &TARGETS[1..] {
        for bytes in sound::of(target.name) {
            assert!(run(target, &bytes, "sound bytes"), "{}", target.name);
        }
    }
}

#[test]
#[ignore = "it writes what fuzzing begins with into fuzz/corpus"]
fn write_what_fuzzing_begins_with() {
    for target in &TARGETS[1..] {
        std::fs::create_dir_all(corpus(target)).unwrap();
        for (number, bytes) in sound::of(target.name).into_iter().enumerate() {
            std::fs::write(corpus(target).join(format!("sound-{number}")), bytes).unwrap();
        }
    }
}
