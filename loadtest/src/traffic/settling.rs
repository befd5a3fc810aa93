//! The end of a run: what nobody knows the outcome of is asked again, with the same ids, until it
//! is known.

use anyhow::Result;

use super::judge::{self, Verdict};
use super::{Op, Traffic, Unsettled};
use crate::drive::answer::Answer;
use crate::drive::{Then, Times, Work};

/// How often a command is sent before its outcome is given up as unknown: about ten seconds.
const ATTEMPTS_MAX: u32 = 100;
/// The pause between two attempts, in nanoseconds.
const PAUSE: u64 = 100_000_000;

/// The commands that are asked again.
#[derive(Debug)]
pub(crate) struct Settling<'a> {
    traffic: &'a mut Traffic,
    open: Vec<Again>,
    /// Those that no attempt brought an answer to.
    unknown: u64,
}

/// A command, when it was first sent, and how often since.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Again {
    op: Op,
    sent: u64,
    attempts: u32,
}

impl<'a> Settling<'a> {
    pub(crate) fn new(traffic: &'a mut Traffic) -> Self {
        traffic.is_over = true;
        let open = std::mem::take(&mut traffic.unsettled);
        let open = open.into_iter().map(|Unsettled { op, sent }| Again { op, sent, attempts: 0 });
        Self { open: open.collect(), unknown: 0, traffic }
    }

    /// How many commands no attempt brought an answer to: what was not even tried included.
    pub(crate) fn unknown(&self) -> u64 {
        self.unknown + crate::rounding::count(self.open.len())
    }

    /// Sends it again after a pause, or gives it up.
    fn again(&mut self, again: Again) -> Option<Again> {
        let attempts = again.attempts + 1;
        if attempts == ATTEMPTS_MAX {
            self.unknown += 1;
            return None;
        }
        Some(Again { attempts, ..again })
    }
}

impl Work for Settling<'_> {
    type Op = Again;

    fn begin(&mut self, ops: &mut Vec<Again>) {
        ops.extend(self.open.pop());
    }

    fn write(&mut self, again: &Again, out: &mut Vec<u8>) {
        self.traffic.write_op(&again.op, out);
    }

    fn answered(
        &mut self,
        again: Again,
        times: Times,
        answer: Answer<'_>,
        then: &mut Vec<Then<Again>>,
    ) -> Result<()> {
        let verdict = judge::judge(&again.op, &self.traffic.ids, answer, false);
        match verdict {
            Verdict::NotNow(_) | Verdict::Unknown(_) => {
                then.extend(self.again(again).map(|op| Then { after: PAUSE, op }));
            }
            Verdict::Accepted { .. } => {
                // It happened between the first attempt and this answer.
                let times = Times { sent: again.sent, ..times };
                self.traffic.accept(&again.op, times, &mut Vec::new());
                self.traffic.recorder.settled += 1;
            }
            Verdict::Declined(_) => {
                self.traffic.put_back(&again.op);
                self.traffic.recorder.settled += 1;
            }
            Verdict::Refused(what) | Verdict::Wrong(what) => self.traffic.recorder.fail(what),
            Verdict::Read | Verdict::Repeated => {}
        }
        Ok(())
    }

    fn lost(&mut self, again: Again, _sent: u64) {
        let next = self.again(again);
        self.open.extend(next);
    }
}
