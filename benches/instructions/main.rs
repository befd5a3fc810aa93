//! How many instructions the hot parts take, counted by Valgrind's callgrind: the same on a busy
//! machine and on an idle one. `.ci/instructions` runs it.
//!
//! For every part this program runs itself once under callgrind, which counts only what [`counted`]
//! does, and compares with `benches/instructions.txt`. A count is the mean of a round, because the
//! seeds of hash maps differ from run to run; compilers, C libraries and processors move it, too.
#![expect(clippy::unwrap_used, reason = "a bench")]
#![expect(clippy::print_stdout, reason = "its report")]

mod callgrind;
mod parts;
#[path = "../scene/mod.rs"]
mod scene;

use callgrind::{Failed, tools};
use parts::PARTS;
use scene::ROUND;
use std::collections::HashMap;
use std::process::ExitCode;

/// What was recorded last, in the repository.
const RECORDED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/instructions.txt");

fn main() -> ExitCode {
    // cargo itself adds `--bench`.
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let done = match args.as_slice() {
        [callgrind::PART, name] => {
            run_part(name);
            Ok(())
        }
        ["--test"] => {
            for part in &PARTS {
                run_part(part.name);
            }
            Ok(())
        }
        [] => report(false),
        ["--record"] => report(true),
        _ => Err(Failed("it takes nothing, --record or --test".to_owned())),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failed(why)) => {
            eprintln!("instructions: {why}");
            ExitCode::FAILURE
        }
    }
}

/// Runs a part, as callgrind watches it.
fn run_part(name: &str) {
    let part = PARTS.iter().find(|part| part.name == name).unwrap();
    let mut operation = (part.prepare)();
    counted(&mut *operation);
}

/// All that is counted: a round of operations. callgrind knows it by its name.
#[inline(never)]
fn counted(operation: &mut dyn FnMut(usize)) {
    for number in 0..ROUND {
        operation(number);
    }
}

/// Counts all parts, prints them beside what was recorded, and records them if asked to.
fn report(record: bool) -> Result<(), Failed> {
    let tools = tools()?;
    let text = std::fs::read_to_string(RECORDED).unwrap_or_default();
    let recorded = recorded(&text);
    println!("instructions an operation, now with {tools}");
    println!("{}", text.lines().next().unwrap_or("# nothing is recorded"));
    println!("{:<32}{:>10}{:>10}{:>10}", "name", "recorded", "now", "change %");
    let mut lines = vec![format!("# recorded with {tools}\n")];
    for part in &PARTS {
        let now = callgrind::count(part.name)? / u64::try_from(ROUND).unwrap();
        lines.push(format!("{:<32}{now:>10}\n", part.name));
        let (before, change) = match recorded.get(part.name) {
            Some(&before) => (before.to_string(), change(before, now)),
            None => ("-".to_owned(), "new".to_owned()),
        };
        println!("{:<32}{before:>10}{now:>10}{change:>10}", part.name);
    }
    if record {
        std::fs::write(RECORDED, lines.concat())
            .map_err(|error| Failed(format!("cannot write {RECORDED}: {error}")))?;
    }
    Ok(())
}

/// The counts of an earlier run, by name.
fn recorded(text: &str) -> HashMap<&str, u64> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let counts = lines.filter_map(|line| line.rsplit_once(' '));
    counts.filter_map(|(name, count)| Some((name.trim_end(), count.parse().ok()?))).collect()
}

/// How much more it is now, in per cent.
fn change(before: u64, now: u64) -> String {
    let (before, now) = (i64::try_from(before).unwrap(), i64::try_from(now).unwrap());
    let tenths = (now - before) * 1_000 / before.max(1);
    let sign = if tenths < 0 { '-' } else { '+' };
    format!("{sign}{}.{}", tenths.abs() / 10, tenths.abs() % 10)
}
