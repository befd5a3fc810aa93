//! Clients that misbehave, to be run beside a load of well-behaved ones: what those lose by them is
//! in the report of that load. None of them may hurt the server; it must answer at the end.

use std::fmt;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use comfy_table::{Table, presets};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::cli::MisbehaveArgs;

/// How long a client stays, at most, before it leaves by itself.
const STAY_MAX: Duration = Duration::from_secs(5);
/// How long it stays away, at most, before it comes again.
const AWAY_MAX_MS: u64 = 1_000;
/// How long a connection may take to come about.
const CONNECT_MAX: Duration = Duration::from_secs(5);

/// What a client does wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Mischief {
    /// Sends a request a byte at a time, with pauses.
    Slow,
    /// Sends half a request, and no more.
    Half,
    /// Sends what is no RESP.
    Garbage,
    /// Announces a gigabyte, and begins to send it.
    Huge,
    /// Nests arrays in arrays.
    Nested,
    /// Asks for large replies, and reads none of them.
    Unread,
    /// Connects, and leaves.
    Fleeting,
}

impl Mischief {
    const ALL: [Self; 7] = [
        Self::Slow,
        Self::Half,
        Self::Garbage,
        Self::Huge,
        Self::Nested,
        Self::Unread,
        Self::Fleeting,
    ];
}

impl fmt::Display for Mischief {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Slow => "sends a byte at a time",
            Self::Half => "sends half a request",
            Self::Garbage => "sends no RESP",
            Self::Huge => "announces a gigabyte",
            Self::Nested => "nests arrays",
            Self::Unread => "reads no replies",
            Self::Fleeting => "connects and leaves",
        })
    }
}

/// How often something ended how.
#[derive(Debug, Clone, Copy, Default)]
struct Count {
    came: u64,
    /// The server ended the connection, or took none.
    ended: u64,
}

type Counts = [Count; Mischief::ALL.len()];

/// Lets so many clients misbehave for so long, shows what they did, and asks whether the server is
/// well.
pub(crate) async fn misbehave(args: &MisbehaveArgs) -> Result<()> {
    allow_files(u64::from(args.clients).saturating_add(64))?;
    ping(&args.server).await.context("is the server there?")?;
    let until = Instant::now() + args.duration;
    let mut clients = JoinSet::new();
    for number in 0..u64::from(args.clients) {
        let draw = StdRng::seed_from_u64(args.seed.wrapping_add(number));
        clients.spawn(live(args.server.clone(), draw, until));
    }
    let mut counts = Counts::default();
    while let Some(of_one) = clients.join_next().await {
        for (sum, count) in counts.iter_mut().zip(of_one.context("a client failed")?) {
            sum.came += count.came;
            sum.ended += count.ended;
        }
    }
    eprintln!("{}", table(&counts));
    ping(&args.server).await.context("the server is not well after that")
}

fn table(counts: &Counts) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY);
    table.set_header(["what the client did", "came", "ended by the server"]);
    for (mischief, count) in Mischief::ALL.iter().zip(counts) {
        table.add_row([mischief.to_string(), count.came.to_string(), count.ended.to_string()]);
    }
    table
}

/// Comes and goes, with something else each time, until the end.
async fn live(server: String, mut draw: StdRng, until: Instant) -> Counts {
    let mut counts = Counts::default();
    loop {
        sleep(Duration::from_millis(draw.random_range(0..AWAY_MAX_MS))).await;
        if Instant::now() >= until {
            return counts;
        }
        let index = draw.random_range(0..Mischief::ALL.len());
        let (Some(mischief), Some(count)) = (Mischief::ALL.get(index), counts.get_mut(index))
        else {
            continue;
        };
        count.came += 1;
        let stay = until.saturating_duration_since(Instant::now()).min(STAY_MAX);
        let visit = timeout(stay, visit(&server, *mischief, &mut draw)).await;
        // Whoever is still there leaves by itself.
        count.ended += u64::from(matches!(visit, Ok(ControlFlow::Break(()))));
    }
}

/// One connection; breaks when the server ended it or did not take it.
async fn visit(server: &str, mischief: Mischief, draw: &mut StdRng) -> ControlFlow<()> {
    let connected = timeout(CONNECT_MAX, TcpStream::connect(server)).await;
    let Ok(Ok(mut socket)) = connected else { return ControlFlow::Break(()) };
    match mischief {
        Mischief::Slow => {
            for byte in b"*2\r\n$7\r\nBALANCE\r\n$6\r\nnobody\r\n" {
                send(&mut socket, &[*byte]).await?;
                sleep(Duration::from_millis(50)).await;
            }
        }
        Mischief::Half => send(&mut socket, b"*2\r\n$7\r\nBALANCE\r\n$6\r\nno").await?,
        Mischief::Garbage => {
            let mut bytes = [0; 2_048];
            draw.fill(&mut bytes[..]);
            send(&mut socket, &bytes).await?;
        }
        Mischief::Huge => {
            send(&mut socket, b"*2\r\n$4\r\nECHO\r\n$1073741824\r\n").await?;
            for _ in 0..16 {
                send(&mut socket, &[b'x'; 4_096]).await?;
            }
        }
        Mischief::Nested => send(&mut socket, &b"*1\r\n".repeat(1_000)).await?,
        Mischief::Unread => {
            for _ in 0..200 {
                send(&mut socket, b"*2\r\n$7\r\nCOMMAND\r\n$4\r\nDOCS\r\n").await?;
            }
            sleep(STAY_MAX).await;
        }
        Mischief::Fleeting => return ControlFlow::Continue(()),
    }
    until_ended(&mut socket).await
}

async fn send(socket: &mut TcpStream, bytes: &[u8]) -> ControlFlow<()> {
    match socket.write_all(bytes).await {
        Ok(()) => ControlFlow::Continue(()),
        Err(_) => ControlFlow::Break(()),
    }
}

/// Reads what comes until the server ends the connection.
async fn until_ended(socket: &mut TcpStream) -> ControlFlow<()> {
    let mut bytes = [0; 4_096];
    while !matches!(socket.read(&mut bytes).await, Ok(0) | Err(_)) {}
    ControlFlow::Break(())
}

async fn ping(server: &str) -> Result<()> {
    let asked = async {
        let mut socket = TcpStream::connect(server).await?;
        socket.write_all(b"PING\r\n").await?;
        let mut reply = [0; 64];
        let length = socket.read(&mut reply).await?;
        std::io::Result::Ok(reply.get(..length).unwrap_or_default().to_vec())
    };
    let reply = timeout(CONNECT_MAX, asked).await;
    let reply = reply.context("no answer to PING")?.with_context(|| format!("PING to {server}"))?;
    let is_answer = reply.starts_with(b"+PONG") || reply.starts_with(b"-NOAUTH");
    ensure!(is_answer, "PING to {server} was answered with {}", reply.escape_ascii());
    Ok(())
}

/// Has the system allow so many open files.
fn allow_files(needed: u64) -> Result<()> {
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|current| current >= needed) {
        return Ok(());
    }
    setrlimit(Resource::Nofile, Rlimit { current: Some(needed), ..limit })
        .with_context(|| format!("{needed} files must be open: raise `ulimit -n`"))
}
