//! Whole runs of the program.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    unreachable_pub,
    reason = "code of tests; what is wrong here must stop the test"
)]

mod fake;
mod misbehave;
mod profiles;
mod trace;

use std::path::Path;
use std::process::{Command, Output};

fn run(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_purser-loadtest")).args(arguments).output().unwrap()
}

fn text(output: &Output) -> String {
    let both = [output.stdout.as_slice(), b"\n", output.stderr.as_slice()].concat();
    String::from_utf8(both).unwrap()
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}
