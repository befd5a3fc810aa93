//! Settings at the user's boundary: files, variables, flags, and what `purser config` and `purser user`
//! say of them.

use super::support::{Server, data, folder, text_of};
use super::users::{login, serve, user, write};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Output};

fn purser(args: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_purser"));
    command.args(args).envs(variables.iter().copied()).output().unwrap()
}

fn texts(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (text(&output.stdout), text(&output.stderr))
}

#[test]
fn a_configuration_is_checked_and_shown() {
    let folder = folder();
    let text = format!("holds_max = 7\n{}", user("ann", "admin", "wallets = [\"a:*\"]"));
    let path = write(&folder, &text);
    let file = path.to_str().unwrap();
    let output = purser(&["config", "check", "--config", file], &[]);
    assert_eq!(texts(&output), ("ok\n".to_owned(), String::new()));
    let variables = [("PURSER_CONFIG", file), ("PURSER_TAGS_MAX", "9"), ("PURSER_PORT", "tcp://x")];
    let output = purser(&["config", "show", "--shards", "3"], &variables);
    let (shown, warned) = texts(&output);
    for line in [
        &format!("holds_max = 7 # {file}, line 1")[..],
        "tags_max = 9 # PURSER_TAGS_MAX",
        "shards = 3 # --shards",
        "grants_max = 1000 # default",
        "# wallets = [\"a:*\"]",
        "# secret = \"(redacted)\"",
    ] {
        assert!(shown.lines().any(|shown| shown == line), "{line} is not in {shown}");
    }
    assert!(!shown.contains("blake3"), "{shown}");
    assert!(warned.contains("PURSER_PORT is ignored"), "{warned}");
    let again = write(&folder, &shown);
    let output = purser(&["config", "check", "--config", again.to_str().unwrap()], &[]);
    assert!(output.status.success());
}

#[test]
fn what_is_wrong_is_said_before_anything_starts() {
    let folder = folder();
    let path = write(&folder, "\nholds_maxx = 7\n");
    let file = path.to_str().unwrap();
    for args in [&["config", "check", "--config", file][..], &["--config", file]] {
        let output = purser(args, &[]);
        let (_, error) = texts(&output);
        assert!(!output.status.success());
        assert!(error.contains("line 2") && error.contains("holds_max?"), "{error}");
    }
    let (_, error) = texts(&purser(&["config", "check"], &[("PURSER_HOLDS_MAX", "x")]));
    assert!(error.contains("PURSER_HOLDS_MAX") && error.contains("whole number"), "{error}");
    let (_, error) = texts(&purser(&["config", "check", "--tags-max", "65"], &[]));
    assert!(error.contains("--tags-max") && error.contains("0 to 64"), "{error}");
    let missing = ["config", "check", "--tls-cert", "/nowhere.pem", "--tls-key", "/nowhere.pem"];
    let (_, error) = texts(&purser(&missing, &[]));
    assert!(error.contains("--tls-cert: tls_cert = \"/nowhere.pem\" is refused"), "{error}");
}

/// Refusals named the setting that was left out, the range of a type instead of what is allowed, and
/// a temporary file; a path that is no UTF-8 was changed without a word.
#[test]
fn a_refusal_names_what_was_set_where_and_what_is_allowed() {
    let folder = folder();
    let path = write(&folder, "");
    let file = path.to_str().unwrap();
    let refused = |text: &[u8], args: &[&str], variables: &[(&str, &[u8])]| {
        std::fs::write(&path, text).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_purser"));
        let variables = variables.iter().map(|(name, value)| (name, OsStr::from_bytes(value)));
        let output = command.args(args).args(["--config", file]).envs(variables).output().unwrap();
        assert!(!output.status.success());
        texts(&output).1
    };
    let check = ["config", "check"];
    let error = refused(b"\ntls_cert = \"x\"", &check, &[]);
    assert!(error.contains("line 2: tls_cert = \"x\" is refused"), "{error}");
    let error = refused(b"", &[&check[..], &["--shards", "256"]].concat(), &[]);
    assert!(error.contains("--shards: shards = 256 is refused"), "{error}");
    assert!(error.contains("0 to 64") && !error.contains("255"), "{error}");
    let error = refused(b"holds_max = 1\n# \xff", &check, &[]);
    assert!(error.contains("line 2: the file must be UTF-8"), "{error}");
    let error = refused(b"", &check, &[("PURSER_DATA", b"/tmp/\xff")]);
    assert!(error.contains("PURSER_DATA: data = ") && error.contains("UTF-8"), "{error}");
    // What is wrong in a file is so there, not in a copy of it.
    std::fs::write(&path, "shards = 99").unwrap();
    let add = ["user", "add", "ann", "--role", "read", "--append", file];
    let (_, error) = texts(&purser(&add, &[]));
    assert_eq!(error.matches(file).count(), 2, "{error}");
    assert!(error.contains(&format!("{file}, line 1: shards = 99 is refused")), "{error}");
    let bad = ["user", "add", "ann", "--role", "read", "--wallets", "a*b"];
    let (_, error) = texts(&purser(&bad, &[]));
    assert!(error.starts_with("purser: user ann: wallets = \"a*b\""), "{error}");
}

#[test]
fn a_user_is_made_shown_once_and_can_log_in() {
    let folder = folder();
    let path = write(&folder, "# mine\nholds_max = 7");
    let add = ["user", "add", "ann", "--role", "spend", "--wallets", "a:*,b", "--append"];
    let output = purser(&[&add[..], &[path.to_str().unwrap()]].concat(), &[]);
    let (shown, error) = texts(&output);
    assert!(output.status.success(), "{error}");
    let (_, secret) = shown.split_once("shown only now: ").unwrap();
    let secret = secret.lines().next().unwrap();
    let file = std::fs::read_to_string(&path).unwrap();
    assert!(file.starts_with("# mine\nholds_max = 7\n\n[[users]]\nname = \"ann\""), "{file}");
    assert!(!file.contains(secret) && secret.len() >= 40);
    let server = Server::start_with(&data(&folder), &["--config", path.to_str().unwrap()]);
    let mut client = server.client();
    assert_eq!(text_of(&client.call(&format!("AUTH ann {secret}"))), "OK");
    assert!(client.error("BALANCE c").starts_with("NOPERM"));
    // A link to the file stays one, and who may read it stays as it was.
    let link = folder.path().join("link.toml");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
    let other = ["user", "add", "joe", "--role", "read", "--append", link.to_str().unwrap()];
    assert!(purser(&other, &[]).status.success());
    assert!(std::fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
    let file = std::fs::read_to_string(&path).unwrap();
    assert!(file.contains("name = \"joe\""), "{file}");
    // Not twice, and nothing was changed.
    let output = purser(&[&add[..], &[path.to_str().unwrap()]].concat(), &[]);
    assert!(!output.status.success() && texts(&output).1.contains("two users ann"));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), file);
    let bad = ["user", "add", "bob", "--role", "read", "--commands", "charge"];
    assert!(texts(&purser(&bad, &[])).1.contains("needs the role"));
}

/// Who was connected when users appeared, and said nothing more, stayed for ever.
#[test]
fn a_client_that_becomes_a_stranger_has_as_long_as_a_new_one() {
    let folder = folder();
    let text = "handshake_timeout_ms = 300\n";
    let server = serve(&folder, text);
    let mut client = server.client();
    assert_eq!(text_of(&client.call("PING")), "PONG");
    write(&folder, &format!("{text}{}", user("ann", "read", "")));
    server.reload("configuration was read again");
    assert_eq!(client.rest(), b"");
    let (_, metrics) = server.get("/metrics");
    let dropped = "purser_connections_dropped_total{reason=\"handshake\"} 1";
    assert!(metrics.contains(dropped), "{metrics}");
}

#[test]
fn users_change_while_the_server_runs() {
    let folder = folder();
    let (ann, bob, eve) =
        (user("ann", "read", ""), user("bob", "admin", ""), user("eve", "read", ""));
    let server = serve(&folder, &[&ann[..], &bob, &eve].concat());
    let (mut anns, mut bobs, mut eves) =
        (login(&server, "ann"), login(&server, "bob"), login(&server, "eve"));
    let mut stranger = server.client();
    assert!(stranger.error("PING").starts_with("NOAUTH"));
    bobs.map("WALLET.OPEN w CURRENCY USD");
    assert!(anns.error("CHARGE w 0 ID x").starts_with("NOPERM"));
    // Ann may more, eve has another secret, dan is new.
    let more = ann.replace("\"read\"", "\"spend\"");
    let text = [&more[..], &bob, &user("eve", "read", ""), &user("dan", "read", "")].concat();
    write(&folder, &text);
    let log = server.reload("configuration was read again");
    assert!(log.contains("user ann has other rights") && log.contains("user dan is new"), "{log}");
    assert_eq!(anns.field("CHARGE w 0 ID x", "status"), "charged");
    assert_eq!(eves.rest(), b"");
    login(&server, "dan");
    login(&server, "eve");
    assert!(stranger.error("PING").starts_with("NOAUTH"));
    // Bob is gone.
    write(&folder, &more);
    let log = server.reload("configuration was read again");
    assert!(log.contains("user bob is gone"), "{log}");
    assert_eq!(bobs.rest(), b"");
    assert!(
        server
            .client()
            .error(&format!("AUTH bob {}", super::users::password("bob")))
            .starts_with("WRONGPASS")
    );
    assert_eq!(text_of(&anns.call("PING")), "PONG");
    // Where there were none, everybody was let in, and is not any more.
    server.kill();
    let server = serve(&folder, "");
    let mut open = server.client();
    assert_eq!(text_of(&open.call("PING")), "PONG");
    write(&folder, &more);
    server.reload("configuration was read again");
    assert!(open.error("PING").starts_with("NOAUTH"));
}

#[test]
fn settings_change_while_the_server_runs_or_are_said_not_to() {
    let folder = folder();
    let server = serve(&folder, "");
    let mut client = server.client();
    let mut get = |name: &str| {
        super::support::map_of(&client.call(&format!("CONFIG GET {name}")))[name].clone()
    };
    assert_eq!(get("request_bytes_max"), "65536");
    write(&folder, "request_bytes_max = 2048\nholds_max = 5\nlog_level = \"warn\"");
    let log = server.reload("holds_max = 5 needs a restart");
    // Now that only warnings are logged, it is not said when all is done.
    assert!(!log.contains("nothing was changed"), "{log}");
    while get("request_bytes_max") != "2048" {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    assert_eq!((get("holds_max"), get("log_level")), ("2000000".to_owned(), "warn".to_owned()));
    let mut large = server.client();
    large.send(&format!("ECHO {}", "x".repeat(3000))).unwrap();
    assert!(String::from_utf8(large.rest()).unwrap().contains("at most 2048 bytes"));
    // Wrong files change nothing.
    for (text, word) in [
        ("request_bytes_max = 1", "line 1"),
        ("nonsense = 1", "there is no setting"),
        ("request_bytes_max = 4096\nlog_level = \"purser=loud\"", "log_level"),
        ("request_bytes_max = 4096\ntls_cert = \"x\"", "set together with tls_key"),
        // Only together with what needs a restart.
        ("dedup_window_ms = 3000000000\narchive_keep_ms = 3000000000", "needs a restart as it was"),
    ] {
        write(&folder, text);
        let log = server.reload("nothing was changed");
        assert!(log.contains(word), "{text}: {log}");
        assert_eq!(get("request_bytes_max"), "2048", "{text}");
    }
}

#[test]
fn the_limit_of_open_files_is_raised_or_explained() {
    let folder = folder();
    let program = env!("CARGO_BIN_EXE_purser");
    let path = data(&folder);
    let run = |limit: &str| {
        let line = format!(
            "ulimit {limit}; exec {program} --resp 127.0.0.1:0 --http 127.0.0.1:0 --connections-max 3000 --data {}",
            path.display()
        );
        let mut process = Command::new("sh");
        process
            .args(["-c", &line])
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped());
        Server::of(process.spawn().unwrap())
    };
    let server = run("-S -n 256");
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", server.id())).unwrap();
    let files = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    assert!(files.split_whitespace().nth(3) == Some("3512"), "{files}");
    drop(server);
    // The hard limit, too; who may not go beyond it says what fits.
    let server = run("-n 1000");
    let start = std::time::Instant::now();
    while !server.log().contains("journal is recovered")
        && start.elapsed() < super::support::PATIENCE
    {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let log = server.log();
    assert!(log.contains("only 488 of") || log.contains("raised the limit"), "{log}");
}
