//! Its report, as it documents it, and a fake of it: no binary can be expected here.
use std::os::unix::fs::PermissionsExt;

use super::*;

const REPORT: &str = "13 batches in 0.33 s
transfer batch size = 8189 txs
transfer batch delay = 0 us
load accepted = 301887 tx/s
batch latency p1   = 0 ms
batch latency p50  = 22 ms
batch latency p99  = 32 ms
batch latency p100 = 42 ms

100 queries in 0.4 s
query latency p50  = 3 ms

rss = 1 bytes
";
const OLDER_REPORT: &str = "1223 batches in 80.67 s
load offered = 1000000 tx/s
load accepted = 123963 tx/s
batch latency p00 = 5 ms
batch latency p50 = 17 ms
batch latency p90 = 147 ms
batch latency p100 = 4727 ms
transfer latency p50 = 31326 ms
";

#[test]
fn its_report_is_read() {
    let measured = read(REPORT, 100_000).unwrap();
    assert_eq!(Some(measured.operations_per_s), Some(301_887.0));
    assert_eq!((measured.p50_us, measured.p99_us, measured.max_us), (22_000, 32_000, 42_000));
    assert_eq!(measured.server_cpu_us_per_operation, None);
    let measured = read(OLDER_REPORT, 100_000).unwrap();
    assert_eq!((measured.p50_us, measured.max_us), (17_000, 4_727_000));
    assert!(read("error: no disk\n", 1).is_none());
}

/// A program that says so much of TigerBeetle as is looked at, and notes how it was called.
fn fake(refused: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("tigerbeetle");
    let script = format!(
        "#!/bin/sh
echo \"$*\" >> \"$(dirname \"$0\")/calls\"
[ \"$1\" = version ] && {{ echo 'TigerBeetle version 0.16.99+fake'; exit 0; }}
case \"$*\" in *{refused}=*) echo \"error: unexpected argument: '{refused}'\" >&2; exit 1;; esac
cat <<'END'
{REPORT}END
"
    );
    // Written by another process: a file that is open for writing here while a test beside this
    // one forks stays open in its child, and cannot be run until that has gone on.
    let mut shell = Command::new("sh");
    let shell = shell.args(["-c", "printf %s \"$1\" > \"$0\""]).arg(&program).arg(script);
    assert!(shell.status().unwrap().success());
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    (folder, program)
}

#[test]
fn the_benchmark_is_run_in_either_spelling_of_its_flags() {
    for (refused, used) in
        [("--none", "--transfer-batch-count=64"), (SIZE_FLAGS[0], "--transfer-batch-size=64")]
    {
        let (folder, program) = fake(refused);
        let tigerbeetle = TigerBeetle::at(&program).unwrap();
        assert_eq!(tigerbeetle.version, "TigerBeetle version 0.16.99+fake");
        let measured = tigerbeetle.measure(BATCHES[1], 1, None).unwrap();
        assert_eq!(measured.operations, 200_000);
        let calls = std::fs::read_to_string(folder.path().join("calls")).unwrap();
        let last = calls.lines().last().unwrap();
        assert_eq!(
            last,
            format!(
                "benchmark --transfer-count=200000 --account-count=10000 --account-count-hot=1 \
                 --transfer-hot-percent=100 {used}"
            )
        );
    }
}

#[test]
fn a_benchmark_that_fails_says_why() {
    let (_folder, program) = fake("--account-count");
    let tigerbeetle = TigerBeetle::at(&program).unwrap();
    let error = tigerbeetle.measure(BATCHES[2], 5, None).unwrap_err();
    assert!(format!("{error:#}").contains("unexpected argument: '--account-count'"), "{error:#}");
}
