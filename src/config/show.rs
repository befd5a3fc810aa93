//! Settings as text: what is in force, as a file that can be read back; and the table of the
//! documentation.

use super::load::Loaded;
use super::table::{Config, Effect, SETTINGS};
use std::fmt::Write as _;

/// The settings in force, each with where it came from. Users are comments, because their secrets
/// are not shown.
pub fn in_force(loaded: &Loaded) -> String {
    let mut text = String::new();
    for setting in SETTINGS {
        let (value, origin) = (setting.toml(&loaded.config), loaded.origin(setting.name));
        let _ = writeln!(text, "{} = {value} # {origin}", setting.name);
    }
    if !loaded.config.users.is_empty() {
        let _ = writeln!(text, "\n# users: {}", loaded.origin("users"));
    }
    for user in &loaded.config.users {
        for line in user.toml("(redacted)").lines() {
            let _ = writeln!(text, "# {line}");
        }
    }
    text
}

/// The table of docs/configuration.md.
pub fn table() -> String {
    let mut text = String::from(
        "| setting | unit | default | on SIGHUP | what it is |\n|---|---|---|---|---|\n",
    );
    let defaults = Config::default();
    for setting in SETTINGS {
        let effect = match setting.effect {
            Effect::Reload => "yes",
            Effect::Restart => "no",
        };
        let (name, unit, default) = (setting.name, setting.unit, setting.toml(&defaults));
        let about = setting.about.trim().replace('|', "\\|");
        let _ = writeln!(text, "| `{name}` | {unit} | `{default}` | {effect} | {about} |");
    }
    text.push_str("| `[[users]]` | | none | yes | Who may ask for what; see below. |\n");
    text
}
