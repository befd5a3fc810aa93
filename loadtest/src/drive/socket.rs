//! One pipelined connection of the driver: what goes out, what comes back, and who waits for it.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

/// The longest wait for a connection to be made.
const CONNECT_MAX: Duration = Duration::from_millis(250);
/// How much is read at once; doubled for a connection that fills it.
const READ: usize = 16 * 1024;

/// A command that is not answered yet.
#[derive(Debug, Clone, Copy)]
pub(super) struct Waiting<O> {
    pub(super) op: O,
    pub(super) due: u64,
    pub(super) sent: u64,
}

/// An open connection.
#[derive(Debug)]
pub(super) struct Socket<O> {
    stream: TcpStream,
    pub(super) out: Vec<u8>,
    written: usize,
    input: Vec<u8>,
    /// The bytes of `input` that were read.
    filled: usize,
    pub(super) waiting: VecDeque<Waiting<O>>,
    /// The system took less than it was given: to be told when it takes more.
    pub(super) is_blocked: bool,
}

impl<O> Socket<O> {
    pub(super) fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, CONNECT_MAX)?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        Ok(Self {
            stream,
            out: Vec::new(),
            written: 0,
            input: vec![0; READ],
            filled: 0,
            waiting: VecDeque::new(),
            is_blocked: false,
        })
    }

    /// Writes as much as the system takes.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.is_blocked = false;
        while let Some(rest) = self.out.get(self.written..).filter(|rest| !rest.is_empty()) {
            match self.stream.write(rest) {
                Ok(count) => self.written += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.is_blocked = true;
                    return Ok(());
                }
                Err(error) => return Err(error),
            }
        }
        self.out.clear();
        self.written = 0;
        Ok(())
    }

    /// Reads what is there, once.
    pub(super) fn fill(&mut self) -> io::Result<()> {
        if self.filled == self.input.len() {
            self.input.resize(self.input.len() * 2, 0);
        }
        let room = self.input.get_mut(self.filled..).unwrap_or_default();
        match self.stream.read(room) {
            Ok(0) => Err(ErrorKind::UnexpectedEof.into()),
            Ok(count) => {
                self.filled += count;
                Ok(())
            }
            Err(error)
                if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) =>
            {
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// What was read, and who waits for it.
    pub(super) fn read(&mut self) -> (&[u8], &mut VecDeque<Waiting<O>>) {
        (self.input.get(..self.filled).unwrap_or_default(), &mut self.waiting)
    }

    /// Forgets what was used of the input, all but the last `left` bytes.
    pub(super) fn keep(&mut self, left: usize) {
        let used = self.filled.saturating_sub(left);
        if used > 0 {
            self.input.copy_within(used..self.filled, 0);
            self.filled = left;
        }
    }
}

impl<O> AsFd for Socket<O> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}
