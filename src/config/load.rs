//! Where settings come from: flags before environment variables before the file before defaults.

use super::table::{Config, SETTINGS, Setting};
use super::users::{UserSettings, Written};
use super::{ConfigError, check};
use serde::Deserialize as _;
use std::collections::BTreeMap;
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
    pub variables: Vec<(String, String)>,
    /// Settings that were set by flags.
    pub flags: Vec<(&'static Setting, String)>,
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
    pub fn environment() -> Vec<(String, String)> {
        let ours = std::env::vars_os().filter_map(|(name, value)| {
            let name = name.into_string().ok()?;
            name.starts_with(PREFIX).then(|| (name, value.to_string_lossy().into_owned()))
        });
        ours.collect()
    }

    /// Reads and checks all of it.
    pub fn load(&self) -> Result<Loaded, ConfigError> {
        let mut loaded =
            Loaded { config: Config::default(), origins: BTreeMap::new(), warnings: Vec::new() };
        if let Some(path) = &self.file {
            loaded.read_file(path)?;
        }
        for (name, value) in &self.variables {
            loaded.read_variable(name, value)?;
        }
        for (setting, value) in &self.flags {
            loaded.set(setting, value, Origin::Flag(setting.flag()))?;
        }
        match check::check(&loaded.config) {
            Ok(()) => Ok(loaded),
            Err(refused) => {
                let origin = loaded.origin(refused.setting).clone();
                let setting = Setting::named(refused.setting);
                let value = setting.map(|setting| setting.toml(&loaded.config));
                let setting = refused.setting.to_owned();
                let value = value.unwrap_or_default();
                Err(ConfigError::Refused { origin, setting, value, reason: refused.allowed })
            }
        }
    }
}

impl Loaded {
    /// Where a setting was set.
    pub fn origin(&self, setting: &str) -> &Origin {
        self.origins.get(setting).unwrap_or(&Origin::Default)
    }

    fn set(&mut self, setting: &Setting, text: &str, origin: Origin) -> Result<(), ConfigError> {
        if let Err(reason) = (setting.set)(&mut self.config, text) {
            let value = super::table::quoted(text);
            let setting = setting.name.to_owned();
            return Err(ConfigError::Refused { origin, setting, value, reason });
        }
        self.origins.insert(setting.name, origin);
        Ok(())
    }

    fn read_variable(&mut self, name: &str, value: &str) -> Result<(), ConfigError> {
        let setting = name.strip_prefix(PREFIX).map(str::to_ascii_lowercase).unwrap_or_default();
        match Setting::named(&setting).filter(|setting| setting.variable() == name) {
            Some(setting) => self.set(setting, value, Origin::Variable(name.to_owned())),
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

    fn read_file(&mut self, path: &Path) -> Result<(), ConfigError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
        let wrong = |error: &toml::de::Error| {
            let at = error.span().map_or(0, |span| span.start);
            let origin = Origin::File { path: path.to_owned(), line: line_of(&text, at) };
            ConfigError::Malformed { origin, reason: error.message().to_owned() }
        };
        let table = DeTable::parse(&text).map_err(|error| wrong(&error))?;
        for (key, value) in table.get_ref() {
            let line = line_of(&text, key.span().start);
            let origin = Origin::File { path: path.to_owned(), line };
            let name = key.get_ref().as_ref();
            if name == "users" {
                self.read_users(value, path, &text)?;
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
            let origin = Origin::File { path: path.to_owned(), line: line_of(text, at) };
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
                wrong(at, format!("in [[users]]: {}", error.message()))
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
        _ => Err("it must be a whole number".to_owned()),
    }
}

/// The line of a place in a text, from 1.
fn line_of(text: &str, at: usize) -> usize {
    let before = text.as_bytes().get(..at).unwrap_or_default();
    memchr::memchr_iter(b'\n', before).count().saturating_add(1)
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
