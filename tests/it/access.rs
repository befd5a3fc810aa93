//! The penetration list: what nobody may do who has not said who it is, and no user beyond its rights.

use super::support::{Client, PATIENCE, Server, data, folder, map_of, spawn, text_of};
use super::users::{all, error_of, example, login, password, serve, user};
use purser::codec::commands::Role;
use redis::Value;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

const FREE: [&str; 4] = ["auth", "hello", "quit", "reset"];
const NOAUTH: &str = "NOAUTH Authentication required.";
const NO_KEY: &str =
    "NOPERM this user has no permissions to access one of the keys used as arguments";

#[test]
fn before_authentication_nothing_is_answered_but_four_commands() {
    let folder = folder();
    let server = serve(&folder, &user("root", "admin", ""));
    let mut client = server.client();
    for command in all().into_iter().filter(|command| !FREE.contains(&command.name)) {
        let line = example(command, "w");
        let name = command.name.replace('|', " ");
        // Also when it is malformed, so that nothing is told of what there is.
        for line in [line.clone(), line.to_uppercase(), name.clone(), format!("{name} x y z")] {
            assert_eq!(error_of(&mut client, &line), NOAUTH, "{line}");
        }
    }
    for unknown in ["GET x", "FROB", "ACL WHOAMI", "EVAL x 0", "SUBSCRIBE x", "MULTI"] {
        assert_eq!(error_of(&mut client, unknown), NOAUTH, "{unknown}");
    }
    for hello in ["HELLO", "HELLO 3", "HELLO 3 SETNAME x"] {
        let error = error_of(&mut client, hello);
        assert!(error.starts_with("NOAUTH HELLO must be called"), "{error}");
    }
    assert_eq!(text_of(&client.call("RESET")), "RESET");
    assert_eq!(error_of(&mut client, "PING"), NOAUTH);
    // Inline, and in one go with a login that fails.
    client.send_raw(b"BALANCE w\r\nAUTH root x\r\nTOPUP w 1 ID t\r\nPING\r\n").unwrap();
    for expected in ["NOAUTH", "WRONGPASS", "NOAUTH", "NOAUTH"] {
        let Value::ServerError(error) = client.receive().unwrap() else { panic!("no error") };
        assert_eq!(error.code(), expected);
    }
    assert_eq!(text_of(&client.call("QUIT")), "OK");
    // What came before a login was judged before it, what came behind it after it.
    let mut client = server.client();
    let secret = password("root");
    client.send_raw(format!("PING\r\nAUTH root {secret}\r\nPING\r\n").as_bytes()).unwrap();
    assert!(matches!(client.receive().unwrap(), Value::ServerError(_)));
    assert_eq!(text_of(&client.receive().unwrap()), "OK");
    assert_eq!(text_of(&client.receive().unwrap()), "PONG");
}

#[test]
fn before_authentication_requests_are_small_and_time_is_short() {
    let folder = folder();
    let text = format!("handshake_timeout_ms = 1500\n{}", user("root", "admin", ""));
    let server = serve(&folder, &text);
    for (bytes, error) in [
        (b"*11\r\n".to_vec(), "at most 10 arguments"),
        (b"*2\r\n$4\r\nAUTH\r\n$17000\r\n".to_vec(), "at most 16384 bytes"),
        ([b"AUTH ".to_vec(), vec![b'x'; 20_000]].concat(), "too big inline request"),
    ] {
        let mut client = server.client();
        client.send_raw(&bytes).unwrap();
        let answer = String::from_utf8(client.rest()).unwrap();
        assert!(answer.starts_with("-ERR Protocol error") && answer.contains(error), "{answer}");
    }
    let mut client = login(&server, "root");
    let many = format!("PING{}", " x".repeat(20));
    assert!(error_of(&mut client, &many).contains("wrong number of arguments"));
    assert_eq!(text_of(&client.call(&format!("ECHO {}", "x".repeat(20_000)))).len(), 20_000);
    // Who only talks does not stay.
    let (mut stranger, start) = (server.client(), Instant::now());
    while stranger.send("PING").is_ok() && stranger.receive().is_ok() {
        std::thread::sleep(Duration::from_millis(20));
        assert!(start.elapsed() < Duration::from_secs(30), "a stranger stays");
    }
    assert!(start.elapsed() >= Duration::from_millis(1400));
    // Who is known does, and who logs out has time to come back.
    assert_eq!(text_of(&client.call("PING")), "PONG");
    assert_eq!(text_of(&client.call("RESET")), "RESET");
    assert_eq!(error_of(&mut client, "PING"), NOAUTH);
    assert_eq!(text_of(&client.call(&format!("AUTH root {}", password("root")))), "OK");
}

#[test]
fn every_command_is_for_its_role_and_those_above() {
    let folder = folder();
    let roles = [Role::Read, Role::Spend, Role::Admin];
    let text: String = roles.iter().map(|role| user(role.word(), role.word(), "")).collect();
    let server = serve(&folder, &text);
    for role in roles {
        for command in all() {
            let mut client = login(&server, role.word());
            let (line, may) = (example(command, "w"), command.role <= role);
            let error = error_of(&mut client, &line);
            if may {
                assert!(!error.starts_with("NOPERM"), "{role:?}: {line}: {error}");
                continue;
            }
            let name = command.name;
            let expected =
                format!("NOPERM this user has no permissions to run the '{name}' command");
            assert_eq!(error, expected, "{role:?}: {line}");
        }
    }
}

#[test]
fn no_command_reaches_a_wallet_beyond_the_prefix() {
    let folder = folder();
    let text = user("root", "admin", "")
        + &user("tenant", "admin", "wallets = [\"acme:*\", \"shared\"]")
        + &user("one", "spend", "wallets = [\"acme:1\"]\ncommands = [\"charge\", \"wallet.scan\"]");
    let server = serve(&folder, &text);
    let mut root = login(&server, "root");
    let own: BTreeSet<_> = (0..50).map(|n| format!("acme:{n}")).collect();
    for wallet in own.iter().cloned().chain((0..50).map(|n| format!("other:{n}"))) {
        root.map(&format!("WALLET.OPEN {wallet} CURRENCY USD"));
    }
    let mut tenant = login(&server, "tenant");
    for command in all().into_iter().filter(|command| command.wallet.is_some()) {
        for foreign in ["other:1", "acme", "ACME:1", "Acme:1", "shared2", "share"] {
            let line = example(command, foreign);
            assert_eq!(error_of(&mut tenant, &line), NO_KEY, "{line}");
        }
        for own in ["acme:new", "shared"] {
            let line = example(command, own);
            assert!(!error_of(&mut tenant, &line).starts_with("NOPERM"), "{line}");
        }
    }
    let scan = |name: &str, more: &str| -> BTreeSet<String> {
        let (mut client, mut cursor, mut found) = (login(&server, name), "0".to_owned(), vec![]);
        loop {
            let line = format!("WALLET.SCAN {cursor} COUNT 7{more}");
            let Value::Array(parts) = client.call(&line) else { panic!("{line}") };
            let Value::Array(wallets) = &parts[1] else { panic!("{line}") };
            found.extend(wallets.iter().map(text_of));
            cursor = text_of(&parts[0]);
            if cursor == "0" {
                return found.into_iter().collect();
            }
        }
    };
    assert!(scan("root", "").len() >= 100);
    let seen = scan("tenant", "");
    assert!(own.is_subset(&seen));
    assert!(
        seen.iter().all(|wallet| wallet.starts_with("acme:") || wallet == "shared"),
        "{seen:?}"
    );
    assert_eq!(scan("tenant", " MATCH other:*"), BTreeSet::new());
    assert_eq!(scan("one", ""), BTreeSet::from(["acme:1".to_owned()]));
    // A user with named commands has these only.
    let mut one = login(&server, "one");
    assert!(error_of(&mut one, "BALANCE acme:1").contains("'balance' command"));
    assert_eq!(one.field("CHARGE acme:1 0 ID z", "status"), "charged");
    assert_eq!(error_of(&mut one, "CHARGE acme:2 0 ID z"), NO_KEY);
    assert_eq!(text_of(&one.call("PING")), "PONG");
    // Syntax comes before permission, permission before the wallet.
    assert!(error_of(&mut one, "CHARGE acme:2 x ID z").starts_with("ERR invalid amount"));
    assert!(error_of(&mut tenant, "BALANCE nobody").starts_with("NOPERM"));
}

#[test]
fn who_a_client_is_comes_and_goes() {
    let folder = folder();
    let text = user("default", "read", "") + &user("root", "admin", "");
    let server = serve(&folder, &text);
    let mut root = server.client();
    let hello = format!("HELLO 3 AUTH root {} SETNAME boss", password("root"));
    assert_eq!(map_of(&root.call(&hello))["proto"], "3");
    let list = text_of(&root.call("CLIENT LIST"));
    assert!(list.contains("user=root") && list.contains("name=boss"), "{list}");
    // A failed login changes nothing.
    let wrong = "WRONGPASS invalid username-password pair or user is disabled.";
    assert_eq!(error_of(&mut root, "AUTH default x"), wrong);
    assert_eq!(error_of(&mut root, "HELLO 2 AUTH root x"), wrong);
    assert!(text_of(&root.call("CLIENT INFO")).contains("user=root"));
    // A password alone is the default user's.
    let mut client = server.client();
    assert_eq!(text_of(&client.call(&format!("AUTH {}", password("default")))), "OK");
    assert!(text_of(&client.call("CLIENT INFO")).contains("user=default"));
    assert!(error_of(&mut client, "INFO").starts_with("NOPERM"));
    assert_eq!(text_of(&client.call("RESET")), "RESET");
    assert_eq!(error_of(&mut client, "PING"), NOAUTH);
    let waiting = text_of(&root.call("CLIENT LIST"));
    assert!(waiting.lines().any(|line| line.contains("user= ")), "{waiting}");
    // Another user on the same connection.
    assert_eq!(text_of(&client.call(&format!("AUTH root {}", password("root")))), "OK");
    assert_eq!(text_of(&client.call(&format!("AUTH {}", password("default")))), "OK");
    assert!(error_of(&mut client, "INFO").starts_with("NOPERM"));
    assert!(error_of(&mut root, "CLIENT KILL USER eve").contains("No such user 'eve'"));
    assert_eq!(text_of(&root.call("CLIENT KILL USER default")), "1");
    assert_eq!(client.rest(), b"");
    assert_eq!(text_of(&root.call("CLIENT KILL USER default")), "0");
}

#[test]
fn a_wrong_name_and_a_wrong_password_look_the_same_and_no_secret_is_told() {
    let folder = folder();
    let text = format!("log_level = \"debug\"\n{}", user("root", "admin", ""));
    let server = serve(&folder, &text);
    let mut client = server.client();
    let attempts =
        ["AUTH root wr0ng-1", "AUTH eve wr0ng-2", "AUTH wr0ng-3", "HELLO 3 AUTH x wr0ng-4"];
    let told: BTreeSet<_> = attempts.iter().map(|line| error_of(&mut client, line)).collect();
    assert_eq!(told.len(), 1, "{told:?}");
    let (_, metrics) = server.get("/metrics");
    assert!(metrics.contains("purser_auth_failures_total 4"), "{metrics}");
    let mut root = login(&server, "root");
    let mut outputs = vec![metrics];
    for line in ["CONFIG GET *", "INFO", "INFO everything", "CLIENT LIST", "COMMAND DOCS"] {
        outputs.push(format!("{:?}", root.call(line)));
    }
    let start = Instant::now();
    while !server.log().contains("failed to authenticate") && start.elapsed() < PATIENCE {
        std::thread::sleep(Duration::from_millis(5));
    }
    let log = server.log();
    assert!(log.contains("a client failed to authenticate"), "{log}");
    outputs.push(log);
    let (_, secret) = text.split_once("blake3:").unwrap();
    let mut hidden = vec![password("root"), "wr0ng".to_owned(), "blake3".to_owned()];
    hidden.extend(secret.split(['"', ':']).take(2).map(str::to_owned));
    for output in outputs {
        for secret in &hidden {
            assert!(!output.contains(secret), "{secret} is in {output}");
        }
    }
}

/// `AUTH secret name`, the wrong way round, wrote the secret into the log.
#[test]
fn a_secret_in_the_place_of_the_name_is_not_logged() {
    let folder = folder();
    let server = serve(&folder, &user("root", "admin", ""));
    let secret = "purser_0123456789abcdef0123456789abcdef01234567";
    assert!(server.client().error(&format!("AUTH {secret} root")).starts_with("WRONGPASS"));
    let start = Instant::now();
    while !server.log().contains("failed to authenticate") {
        assert!(start.elapsed() < PATIENCE);
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(!server.log().contains("0123456789"), "{}", server.log());
}

/// Requests of all tenants could be read in the slow log, and whether a wallet exists from the cursors of
/// `WALLET.SCAN`, which were hashes of names.
#[test]
fn who_sees_some_wallets_learns_nothing_of_others() {
    let folder = folder();
    let text = [
        user("root", "admin", ""),
        user("tenant", "admin", "wallets = [\"acme:*\"]"),
        "slowlog_log_slower_than_us = 0\n".to_owned(),
    ];
    let text = [&text[2][..], &text[0], &text[1]].concat();
    let server = serve(&folder, &text);
    let mut root = login(&server, "root");
    for number in 0..50 {
        root.map(&format!("WALLET.OPEN other:{number} CURRENCY USD"));
    }
    let mut tenant = login(&server, "tenant");
    assert!(tenant.error("SLOWLOG GET").starts_with("NOPERM"));
    let mut cursor = "0".to_owned();
    let hashes: BTreeSet<u64> = (0..50)
        .map(|number| xxhash_rust::xxh3::xxh3_64(format!("other:{number}").as_bytes()) >> 7)
        .collect();
    let mut pages = 0;
    loop {
        let Value::Array(page) = tenant.call(&format!("WALLET.SCAN {cursor} COUNT 1")) else {
            panic!("no page")
        };
        assert_eq!(page[1], Value::Array(Vec::new()));
        cursor = text_of(&page[0]);
        let number: u64 = cursor.parse().unwrap();
        assert!(!hashes.contains(&(number & (u64::MAX >> 7))), "{number}");
        pages += 1;
        if number == 0 {
            break;
        }
    }
    assert!(pages >= 50, "{pages}");
}

#[test]
fn a_user_that_asks_too_fast_or_too_much_is_told_so_and_served_later() {
    let folder = folder();
    let text = user("root", "admin", "")
        + &user("fast", "read", "rate_per_second = 5")
        + &user("wide", "read", "in_flight_max = 2");
    let server = serve(&folder, &text);
    login(&server, "root").map("WALLET.OPEN w CURRENCY USD");
    for (name, word) in [("fast", "rate_per_second"), ("wide", "in_flight_max")] {
        let mut client = login(&server, name);
        client.send_raw("BALANCE w\r\n".repeat(100).as_bytes()).unwrap();
        let replies: Vec<_> = (0..100).map(|_| client.receive().unwrap()).collect();
        let (mut answered, mut busy) = (0, 0);
        for reply in replies {
            match reply {
                Value::ServerError(error) => {
                    assert_eq!(error.code(), "BUSY");
                    assert!(error.details().unwrap_or_default().contains(word));
                    busy += 1;
                }
                _ => answered += 1,
            }
        }
        assert!(answered >= 2 && busy >= 10, "{name}: {answered} {busy}");
        std::thread::sleep(Duration::from_millis(1100));
        // Also over another connection, and when the first has gone.
        assert_eq!(client.field("BALANCE w", "status"), "open");
        drop(client);
        assert_eq!(login(&server, name).field("BALANCE w", "status"), "open");
    }
}

/// A price without a wallet is answered at once, but counted as unanswered ever after: a user was `BUSY`
/// for good after `in_flight_max` of them, and the next user of the connection lost what the first had taken.
#[test]
fn prices_leave_a_user_with_requests_to_ask() {
    let folder = folder();
    let users = ["first", "second"].map(|name| user(name, "read", "in_flight_max = 2"));
    let server = serve(&folder, &(user("root", "admin", "") + &users.concat()));
    login(&server, "root").map("WALLET.OPEN w CURRENCY USD");
    let price = "PRICE gpt-4o-mini QTY input_tokens 1";
    let mut client = login(&server, "first");
    for _ in 0..5 {
        client.map(price);
        assert_eq!(client.field("BALANCE w", "status"), "open");
    }
    client.map(price);
    assert_eq!(text_of(&client.call(&format!("AUTH second {}", password("second")))), "OK");
    drop(client);
    for name in ["first", "second"] {
        let mut client = login(&server, name);
        assert_eq!(client.field("BALANCE w", "status"), "open", "{name}");
    }
}

/// A file of users that was cut short, or written in place, opened the server to everybody.
#[test]
fn a_reload_without_users_opens_no_door() {
    let folder = folder();
    let server = serve(&folder, &user("root", "admin", ""));
    super::users::write(&folder, "");
    let log = server.reload("nothing was changed");
    assert!(log.contains("only at a start"), "{log}");
    assert_eq!(error_of(&mut server.client(), "WALLET.OPEN w CURRENCY USD"), NOAUTH);
    login(&server, "root").map("WALLET.OPEN w CURRENCY USD");
}

#[test]
fn without_users_only_this_machine_is_served() {
    let folder = folder();
    for (flag, address) in [("--resp", "0.0.0.0:0"), ("--http", "[::]:0")] {
        // The last one counts nowhere: a flag is given once, so by its variable's file.
        let key = flag.trim_start_matches('-');
        let path = super::users::write(&folder, &format!("{key} = \"{address}\"\n"));
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_purser"))
            .args(["--config", path.to_str().unwrap(), "--data"])
            .arg(data(&folder))
            .output()
            .unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && error.contains("loopback"), "{error}");
        assert!(error.contains("purser user add") && error.contains("line 1"), "{error}");
    }
    let path = super::users::write(&folder, &user("root", "admin", ""));
    let process = spawn(&data(&folder), &["--config", path.to_str().unwrap()]);
    drop(Server::of(process));
}

/// Who asked stands in the ledger, after a restart too; what happened by itself was asked by nobody.
#[test]
fn the_ledger_tells_who_asked() {
    let folder = folder();
    let users = user("boss", "admin", "") + &user("app", "spend", "wallets = [\"a:*\"]");
    let server = serve(&folder, &users);
    let mut boss = login(&server, "boss");
    boss.call("WALLET.OPEN a:1 CURRENCY USD");
    boss.map("TOPUP a:1 5 ID t");
    boss.call("WALLET.OPEN b:1 CURRENCY USD");
    let mut app = login(&server, "app");
    app.map("AUTHORIZE a:1 1 ID h TTL 20");
    app.map("CHARGE a:1 1 ID x");
    std::thread::sleep(std::time::Duration::from_millis(60));
    // A price tells a wallet's plan and usage: it is one of the wallet's secrets.
    let price = "PRICE gpt-4o-mini QTY input_tokens 1 WALLET";
    assert_eq!(app.map(&format!("{price} a:1"))["currency"], "USD");
    assert!(app.error(&format!("{price} b:1")).starts_with("NOPERM"));
    assert!(app.error("EXPLAIN b:1 x").starts_with("NOPERM"));
    assert!(app.error("PRICES.RELOAD").starts_with("NOPERM"));
    let rows = |client: &mut Client| -> Vec<(String, String)> {
        let Value::Array(rows) = client.call("LEDGER a:1") else { panic!("rows") };
        let row = |row| {
            let row = map_of(row);
            (row["kind"].clone(), row["user"].clone())
        };
        rows.iter().map(row).collect()
    };
    let expected = [
        ("expired", ""),
        ("charged", "app"),
        ("held", "app"),
        ("toppedup", "boss"),
        ("opened", "boss"),
    ]
    .map(|(kind, user)| (kind.to_owned(), user.to_owned()));
    assert_eq!(rows(&mut boss), expected);
    server.kill();
    let server = serve(&folder, &users);
    assert_eq!(rows(&mut login(&server, "boss")), expected);
}
