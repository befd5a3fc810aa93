//! The house rules that a compiler does not check: which layer may know which, who owns sled and
//! actix, how files begin and how long they may be.

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    /// The most lines of a file.
    const LINES_MAX: usize = 500;
    /// The most lines of the reference model: it must be seen to be right.
    const MODEL_LINES_MAX: usize = 200;
    /// The reference model. What lies beside it asks, and puts questions and answers into its words.
    const MODEL: &str = "tests/model/mod.rs";
    /// What each layer may name of this crate. Whoever is not listed may name anything.
    const LAYERS: [(&str, &[&str]); 10] = [
        ("domain", &["domain"]),
        (
            "pricing",
            &[
                "pricing",
                "domain::amount",
                "domain::id",
                "domain::rating",
                "domain::time",
                "domain::usage",
            ],
        ),
        ("prices", &["prices", "pricing", "domain"]),
        ("codec", &["codec", "domain"]),
        ("store", &["store", "codec::record", "codec::snapshot", "codec::value", "domain"]),
        (
            "engine",
            &["engine", "store", "codec::record", "codec::snapshot", "codec::value", "domain"],
        ),
        ("export", &["export", "codec::record", "domain"]),
        (
            "audit",
            &[
                "audit",
                "export",
                "prices",
                "config",
                "store",
                "codec::record",
                "codec::snapshot",
                "codec::value",
                "domain",
            ],
        ),
        ("config", &["config", "engine", "store::archive", "codec::commands", "domain"]),
        ("server", &["server", "config", "engine", "codec", "domain"]),
    ];
    /// Who may name a crate.
    const OWNERS: [(&str, &[&str]); 3] = [
        ("sled::", &["src/store/sled/"]),
        ("actix::", &["src/engine/", "src/server/http.rs", "src/app.rs", "src/main.rs"]),
        ("actix_web::", &["src/server/http.rs", "src/app.rs", "src/main.rs"]),
    ];
    const ACTIX_RT: &[&str] = &["src/engine/", "src/server/", "src/app.rs", "src/main.rs"];

    /// Whether `name` stands in the line as a whole path segment, not as a part of another.
    fn names(line: &str, name: &str) -> bool {
        let whole = |(at, _): &(usize, &str)| {
            let before = &line[..*at];
            let inside = before.ends_with(|c: char| c.is_alphanumeric() || c == '_');
            // `store::sled::` is our own module, `::sled::` the crate.
            let of_ours = before
                .strip_suffix("::")
                .is_some_and(|path| path.ends_with(|c: char| c.is_alphanumeric() || c == '_'));
            !inside && !of_ours
        };
        line.match_indices(name).any(|found| whole(&found))
    }

    /// The modules of this crate that a line names.
    fn modules(line: &str) -> Vec<&str> {
        let paths = line.match_indices("crate::").map(|(at, text)| &line[at + text.len()..]);
        paths
            .map(|path| {
                let end = |c: char| !(c.is_alphanumeric() || c == '_' || c == ':');
                path.split(end).next().unwrap_or_default()
            })
            .collect()
    }

    /// The code of a file: without comments, and without what only tests see.
    fn code(path: &str, text: &str) -> Vec<(usize, String)> {
        if is_test(path) {
            return Vec::new();
        }
        let tests = text.match_indices("#[cfg(test)]\n").map(|(at, mark)| at + mark.len());
        // A module of tests stands last; a declaration of one has a file of its own.
        let declares =
            |at: usize| text[at..].lines().next().is_some_and(|line| line.ends_with(';'));
        let end = tests.into_iter().find(|&at| !declares(at)).unwrap_or(text.len());
        let lines = text[..end].lines().enumerate();
        let bare = |line: &str| line.split("//").next().unwrap_or_default().to_owned();
        lines.map(|(index, line)| (index + 1, bare(line))).collect()
    }

    fn is_test(path: &str) -> bool {
        path.ends_with("tests.rs") || path.contains("/tests/") || !path.starts_with("src/")
    }

    /// What is wrong with a file.
    fn check(path: &str, text: &str) -> Vec<String> {
        let mut wrong = Vec::new();
        let mut say = |line: usize, what: String| wrong.push(format!("{path}:{line}: {what}"));
        if !text.starts_with("//!") && !path.ends_with("tests.rs") {
            say(1, "it does not open with what it is for (`//!`)".to_owned());
        }
        if text.lines().count() > LINES_MAX {
            say(LINES_MAX + 1, format!("more than {LINES_MAX} lines"));
        }
        if path == MODEL && text.lines().count() > MODEL_LINES_MAX {
            say(MODEL_LINES_MAX + 1, format!("more than {MODEL_LINES_MAX} lines of model"));
        }
        let layer = path.strip_prefix("src/").and_then(|rest| rest.split(['/', '.']).next());
        let known = layer.and_then(|layer| LAYERS.iter().find(|(name, _)| *name == layer));
        for (number, line) in code(path, text) {
            for module in modules(&line) {
                let allows = |allowed: &&str| {
                    module == *allowed || module.starts_with(&format!("{allowed}::"))
                };
                if let Some((layer, allowed)) = known
                    && !allowed.iter().any(allows)
                {
                    say(number, format!("{layer} may not use {module}"));
                }
            }
            let owners = OWNERS.into_iter().chain([("actix_rt::", ACTIX_RT)]);
            for (name, owners) in owners {
                if names(&line, name) && !owners.iter().any(|owner| path.starts_with(owner)) {
                    say(number, format!("only {} may use {name}", owners.join(", ")));
                }
            }
            if line.contains(".unwrap()") {
                say(number, "unwrap() outside of tests".to_owned());
            }
            let float = ["f32", "f64"].iter().any(|float| {
                line.split(|c: char| !(c.is_alphanumeric() || c == '_')).any(|word| word == *float)
            });
            if layer == Some("domain") && float {
                say(number, "money knows no floats".to_owned());
            }
        }
        wrong
    }

    fn sources(folder: &Path) -> Vec<PathBuf> {
        let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
        let paths = entries.flatten().map(|entry| entry.path());
        paths
            .flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] })
            .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
            .collect()
    }

    #[test]
    fn the_house_is_tidy() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let folders = ["src", "tests", "loadtest", "benches"];
        let files: Vec<_> = folders.iter().flat_map(|folder| sources(&root.join(folder))).collect();
        assert!(files.len() > 50, "only {} files were found", files.len());
        assert!(files.contains(&root.join(MODEL)), "the model is elsewhere");
        let mut wrong = Vec::new();
        for file in files {
            let path = file.strip_prefix(root).unwrap().to_string_lossy().into_owned();
            wrong.extend(check(&path, &std::fs::read_to_string(&file).unwrap()));
        }
        assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    }

    /// Each violation that is planted here is found, and named as expected.
    #[test]
    fn planted_violations_are_found() {
        let long = format!("//! Long.\n{}", "\n".repeat(LINES_MAX));
        for (path, text, expected) in [
            (
                "src/domain/wallet.rs",
                "use crate::engine::shard;",
                "domain may not use engine::shard",
            ),
            (
                "src/domain/wallet.rs",
                "fn f(x: crate::codec::resp::X) {}",
                "domain may not use codec",
            ),
            ("src/codec/resp.rs", "use crate::store::Journal;", "codec may not use store"),
            (
                "src/store/sled/mod.rs",
                "use crate::codec::resp::X;",
                "store may not use codec::resp",
            ),
            (
                "src/engine/shard.rs",
                "use crate::codec::reply::X;",
                "engine may not use codec::reply",
            ),
            ("src/export/mod.rs", "use crate::codec::reply::X;", "export may not use codec::reply"),
            ("src/engine/shard.rs", "use crate::server::X;", "engine may not use server"),
            ("src/audit/verify.rs", "use crate::engine::X;", "audit may not use engine"),
            ("src/server/ring.rs", "use crate::store::X;", "server may not use store"),
            ("src/store/recovery.rs", "fn open() -> ::sled::Result<()> {}", "may use sled::"),
            ("src/app.rs", "use sled::Db;", "only src/store/sled/ may use sled::"),
            ("src/codec/resp.rs", "use actix::prelude::*;", "may use actix::"),
            ("src/server/ring.rs", "use actix_web::web;", "may use actix_web::"),
            ("src/store/mod.rs", "actix_rt::spawn(x);", "may use actix_rt::"),
            ("src/app.rs", "let x = y.unwrap();", "unwrap() outside of tests"),
            ("src/domain/amount.rs", "fn f(x: f64) {}", "money knows no floats"),
            ("src/app.rs", "long", "more than 500 lines"),
            (MODEL, "model", "more than 200 lines of model"),
            ("src/app.rs", "bare", "it does not open"),
            ("tests/x.rs", "bare", "it does not open"),
        ] {
            let text = match text {
                "long" => long.clone(),
                "model" => format!("//! Long.\n{}", "\n".repeat(MODEL_LINES_MAX)),
                "bare" => "fn main() {}".to_owned(),
                line => format!("//! A file.\n{line}\n"),
            };
            let wrong = check(path, &text);
            assert_eq!(wrong.len(), 1, "{path}: {text}: {wrong:?}");
            assert!(wrong[0].contains(expected), "{}", wrong[0]);
        }
    }

    #[test]
    fn what_is_allowed_is_left_alone() {
        for (path, line) in [
            ("src/codec/reply.rs", "use crate::domain::outcome::Receipt;"),
            ("src/engine/batch.rs", "use crate::codec::record::{self, Position};"),
            ("src/store/sled/journal.rs", "tree: ::sled::Tree,"),
            ("src/app.rs", "use crate::store::sled::SledJournal;"),
            ("src/app.rs", "// sled::Db, y.unwrap()"),
            ("src/app.rs", "#[cfg(test)]\nmod tests { fn f() { x.unwrap(); } }"),
            ("src/codec/request/tests.rs", "x.unwrap();"),
            ("src/server/ring.rs", "actix_rt::spawn(x);"),
            ("src/domain/amount.rs", "let half_f64s = 1;"),
            ("tests/tidy.rs", "use sled::Db;"),
        ] {
            assert_eq!(check(path, &format!("//! A file.\n{line}\n")), Vec::<String>::new());
        }
    }
}
