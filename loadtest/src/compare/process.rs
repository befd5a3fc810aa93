//! Servers as child processes: started, waited for, stopped, whatever happens.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use rustix::process::{Pid, Signal, kill_process};

/// How long a server may take until it answers.
const START_MAX: Duration = Duration::from_secs(30);
/// How long it may take to stop before it is killed.
const STOP_MAX: Duration = Duration::from_secs(20);
/// How often is looked.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// How many of its last lines are shown when it fails.
const LINES_SHOWN: usize = 15;

/// A server that runs. Dropping it stops it.
#[derive(Debug)]
pub(crate) struct Process {
    name: &'static str,
    child: Child,
    log: PathBuf,
    stop: Signal,
}

impl Process {
    /// Starts a server that writes what it says to a file, and ends in good order at that signal.
    pub(crate) fn start(
        name: &'static str,
        command: &mut Command,
        log: PathBuf,
        stop: Signal,
    ) -> Result<Self> {
        let file = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
        let errors = file.try_clone().context("cannot share a file")?;
        command.stdin(Stdio::null()).stdout(file).stderr(errors);
        // A process group of its own: Ctrl-C stops the comparison first, and that the server.
        command.process_group(0);
        let program = command.get_program().display().to_string();
        let child = command.spawn().with_context(|| format!("cannot start {program}"))?;
        Ok(Self { name, child, log, stop })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until the server answers.
    pub(crate) fn wait_until<T>(&mut self, mut answers: impl FnMut() -> Result<T>) -> Result<T> {
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().context("cannot wait for a server")? {
                bail!("{} ended with {status} before it answered{}", self.name, self.last_words());
            }
            match answers() {
                Ok(answer) => return Ok(answer),
                Err(error) if start.elapsed() > START_MAX => {
                    let name = self.name;
                    let last = self.last_words();
                    return Err(error.context(format!("{name} did not answer{last}")));
                }
                Err(_) => std::thread::sleep(LOOK_EVERY),
            }
        }
    }

    /// Stops the server; an error if it ended badly, or by itself.
    pub(crate) fn stop(mut self) -> Result<()> {
        if let Some(status) = self.child.try_wait().context("cannot wait for a server")? {
            bail!("{} had ended meanwhile, with {status}{}", self.name, self.last_words());
        }
        let status = self.end()?;
        if !status.success() {
            bail!("{} ended with {status}{}", self.name, self.last_words());
        }
        Ok(())
    }

    /// Makes it end, and waits for it.
    fn end(&mut self) -> Result<ExitStatus> {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        let pid = pid.ok_or_else(|| anyhow!("{} has no process id", self.name))?;
        kill_process(pid, self.stop).context("cannot stop a server")?;
        let start = Instant::now();
        while start.elapsed() < STOP_MAX {
            if let Some(status) = self.child.try_wait().context("cannot wait for a server")? {
                return Ok(status);
            }
            std::thread::sleep(LOOK_EVERY);
        }
        self.child.kill().context("cannot kill a server")?;
        self.child.wait().context("cannot wait for a server")
    }

    fn last_words(&self) -> String {
        last_lines(&std::fs::read_to_string(&self.log).unwrap_or_default())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It has ended already after a `stop`; otherwise something else is told as the error.
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = self.end();
        }
    }
}

/// Runs a command to its end.
pub(crate) fn run(command: &mut Command) -> Result<String> {
    let program = command.get_program().display().to_string();
    let output = command.stdin(Stdio::null()).output();
    let output = output.with_context(|| format!("cannot run {program}"))?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(said);
    }
    let errors = String::from_utf8_lossy(&output.stderr);
    bail!("{program} ended with {}{}", output.status, last_lines(&format!("{said}\n{errors}")))
}

/// The last lines of what was said, for a message.
fn last_lines(said: &str) -> String {
    let lines: Vec<&str> = said.lines().filter(|line| !line.is_empty()).collect();
    if lines.is_empty() {
        return "; it said nothing".to_owned();
    }
    let shown = lines.iter().skip(lines.len().saturating_sub(LINES_SHOWN));
    shown.fold("; its last lines:".to_owned(), |text, line| format!("{text}\n    {line}"))
}

/// A port on loopback that is free now. Somebody else could take it first; then the server says so.
pub(crate) fn free_port() -> Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no port is free")?;
    listener.local_addr().context("a listener without an address")
}

/// The program of that name on the path.
pub(crate) fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file())
}

/// A folder for a server, removed when it is dropped.
pub(crate) fn folder(dir: Option<&Path>, name: &str) -> Result<tempfile::TempDir> {
    let mut builder = tempfile::Builder::new();
    let prefix = format!("purser-compare-{name}-");
    builder.prefix(&prefix);
    match dir {
        Some(dir) => builder.tempdir_in(dir),
        None => builder.tempdir(),
    }
    .context("cannot make a temporary folder")
}
