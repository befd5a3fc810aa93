//! What purser and Redis have in common: a process of one folder that speaks RESP.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use anyhow::Result;
use rustix::process::Signal;
use tempfile::TempDir;

use super::process::{self, Process};
use super::resp_talk::Talk;

/// A server that answers. Dropping it stops it.
#[derive(Debug)]
pub(crate) struct RespServer {
    pub(crate) process: Process,
    pub(crate) address: SocketAddr,
    _folder: TempDir,
}

impl RespServer {
    /// Starts what `command` says for a folder and an address, and waits until it answers.
    pub(crate) fn start(
        name: &'static str,
        dir: Option<&Path>,
        command: impl FnOnce(&Path, SocketAddr) -> Result<Command>,
    ) -> Result<(Self, Talk)> {
        let folder = process::folder(dir, name)?;
        let address = process::free_port()?;
        let mut command = command(folder.path(), address)?;
        let log = folder.path().join("log");
        let mut process = Process::start(name, &mut command, log, Signal::TERM)?;
        let talk = process.wait_until(|| {
            let mut talk = Talk::open(address)?;
            talk.ask(&["PING"]).map(|_| talk)
        })?;
        Ok((Self { process, address, _folder: folder }, talk))
    }
}
