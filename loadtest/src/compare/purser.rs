//! purser, with its defaults.

use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, anyhow};
use bytes::BytesMut;

use super::peer::{About, Peer, Running};
use super::process;
use super::resp_server::RespServer;
use super::resp_talk::{self, Talk, whole};
use super::workload::{Dialect, ESTIMATE, Kind, MONEY, Op, Reply, Texts, Totals, wallet};
use crate::resp;

/// The name that it goes by here.
pub(crate) const NAME: &str = "purser";

#[derive(Debug)]
pub(crate) struct Purser {
    program: PathBuf,
    about: About,
}

impl Purser {
    /// The program of that path, or the one beside this program.
    pub(crate) fn find(named: Option<&Path>) -> Result<Self> {
        let program = match named {
            Some(path) => path.to_owned(),
            None => std::env::current_exe().context("cannot tell where this program lies")?,
        };
        let program = if named.is_some() { program } else { program.with_file_name("purser") };
        let version = process::run(Command::new(&program).arg("--version")).context(
            "name the purser to measure with --purser, or build one beside this program",
        )?;
        let settings = vec![
            "defaults: an answer leaves when all that it saw is appended, flushed and synced"
                .into(),
            "operations and holds are remembered for good".into(),
        ];
        Ok(Self { program, about: About { name: NAME, version: version.trim().into(), settings } })
    }
}

impl Peer for Purser {
    fn about(&self) -> &About {
        &self.about
    }

    fn start(&self, dir: Option<&Path>, wallets: u32, _: u16) -> Result<Box<dyn Running>> {
        let (server, mut talk) = RespServer::start(NAME, dir, |folder, address| {
            let mut command = Command::new(&self.program);
            command.arg("--data").arg(folder.join("data")).args(["--resp", &address.to_string()]);
            command.args(["--http", &process::free_port()?.to_string()]);
            Ok(command)
        })?;
        let money = MONEY.to_string();
        let commands = (0..wallets).map(wallet).flat_map(|wallet| {
            [
                vec!["WALLET.OPEN".into(), wallet.clone(), "CURRENCY".into(), "USD".into()],
                vec!["TOPUP".into(), wallet, money.clone(), "ID".into(), "first".into()],
            ]
        });
        talk.ask_all(commands, |_| Ok(())).context("cannot open purser's wallets")?;
        Ok(Box::new(RunningPurser(server)))
    }
}

struct RunningPurser(RespServer);

impl Running for RunningPurser {
    fn dialect(&self) -> &dyn Dialect {
        self
    }

    fn pid(&self) -> u32 {
        self.0.process.pid()
    }

    fn totals(&self, wallets: u32) -> Result<Totals> {
        let mut totals = Totals::default();
        let commands = (0..wallets).map(|number| vec!["BALANCE".into(), wallet(number)]);
        Talk::open(self.0.address)?.ask_all(commands, |reply| {
            totals.add(field(&reply, "available")?, field(&reply, "held")?);
            Ok(())
        })?;
        Ok(totals)
    }

    fn benchmark(&self, wallets: u32) -> Option<(u16, Vec<String>)> {
        let wallet = if wallets == 1 { wallet(0) } else { "w:__rand_int__".to_owned() };
        let words = ["AUTHORIZE", &wallet, &ESTIMATE.to_string(), "ID", "h__rand_int__"];
        Some((self.0.address.port(), words.map(str::to_owned).to_vec()))
    }

    fn stop(self: Box<Self>) -> Result<()> {
        self.0.process.stop()
    }
}

/// A field of a map that is sent as names and values.
fn field(reply: &resp::Reply, name: &str) -> Result<u64> {
    let resp::Reply::Array(all) = reply else { return Err(anyhow!("{reply:?} is no balance")) };
    let is_named = |element: &&resp::Reply| **element == resp::Reply::Text(name.to_owned());
    let mut names = all.iter().step_by(2);
    let at = names.position(|element| is_named(&element));
    whole(at.and_then(|at| all.get(2 * at + 1)))
}

impl Dialect for RunningPurser {
    fn connect(&self) -> Result<TcpStream> {
        TcpStream::connect(self.0.address).context("cannot connect to purser")
    }

    fn write(&self, op: Op, out: &mut BytesMut) -> Result<()> {
        let Texts { wallet, hold, amount, id } = op.texts();
        match op.kind {
            Kind::Authorize => {
                let words = ["AUTHORIZE", &wallet, &amount, "ID", &hold];
                resp_talk::command(&words.map(str::as_bytes), out);
            }
            Kind::Capture => {
                let words = ["CAPTURE", &wallet, &hold, &amount, "ID", &id];
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

/// What stands behind `status`, which opens every receipt.
fn status(reply: &[u8]) -> Option<&[u8]> {
    let rest = reply.strip_prefix(b"*")?;
    let head = rest.iter().position(|&byte| byte == b'\n')?;
    let rest = rest.get(head + 1..)?.strip_prefix(b"$6\r\nstatus\r\n$")?;
    let mut lines = rest.split(|&byte| byte == b'\n');
    lines.nth(1)?.strip_suffix(b"\r")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_of_a_receipt_is_found_and_nothing_else_has_one() {
        let receipt = b"*4\r\n$6\r\nstatus\r\n$8\r\ncaptured\r\n$4\r\nheld\r\n$1\r\n0\r\n";
        assert_eq!(status(receipt), Some(&b"captured"[..]));
        for other in ["-NOHOLD no\r\n", "*2\r\n$4\r\nheld\r\n$1\r\n0\r\n", "+held\r\n"] {
            assert_eq!(status(other.as_bytes()), None, "{other:?}");
        }
    }
}
