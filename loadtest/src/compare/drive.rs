//! The closed loop: on each connection so many wallets are authorized and captured at once, the next
//! command as soon as the last is answered.
//!
//! One thread and one `epoll` for all connections, and the same for every server, so that what the
//! generator costs is equal. Latencies count from the write to the read.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use bytes::{Buf, BytesMut};
use hdrhistogram::Histogram;
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};
use rustix::event::{Timespec, epoll};

use super::cpu;
use super::measured::{Measured, Wrong};
use super::shape::Shape;
use super::workload::{Dialect, Kind, Op, Totals};

/// The longest that is told apart, in microseconds.
const LONGEST_US: u64 = 60_000_000;
/// How much is read at once.
const READ: usize = 64 * 1024;
/// How many connections are looked after in one turn.
const EVENTS: usize = 256;
/// How long to wait for an answer when none comes.
const PATIENCE: Duration = Duration::from_secs(20);
/// The longest sleep, so that a stop is heard.
const SLEEP: Timespec = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };

/// What to send, and for how long.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load<'a> {
    pub(crate) shape: Shape,
    pub(crate) wallets: u32,
    pub(crate) warm_up: Duration,
    pub(crate) seconds: Duration,
    pub(crate) seed: u64,
    /// The server's process.
    pub(crate) pid: u32,
    /// Somebody wants all to end.
    pub(crate) stop: &'a AtomicBool,
}

/// Sends to a server, and measures. Also answers what must be on its wallets then.
pub(crate) fn drive(dialect: &dyn Dialect, load: &Load<'_>) -> Result<(Measured, Totals)> {
    let mut run = Run::connect(dialect, load)?;
    for slot in 0..run.connections.len() {
        for _ in 0..load.shape.depth {
            run.begin(slot)?;
        }
        run.flush(slot)?;
    }
    run.go()?;
    let totals = Totals::after(load.wallets, run.captures);
    Ok((run.finish()?, totals))
}

struct Connection {
    stream: TcpStream,
    out: BytesMut,
    input: Vec<u8>,
    /// What was read and is not used yet.
    filled: usize,
    waiting: VecDeque<(Op, Instant)>,
}

struct Run<'a> {
    dialect: &'a dyn Dialect,
    load: &'a Load<'a>,
    epoll: OwnedFd,
    connections: Vec<Connection>,
    random: Xoshiro256PlusPlus,
    /// The number of the next hold.
    number: u64,
    in_flight: usize,
    start: Instant,
    latencies: Histogram<u64>,
    captures: u64,
    wrong: Wrong,
    /// Processor time at both ends of what is measured: the server's, and this program's.
    spent: [Option<(Duration, Duration)>; 2],
}

impl<'a> Run<'a> {
    fn connect(dialect: &'a dyn Dialect, load: &'a Load<'a>) -> Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).context("cannot make an epoll")?;
        let mut connections = Vec::new();
        for slot in 0..u64::from(load.shape.connections) {
            let stream = dialect.connect()?;
            stream.set_nodelay(true)?;
            stream.set_nonblocking(true)?;
            let flags = epoll::EventFlags::IN | epoll::EventFlags::OUT | epoll::EventFlags::ET;
            epoll::add(&epoll, &stream, epoll::EventData::new_u64(slot), flags)?;
            connections.push(Connection {
                stream,
                out: BytesMut::new(),
                input: vec![0; READ],
                filled: 0,
                waiting: VecDeque::new(),
            });
        }
        Ok(Self {
            dialect,
            load,
            epoll,
            connections,
            random: Xoshiro256PlusPlus::seed_from_u64(load.seed),
            number: 0,
            in_flight: 0,
            start: Instant::now(),
            latencies: Histogram::new_with_bounds(1, LONGEST_US, 3)?,
            captures: 0,
            wrong: Wrong::default(),
            spent: [None, None],
        })
    }

    /// Until the time is over and all is answered.
    fn go(&mut self) -> Result<()> {
        let mut events = Vec::with_capacity(EVENTS);
        let mut heard = Instant::now();
        while self.in_flight > 0 {
            if self.load.stop.load(Ordering::Relaxed) {
                bail!("stopped");
            }
            events.clear();
            match epoll::wait(
                &self.epoll,
                rustix::buffer::spare_capacity(&mut events),
                Some(&SLEEP),
            ) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error).context("cannot wait for replies"),
            }
            self.look_at_the_clock();
            if !events.is_empty() {
                heard = Instant::now();
            } else if heard.elapsed() > PATIENCE {
                bail!("no answer within {PATIENCE:?}");
            }
            for event in &events {
                let slot = usize::try_from(event.data.u64())?;
                self.receive(slot)?;
                self.flush(slot)?;
            }
        }
        Ok(())
    }

    /// Notes what was spent when the measurement begins and ends.
    fn look_at_the_clock(&mut self) {
        let elapsed = self.start.elapsed();
        let ends = [self.load.warm_up, self.load.warm_up.saturating_add(self.load.seconds)];
        for (spent, end) in self.spent.iter_mut().zip(ends) {
            if spent.is_none() && elapsed >= end {
                *spent = cpu::of_both(self.load.pid);
            }
        }
    }

    /// Authorizes on any wallet.
    fn begin(&mut self, slot: usize) -> Result<()> {
        let wallet = self.random.random_range(0..self.load.wallets);
        self.number += 1;
        self.send(slot, Op { kind: Kind::Authorize, wallet, number: self.number })
    }

    fn send(&mut self, slot: usize, op: Op) -> Result<()> {
        if let Some(connection) = self.connections.get_mut(slot) {
            self.dialect.write(op, &mut connection.out)?;
            connection.waiting.push_back((op, Instant::now()));
            self.in_flight += 1;
        }
        Ok(())
    }

    /// Writes what the system takes; it says when it takes more.
    fn flush(&mut self, slot: usize) -> Result<()> {
        let Some(connection) = self.connections.get_mut(slot) else { return Ok(()) };
        while !connection.out.is_empty() {
            match connection.stream.write(&connection.out) {
                Ok(written) => connection.out.advance(written),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error).context("a connection was lost"),
            }
        }
        Ok(())
    }

    /// Reads what is there, and judges the answers.
    fn receive(&mut self, slot: usize) -> Result<()> {
        loop {
            let Some(connection) = self.connections.get_mut(slot) else { return Ok(()) };
            if connection.filled == connection.input.len() {
                connection.input.resize(connection.input.len() * 2, 0);
            }
            let room = connection.input.get_mut(connection.filled..).unwrap_or_default();
            let most = room.len();
            match connection.stream.read(room) {
                Ok(0) => bail!("the server closed a connection"),
                Ok(count) => {
                    connection.filled += count;
                    self.judge(slot)?;
                    if count < most {
                        // All was read; of more the system will tell.
                        return Ok(());
                    }
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error).context("a connection was lost"),
            }
        }
    }

    fn judge(&mut self, slot: usize) -> Result<()> {
        let now = Instant::now();
        let end = self.load.warm_up.saturating_add(self.load.seconds);
        let elapsed = now.duration_since(self.start);
        let is_measured = (self.load.warm_up..end).contains(&elapsed);
        let Some(connection) = self.connections.get_mut(slot) else { return Ok(()) };
        let filled = connection.filled;
        let input = std::mem::take(&mut connection.input);
        let mut rest = input.get(..filled).unwrap_or_default();
        while let Some(reply) = self.dialect.read(rest)? {
            let (text, behind) = rest.split_at_checked(reply.length).unwrap_or((rest, &[]));
            rest = behind;
            let waiting = self.connections.get_mut(slot).and_then(|c| c.waiting.pop_front());
            let (op, sent) = waiting.context("a reply that nobody asked for")?;
            self.in_flight -= 1;
            if is_measured {
                let micros = now.duration_since(sent).as_micros();
                self.latencies.saturating_record(u64::try_from(micros).unwrap_or(u64::MAX));
            }
            let is_right = reply.status == Some(op.kind.status());
            if !is_right {
                self.wrong.add(text);
            }
            match op.kind {
                Kind::Authorize if is_right => {
                    self.send(slot, Op { kind: Kind::Capture, ..op })?;
                }
                Kind::Authorize | Kind::Capture => {
                    self.captures += u64::from(is_right);
                    if elapsed < end {
                        self.begin(slot)?;
                    }
                }
            }
        }
        let left = rest.len();
        if let Some(connection) = self.connections.get_mut(slot) {
            connection.input = input;
            connection.input.copy_within(filled - left..filled, 0);
            connection.filled = left;
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Measured> {
        self.look_at_the_clock();
        let [Some(before), Some(after)] = self.spent else {
            bail!("the processor time of process {} cannot be read", self.load.pid)
        };
        let operations = self.latencies.len();
        if operations == 0 {
            bail!("nothing was answered within {:?}; measure for longer", self.load.seconds);
        }
        let at = |share: f64| self.latencies.value_at_quantile(share).min(self.latencies.max());
        Ok(Measured::new(operations, self.load.seconds, self.wrong)
            .latencies(at(0.5), at(0.99), Some(at(0.999)), self.latencies.max())
            .processor(after.0.saturating_sub(before.0), after.1.saturating_sub(before.1)))
    }
}
