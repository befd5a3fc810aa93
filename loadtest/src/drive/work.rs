//! What a driver is given to do: the meaning of commands and answers, and when to stop.

use std::sync::atomic::AtomicBool;
use std::time::Duration;

use anyhow::Result;

use super::answer::Answer;

/// When a command was due, sent and answered, in nanoseconds since the driver's start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Times {
    pub(crate) due: u64,
    pub(crate) sent: u64,
    pub(crate) arrived: u64,
}

/// A command that follows from an answer: due so long after the answered one was.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Then<O> {
    pub(crate) after: u64,
    pub(crate) op: O,
}

/// What is sent, and what its answers mean.
pub(crate) trait Work {
    /// What a command was, while it is unanswered.
    type Op: Copy;

    /// Begins something new: the commands that go out one behind the other. None: all is begun.
    fn begin(&mut self, ops: &mut Vec<Self::Op>);

    /// Writes a command as RESP.
    fn write(&mut self, op: &Self::Op, out: &mut Vec<u8>);

    /// A command is handed to its connection. It could have been at `ready`: when it was due, or
    /// when the answer came that it had to wait for.
    fn sent(&mut self, _op: &Self::Op, _due: u64, _ready: u64, _now: u64) {}

    /// Judges an answer; what it gives rise to goes to `then`.
    fn answered(
        &mut self,
        op: Self::Op,
        times: Times,
        answer: Answer<'_>,
        then: &mut Vec<Then<Self::Op>>,
    ) -> Result<()>;

    /// Nobody knows whether a command took effect: its connection was lost, or there was none.
    fn lost(&mut self, op: Self::Op, sent: u64);

    /// Called at every turn, with the time.
    fn turn(&mut self, _now: u64) {}
}

/// When to stop.
#[derive(Debug)]
pub(crate) struct Limits<'a> {
    /// Somebody wants the sending to end.
    pub(crate) stop: &'a AtomicBool,
    /// Nothing begins after that time, in nanoseconds.
    pub(crate) end: u64,
    /// The most unanswered commands.
    pub(crate) in_flight_max: usize,
    /// How long after the end an open loop that is behind may go on with its schedule.
    pub(crate) overrun: Duration,
    /// How long to wait for answers when nothing else is to be done.
    pub(crate) patience: Duration,
}
