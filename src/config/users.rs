//! `[[users]]`: who may ask for what.

use super::secret::Secret;
use super::table::quoted;
use crate::codec::commands::{self, Role};
use crate::domain::id::User;
use serde::Deserialize;
use std::fmt::Write as _;

/// A user as configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserSettings {
    /// What it calls itself in `AUTH`.
    pub name: User,
    /// What it proves that with.
    pub secret: Secret,
    /// What it may do.
    pub role: Role,
    /// The wallets that it may use: names, or prefixes with `*` behind them. All when empty.
    pub wallets: Vec<String>,
    /// The commands of its role that it may use. All when empty.
    pub commands: Vec<String>,
    /// The most requests to wallets a second, over all of its connections; 0: no bound.
    pub rate_per_second: u32,
    /// The most unanswered requests to wallets, over all of its connections; 0: no bound.
    pub in_flight_max: u32,
}

/// A user as it stands in the file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a user, as [[users]] begins one")]
pub(super) struct Written {
    name: String,
    secret: String,
    role: String,
    wallets: Option<Vec<String>>,
    commands: Option<Vec<String>>,
    #[serde(default)]
    rate_per_second: Bound,
    #[serde(default)]
    in_flight_max: Bound,
}

/// A bound as it stands in the file.
#[derive(Default, Deserialize)]
#[serde(try_from = "i64")]
struct Bound(u32);

impl TryFrom<i64> for Bound {
    type Error = String;

    fn try_from(number: i64) -> Result<Self, String> {
        let bound = u32::try_from(number);
        bound.map(Self).map_err(|_| format!("it must be a whole number from 0 to {}", u32::MAX))
    }
}

impl TryFrom<Written> for UserSettings {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        let name = &written.name;
        let user =
            User::given(name.as_bytes()).map_err(|error| format!("user {name:?}: {error}"))?;
        let wrong = |what: &str| format!("user {name}: {what}");
        let secret = Secret::read(&written.secret).ok_or_else(|| {
            wrong("its secret must be blake3:<key>:<hash>, as `purser user add` prints it")
        })?;
        let role = Role::named(&written.role)
            .ok_or_else(|| wrong("its role must be \"read\", \"spend\" or \"admin\""))?;
        let listed = |list: Option<Vec<String>>, what: &str| match list {
            Some(list) if list.is_empty() => {
                Err(wrong(&format!("{what} names none; leave it out to allow all")))
            }
            list => Ok(list.unwrap_or_default()),
        };
        let wallets = listed(written.wallets, "wallets")?;
        let commands = listed(written.commands, "commands")?;
        let user = Self {
            name: user,
            secret,
            role,
            wallets,
            commands,
            rate_per_second: written.rate_per_second.0,
            in_flight_max: written.in_flight_max.0,
        };
        user.check()?;
        Ok(user)
    }
}

fn check_pattern(pattern: &str) -> Result<(), String> {
    let name = pattern.strip_suffix('*').unwrap_or(pattern);
    let is_good = !pattern.is_empty()
        && name.len() <= crate::domain::id::WalletId::MAX
        && name.bytes().all(|byte| byte.is_ascii_graphic() && !b"*\"'".contains(&byte));
    let allowed = "it must be a wallet, or a prefix of wallets with one * at its end";
    if is_good { Ok(()) } else { Err(format!("wallets = {pattern:?}: {allowed}")) }
}

fn check_command(name: &str, role: Role) -> Result<(), String> {
    match commands::find(name.as_bytes()) {
        None => Err(format!("commands = {name:?}: there is no such command")),
        Some(command) if command.role > role => {
            let (has, needs) = (role.word(), command.role.word());
            Err(format!("commands = {name:?}: it needs the role {needs:?}, the user has {has:?}"))
        }
        Some(_) => Ok(()),
    }
}

impl UserSettings {
    /// Checks what it may use.
    pub fn check(&self) -> Result<(), String> {
        let wallets = self.wallets.iter().map(|pattern| check_pattern(pattern));
        let commands = self.commands.iter().map(|command| check_command(command, self.role));
        let first = wallets.chain(commands).find_map(Result::err);
        first.map_or(Ok(()), |what| Err(format!("user {}: {what}", self.name)))
    }

    /// What stands in a file for it; with `secret` in place of its own.
    pub fn toml(&self, secret: &str) -> String {
        let list = |texts: &[String]| {
            let quoted: Vec<_> = texts.iter().map(|text| quoted(text)).collect();
            quoted.join(", ")
        };
        let mut text = format!(
            "[[users]]\nname = {}\nsecret = {}\nrole = {}\n",
            quoted(self.name.as_str()),
            quoted(secret),
            quoted(self.role.word()),
        );
        if !self.wallets.is_empty() {
            let _ = writeln!(text, "wallets = [{}]", list(&self.wallets));
        }
        if !self.commands.is_empty() {
            let _ = writeln!(text, "commands = [{}]", list(&self.commands));
        }
        for (name, bound) in
            [("rate_per_second", self.rate_per_second), ("in_flight_max", self.in_flight_max)]
        {
            if bound > 0 {
                let _ = writeln!(text, "{name} = {bound}");
            }
        }
        text
    }
}
