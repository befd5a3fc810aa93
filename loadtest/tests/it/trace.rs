//! Whole replays of a trace against a fake server: what they must find, and what they must survive.

use std::process::Command;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::fake::{Checkpoints, Fake, Faults};
use crate::{path, run, text};

const SAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/data/sample.csv");

/// Replays the sample against a fake with these faults, hundreds of times faster than it was.
fn replay(faults: Faults, more: &[&str]) -> (Fake, std::process::Output) {
    let fake = Fake::start(faults);
    let address = fake.address.to_string();
    let usual = ["trace", SAMPLE, "--server", &address, "--speed", "300", "--customers", "20"];
    let output = run(&[&usual[..], more].concat());
    (fake, output)
}

/// The number or text in the row of the report that begins with `what`.
fn field<'a>(report: &'a str, what: &str) -> &'a str {
    let row = report.lines().find(|line| line.trim_start().starts_with(what));
    row.unwrap_or_else(|| panic!("no `{what}` in\n{report}")).split_whitespace().last().unwrap()
}

#[test]
fn a_sound_server_is_exact() {
    let (fake, output) = replay(Faults::default(), &[]);
    let report = text(&output);
    assert_eq!(output.status.code(), Some(0), "{report}");
    assert!(report.contains("EXACT: all 20 wallets"), "{report}");
    assert_eq!(field(&report, "captured"), "300");
    assert_eq!(fake.captures(), 300);
    assert_eq!(fake.wallets().len(), 20);
    assert_eq!(field(&report, "spent, computed"), field(&report, "spent, by the engine"));
}

#[test]
fn one_grain_too_much_is_found() {
    for faults in [
        Faults { overcharge_at: Some(150), ..Faults::default() },
        Faults { wrong_receipt_at: Some(150), ..Faults::default() },
        Faults { leave_held_at: Some(150), ..Faults::default() },
    ] {
        let (_, output) = replay(faults, &["--prefix", "planted"]);
        let report = text(&output);
        assert_eq!(output.status.code(), Some(1), "{faults:?}\n{report}");
        assert!(report.contains("DIFFERENT: 1 of 20 wallets"), "{report}");
        assert!(report.lines().any(|line| line.trim_start().starts_with("planted-")), "{report}");
    }
}

#[test]
fn a_refused_capture_fails_the_run() {
    let (_, output) = replay(Faults { refuse_at: Some(7), ..Faults::default() }, &[]);
    let report = text(&output);
    assert_eq!(output.status.code(), Some(1), "{report}");
    assert!(report.contains("FAILED: CAPTURE"), "{report}");
    assert!(report.contains("NOHOLD it was never here"), "{report}");
}

#[test]
fn a_late_capture_that_is_not_called_late_fails_the_run() {
    let (_, output) = replay(
        Faults { hide_late: true, ..Faults::default() },
        &["--ttl", "5", "--first-token", "60000", "--limit", "20"],
    );
    let report = text(&output);
    assert_eq!(output.status.code(), Some(1), "{report}");
    assert!(report.contains("not late, although the hold had expired"), "{report}");
    assert!(report.contains("all 20 wallets are equal to the last digit"), "{report}");
}

#[test]
fn lost_connections_and_busy_answers_cost_no_digit() {
    let faults = Faults { hang_up_every: Some(37), busy_every: Some(23), ..Faults::default() };
    let (fake, output) = replay(faults, &[]);
    let report = text(&output);
    assert_eq!(output.status.code(), Some(0), "{report}");
    assert_ne!(field(&report, "commands sent again"), "0", "{report}");
    assert_ne!(field(&report, "answers that were replays"), "0", "{report}");
    assert_eq!(fake.captures(), 300);
}

#[test]
fn declines_late_captures_and_debt_are_accounted_for() {
    let (fake, output) = replay(
        Faults::default(),
        &["--top-up", "0.05", "--ttl", "5", "--max-output", "10", "--first-token", "2000"],
    );
    let report = text(&output);
    assert_eq!(output.status.code(), Some(0), "{report}");
    assert_ne!(field(&report, "declined"), "0", "{report}");
    assert_eq!(field(&report, "NOFUNDS"), field(&report, "declined"), "{report}");
    assert_ne!(field(&report, "late"), "0", "{report}");
    assert_ne!(field(&report, "above the estimate"), "0", "{report}");
    assert_ne!(field(&report, "of it debt"), "0", "{report}");
    assert!(fake.captures() < 300);
}

#[test]
fn a_prefix_repeats_a_run_and_the_server_replays_it() {
    let fake = Fake::start(Faults::default());
    let address = fake.address.to_string();
    let flags = ["trace", SAMPLE, "--server", &address, "--speed", "1000", "--prefix", "again"];
    assert_eq!(run(&flags).status.code(), Some(0));
    let second = run(&flags);
    let report = text(&second);
    assert_eq!(second.status.code(), Some(0), "{report}");
    assert_eq!(field(&report, "answers that were replays"), "600", "{report}");
    assert_eq!(fake.captures(), 300);
}

#[test]
fn the_report_is_json_too() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("report.json");
    let [every, length, slow] = [40, 15, 0].map(Duration::from_millis);
    let checkpoints = Some(Checkpoints { every, length, slow });
    let faults = Faults { checkpoints, ..Faults::default() };
    let (_, output) = replay(faults, &["--limit", "10", "--json", path(&file)]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    let json: serde_json::Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    assert_eq!(json["captured"], 10);
    assert_eq!(json["wallets_different"], 0);
    assert_eq!(json["spent_computed"], json["spent_engine"]);
    assert!(json["spent_computed"].is_string());
    assert_eq!(json["authorize"]["count"], 10);
    let found = &json["run"]["checkpoints"];
    let count = |which: &str| found[which]["count"].as_u64().unwrap();
    assert_eq!(count("during") + count("outside"), 20, "{found}");
    assert!(json["run"]["footprint"]["memory"]["max"].as_u64().unwrap() > 50_000_000);
}

#[test]
fn a_server_of_its_own_is_started_and_stopped() {
    let fake = Fake::start(Faults::default());
    let folder = tempfile::tempdir().unwrap();
    let (program, ended) = (folder.path().join("purser"), folder.path().join("ended"));
    let script = format!(
        "#!/bin/sh\ntrap 'echo yes > {}; exit 0' TERM\n\
         echo 'purser listens for RESP on {}'\nwhile :; do sleep 0.02; done\n",
        ended.display(),
        fake.address,
    );
    // Written by another process: a file that is open for writing here while a test beside this
    // one forks stays open in its child, and cannot be run until that has gone on.
    let write = "printf '%s' \"$1\" > \"$0\" && chmod +x \"$0\"";
    let mut shell = Command::new("sh");
    assert!(shell.args(["-c", write]).arg(&program).arg(script).status().unwrap().success());
    let output = run(&["trace", SAMPLE, "--purser", path(&program), "--speed", "1000"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    assert_eq!(std::fs::read_to_string(ended).unwrap(), "yes\n");
}

#[test]
fn ctrl_c_stops_the_sending_and_checks_what_was_sent() {
    let fake = Fake::start(Faults::default());
    let address = fake.address.to_string();
    let child = Command::new(env!("CARGO_BIN_EXE_purser-loadtest"))
        .args(["trace", SAMPLE, "--server", &address, "--speed", "10"])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    while fake.captures() < 5 {
        std::thread::sleep(Duration::from_millis(5));
    }
    let pid = i32::try_from(child.id()).unwrap();
    kill_process(Pid::from_raw(pid).unwrap(), Signal::INT).unwrap();
    let output = child.wait_with_output().unwrap();
    let report = text(&output);
    assert_eq!(output.status.code(), Some(0), "{report}");
    assert!(report.contains("STOPPED EARLY"), "{report}");
    assert!(report.contains("EXACT"), "{report}");
    assert_eq!(field(&report, "captured"), fake.captures().to_string(), "{report}");
    assert!(fake.captures() < 300);
}

#[test]
fn says_what_is_wrong_and_what_to_do() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let nobody = nobody.to_string();
    for (arguments, expected) in [
        (vec!["trace", "/nowhere.csv"], "cannot open the trace /nowhere.csv"),
        (vec!["trace", SAMPLE, "--purser", "/nowhere"], "name a server with --purser"),
        (vec!["trace", SAMPLE, "--server", &nobody], "start one with `purser --resp"),
        (vec!["trace", SAMPLE, "--limit", "0"], "has no rows"),
    ] {
        let output = run(&arguments);
        let message = text(&output);
        assert_eq!(output.status.code(), Some(2), "{message}");
        assert!(message.contains(expected), "{message}");
    }
}
