//! PostgreSQL: one function call a command, and every commit synced before it is answered.

use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use bytes::BytesMut;
use rustix::process::{Signal, geteuid};
use tempfile::TempDir;

use super::peer::{About, Peer, Running};
use super::process::{self, Process};
use super::workload::{Dialect, MONEY, Op, Reply, Totals};
use wire::Session;

mod wire;

pub(crate) const NAME: &str = "postgres";
/// Where Debian puts the programs, in a folder for each version.
const DEBIAN: &str = "/usr/lib/postgresql";
const SCHEMA: &str = include_str!("postgres.sql");
/// Who may run it, if this program may not, for it refuses to be run by root.
const USERS: [&str; 2] = ["postgres", "nobody"];
/// What makes it as durable as the others (these are its defaults, too), and what gives it room:
/// no checkpoint during a measurement, less to write for replicas that there are none of.
const SETTINGS: [(&str, &str); 12] = [
    ("fsync", "on"),
    ("synchronous_commit", "on"),
    ("full_page_writes", "on"),
    ("shared_buffers", "512MB"),
    ("wal_level", "minimal"),
    ("max_wal_senders", "0"),
    ("wal_buffers", "16MB"),
    ("max_wal_size", "8GB"),
    ("checkpoint_timeout", "1h"),
    ("jit", "off"),
    // A plan is kept for as long as a connection. Made while the tables are new, it would read them
    // from end to end, and go on so when they have grown.
    ("enable_seqscan", "off"),
    ("autovacuum_naptime", "5s"),
];
/// Connections beside those that are measured.
const SPARE: u16 = 8;

#[derive(Debug)]
pub(crate) struct Postgres {
    programs: PathBuf,
    runs_as: Option<User>,
    /// The data directory is made once; each start begins with an empty schema.
    folder: TempDir,
    about: About,
}

/// A user of this machine.
#[derive(Debug, Clone, Copy)]
struct User {
    id: u32,
    group: u32,
}

impl Postgres {
    /// The programs in that folder, or where they are found; none: it is not installed.
    pub(crate) fn find(named: Option<&Path>, dir: Option<&Path>) -> Result<Option<Self>> {
        let Some(programs) = named.map(Path::to_owned).or_else(installed) else { return Ok(None) };
        let version = process::run(Command::new(programs.join("postgres")).arg("--version"))?;
        let runs_as = if geteuid().is_root() {
            Some(
                other_user()
                    .context("PostgreSQL is not run by root, and there is no other user")?,
            )
        } else {
            None
        };
        let folder = process::folder(dir, NAME)?;
        if let Some(user) = runs_as {
            chown(folder.path(), Some(user.id), Some(user.group))
                .context("cannot give PostgreSQL its folder")?;
        }
        let set = SETTINGS.map(|(name, value)| format!("{name}={value}"));
        let settings = vec![
            set.join(" "),
            "one plpgsql function a command, prepared; a connection waits for each commit".into(),
        ];
        let about = About { name: NAME, version: version.trim().into(), settings };
        let postgres = Self { programs, runs_as, folder, about };
        let mut command = postgres.command("initdb");
        command.arg("-D").arg(postgres.data());
        command.args(["-U", wire::USER, "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"]);
        process::run(&mut command).context("cannot make a PostgreSQL data directory")?;
        Ok(Some(postgres))
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// A command for a program of PostgreSQL, run by who may run it.
    fn command(&self, program: &str) -> Command {
        let program = self.programs.join(program);
        let Some(User { id, group }) = self.runs_as else { return Command::new(program) };
        let mut command = Command::new("setpriv");
        command.args([format!("--reuid={id}"), format!("--regid={group}")]);
        command.arg("--clear-groups").arg("--").arg(program).current_dir(self.folder.path());
        command
    }
}

/// The folder of the programs, if they are on the path or where Debian puts them.
fn installed() -> Option<PathBuf> {
    if let Some(folder) =
        process::on_path("initdb").and_then(|initdb| Some(initdb.parent()?.into()))
    {
        return Some(folder);
    }
    let folders = std::fs::read_dir(DEBIAN).ok()?.flatten().map(|entry| entry.path());
    let versions = folders.filter_map(|folder| {
        let version: u32 = folder.file_name()?.to_str()?.parse().ok()?;
        let programs = folder.join("bin");
        programs.join("initdb").is_file().then_some((version, programs))
    });
    versions.max().map(|(_, programs)| programs)
}

fn other_user() -> Option<User> {
    let users = std::fs::read_to_string("/etc/passwd").ok()?;
    USERS.iter().find_map(|name| user(&users, name))
}

/// A user, from `/etc/passwd`.
fn user(users: &str, name: &str) -> Option<User> {
    let line = users.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    let mut fields = line.split(':').skip(1);
    Some(User { id: fields.next()?.parse().ok()?, group: fields.next()?.parse().ok()? })
}

impl Peer for Postgres {
    fn about(&self) -> &About {
        &self.about
    }

    fn start(&self, _: Option<&Path>, wallets: u32, connections: u16) -> Result<Box<dyn Running>> {
        let address = process::free_port()?;
        let mut command = self.command("postgres");
        command.arg("-D").arg(self.data());
        command.args(["-h", "127.0.0.1", "-k", "", "-p", &address.port().to_string()]);
        command.args(["-N", &connections.saturating_add(SPARE).to_string()]);
        for (name, value) in SETTINGS {
            command.args(["-c", &format!("{name}={value}")]);
        }
        // What its log says is kept out of its folder, which is not ours.
        let logs = process::folder(None, "log")?;
        let log = logs.path().join("log");
        let mut process = Process::start(NAME, &mut command, log, Signal::INT)?;
        let mut session = process.wait_until(|| Session::open(address))?;
        let wallets = format!(
            "INSERT INTO wallets SELECT 'w:' || lpad(n::text, 12, '0'), {MONEY}, 0
             FROM generate_series(0, {wallets} - 1) n"
        );
        for step in [
            "DROP SCHEMA public CASCADE",
            "CREATE SCHEMA public",
            SCHEMA,
            &wallets,
            "VACUUM ANALYZE",
            "CHECKPOINT",
        ] {
            session.query(step).context("cannot make the tables in PostgreSQL")?;
        }
        Ok(Box::new(RunningPostgres { process, address, _logs: logs }))
    }
}

struct RunningPostgres {
    process: Process,
    address: SocketAddr,
    _logs: TempDir,
}

impl Running for RunningPostgres {
    fn dialect(&self) -> &dyn Dialect {
        self
    }

    fn pid(&self) -> u32 {
        self.process.pid()
    }

    fn totals(&self, _: u32) -> Result<Totals> {
        let mut session = Session::open(self.address)?;
        let sum = "SELECT sum(available)::text || ' ' || sum(held)::text FROM wallets";
        let sums = session.query(sum)?.context("PostgreSQL has no wallets")?;
        let (available, held) = sums.split_once(' ').context("two sums are needed")?;
        Ok(Totals { available: available.parse()?, held: held.parse()? })
    }

    fn benchmark(&self, _: u32) -> Option<(u16, Vec<String>)> {
        None
    }

    fn stop(self: Box<Self>) -> Result<()> {
        self.process.stop()
    }
}

impl Dialect for RunningPostgres {
    fn connect(&self) -> Result<TcpStream> {
        Session::open(self.address)?.prepared()
    }

    fn write(&self, op: Op, out: &mut BytesMut) -> Result<()> {
        wire::call(op, out)
    }

    fn read<'a>(&self, bytes: &'a [u8]) -> Result<Option<Reply<'a>>> {
        wire::reply(bytes)
    }
}

#[cfg(test)]
mod tests;
