//! The server that a run starts for itself, and stops again.

use std::collections::VecDeque;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::cli::RunArgs;

/// How long a server may take to say where it listens; recovery of a long journal included.
const START_MAX: Duration = Duration::from_mins(1);
/// How long a server may take to stop before it is killed.
const STOP_MAX: Duration = Duration::from_secs(10);
/// How many of the server's last lines are shown when it fails.
const LINES_KEPT: usize = 20;
/// How long to read on after the server's end; a child of its own may hold the pipes open.
const LAST_WORDS_MAX: Duration = Duration::from_secs(1);
/// What the server says before the address at which it listens.
const ANNOUNCEMENT: &str = "RESP on ";

/// A child process; dropping it kills it.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    address: String,
    said: Said,
    readers: JoinSet<()>,
    folder: Folder,
}

#[derive(Debug)]
enum Folder {
    Given,
    Temporary(TempDir),
}

impl Server {
    /// Starts the server that the flags name, on free ports, and waits until it listens.
    pub(crate) async fn start(options: &RunArgs) -> Result<Self> {
        let program = match &options.purser {
            Some(path) => path.clone(),
            None => beside_this_program()?,
        };
        let (data, folder) = if let Some(path) = &options.data {
            (path.clone(), Folder::Given)
        } else {
            let folder = tempfile::Builder::new().prefix("purser-loadtest-").tempdir();
            let folder = folder.context("cannot make a temporary folder")?;
            (folder.path().to_owned(), Folder::Temporary(folder))
        };
        Self::spawn(&program, &data, options.config.as_deref(), folder).await
    }

    async fn spawn(
        program: &Path,
        data: &Path,
        config: Option<&Path>,
        folder: Folder,
    ) -> Result<Self> {
        let shown = program.display();
        let mut command = Command::new(program);
        command.arg("--data").arg(data);
        command.args(["--resp", "127.0.0.1:0", "--http", "127.0.0.1:0"]);
        if let Some(config) = config {
            command.args([OsStr::new("--config"), config.as_os_str()]);
        }
        // A process group of its own: Ctrl-C stops the run first, and the run the server.
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.process_group(0).kill_on_drop(true);
        let mut child = command.spawn().with_context(|| {
            format!("cannot start {shown}; name a server with --purser or use one with --server")
        })?;

        let said = Said::default();
        let mut readers = JoinSet::new();
        let (lines, mut announced) = mpsc::channel(1);
        if let Some(stdout) = child.stdout.take() {
            readers.spawn(said.clone().follow(stdout, Some(lines)));
        }
        if let Some(stderr) = child.stderr.take() {
            readers.spawn(said.clone().follow(stderr, None));
        }
        match timeout(START_MAX, announced.recv()).await {
            Ok(Some(address)) => Ok(Self { child, address, said, readers, folder }),
            Ok(None) => {
                let status = child.wait().await.context("cannot wait for the server")?;
                hear_out(&mut readers).await;
                bail!("{shown} ended with {status} before it listened{said}")
            }
            Err(_) => bail!("{shown} did not listen within {START_MAX:?}{said}"),
        }
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Keeps the data for a look at what went wrong, and says where it is.
    pub(crate) fn keep_data(&mut self) -> Option<PathBuf> {
        match std::mem::replace(&mut self.folder, Folder::Given) {
            Folder::Given => None,
            Folder::Temporary(folder) => Some(folder.keep()),
        }
    }

    /// Stops the server: SIGTERM, and SIGKILL if it does not end; an error if it ended badly.
    pub(crate) async fn stop(mut self) -> Result<()> {
        self.stop_within(STOP_MAX).await
    }

    async fn stop_within(&mut self, most: Duration) -> Result<()> {
        // Nobody told it to end yet: however well it ended, it should not have.
        if let Some(status) = self.child.try_wait().context("cannot wait for the server")? {
            hear_out(&mut self.readers).await;
            bail!("the server had ended before the run, with {status}{}", self.said);
        }
        let pid = self.child.id().and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?));
        let pid = pid.ok_or_else(|| anyhow!("the server has no process id"))?;
        kill_process(pid, Signal::TERM).context("cannot stop the server")?;
        let ended = timeout(most, self.child.wait()).await;
        if ended.is_err() {
            self.child.kill().await.context("cannot kill the server")?;
        }
        hear_out(&mut self.readers).await;
        match ended {
            Ok(Ok(status)) if status.success() => Ok(()),
            Ok(Ok(status)) => bail!("the server ended with {status}{}", self.said),
            Ok(Err(error)) => Err(error).context("cannot wait for the server"),
            Err(_) => bail!("the server did not stop within {most:?}, it was killed{}", self.said),
        }
    }
}

/// Waits for what the server wrote last.
async fn hear_out(readers: &mut JoinSet<()>) {
    let last_words = async { while readers.join_next().await.is_some() {} };
    // What did not come by then is left out.
    let _ = timeout(LAST_WORDS_MAX, last_words).await;
}

fn beside_this_program() -> Result<PathBuf> {
    let own = std::env::current_exe().context("cannot tell where this program lies")?;
    Ok(own.with_file_name("purser"))
}

/// The last lines that the server wrote.
#[derive(Debug, Clone, Default)]
struct Said(Arc<Mutex<VecDeque<String>>>);

impl Said {
    /// Reads to the end, so that the server never blocks on a full pipe; `announce` gets the
    /// address at which it listens.
    async fn follow(
        self,
        output: impl AsyncRead + Unpin,
        mut announce: Option<mpsc::Sender<String>>,
    ) {
        let mut lines = BufReader::new(output).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            if let Some(address) = address_in(&line)
                && let Some(announce) = announce.take()
            {
                // Nobody waits any more when it took too long.
                let _ = announce.send(address.to_owned()).await;
            }
            let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if kept.len() == LINES_KEPT {
                kept.pop_front();
            }
            kept.push_back(line);
        }
    }
}

impl std::fmt::Display for Said {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.is_empty() {
            return f.write_str("; it said nothing");
        }
        f.write_str("; its last lines:")?;
        kept.iter().try_for_each(|line| write!(f, "\n    {line}"))
    }
}

fn address_in(line: &str) -> Option<&str> {
    let (_, rest) = line.split_once(ANNOUNCEMENT)?;
    rest.split_whitespace().next()
}

#[cfg(test)]
mod tests {
    use super::*;
    /// A server made of shell, in a folder that goes with it.
    async fn shell_server(script: &str) -> Result<Server> {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("purser");
        // Written by another process: a file that is open for writing here while a test beside
        // this one forks stays open in its child, and cannot be run until that has gone on.
        let write = "printf '#!/bin/sh\n%s\n' \"$1\" > \"$0\" && chmod +x \"$0\"";
        let mut shell = std::process::Command::new("sh");
        let written = shell.args(["-c", write]).arg(&program).arg(script).status().unwrap();
        assert!(written.success());
        let data = folder.path().join("data");
        Server::spawn(&program, &data, None, Folder::Temporary(folder)).await
    }

    const LISTEN: &str = "echo \"$*\"; echo 'purser listens for RESP on 127.0.0.1:4711'";
    const WAIT: &str = "while :; do sleep 0.02; done";

    #[tokio::test]
    async fn reads_the_address_and_stops_with_sigterm() {
        let server = shell_server(&format!("trap 'exit 0' TERM; {LISTEN}; {WAIT}")).await.unwrap();
        assert_eq!(server.address(), "127.0.0.1:4711");
        server.stop().await.unwrap();
    }

    #[tokio::test]
    async fn a_bad_end_is_an_error_with_the_last_words() {
        let script = format!("trap 'echo disk full >&2; exit 3' TERM; {LISTEN}; {WAIT}");
        let server = shell_server(&script).await.unwrap();
        let error = format!("{:#}", server.stop().await.unwrap_err());
        assert!(error.contains("exit status: 3"), "{error}");
        assert!(error.contains("disk full"), "{error}");
        assert!(error.contains("--resp 127.0.0.1:0 --http 127.0.0.1:0"), "{error}");
    }

    #[tokio::test]
    async fn an_end_that_nobody_asked_for_is_an_error_however_clean() {
        let mut server = shell_server(&format!("{LISTEN}; echo told to stop")).await.unwrap();
        server.child.wait().await.unwrap();
        let error = format!("{:#}", server.stop().await.unwrap_err());
        assert!(error.contains("had ended before the run, with exit status: 0"), "{error}");
        assert!(error.contains("told to stop"), "{error}");
    }

    #[tokio::test]
    async fn a_server_that_does_not_stop_is_killed() {
        let mut server = shell_server(&format!("trap '' TERM; {LISTEN}; {WAIT}")).await.unwrap();
        let error = server.stop_within(Duration::from_millis(100)).await.unwrap_err();
        assert!(error.to_string().contains("was killed"), "{error}");
    }

    #[tokio::test]
    async fn a_server_that_ends_before_it_listens_is_an_error() {
        let error = shell_server("echo no such folder >&2; exit 4").await.unwrap_err();
        assert!(error.to_string().contains("exit status: 4"), "{error}");
    }
}
