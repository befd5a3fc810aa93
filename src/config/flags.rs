//! Every setting as a flag, made of the table of settings.

use super::load::Sources;
use super::table::{SETTINGS, Setting};
use clap::{Arg, ArgMatches, Command, Error};
use std::ffi::OsString;
use std::path::PathBuf;

/// The settings that were given as flags, and the file.
#[derive(Debug, Clone, Default)]
pub struct Flags {
    /// `--config`, or its variable.
    pub file: Option<PathBuf>,
    flags: Vec<(&'static Setting, OsString)>,
}

impl Flags {
    /// What a configuration is made of.
    pub fn sources(self) -> Sources {
        Sources { file: self.file, variables: Sources::environment(), flags: self.flags }
    }
}

/// The settings that everybody needs; the others are in `--help`, not in `-h`.
const COMMON: [&str; 3] = ["resp", "http", "data"];

fn arg(setting: &'static Setting) -> Arg {
    let default = setting.toml(&super::Config::default());
    let is_common = COMMON.contains(&setting.name);
    let about = setting.about.trim().trim_end_matches('.');
    let arg = Arg::new(setting.name)
        .long(setting.flag())
        .value_name(setting.unit.to_ascii_uppercase())
        .value_parser(clap::value_parser!(OsString))
        .help(format!("{about} [default: {default}]"))
        .allow_hyphen_values(true);
    if is_common { arg } else { arg.hide_short_help(true).help_heading("Settings") }
}

impl clap::Args for Flags {
    fn augment_args(command: Command) -> Command {
        let file = Arg::new("config")
            .long("config")
            .value_name("FILE")
            .env("PURSER_CONFIG")
            .hide_env(true)
            .value_parser(clap::value_parser!(OsString))
            .help("A configuration file; see config/purser.toml. Flags come before PURSER_… variables, these before the file");
        command.arg(file).args(SETTINGS.iter().map(arg))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl clap::FromArgMatches for Flags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        let mut this = Self::default();
        this.update_from_arg_matches(matches)?;
        Ok(this)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        self.file = matches.get_one::<OsString>("config").map(PathBuf::from);
        let given = SETTINGS.iter().filter_map(|setting| {
            matches.get_one::<OsString>(setting.name).map(|text| (setting, text.clone()))
        });
        self.flags = given.collect();
        Ok(())
    }
}
