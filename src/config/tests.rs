use super::*;
use std::ffi::OsString;
use std::path::Path;

fn load(text: &str, variables: &[(&str, &str)], flags: &[(&str, &str)]) -> Result<Loaded, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("purser.toml");
    std::fs::write(&path, text).unwrap();
    let owned = |pairs: &[(&str, &str)]| -> Vec<(String, OsString)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), OsString::from(value))).collect()
    };
    let flags =
        flags.iter().map(|(name, value)| (Setting::named(name).unwrap(), OsString::from(value)));
    let sources = Sources { file: Some(path), variables: owned(variables), flags: flags.collect() };
    sources.load().map_err(|error| error.to_string())
}

fn user(more: &str) -> String {
    let secret = secret::Secret::of("password").unwrap().expose();
    format!("[[users]]\nname = \"ann\"\nsecret = \"{secret}\"\n{more}\n")
}

#[test]
fn the_shipped_file_names_every_setting_with_its_default() {
    let shipped = include_str!("../../config/purser.toml");
    let loaded = load(shipped, &[], &[]).unwrap();
    assert_eq!(loaded.config, Config::default());
    assert!(SETTINGS.len() > 30);
    let lines: Vec<&str> =
        shipped.lines().filter_map(|line| line.split_once(" = ")).map(|l| l.0).collect();
    let names = SETTINGS.iter().map(|setting| setting.name);
    let shown: Vec<_> = lines.into_iter().filter(|name| !name.starts_with('#')).collect();
    assert_eq!(shown, names.collect::<Vec<_>>());
}

#[test]
fn the_documented_table_is_the_one_of_the_code() {
    let documented = include_str!("../../docs/configuration.md");
    let table = show::table();
    assert!(documented.contains(&table), "docs/configuration.md needs this table:\n{table}");
}

#[test]
fn what_is_wrong_is_named_with_its_place_and_what_is_allowed() {
    for (text, words) in [
        ("holds_max = 5\nhold_max = 5", &["line 2", "hold_max", "did you mean holds_max?"][..]),
        ("\n\nholds_max = 0", &["line 3", "holds_max = 0", "above 0"]),
        ("holds_max = \"x\"", &["line 1", "holds_max = \"x\"", "whole number"]),
        ("holds_max = -1", &["line 1", "holds_max", "a whole number, above 0"]),
        ("resp = 5", &["line 1", "resp = 5", "string"]),
        ("resp = \"x\"", &["line 1", "resp = \"x\"", "an IP address and a port"]),
        ("log_format = \"xml\"", &["line 1", "text or json"]),
        ("holds_max = 1\nholds_max = 2", &["line 2", "holds_max: duplicate"]),
        ("holds_max", &["line 1"]),
        ("archive_keep_ms = 1", &["line 1", "archive_keep_ms", "at least dedup_window_ms"]),
        ("hold_ttl_ms = 0", &["line 1", "31 days"]),
        ("resp = \"127.0.0.1:7412\"", &["line 1", "another address than http"]),
        ("http = \"127.0.0.1:7411\"", &["line 1", "another address than resp"]),
        ("resp = \"0.0.0.0:7411\"", &["line 1", "loopback", "purser user add"]),
        ("http = \"[::]:7412\"", &["line 1", "http", "loopback"]),
        ("\ntls_cert = \"x\"", &["line 2", "tls_cert = \"x\"", "set together with tls_key"]),
        ("tls_key = \"x\"", &["line 1", "tls_key = \"x\"", "set together with tls_cert"]),
        // It is not the setting with the default that somebody has set too large.
        (
            "dedup_window_ms = 9999999999",
            &["line 1", "dedup_window_ms", "at most archive_keep_ms", "2764800000 (default)"],
        ),
        ("archive_keep_ms = 86400000\ndedup_window_ms = 86400001", &["line 1", "line 2"]),
        ("shards = 256", &["line 1", "shards = 256", "a whole number, 0 to 64"]),
        ("shards = 65", &["line 1", "shards = 65", "0 to 64"]),
        ("shards = true", &["line 1", "shards = true", "a whole number, 0 to 64"]),
        ("tls_client_ca = \"x\"", &["line 1", "tls_client_ca"]),
        ("users = 5", &["line 1", "[[users]]"]),
        ("\n[[users]]\nname = \"x\"", &["line 2", "missing field"]),
    ] {
        let error = load(text, &[], &[]).unwrap_err();
        assert!(words.iter().all(|word| error.contains(word)), "{text}: {error}");
    }
    for (more, words) in [
        ("role = \"root\"", &["user ann", "\"read\", \"spend\" or \"admin\""][..]),
        ("role = \"read\"\nrate_per_second = -1", &["line 5", "rate_per_second", "from 0 to 4294"]),
        ("role = 5", &["line 4", "role", "string"]),
        ("role = \"read\"\nwallet = [\"x\"]", &["line 5", "unknown field `wallet`"]),
        ("role = \"read\"\nwallets = [\"a*b\"]", &["user ann", "a*b", "prefix"]),
        ("role = \"read\"\nwallets = [\"\"]", &["user ann", "prefix"]),
        ("role = \"read\"\ncommands = [\"get\"]", &["user ann", "no such command"]),
        ("role = \"read\"\ncommands = [\"charge\"]", &["user ann", "needs the role \"spend\""]),
    ] {
        let error = load(&user(more), &[], &[]).unwrap_err();
        assert!(words.iter().all(|word| error.contains(word)), "{more}: {error}");
    }
    let twice = user("role = \"read\"").repeat(2);
    assert!(load(&twice, &[], &[]).unwrap_err().contains("two users ann"));
    let missing = Sources { file: Some(Path::new("/nowhere/x").to_owned()), ..Sources::default() };
    assert!(missing.load().unwrap_err().to_string().contains("cannot read /nowhere/x"));
}

#[test]
fn flags_come_before_variables_before_the_file_before_defaults() {
    let file = "holds_max = 1\ngrants_max = 1\ntags_max = 1";
    let variables = [("PURSER_HOLDS_MAX", "2"), ("PURSER_GRANTS_MAX", "2")];
    let loaded = load(file, &variables, &[("holds_max", "3")]).unwrap();
    let config = &loaded.config;
    assert_eq!((config.holds_max, config.grants_max, config.tags_max), (3, 2, 1));
    assert_eq!(loaded.origin("holds_max").to_string(), "--holds-max");
    assert_eq!(loaded.origin("grants_max").to_string(), "PURSER_GRANTS_MAX");
    assert!(loaded.origin("tags_max").to_string().ends_with("purser.toml, line 3"));
    assert_eq!(loaded.origin("shards").to_string(), "default");
    let error = load("", &[("PURSER_HOLDS_MAX", "0")], &[]).unwrap_err();
    assert!(error.starts_with("PURSER_HOLDS_MAX: holds_max = 0"), "{error}");
    let error = load("", &[], &[("shards", "many")]).unwrap_err();
    assert!(error.starts_with("--shards: shards = \"many\""), "{error}");
    // Kubernetes makes such variables of a service's name.
    let variables = [("PURSER_PORT", "tcp://10.0.0.1:7411"), ("PURSER_HOLD_MAX", "1")];
    let loaded = load("", &variables, &[]).unwrap();
    assert_eq!(loaded.config, Config::default());
    assert!(loaded.warnings[0].starts_with("PURSER_PORT is ignored"), "{:?}", loaded.warnings);
    assert!(loaded.warnings[1].contains("did you mean PURSER_HOLDS_MAX?"), "{:?}", loaded.warnings);
}

#[test]
fn what_is_shown_reads_back_as_the_same_without_secrets() {
    let file = format!(
        "data = \"a\\\"b\\\\c\"\nholds_max = 7\n{}",
        user("role = \"admin\"\nwallets = [\"a:*\"]")
    );
    let loaded = load(&file, &[], &[("shards", "2")]).unwrap();
    let shown = show::in_force(&loaded);
    let secret = loaded.config.users[0].secret.expose();
    let debug = format!("{loaded:?}");
    for part in secret.split(':').skip(1) {
        assert!(!shown.contains(part) && !debug.contains(part), "{shown}");
    }
    assert!(shown.contains("holds_max = 7 # ") && shown.contains("shards = 2 # --shards"));
    assert!(shown.contains("# name = \"ann\"") && shown.contains("# wallets = [\"a:*\"]"));
    let again = load(&shown, &[], &[]).unwrap().config;
    assert_eq!(again, Config { users: Vec::new(), ..loaded.config });
}

#[test]
fn a_user_is_read_back_from_what_is_printed_for_it() {
    let more = "role = \"spend\"\nwallets = [\"a:*\", \"b\"]\ncommands = [\"charge\", \"client|id\"]\n\
                rate_per_second = 5\nin_flight_max = 6";
    let user = load(&user(more), &[], &[]).unwrap().config.users.remove(0);
    let printed = user.toml(&user.secret.expose());
    assert_eq!(load(&printed, &[], &[]).unwrap().config.users, [user]);
}

#[test]
fn with_users_any_address_is_taken() {
    let file = format!("resp = \"0.0.0.0:7411\"\n{}", user("role = \"admin\""));
    load(&file, &[], &[]).unwrap();
}

#[test]
fn history_is_kept_as_long_as_a_hold_may_need_it() {
    let keep = Config::default().archive_keep_ms;
    let life = Span::TTL_MAX.millis() + Config::default().dedup_window_ms;
    assert!(keep >= life, "a hold's id is known for the window after its longest life");
}
