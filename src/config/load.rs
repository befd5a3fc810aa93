//! Where settings come from: flags before environment variables before the file before defaults.

use super::table::{Config, SETTINGS, Setting};
use super::users::{UserSettings, Written};
use super::{ConfigError, Refused, check};
use serde::Deserialize as _;
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::{Path, PathBuf};
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

/// What the environment variables of settings begin with.
const PREFIX: &str = "PURSER_";
/// The environment variable that names the file; it is no setting.
const FILE_VARIABLE: &str = "PURSER_CONFIG";

/// Where a setting was set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Nowhere.
    Default,
    /// In a line of the file.
    File {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
    /// By an environment variable.
    Variable(String),
    /// By a flag.
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line } => write!(f, "{}, line {line}", path.display()),
            Self::Variable(name) => f.write_str(name),
            Self::Flag(name) => write!(f, "--{name}"),
        }
    }
}

/// What a configuration is made of. It can be read again while the server runs.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// The file, if there is one.
    pub file: Option<PathBuf>,
    /// Environment variables whose names begin with `PURSER_`.
    pub variables: Vec<(String, OsString)>,
    /// Settings that were set by flags.
    pub flags: Vec<(&'static Setting, OsString)>,
}

/// A configuration, and where it came from.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The settings in force.
    pub config: Config,
    /// Where those that are no defaults were set.
    pub origins: BTreeMap<&'static str, Origin>,
    /// What looks like a mistake but is none for sure.
    pub warnings: Vec<String>,
}

impl Sources {
    /// The variables of this process that concern purser.
    pub fn environment() -> Vec<(String, OsString)> {
        let ours = std::env::vars_os().filter_map(|(name, value)| {
            let name = name.into_string().ok()?;
            name.starts_with(PREFIX).then_some((name, value))
        });
        ours.collect()
    }

    /// Reads and checks all of it.
    pub fn load(&self) -> Result<Loaded, ConfigError> {
        let mut loaded = Loaded::defaults();
        if let Some(path) = &self.file {
            let bytes = std::fs::read(path)
                .map_err(|source| ConfigError::Read { path: path.clone(), source })?;
            loaded.read_file(path, &bytes)?;
        }
        for (name, value) in &self.variables {
            loaded.read_variable(name, value)?;
        }
        for (setting, value) in &self.flags {
            loaded.set_raw(setting, value, Origin::Flag(setting.flag()))?;
        }
        loaded.checked()
    }
}

impl Loaded {
    fn defaults() -> Self {
        Self { config: Config::default(), origins: BTreeMap::new(), warnings: Vec::new() }
    }

    /// What a file comes to, alone, if it has this text.
    pub fn of_text(path: &Path, text: &str) -> Result<Self, ConfigError> {
        let mut loaded = Self::defaults();
        loaded.read_file(path, text.as_bytes())?;
        loaded.checked()
    }

    /// A setting, with where it was set, for what is wrong with what it names.
    pub fn named(&self, setting: &str) -> String {
        format!("{}: {setting} = {}", self.origin(setting), self.value(setting))
    }

    /// Where a setting was set.
    pub fn origin(&self, setting: &str) -> &Origin {
        self.origins.get(setting).unwrap_or(&Origin::Default)
    }

    /// It, if what no type can check is right.
    fn checked(self) -> Result<Self, ConfigError> {
        let Err(Refused { mut setting, allowed, other }) = check::check(&self.config) else {
            return Ok(self);
        };
        let mut reason = allowed;
        if let Some((mut other, allowed_of_other)) = other {
            // Whoever reads it has set one of them, perhaps not the first.
            if *self.origin(setting) == Origin::Default && *self.origin(other) != Origin::Default {
                std::mem::swap(&mut setting, &mut other);
                reason = allowed_of_other;
            }
            let (value, origin) = (self.value(other), self.origin(other));
            reason = format!("{reason}; {other} = {value} ({origin})");
        }
        let (origin, value) = (self.origin(setting).clone(), self.value(setting));
        Err(ConfigError::Refused { origin, setting: setting.to_owned(), value, reason })
    }

    /// What a setting is, as it stands in a file.
    fn value(&self, setting: &str) -> String {
        Setting::named(setting).map(|setting| setting.toml(&self.config)).unwrap_or_default()
    }

    /// Sets what came from outside the file.
    fn set_raw(
        &mut self,
        setting: &'static Setting,
        text: &OsStr,
        origin: Origin,
    ) -> Result<(), ConfigError> {
        match text.to_str() {
            Some(text) => self.set(setting, text, origin),
            None => Err(ConfigError::Refused {
                origin,
                setting: setting.name.to_owned(),
                value: super::table::quoted(&text.to_string_lossy()),
                reason: "it must be UTF-8".to_owned(),
            }),
        }
    }

    fn set(&mut self, setting: &Setting, text: &str, origin: Origin) -> Result<(), ConfigError> {
        if let Err(reason) = (setting.set)(&mut self.config, text) {
            let is_number = !setting.is_text && text.parse::<i128>().is_ok();
            let value = if is_number { text.to_owned() } else { super::table::quoted(text) };
            let reason = if setting.is_text { reason } else { a_number(setting.name, &reason) };
            let setting = setting.name.to_owned();
            return Err(ConfigError::Refused { origin, setting, value, reason });
        }
        self.origins.insert(setting.name, origin);
        Ok(())
    }

    fn read_variable(&mut self, name: &str, value: &OsStr) -> Result<(), ConfigError> {
        let setting = name.strip_prefix(PREFIX).map(str::to_ascii_lowercase).unwrap_or_default();
        match Setting::named(&setting).filter(|setting| setting.variable() == name) {
            Some(setting) => self.set_raw(setting, value, Origin::Variable(name.to_owned())),
            None if name == FILE_VARIABLE => Ok(()),
            // Not an error: Kubernetes sets PURSER_PORT and others for a service of this name.
            None => {
                let hint = suggestion(&setting).map(Setting::variable);
                self.warnings.push(format!(
                    "{name} is ignored: there is no such setting{}",
                    did_you_mean(hint)
                ));
                Ok(())
            }
        }
    }

    fn read_file(&mut self, path: &Path, bytes: &[u8]) -> Result<(), ConfigError> {
        let origin_at =
            |at: usize| Origin::File { path: path.to_owned(), line: line_of(bytes, at) };
        let text = std::str::from_utf8(bytes).map_err(|error| ConfigError::Malformed {
            origin: origin_at(error.valid_up_to()),
            reason: "the file must be UTF-8".to_owned(),
        })?;
        let wrong = |error: &toml::de::Error| {
            let at = error.span().map_or(0, |span| span.start);
            let reason = format!("{}{}", key_at(text, at), error.message());
            ConfigError::Malformed { origin: origin_at(at), reason }
        };
        let table = DeTable::parse(text).map_err(|error| wrong(&error))?;
        for (key, value) in table.get_ref() {
            let origin = origin_at(key.span().start);
            let name = key.get_ref().as_ref();
            if name == "users" {
                self.read_users(value, path, text)?;
                self.origins.insert("users", origin);
                continue;
            }
            let Some(setting) = Setting::named(name) else {
                let hint = suggestion(name).map(|setting| setting.name.to_owned());
                let reason = format!("there is no setting {name:?}{}", did_you_mean(hint));
                return Err(ConfigError::Malformed { origin, reason });
            };
            let text = text_of(value.get_ref(), setting).map_err(|reason| {
                let value = text.get(value.span()).unwrap_or_default().to_owned();
                ConfigError::Refused {
                    origin: origin.clone(),
                    setting: name.to_owned(),
                    value,
                    reason,
                }
            })?;
            self.set(setting, &text, origin)?;
        }
        Ok(())
    }

    fn read_users(
        &mut self,
        users: &Spanned<DeValue<'_>>,
        path: &Path,
        text: &str,
    ) -> Result<(), ConfigError> {
        let wrong = |at: usize, reason: String| {
            let origin = Origin::File { path: path.to_owned(), line: line_of(text.as_bytes(), at) };
            ConfigError::Malformed { origin, reason }
        };
        let Some(list) = users.get_ref().as_array() else {
            return Err(wrong(users.span().start, "users are written as [[users]]".to_owned()));
        };
        for one in list {
            let start = one.span().start;
            let written = Written::deserialize(ValueDeserializer::from(one.clone()));
            let written = written.map_err(|error| {
                let at = error.span().map_or(start, |span| span.start);
                wrong(at, format!("in [[users]]: {}{}", key_at(text, at), error.message()))
            })?;
            let user = UserSettings::try_from(written).map_err(|reason| wrong(start, reason))?;
            if self.config.users.iter().any(|other| other.name == user.name) {
                return Err(wrong(start, format!("there are two users {}", user.name)));
            }
            self.config.users.push(user);
        }
        Ok(())
    }
}

/// The text of a value in the file, if it is of the kind that the setting has.
fn text_of(value: &DeValue<'_>, setting: &Setting) -> Result<String, String> {
    match value {
        DeValue::String(text) if setting.is_text => Ok(text.to_string()),
        DeValue::Integer(number) if !setting.is_text && number.radix() == 10 => {
            Ok(number.as_str().to_owned())
        }
        _ if setting.is_text => Err("it must be a string in quotes".to_owned()),
        _ => Err(a_number(setting.name, "it must be a whole number")),
    }
}

/// Why something that is no number, or beyond the range of its type, is refused: by the range of the setting,
/// if it has one.
fn a_number(setting: &str, otherwise: &str) -> String {
    match check::allowed(setting) {
        Some(allowed) => format!("it must be a whole number, {allowed}"),
        None => otherwise.to_owned(),
    }
}

/// The line of a place in a text, from 1.
fn line_of(text: &[u8], at: usize) -> usize {
    let before = text.get(..at).unwrap_or_default();
    memchr::memchr_iter(b'\n', before).count().saturating_add(1)
}

/// The key in the line of a place in a text, with a colon behind it; nothing when there is none.
fn key_at(text: &str, at: usize) -> String {
    let line = text.lines().nth(line_of(text.as_bytes(), at).saturating_sub(1)).unwrap_or_default();
    let key = line.split_once('=').map_or("", |(key, _)| key.trim());
    if key.is_empty() { String::new() } else { format!("{key}: ") }
}

/// The setting that somebody may have meant.
fn suggestion(name: &str) -> Option<&'static Setting> {
    let near = SETTINGS.iter().map(|setting| (strsim::levenshtein(name, setting.name), setting));
    let nearest = near.min_by_key(|(distance, _)| *distance);
    nearest.filter(|(distance, _)| *distance <= 3).map(|(_, setting)| setting)
}

fn did_you_mean(name: Option<String>) -> String {
    match name {
        Some(name) => format!("; did you mean {name}?"),
        None => "; docs/configuration.md names them all".to_owned(),
    }
}
