//! `purser backup`: a copy of a store that a server can be started on.
//!
//! A running server makes it itself, when it is told to over its socket: one line with `backup` and
//! where to, answered with a line. A store that nobody uses is copied as it is.

use crate::store::StoreError;
use crate::store::backup;
use crate::store::data_dir;
use anyhow::{Context as _, bail};
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::UnixStream;
use std::path::Path;

/// What was copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BackedUp {
    /// What a running server had at this checkpoint, made for it.
    Checkpoint(u64),
    /// A store that nobody uses.
    Still,
}

/// Copies the store in one directory to another, which must not be there, or be empty.
pub fn back_up(data: &Path, to: &Path) -> anyhow::Result<BackedUp> {
    let to = std::path::absolute(to).context("cannot find where the backup is to be")?;
    if let Some(answer) = ask(&data_dir::control(data), &to)? {
        return match answer.trim_end().split_once(' ') {
            Some(("ok", number)) => {
                let number = number.parse().context("the server's answer makes no sense")?;
                Ok(BackedUp::Checkpoint(number))
            }
            Some(("error", reason)) => bail!("{reason}"),
            _ => bail!("the server stopped before the backup was made"),
        };
    }
    let _still = data_dir::hold_still(data).map_err(|error| match error {
        StoreError::InUse { path } => StoreError::Locked { path },
        other => other,
    })?;
    backup::copy_still(data, &to)?;
    Ok(BackedUp::Still)
}

/// Asks the server on this socket for a backup; none when there is no server.
fn ask(control: &Path, to: &Path) -> anyhow::Result<Option<String>> {
    let mut stream = match UnixStream::connect(control) {
        Ok(stream) => stream,
        Err(error) => match error.kind() {
            ErrorKind::NotFound | ErrorKind::ConnectionRefused => return Ok(None),
            _ => {
                return Err(error)
                    .with_context(|| format!("cannot reach the server at {}", control.display()));
            }
        },
    };
    let to = to.as_os_str().as_bytes();
    if to.contains(&b'\n') {
        bail!("a path with a line break cannot be told to the server");
    }
    let mut answer = String::new();
    stream
        .write_all(&[b"backup ", to, b"\n"].concat())
        .and_then(|()| stream.read_to_string(&mut answer))
        .context("the server stopped before the backup was made")?;
    Ok(Some(answer))
}
