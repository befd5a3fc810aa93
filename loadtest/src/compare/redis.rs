//! Redis: one Lua script a command, and every write synced before it is answered.

use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use bytes::BytesMut;

use super::peer::{About, Peer, Running};
use super::process;
use super::resp_server::RespServer;
use super::resp_talk::{self, Talk, whole};
use super::workload::{Dialect, ESTIMATE, Kind, MONEY, Op, Reply, Texts, Totals, wallet};
use crate::resp;

pub(crate) const NAME: &str = "redis";

const AUTHORIZE: &str = include_str!("authorize.lua");
const CAPTURE: &str = include_str!("capture.lua");
/// What makes it as durable as the others, and keeps it from other work meanwhile.
const SETTINGS: [(&str, &str); 4] = [
    ("--appendonly", "yes"),
    ("--appendfsync", "always"),
    ("--save", ""),
    ("--auto-aof-rewrite-percentage", "0"),
];

#[derive(Debug)]
pub(crate) struct Redis {
    program: PathBuf,
    about: About,
}

impl Redis {
    /// The program of that path, or the one on the path; none: it is not installed.
    pub(crate) fn find(named: Option<&Path>) -> Result<Option<Self>> {
        let found = named.map(Path::to_owned).or_else(|| process::on_path("redis-server"));
        let Some(program) = found else { return Ok(None) };
        let version = process::run(Command::new(&program).arg("--version"))?;
        let set = SETTINGS.map(|(name, value)| match value {
            "" => format!("{} \"\"", name.trim_start_matches('-')),
            value => format!("{} {value}", name.trim_start_matches('-')),
        });
        let settings = vec![
            set.join(", "),
            "one Lua script a command (EVALSHA); a key is remembered 24 h".into(),
            "a hold is deleted when it is captured".into(),
        ];
        let about = About { name: NAME, version: version.trim().into(), settings };
        Ok(Some(Self { program, about }))
    }
}

impl Peer for Redis {
    fn about(&self) -> &About {
        &self.about
    }

    fn start(&self, dir: Option<&Path>, wallets: u32, _: u16) -> Result<Box<dyn Running>> {
        let (server, mut talk) = RespServer::start(NAME, dir, |folder, address| {
            let mut command = Command::new(&self.program);
            command.args(["--bind", "127.0.0.1", "--port", &address.port().to_string()]);
            command.arg("--dir").arg(folder);
            command.args(SETTINGS.iter().flat_map(|&(name, value)| [name, value]));
            Ok(command)
        })?;
        let money = MONEY.to_string();
        let commands = (0..wallets).map(wallet).map(|wallet| {
            ["HSET", &wallet, "available", &money, "held", "0"].map(str::to_owned).to_vec()
        });
        talk.ask_all(commands, |_| Ok(())).context("cannot open the wallets in Redis")?;
        let (authorize, capture) = (load(&mut talk, AUTHORIZE)?, load(&mut talk, CAPTURE)?);
        Ok(Box::new(RunningRedis { server, authorize, capture }))
    }
}

/// Loads a script; answers its name.
fn load(talk: &mut Talk, script: &str) -> Result<String> {
    match talk.ask(&["SCRIPT", "LOAD", script])? {
        resp::Reply::Text(name) => Ok(name),
        other => bail!("Redis answers {other:?} to SCRIPT LOAD"),
    }
}

struct RunningRedis {
    server: RespServer,
    authorize: String,
    capture: String,
}

impl Running for RunningRedis {
    fn dialect(&self) -> &dyn Dialect {
        self
    }

    fn pid(&self) -> u32 {
        self.server.process.pid()
    }

    fn totals(&self, wallets: u32) -> Result<Totals> {
        let mut totals = Totals::default();
        let ask = |number| ["HMGET", &wallet(number), "available", "held"].map(str::to_owned);
        Talk::open(self.server.address)?.ask_all(
            (0..wallets).map(|n| ask(n).to_vec()),
            |reply| {
                let resp::Reply::Array(money) = reply else { bail!("{reply:?} is no wallet") };
                totals.add(whole(money.first())?, whole(money.get(1))?);
                Ok(())
            },
        )?;
        Ok(totals)
    }

    fn benchmark(&self, wallets: u32) -> Option<(u16, Vec<String>)> {
        let wallet = if wallets == 1 { wallet(0) } else { "w:__rand_int__".to_owned() };
        let amount = ESTIMATE.to_string();
        let words = ["EVALSHA", &self.authorize, "1", &wallet, "h__rand_int__", &amount];
        Some((self.server.address.port(), words.map(str::to_owned).to_vec()))
    }

    fn stop(self: Box<Self>) -> Result<()> {
        self.server.process.stop()
    }
}

impl Dialect for RunningRedis {
    fn connect(&self) -> Result<TcpStream> {
        TcpStream::connect(self.server.address).context("cannot connect to Redis")
    }

    fn write(&self, op: Op, out: &mut BytesMut) -> Result<()> {
        let Texts { wallet, hold, amount, id } = op.texts();
        match op.kind {
            Kind::Authorize => {
                let words = ["EVALSHA", &self.authorize, "1", &wallet, &hold, &amount];
                resp_talk::command(&words.map(str::as_bytes), out);
            }
            Kind::Capture => {
                let words = ["EVALSHA", &self.capture, "1", &wallet, &hold, &amount, &id];
                resp_talk::command(&words.map(str::as_bytes), out);
            }
        }
        Ok(())
    }

    fn read<'a>(&self, bytes: &'a [u8]) -> Result<Option<Reply<'a>>> {
        let length = resp_talk::length(bytes)?;
        Ok(length.map(|length| Reply { length, status: status(bytes) }))
    }
}

/// The first word of a receipt, which is one text.
fn status(reply: &[u8]) -> Option<&[u8]> {
    let text = reply.strip_prefix(b"$")?;
    let receipt = text.split(|&byte| byte == b'\n').nth(1)?;
    receipt.split(|&byte| byte == b' ').next()
}

#[cfg(test)]
mod tests;
