//! The socket over which a running server is told to make a backup: `control` in the data directory,
//! for its owner only.
//!
//! A request is a line, `backup` and an absolute path; the answer is a line, `ok` and the number of
//! the checkpoint, or `error` and why.

use crate::engine::keeping::{Backup, ToKeeper};
use crate::store::StoreError;
use crate::store::data_dir::DataDir;
use crossbeam::channel::{Sender, bounded};
use std::ffi::OsStr;
use std::fs::Permissions;
use std::io::{BufRead as _, BufReader, ErrorKind, Read as _, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The longest request.
const LINE_MAX: u64 = 8 * 1024;
/// How long a request may take to arrive.
const PATIENCE: Duration = Duration::from_secs(5);

/// The socket; it is gone when this is dropped.
#[derive(Debug)]
pub(crate) struct Control(PathBuf);

impl Control {
    /// Listens, on a thread of its own that ends with the process.
    pub(crate) fn start(dir: &DataDir, keeper: Sender<ToKeeper>) -> Result<Self, StoreError> {
        let path = dir.control();
        // The directory is ours, so nobody listens there any more.
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(StoreError::io("remove", path)(error));
            }
            _ => {}
        }
        let listener = UnixListener::bind(&path).map_err(StoreError::io("listen on", &path))?;
        let this = Self(path);
        let owner_only = std::fs::set_permissions(&this.0, Permissions::from_mode(0o600));
        owner_only.map_err(StoreError::io("restrict", &this.0))?;
        let serve = move || {
            for stream in listener.incoming().flatten() {
                // Whoever goes away need not be told.
                let _ = serve(&stream, &keeper);
            }
        };
        let spawned = std::thread::Builder::new().name("control".to_owned()).spawn(serve);
        spawned.map_err(StoreError::io("start a thread for", &this.0))?;
        Ok(this)
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        // A stale one is replaced by the next start.
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Answers one request.
fn serve(mut stream: &UnixStream, keeper: &Sender<ToKeeper>) -> std::io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut line = Vec::new();
    BufReader::new(stream).take(LINE_MAX).read_until(b'\n', &mut line)?;
    let path = line.strip_prefix(b"backup ").and_then(|rest| rest.strip_suffix(b"\n"));
    let path = path.map(|path| Path::new(OsStr::from_bytes(path)));
    let answer = match path.filter(|path| path.is_absolute()) {
        Some(path) => back_up(path, keeper),
        None => Err("`backup` and an absolute path are expected".to_owned()),
    };
    match answer {
        Ok(number) => writeln!(stream, "ok {number}"),
        Err(reason) => writeln!(stream, "error {}", reason.replace('\n', " ")),
    }
}

/// Has a backup made; answers the number of its checkpoint.
fn back_up(to: &Path, keeper: &Sender<ToKeeper>) -> Result<u64, String> {
    let (done, is_done) = bounded(1);
    let stops = || "the server stops".to_owned();
    let backup = Backup { to: to.to_owned(), done };
    keeper.send(ToKeeper::Backup(backup)).map_err(|_| stops())?;
    let begun = is_done.recv().map_err(|_| stops())?;
    let number = begun.and_then(crate::store::backup::Unfinished::finish);
    let number = number.map_err(|error| error.in_words());
    match &number {
        Ok(number) => tracing::info!(number, "a backup was made in {}", to.display()),
        Err(reason) => tracing::warn!("no backup was made in {}: {reason}", to.display()),
    }
    number
}
