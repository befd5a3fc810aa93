//! `purser config` and `purser user`.

use anyhow::Context as _;
use clap::{Args, Subcommand};
use purser::codec::commands::Role;
use purser::config::flags::Flags;
use purser::config::secret::{Secret, new_password};
use purser::config::{Loaded, UserSettings, show};
use purser::domain::id::User;
use purser::prices::Source;
use purser::server::tls;
use rustix::fs::{Gid, Uid};
use std::io::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// What can be asked of the settings.
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Check the settings, and the certificates and prices that they name.
    Check(Flags),
    /// Show the settings in force as a file, each with where it came from. Secrets are not shown.
    Show(Flags),
}

/// What can be done about users.
#[derive(Debug, Subcommand)]
pub(crate) enum UserCommand {
    /// Make a user: prints its secret, which is shown only now, and what the configuration file needs.
    Add(UserArgs),
}

#[derive(Debug, Args)]
pub(crate) struct UserArgs {
    /// What it calls itself; `default` is the user of clients that send only a password.
    #[arg(value_parser = user_named)]
    name: User,
    /// read: see wallets. spend: also reserve and charge their money. admin: everything.
    #[arg(long, value_parser = role_named)]
    role: Role,
    /// Only these wallets: names, or prefixes with * at their end, separated by commas.
    #[arg(long, value_delimiter = ',', value_name = "WALLET,…")]
    wallets: Vec<String>,
    /// Only these commands of its role, separated by commas.
    #[arg(long, value_delimiter = ',', value_name = "COMMAND,…")]
    commands: Vec<String>,
    /// The most requests to wallets a second; 0: no bound.
    #[arg(long, default_value_t = 0, value_parser = bound, allow_negative_numbers = true)]
    rate_per_second: u32,
    /// The most unanswered requests to wallets; 0: no bound.
    #[arg(long, default_value_t = 0, value_parser = bound, allow_negative_numbers = true)]
    in_flight_max: u32,
    /// Also add it at the end of this file, which must be a configuration that is right with it. Without
    /// this no file is touched.
    #[arg(long, value_name = "FILE")]
    append: Option<PathBuf>,
}

fn user_named(name: &str) -> Result<User, String> {
    User::given(name.as_bytes()).map_err(|error| error.to_string())
}

fn role_named(word: &str) -> Result<Role, &'static str> {
    Role::named(word).ok_or("it is none of read, spend, admin")
}

fn bound(text: &str) -> Result<u32, String> {
    text.parse().map_err(|_| format!("it must be a whole number from 0 to {}", u32::MAX))
}

impl ConfigCommand {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let (Self::Check(flags) | Self::Show(flags)) = &self;
        let loaded = flags.clone().sources().load()?;
        for warning in &loaded.warnings {
            eprintln!("purser: {warning}");
        }
        let text = match self {
            Self::Check(_) => {
                tls::load(&loaded.config, &loaded)?;
                let prices = Source::of(loaded.config.prices.as_deref()).read();
                prices.with_context(|| loaded.named("prices"))?;
                "ok\n".to_owned()
            }
            Self::Show(_) => show::in_force(&loaded),
        };
        write!(std::io::stdout().lock(), "{text}").context("cannot say so")
    }
}

impl UserCommand {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let Self::Add(args) = self;
        let password = new_password().context("no random numbers")?;
        let user = UserSettings {
            name: args.name,
            secret: Secret::of(&password).context("no random numbers")?,
            role: args.role,
            wallets: args.wallets,
            commands: args.commands,
            rate_per_second: args.rate_per_second,
            in_flight_max: args.in_flight_max,
        };
        let snippet = user.toml(&user.secret.expose());
        check(&snippet, &user)?;
        let addition = args.append.map(|path| Addition::to(&path, &snippet)).transpose()?;
        let mut out = std::io::stdout().lock();
        writeln!(out, "# the secret of {}, shown only now: {password}\n\n{snippet}", user.name)?;
        // A user whose secret nobody has seen is of no use to anybody.
        out.flush().context("cannot say so")?;
        let Some(addition) = addition else { return Ok(()) };
        let path = addition.make()?;
        writeln!(out, "# added to {}; a running server takes it over on SIGHUP", path.display())?;
        out.flush().context("cannot say so")
    }
}

/// That the user can be read back as what it is.
fn check(snippet: &str, user: &UserSettings) -> anyhow::Result<()> {
    user.check().map_err(anyhow::Error::msg)?;
    let loaded = Loaded::of_text(Path::new("the new user"), snippet)?;
    anyhow::ensure!(loaded.config.users.first() == Some(user), "the user cannot be read back");
    Ok(())
}

/// A user that is to be added to a file, in one step: all that can fail but that step is done.
struct Addition {
    path: PathBuf,
    file: tempfile::NamedTempFile,
}

impl Addition {
    /// The file stays whose it was, and readable for whom it was; a link to it stays a link.
    fn to(path: &Path, snippet: &str) -> anyhow::Result<Self> {
        let cannot = || format!("cannot change {}", path.display());
        let path = path.canonicalize().with_context(cannot)?;
        let before = std::fs::read_to_string(&path).with_context(cannot)?;
        let gap = if before.trim().is_empty() { "" } else { "\n\n" };
        let after = format!("{}{gap}{snippet}", before.trim_end());
        Loaded::of_text(&path, &after).with_context(cannot)?;
        let folder = path.parent().unwrap_or(Path::new("/"));
        let mut file = tempfile::NamedTempFile::new_in(folder).with_context(cannot)?;
        file.write_all(after.as_bytes()).with_context(cannot)?;
        let data = std::fs::metadata(&path).with_context(cannot)?;
        let (owner, group) = (Uid::from_raw(data.uid()), Gid::from_raw(data.gid()));
        rustix::fs::fchown(file.as_file(), Some(owner), Some(group))
            .with_context(|| format!("cannot keep the owner of {}", path.display()))?;
        file.as_file().set_permissions(data.permissions()).with_context(cannot)?;
        file.as_file().sync_all().with_context(cannot)?;
        Ok(Self { path, file })
    }

    /// Does it; answers where.
    fn make(self) -> anyhow::Result<PathBuf> {
        let not_added = || format!("the user was not added to {}", self.path.display());
        self.file.persist(&self.path).with_context(not_added)?;
        Ok(self.path)
    }
}
