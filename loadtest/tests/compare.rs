//! Whole comparisons: purser, beside whatever of the others is installed.
#![expect(clippy::unwrap_used, reason = "code of tests; what is wrong here must stop the test")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use rustix::process::{Pid, Signal, kill_process};

const PROGRAM: &str = env!("CARGO_BIN_EXE_purser-loadtest");

/// The server of the same build. A test of this package alone does not build it.
fn purser() -> Option<PathBuf> {
    let purser = Path::new(PROGRAM).with_file_name("purser");
    if purser.is_file() {
        return Some(purser);
    }
    eprintln!("skipped: there is no {}; `cargo test --workspace` builds it", purser.display());
    None
}

fn on_path(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap();
    let found = std::env::split_paths(&path).any(|folder| folder.join(name).is_file());
    if !found {
        eprintln!("skipped: there is no {name} on the path");
    }
    found
}

fn compare(folder: &Path, flags: &[&str]) -> Output {
    let short = ["--rounds", "1", "--seconds", "0.3", "--warm-up", "0.05", "--shapes", "4x2"];
    let mut command = Command::new(PROGRAM);
    command.arg("compare").args(short).arg("--dir").arg(folder).args(flags);
    command.env_remove("TIGERBEETLE").output().unwrap()
}

fn text(output: &Output) -> String {
    let both = [output.stdout.as_slice(), b"\n", output.stderr.as_slice()].concat();
    String::from_utf8(both).unwrap()
}

/// A folder that whoever runs PostgreSQL may enter.
fn folder() -> tempfile::TempDir {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    folder
}

#[test]
fn everyone_who_is_installed_is_measured_and_leaves_nothing_behind() {
    if purser().is_none() || !on_path("redis-server") {
        return;
    }
    let folder = folder();
    let json = folder.path().join("report.json");
    let output = compare(
        folder.path(),
        &["--wallets", "20,1", "--best", "purser=2x8,redis=4x4", "--json", json.to_str().unwrap()],
    );
    let said = text(&output);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains("left out: tigerbeetle: no binary named"), "{said}");
    let report: serde_json::Value = serde_json::from_slice(&std::fs::read(&json).unwrap()).unwrap();
    let cases = report["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 4, "{said}");
    assert_eq!(cases[1]["case"], "purser 2x8, redis 4x4; 20 wallets");
    for case in cases {
        let measured = case["rounds"][0]["measured"].as_array().unwrap();
        assert_eq!((&measured[0][0], &measured[1][0]), (&"purser".into(), &"redis".into()));
        for one in measured {
            assert!(one[1]["operations"].as_u64().unwrap() > 0, "{one}");
            assert_eq!(one[1]["wrong"]["count"], 0, "{one}");
        }
        assert!(case["ratios"][0]["throughput"]["median"].as_f64().unwrap() > 0.0);
    }
    std::fs::remove_file(&json).unwrap();
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn redis_benchmark_can_send_instead() {
    if purser().is_none() || !on_path("redis-server") || !on_path("redis-benchmark") {
        return;
    }
    let folder = folder();
    let tool = ["--tool", "redis-benchmark", "--wallets"];
    let output = compare(folder.path(), &[&tool[..], &["1"]].concat());
    let said = text(&output);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains("left out: postgres: redis-benchmark does not speak to it"), "{said}");
    assert!(said.contains("purser / redis: throughput"), "{said}");
    let output = compare(folder.path(), &[&tool[..], &["20"]].concat());
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output).contains("at least 10000, not 20"), "{}", text(&output));
}

/// A server that holds another amount than it says, or nothing at all, must not win.
#[test]
fn a_server_that_answers_wrongly_fails_the_comparison() {
    if purser().is_none() || !on_path("redis-server") {
        return;
    }
    let folder = folder();
    // A Redis that cannot delete: it answers captures with an error, after it has changed money.
    let broken = folder.path().join("broken-redis");
    let script = "#!/bin/sh\nif [ \"$1\" = --version ]; then exec redis-server --version; fi\n\
                  exec redis-server \"$@\" --rename-command DEL ''\n";
    // Written by another process: what is open for writing here cannot be run by a test beside it.
    let write = "printf %s \"$1\" > \"$0\" && chmod +x \"$0\"";
    let mut shell = Command::new("sh");
    assert!(shell.args(["-c", write]).arg(&broken).arg(script).status().unwrap().success());
    let flags =
        ["--against", "redis", "--wallets", "20", "--redis-server", broken.to_str().unwrap()];
    let output = compare(folder.path(), &flags);
    let said = text(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("FAILED: redis:"), "{said}");
    assert!(said.contains("Unknown Redis command"), "{said}");
}

#[test]
fn nothing_to_compare_with_is_said() {
    if purser().is_none() {
        return;
    }
    let folder = folder();
    let output = compare(folder.path(), &["--against", "tigerbeetle"]);
    assert_eq!(output.status.code(), Some(2));
    let said = text(&output);
    assert!(said.contains("nothing to compare purser with"), "{said}");
    assert!(said.contains("tigerbeetle: no binary named; see --tigerbeetle"), "{said}");
    let output = compare(folder.path(), &["--best", "redis=1x1"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output).contains("--best must say purser's shape too"), "{}", text(&output));
}

#[test]
fn told_to_end_it_stops_the_servers() {
    if purser().is_none() || !on_path("redis-server") {
        return;
    }
    let folder = folder();
    let mut command = Command::new(PROGRAM);
    command.args(["compare", "--against", "redis", "--seconds", "600", "--wallets", "1"]);
    let mut child = command.arg("--dir").arg(folder.path()).spawn().unwrap();
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    // A server is there when its folder is.
    let is_started = || {
        let mut entries = std::fs::read_dir(folder.path()).unwrap().flatten();
        entries.any(|entry| entry.path().join("log").exists())
    };
    while !is_started() {
        assert_eq!(child.try_wait().unwrap(), None);
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    kill_process(pid, Signal::TERM).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(2));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}
