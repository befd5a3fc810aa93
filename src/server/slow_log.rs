//! The slow log, as Redis keeps it: the latest requests that took long. Locked only by a request that
//! was slow, and by who looks.

use crate::codec::resp::{Args, Limits, Parsed, Parser, write_request};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// How many arguments of a request are shown, and how many bytes of each, as in Redis.
const ARGS_SHOWN: usize = 32;
const BYTES_SHOWN: usize = 128;
/// A request that is no longer is kept as it came until it is answered; a longer one is clipped first.
const KEPT_WHOLE: usize = 1_024;
/// Stands before one that was clipped.
const CLIPPED: u8 = 0;
/// A memory of unanswered requests that has grown beyond this is not kept.
const MEMORY_KEPT: usize = 1_024;

/// A slow request.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) id: u64,
    /// When it was answered, in Unix seconds.
    pub(super) at: i64,
    pub(super) micros: u64,
    pub(super) args: Vec<Vec<u8>>,
    pub(super) client: SocketAddr,
    pub(super) name: String,
}

#[derive(Debug, Default)]
struct State {
    /// The latest first.
    entries: VecDeque<Entry>,
    next: u64,
}

/// The latest slow requests.
#[derive(Debug, Default)]
pub(super) struct SlowLog(Mutex<State>);

impl SlowLog {
    /// Puts a request in front of all others, of which `max` stay; gives it its id.
    pub(super) fn push(&self, mut entry: Entry, max: usize) {
        let mut state = self.state();
        entry.id = state.next;
        state.next = state.next.saturating_add(1);
        state.entries.push_front(entry);
        state.entries.truncate(max);
    }

    /// The latest ones.
    pub(super) fn latest(&self, count: usize) -> Vec<Entry> {
        self.state().entries.iter().take(count).cloned().collect()
    }

    pub(super) fn len(&self) -> usize {
        self.state().entries.len()
    }

    /// Forgets all but so many.
    pub(super) fn truncate(&self, max: usize) {
        self.state().entries.truncate(max);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The requests of a connection that are not answered, oldest first, in case they turn out to be slow.
#[derive(Debug, Default)]
pub(super) struct Kept {
    bytes: Vec<u8>,
    /// Where the oldest one begins.
    start: usize,
}

impl Kept {
    /// Keeps a request, the bytes as they came beside it; answers how many bytes it takes.
    pub(super) fn push(&mut self, raw: &[u8], args: Args<'_>) -> u32 {
        if self.start > self.bytes.len() / 2 {
            self.bytes.drain(..self.start);
            self.start = 0;
        }
        let before = self.bytes.len();
        if raw.len() <= KEPT_WHOLE && raw.first() != Some(&CLIPPED) {
            self.bytes.extend_from_slice(raw);
        } else {
            self.bytes.push(CLIPPED);
            write_request(&mut self.bytes, &clipped(args));
        }
        u32::try_from(self.bytes.len().saturating_sub(before)).unwrap_or(u32::MAX)
    }

    /// Takes out the oldest request, of which so many bytes are kept.
    pub(super) fn pop(&mut self, kept: u32) -> &[u8] {
        let begin = self.start;
        self.start = begin.saturating_add(usize::try_from(kept).unwrap_or(usize::MAX));
        self.bytes.get(begin..self.start).unwrap_or_default()
    }

    /// How many bytes are kept.
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Frees what is not needed, when nothing is kept.
    pub(super) fn tidy(&mut self) {
        if self.start >= self.bytes.len() {
            self.bytes.clear();
            self.start = 0;
            if self.bytes.capacity() > MEMORY_KEPT {
                self.bytes = Vec::new();
            }
        }
    }
}

/// The arguments of a request that was kept, as Redis clips them.
pub(super) fn shown(kept: &[u8]) -> Vec<Vec<u8>> {
    // Whatever was a request is one again.
    let mut parser = Parser::new(Limits { args_max: usize::MAX, request_bytes_max: usize::MAX });
    let (is_clipped, kept) = match kept.split_first() {
        Some((&CLIPPED, rest)) => (true, rest),
        _ => (false, kept),
    };
    match parser.next(kept) {
        Ok(Parsed::Request { .. }) if is_clipped => {
            parser.args(kept).iter_from(0).map(<[u8]>::to_vec).collect()
        }
        Ok(Parsed::Request { .. }) => clipped(parser.args(kept)),
        _ => Vec::new(),
    }
}

fn clipped(args: Args<'_>) -> Vec<Vec<u8>> {
    let count = args.len();
    let whole = if count > ARGS_SHOWN { ARGS_SHOWN.saturating_sub(1) } else { count };
    let mut shown: Vec<_> = args.iter_from(0).take(whole).map(clip).collect();
    if count > whole {
        let more = count.saturating_sub(whole);
        shown.push(format!("... ({more} more arguments)").into_bytes());
    }
    shown
}

fn clip(arg: &[u8]) -> Vec<u8> {
    match arg.split_at_checked(BYTES_SHOWN) {
        Some((shown, rest)) if !rest.is_empty() => {
            let mut clipped = shown.to_vec();
            clipped.extend_from_slice(format!("... ({} more bytes)", rest.len()).as_bytes());
            clipped
        }
        _ => arg.to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keep(kept: &mut Kept, args: &[Vec<u8>]) -> u32 {
        let mut raw = Vec::new();
        write_request(&mut raw, args);
        let mut parser = Parser::new(Limits::default());
        assert!(matches!(parser.next(&raw), Ok(Parsed::Request { .. })));
        kept.push(&raw, parser.args(&raw))
    }

    fn texts(shown: &[Vec<u8>]) -> Vec<String> {
        shown.iter().map(|arg| String::from_utf8_lossy(arg).into_owned()).collect()
    }

    #[test]
    fn requests_are_shown_in_their_order_and_clipped_as_redis_does() {
        let mut kept = Kept::default();
        let short = vec![b"BALANCE".to_vec(), b"alice".to_vec()];
        let long = vec![b"ECHO".to_vec(), vec![b'x'; 200], vec![b'y'; 2_000]];
        let many: Vec<Vec<u8>> = (0..40).map(|n| format!("a{n}").into_bytes()).collect();
        let sizes = [keep(&mut kept, &short), keep(&mut kept, &long), keep(&mut kept, &many)];
        assert_eq!(texts(&shown(kept.pop(sizes[0]))), ["BALANCE", "alice"]);
        let clipped = texts(&shown(kept.pop(sizes[1])));
        assert_eq!(clipped[1], format!("{}... (72 more bytes)", "x".repeat(128)));
        assert!(clipped[2].ends_with("... (1872 more bytes)"), "{clipped:?}");
        let clipped = texts(&shown(kept.pop(sizes[2])));
        assert_eq!(clipped.len(), 32);
        assert_eq!(clipped[30..], ["a30", "... (9 more arguments)"]);
        kept.tidy();
        assert!(kept.bytes.is_empty() && kept.start == 0);
    }

    #[test]
    fn what_is_answered_makes_room() {
        let mut kept = Kept::default();
        let request = vec![b"BALANCE".to_vec(), vec![b'w'; 500]];
        let mut size = keep(&mut kept, &request);
        for _ in 0..10_000 {
            let next = keep(&mut kept, &request);
            assert_eq!(shown(kept.pop(size)).len(), 2);
            size = next;
        }
        assert!(kept.bytes.len() < 8_192, "{}", kept.bytes.len());
    }

    #[test]
    fn only_the_latest_stay() {
        let log = SlowLog::default();
        let client = SocketAddr::from(([127, 0, 0, 1], 1));
        for micros in 0..5 {
            let entry =
                Entry { id: 0, at: 0, micros, args: Vec::new(), client, name: String::new() };
            log.push(entry, 3);
        }
        let ids: Vec<_> = log.latest(2).into_iter().map(|entry| (entry.id, entry.micros)).collect();
        assert_eq!(ids, [(4, 4), (3, 3)]);
        assert_eq!(log.len(), 3);
        log.truncate(0);
        assert_eq!(log.len(), 0);
    }
}
