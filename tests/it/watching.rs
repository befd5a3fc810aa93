//! What operators look at: latencies, the slow log, metrics, `INFO`, the room on the disk.

use super::support::{Client, PATIENCE, Server, data, folder, map_of, text_of};
use super::users::{login, password, serve, user, write};
use purser::telemetry::{Kind, METRICS};
use redis::Value;
use std::collections::BTreeMap;
use std::time::Instant;

/// The value of a series; 0 when there is none.
fn series(metrics: &str, name: &str) -> f64 {
    let line = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.map_or(0.0, |value| value.parse().unwrap())
}

fn list(value: Value) -> Vec<Value> {
    let Value::Array(list) = value else { panic!("{value:?}") };
    list
}

/// The commands of `LATENCY HISTOGRAM` with their calls and buckets.
fn histogram(client: &mut Client, line: &str) -> BTreeMap<String, (u64, Vec<(u64, u64)>)> {
    let pairs = list(client.call(line));
    let command = |pair: &[Value]| {
        let fields = list(pair[1].clone());
        assert_eq!(
            (text_of(&fields[0]), text_of(&fields[2])),
            ("calls".into(), "histogram_usec".into())
        );
        let number = |value: &Value| text_of(value).parse::<u64>().unwrap();
        let buckets = list(fields[3].clone());
        let buckets = buckets.chunks_exact(2).map(|pair| (number(&pair[0]), number(&pair[1])));
        (text_of(&pair[0]), (number(&fields[1]), buckets.collect()))
    };
    pairs.chunks_exact(2).map(command).collect()
}

#[test]
fn latencies_are_shown_by_command() {
    let folder = folder();
    let server = Server::start(&data(&folder));
    let mut client = server.client();
    client.call("WALLET.OPEN a CURRENCY USD");
    client.call("TOPUP a 100 ID t");
    for number in 0..20 {
        client.send(&format!("CHARGE a 1 ID c{number}")).unwrap();
    }
    for _ in 0..20 {
        client.receive().unwrap();
    }
    client.error("CHARGE a");
    client.call("CLIENT ID");
    let all = histogram(&mut client, "LATENCY HISTOGRAM");
    let (calls, buckets) = &all["charge"];
    assert_eq!(*calls, 20, "what is refused before it is judged does not count");
    assert_eq!(buckets.last().unwrap().1, 20);
    assert!(buckets.is_sorted_by(|one, next| one.0 < next.0 && one.1 < next.1), "{buckets:?}");
    assert!(all.contains_key("client|id") && all.contains_key("wallet.open"), "{all:?}");
    let some = histogram(&mut client, "LATENCY HISTOGRAM client TOPUP nosuch");
    assert_eq!(some.into_keys().collect::<Vec<_>>(), ["client|id", "topup"]);
    client.call("HELLO 3");
    let Value::Map(pairs) = client.call("LATENCY HISTOGRAM charge") else { panic!() };
    assert_eq!(map_of(&pairs[0].1)["calls"], "20");
    assert_eq!(text_of(&client.call("LATENCY RESET")), "0");
    assert_eq!(
        client.error("LATENCY NOSUCH"),
        "ERR unknown subcommand 'NOSUCH'. Try LATENCY HELP."
    );
    assert!(client.error("LATENCY").starts_with("ERR wrong number of arguments for 'latency'"));
    let help = list(client.call("SLOWLOG HELP"));
    assert!(text_of(&help[0]).starts_with("SLOWLOG <subcommand>"));
}

#[test]
fn slow_requests_are_kept_as_redis_keeps_them() {
    let folder = folder();
    let server = Server::start_with(
        &data(&folder),
        &["--slowlog-log-slower-than-us", "0", "--slowlog-max-len", "4"],
    );
    let mut client = server.client();
    client.call("CLIENT SETNAME shop");
    client.call("WALLET.OPEN a CURRENCY USD");
    client.call("TOPUP a 100 ID t");
    client.call(&format!("ECHO {}", "x".repeat(200)));
    let entries = list(client.call("SLOWLOG GET 2"));
    assert_eq!(entries.len(), 2);
    let echo = list(entries[0].clone());
    assert_eq!(echo.len(), 6);
    let args: Vec<_> = list(echo[3].clone()).iter().map(text_of).collect();
    assert_eq!(args, ["ECHO".to_owned(), format!("{}... (72 more bytes)", "x".repeat(128))]);
    assert_eq!(text_of(&echo[5]), "shop");
    assert!(text_of(&echo[4]).starts_with("127.0.0.1:"));
    let topup = list(entries[1].clone());
    let args: Vec<_> = list(topup[3].clone()).iter().map(text_of).collect();
    assert_eq!(args, ["TOPUP", "a", "100", "ID", "t"]);
    assert!(text_of(&topup[1]).parse::<u64>().unwrap() > 1_700_000_000);
    assert!(text_of(&topup[2]).parse::<u64>().unwrap() > 0, "the commit is part of it");
    // Ids count up, and go on after a reset.
    let ids = [text_of(&topup[0]), text_of(&echo[0])].map(|id| id.parse::<u64>().unwrap());
    assert_eq!(ids[0] + 1, ids[1]);
    client.call("PING");
    client.call("PING");
    assert_eq!(text_of(&client.call("SLOWLOG LEN")), "4");
    assert_eq!(text_of(&client.call("SLOWLOG RESET")), "OK");
    let entries = list(client.call("SLOWLOG GET"));
    let args: Vec<_> = list(list(entries[0].clone())[3].clone()).iter().map(text_of).collect();
    assert_eq!((entries.len(), args), (1, vec!["SLOWLOG".to_owned(), "RESET".to_owned()]));
    assert!(client.error("SLOWLOG GET x").contains("not an integer"));
    assert!(client.error("SLOWLOG GET -2").contains("greater than or equal to -1"));
    let (_, metrics) = server.get("/metrics");
    assert!(series(&metrics, "purser_slow_requests_total") > 9.0);
}

/// Pipelines whose replies wait for the disk, with requests of all sizes: each entry is its own
/// request's.
#[test]
fn a_slow_request_is_shown_with_its_own_arguments() {
    let folder = folder();
    let more = ["--slowlog-log-slower-than-us", "0", "--slowlog-max-len", "1000"];
    let server = Server::start_with(&data(&folder), &more);
    let mut client = server.client();
    client.call("WALLET.OPEN a CURRENCY USD");
    client.call("TOPUP a 100 ID t");
    for round in 0..20 {
        for (number, size) in [0, 100, 3_000, 1].into_iter().enumerate() {
            let note = "n".repeat(size);
            client.send(&format!("TOPUP a 1 ID i{round}-{number} NOTE x{note}")).unwrap();
            client.send(&format!("NOSUCH {round}-{number}")).unwrap();
        }
        for _ in 0..8 {
            client.receive().unwrap();
        }
    }
    let mut seen = 0;
    for entry in list(client.call("SLOWLOG GET -1")) {
        let args: Vec<_> = list(list(entry)[3].clone()).iter().map(text_of).collect();
        if args[0] == "TOPUP" && args.len() == 7 {
            let size =
                [0, 100, 3_000, 1][args[4].split_once('-').unwrap().1.parse::<usize>().unwrap()];
            let shown = if size < 128 { size + 1 } else { 128 + "... (2873 more bytes)".len() };
            assert_eq!(args[6].len(), shown, "{args:?}");
            seen += 1;
        }
    }
    assert!(seen > 20, "{seen}");
}

#[test]
fn no_secret_is_in_the_slow_log_and_only_admins_see_it() {
    let folder = folder();
    let users = [user("boss", "admin", ""), user("app", "spend", "")].concat();
    let text = format!("slowlog_log_slower_than_us = 0\n{users}");
    let server = serve(&folder, &text);
    let mut stranger = server.client();
    stranger.error("AUTH boss wrong-secret");
    stranger.error("GET stolen-secret");
    let mut client = login(&server, "boss");
    client.call(&format!("HELLO 2 AUTH boss {}", password("boss")));
    client.call("ECHO seen");
    let mut app = login(&server, "app");
    assert!(app.error("SLOWLOG GET").starts_with("NOPERM"));
    assert!(app.error("LATENCY HISTOGRAM").starts_with("NOPERM"));
    let mut seen = false;
    let entries = list(client.call("SLOWLOG GET -1"));
    for entry in entries {
        let args: Vec<_> = list(list(entry)[3].clone()).iter().map(text_of).collect();
        assert!(!["AUTH", "HELLO", "GET"].contains(&args[0].as_str()), "{args:?}");
        assert!(!args.concat().contains("secret"), "{args:?}");
        seen |= args == ["ECHO", "seen"];
    }
    assert!(seen);
    write(&folder, &text.replace("_us = 0", "_us = -1"));
    // A setting was said to be another one while shards still went by the old one: what came next was
    // noted, now and then.
    server.reload("slowlog_log_slower_than_us is -1 now");
    client.call("SLOWLOG RESET");
    client.call("PING");
    assert_eq!(text_of(&client.call("SLOWLOG LEN")), "0");
}

#[test]
fn every_series_is_a_listed_metric_and_counts_what_happened() {
    let folder = folder();
    let server = Server::start_with(&data(&folder), &["--checkpoint-every-ms", "100"]);
    let mut client = server.client();
    client.call("WALLET.OPEN a CURRENCY USD");
    client.call("TOPUP a 10 ID t");
    client.call("AUTHORIZE a 1 ID h TTL 60000");
    client.call("CHARGE a 100 ID c");
    client.error("BALANCE nobody");
    client.error("NOSUCH");
    let mut bad = server.client();
    bad.send_raw(b"*1\r\n+1\r\n").unwrap();
    bad.rest();
    let start = Instant::now();
    let metrics = loop {
        let (status, metrics) = server.get("/metrics");
        assert_eq!(status, 200);
        let counted = ["purser_disk_free_bytes", "purser_checkpoints_total"];
        let is_counted = counted.iter().all(|name| series(&metrics, name) > 0.0);
        if is_counted && metrics.contains("purser_commands_total{") {
            break metrics;
        }
        assert!(start.elapsed() < PATIENCE, "{metrics}");
        std::thread::sleep(std::time::Duration::from_millis(50));
    };
    for (name, expected) in [
        ("purser_declines_total{reason=\"NOFUNDS\"}", 1.0),
        ("purser_errors_total{code=\"NOWALLET\"}", 1.0),
        ("purser_errors_total{code=\"ERR\"}", 2.0),
        ("purser_errors_total{code=\"UNAVAILABLE\"}", 0.0),
        ("purser_request_seconds_count{command=\"CHARGE\"}", 1.0),
        ("purser_request_seconds_bucket{command=\"CHARGE\",le=\"+Inf\"}", 1.0),
        ("purser_connections_dropped_total{reason=\"protocol\"}", 1.0),
        ("purser_active_holds", 1.0),
        ("purser_wallets", 1.0),
        ("purser_ready", 1.0),
        ("purser_durability_interval_seconds", 0.0),
        ("purser_price_reloads_total{result=\"failed\"}", 0.0),
    ] {
        assert!((series(&metrics, name) - expected).abs() < 1e-9, "{name}");
    }
    assert!(series(&metrics, "purser_remembered_operations") >= 1.0, "the open hold");
    assert!(series(&metrics, "purser_received_bytes_total") > 100.0);
    assert!(series(&metrics, "purser_sent_bytes_total") > 100.0);
    assert!(metrics.contains("purser_price_version_info{version="), "{metrics}");
    for line in metrics.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let name = line.split(['{', ' ']).next().unwrap();
        let listed = METRICS.iter().any(|metric| match metric.kind {
            Kind::Histogram => ["_bucket", "_sum", "_count"]
                .iter()
                .any(|end| name.strip_suffix(end) == Some(metric.name)),
            Kind::Counter | Kind::Gauge => name == metric.name,
        });
        assert!(listed, "{line}");
        assert!(!line.contains("nobody"), "{line}");
    }
    let (_, after) = server.get("/metrics");
    for metric in METRICS {
        assert!(after.contains(&format!("# TYPE {} ", metric.name)), "{}", metric.name);
    }
}

#[test]
fn info_has_the_sections_of_redis_and_those_that_are_asked_for() {
    let folder = folder();
    let server = Server::start(&data(&folder));
    let mut client = server.client();
    client.call("WALLET.OPEN a CURRENCY USD");
    client.error("BALANCE b");
    let names = |text: &str| -> Vec<String> {
        text.lines().filter_map(|line| line.strip_prefix("# ")).map(str::to_owned).collect()
    };
    let all = text_of(&client.call("INFO everything"));
    assert_eq!(
        names(&all),
        [
            "Server",
            "Clients",
            "Memory",
            "Persistence",
            "Stats",
            "Replication",
            "CPU",
            "Commandstats",
            "Errorstats",
            "Latencystats",
            "Cluster",
            "Keyspace",
            "Purser"
        ]
    );
    for line in [
        "errorstat_NOWALLET:count=1",
        "cmdstat_balance:calls=1,",
        "latency_percentiles_usec_wallet.open:p50=",
        "total_error_replies:1",
        "db0:keys=1,",
        "wallets_active:",
        "durability:commit",
        "loading:0",
    ] {
        assert!(all.contains(line), "{line}: {all}");
    }
    let usual = names(&text_of(&client.call("INFO")));
    assert!(!usual.contains(&"Commandstats".to_owned()) && usual.len() == 11, "{usual:?}");
    assert_eq!(names(&text_of(&client.call("INFO purser CPU"))), ["CPU", "Purser"]);
    let both = names(&text_of(&client.call("INFO default commandstats")));
    assert_eq!(both.len(), 12);
    assert_eq!(text_of(&client.call("INFO nosuch")), "");
}

#[test]
fn a_disk_that_is_nearly_full_is_warned_of() {
    let folder = folder();
    let path = write(&folder, "disk_free_warn_bytes = 9000000000000000\n");
    let server = Server::start_with(&data(&folder), &["--config", path.to_str().unwrap()]);
    let start = Instant::now();
    while !server.log().contains("nearly full") {
        assert!(start.elapsed() < PATIENCE, "{}", server.log());
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    assert_eq!(server.get("/readyz").0, 200, "it serves on");
    std::fs::write(&path, "disk_free_warn_bytes = 0\n").unwrap();
    server.reload("has room again");
}

/// A line about a request named its client and command only: of many alike nobody knew which. And at debug
/// the database below said so much that nobody found it.
#[test]
fn the_log_names_requests() {
    let folder = folder();
    let text = "log_format = \"json\"\nlog_level = \"debug\"\nslowlog_log_slower_than_us = 0\n";
    let server = serve(&folder, text);
    let mut client = server.client();
    let id: u64 = text_of(&client.call("CLIENT ID")).parse().unwrap();
    for line in ["BALANCE nobody", "PING", "OP.GET nobody x"] {
        client.call(line);
    }
    let start = Instant::now();
    loop {
        let log = server.log();
        let lines: Vec<serde_json::Value> =
            log.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        assert!(lines.iter().all(|line| line["target"] != "sled::pagecache::iobuf"), "{log}");
        let named = |key: &str| -> Vec<(String, String)> {
            let fields = lines.iter().map(|line| &line["fields"]);
            let of_client = fields.filter(|line| line["id"] == id);
            let with_key = of_client.filter(|line| !line[key].is_null());
            with_key.map(|line| (line["request"].to_string(), line[key].to_string())).collect()
        };
        let errors = [("2", "\"NOWALLET\""), ("4", "\"NOWALLET\"")];
        let errors = errors.map(|(request, code)| (request.to_owned(), code.to_owned()));
        let slow: Vec<_> = named("micros").into_iter().map(|(request, _)| request).collect();
        if named("code") == errors && slow == ["1", "2", "3", "4"] {
            break;
        }
        assert!(start.elapsed() < PATIENCE, "{log}");
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
}
