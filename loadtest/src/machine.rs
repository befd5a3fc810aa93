//! The machine and the versions that a run was made with: without them, figures say nothing.

use std::path::Path;

use serde::Serialize;

/// Where a run was made.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Machine {
    pub(crate) cpu: String,
    pub(crate) cores: usize,
    pub(crate) memory_bytes: u64,
    pub(crate) kernel: String,
}

impl Machine {
    pub(crate) fn of_this() -> Self {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let cpu = read("/proc/cpuinfo");
        let cpu = cpu.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
        let memory = read("/proc/meminfo");
        let memory = memory.lines().find_map(|line| line.strip_prefix("MemTotal:"));
        let kib = memory.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
        Self {
            cpu: cpu.map_or("unknown", |(_, name)| name.trim()).to_owned(),
            cores: std::thread::available_parallelism().map_or(0, std::num::NonZero::get),
            memory_bytes: kib.unwrap_or_default().saturating_mul(1_024),
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
        }
    }
}

/// Which purser was measured.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Purser {
    /// As `INFO` says.
    pub(crate) version: Option<String>,
    /// The commit of the source tree in which this was run, with `+` if there were changes.
    pub(crate) commit: Option<String>,
}

/// The commit that `git` names here; none outside of a source tree.
pub(crate) fn commit(program: Option<&Path>) -> Option<String> {
    // The tree that the server was built in, else the one that this is run in.
    let folder = program.and_then(Path::parent).filter(|folder| folder.is_dir());
    let git = |arguments: &[&str]| {
        let mut command = std::process::Command::new("git");
        command.args(arguments).stderr(std::process::Stdio::null());
        if let Some(folder) = folder {
            command.current_dir(folder);
        }
        let output = command.output().ok().filter(|output| output.status.success())?;
        Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let commit = git(&["rev-parse", "--short=12", "HEAD"])?;
    let changed = git(&["status", "--porcelain", "--untracked-files=no"])?;
    Some(if changed.is_empty() { commit } else { format!("{commit}+") })
}
