//! A purser made of a map, to test the load generator without a server, and with faults planted.
//!
//! It keeps money as `Amount` and knows only what a run asks for, each with its replay by op id.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use purser::domain::amount::Amount;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What goes wrong, on purpose.
#[derive(Debug, Clone, Copy, Default)]
pub struct Faults {
    /// The n-th capture, counted from 1, takes 10^-12 too much.
    pub overcharge_at: Option<u64>,
    /// The n-th capture says so in its receipt, although the balance is right.
    pub wrong_receipt_at: Option<u64>,
    /// The n-th capture releases nothing.
    pub leave_held_at: Option<u64>,
    /// Every n-th command takes effect, but its connection is closed instead of answered.
    pub hang_up_every: Option<u64>,
    /// Every n-th command is told to come back later.
    pub busy_every: Option<u64>,
    /// No capture says that it is late.
    pub hide_late: bool,
    /// The n-th capture is refused.
    pub refuse_at: Option<u64>,
    /// The n-th capture is charged twice, and says nothing of it.
    pub charge_twice_at: Option<u64>,
    /// The n-th command takes so long, and everything behind it waits.
    pub stall_at: Option<(u64, Duration)>,
    /// A command that comes again is done again.
    pub forgetful: bool,
    /// It serves metrics, and makes checkpoints.
    pub checkpoints: Option<Checkpoints>,
    /// A ledger leaves out the row before the last.
    pub ledger_gap: bool,
}

/// Checkpoints: how often, how long, and how long every command takes meanwhile.
#[derive(Debug, Clone, Copy)]
pub struct Checkpoints {
    pub every: Duration,
    pub length: Duration,
    pub slow: Duration,
}

impl Checkpoints {
    /// How many were completed so long after the start, and whether one goes on.
    fn at(self, age: Duration) -> (u128, bool) {
        let (age, every) = (age.as_micros(), self.every.as_micros());
        let (before, within) = (age / every, age % every);
        // Each goes on at the end of its time.
        (before, within >= every - self.length.as_micros())
    }

    fn metrics(self, age: Duration) -> String {
        let (completed, is_running) = self.at(age);
        let seconds = self.length.as_secs_f64() * f64::from(u32::try_from(completed).unwrap());
        let stage = "purser_checkpoint_stage_seconds";
        format!(
            "# TYPE purser_checkpoint_running gauge\n\
             purser_checkpoint_running {}\n\
             purser_checkpoints_total {completed}\n\
             purser_checkpoint_seconds_sum {seconds}\n\
             {stage}_bucket{{stage=\"gather\",le=\"+Inf\"}} {completed}\n\
             {stage}_sum{{stage=\"gather\"}} {seconds}\n\
             {stage}_count{{stage=\"gather\"}} {completed}\n\
             purser_resident_memory_bytes {}\n\
             purser_archive_bytes 4096\n\
             purser_wallets_active 20\n",
            u8::from(is_running),
            50_000_000 + age.as_millis() * 1_000,
        )
    }
}

/// A running fake; its thread lives as long as the test process.
pub struct Fake {
    pub address: SocketAddr,
    bank: Arc<Mutex<Bank>>,
}

impl Fake {
    pub fn start(faults: Faults) -> Self {
        let start = Instant::now();
        let http = faults.checkpoints.map(|checkpoints| serve_metrics(checkpoints, start));
        let bank = Bank { faults, start, http, wallets: HashMap::new(), commands: 0, captures: 0 };
        let bank = Arc::new(Mutex::new(bank));
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::clone(&bank);
        thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                let listener = TcpListener::from_std(listener).unwrap();
                loop {
                    let (socket, _) = listener.accept().await.unwrap();
                    tokio::spawn(serve(socket, Arc::clone(&shared)));
                }
            });
        });
        Self { address, bank }
    }

    /// The ids of all wallets.
    pub fn wallets(&self) -> Vec<String> {
        self.bank.lock().unwrap().wallets.keys().cloned().collect()
    }

    /// How many captures took effect.
    pub fn captures(&self) -> u64 {
        self.bank.lock().unwrap().captures
    }
}

struct Bank {
    faults: Faults,
    start: Instant,
    http: Option<SocketAddr>,
    wallets: HashMap<String, Wallet>,
    commands: u64,
    captures: u64,
}

#[derive(Default)]
struct Wallet {
    posted: Amount,
    debt: Amount,
    holds: HashMap<String, Hold>,
    /// Op id to the command as sent and its reply.
    done: HashMap<String, (Vec<String>, String)>,
}

struct Hold {
    amount: Amount,
    expires: Instant,
}

impl Wallet {
    /// What open holds hold, those that expired forgotten.
    fn held(&self) -> Amount {
        let now = Instant::now();
        let open = self.holds.values().filter(|hold| hold.expires > now);
        open.fold(Amount::ZERO, |sum, hold| sum.plus(hold.amount).unwrap())
    }

    fn available(&self) -> Amount {
        self.posted.minus(self.held()).unwrap().minus(self.debt).unwrap()
    }

    fn receipt(&self, status: &str, more: &[(&str, String)]) -> String {
        let (available, held) = (self.available().to_string(), self.held().to_string());
        let mut fields = vec![("status", status.to_owned()), ("available", available)];
        fields.push(("held", held));
        fields.extend(more.iter().cloned());
        map(&fields)
    }
}

impl Bank {
    /// The reply to a command, or nothing if the connection is to be closed instead.
    fn answer(&mut self, words: &[String]) -> Option<String> {
        let words_ref: Vec<&str> = words.iter().map(String::as_str).collect();
        if words_ref == ["PING"] {
            return Some("+PONG\r\n".to_owned());
        }
        self.commands += 1;
        let due =
            |every: Option<u64>| every.is_some_and(|every| self.commands.is_multiple_of(every));
        let (hang_up, busy) = (due(self.faults.hang_up_every), due(self.faults.busy_every));
        if let Some((at, pause)) = self.faults.stall_at
            && at == self.commands
        {
            thread::sleep(pause);
        }
        if let Some(checkpoints) = self.faults.checkpoints
            && checkpoints.at(self.start.elapsed()).1
        {
            thread::sleep(checkpoints.slow);
        }
        if busy {
            return Some("-BUSY come back later\r\n".to_owned());
        }
        let reply = self.decide(words, &words_ref);
        (!hang_up).then_some(reply)
    }

    fn decide(&mut self, words: &[String], words_ref: &[&str]) -> String {
        if let ["WALLET.OPEN", name, "CURRENCY", _] = words_ref {
            self.wallets.entry((*name).to_owned()).or_default();
            return map(&[("status", "open".to_owned())]);
        }
        if let ["CONFIG", "GET", "http"] = words_ref
            && let Some(http) = self.http
        {
            return map(&[("http", http.to_string())]);
        }
        if let ["INFO"] = words_ref
            && self.http.is_some()
        {
            return "$25\r\npurser_version:0.0.0-fake\r\n".to_owned();
        }
        if matches!(words_ref[0], "INFO" | "CONFIG") {
            return "-ERR unknown command\r\n".to_owned();
        }
        let Some(wallet) = self.wallets.get_mut(words_ref[1]) else {
            return "-NOWALLET there is none\r\n".to_owned();
        };
        if words_ref[0] == "BALANCE" {
            return map(&[
                ("posted", wallet.posted.to_string()),
                ("held", wallet.held().to_string()),
                ("available", wallet.available().to_string()),
                ("debt", wallet.debt.to_string()),
            ]);
        }
        if let ["LEDGER", _, "COUNT", count] = words_ref {
            let newest = wallet.done.len() + 1;
            let oldest = newest.saturating_sub(count.parse().unwrap()) + 1;
            let gap = if self.faults.ledger_gap { newest.saturating_sub(1) } else { 0 };
            let rows: Vec<String> =
                (oldest..=newest).rev().filter(|&seq| seq != gap).map(row).collect();
            return format!("*{}\r\n{}", rows.len(), rows.concat());
        }
        let id = words_ref[1 + words_ref.iter().position(|word| *word == "ID").unwrap()];
        let known = wallet.done.get(id).filter(|_| !self.faults.forgetful);
        if let Some((first, reply)) = known {
            return if first == words {
                replayed(reply)
            } else {
                "-IDREUSED another request has it\r\n".to_owned()
            };
        }
        let amount = |word: usize| words_ref[word].parse::<Amount>().unwrap();
        let reply = match words_ref {
            ["TOPUP", ..] => {
                wallet.posted = wallet.posted.plus(amount(2)).unwrap();
                wallet.receipt("toppedup", &[])
            }
            ["AUTHORIZE", _, _, "ID", hold, "TTL", ttl] => {
                let amount = amount(2);
                if wallet.available() < amount {
                    let reason = ("reason", "NOFUNDS".to_owned());
                    return wallet.receipt("declined", &[reason, ("required", amount.to_string())]);
                }
                let expires = Instant::now() + Duration::from_millis(ttl.parse().unwrap());
                wallet.holds.insert((*hold).to_owned(), Hold { amount, expires });
                wallet.receipt("held", &[("amount", amount.to_string())])
            }
            ["CAPTURE", _, hold, _, "ID", _] => {
                self.captures += 1;
                let now = |at: Option<u64>| at == Some(self.captures);
                if now(self.faults.refuse_at) {
                    return "-NOHOLD it was never here\r\n".to_owned();
                }
                capture(wallet, hold, amount(3), self.faults, &now)
            }
            ["EXTEND", _, hold, ..] => {
                let amount = amount(3);
                let Some(hold) = wallet.holds.get_mut(*hold) else {
                    return "-HOLDDONE state=captured\r\n".to_owned();
                };
                hold.amount = hold.amount.plus(amount).unwrap();
                wallet.receipt("extended", &[("amount", amount.to_string())])
            }
            ["VOID", _, hold, ..] => {
                wallet.holds.remove(*hold);
                wallet.receipt("voided", &[])
            }
            ["CHARGE", ..] => {
                let amount = amount(2);
                wallet.posted = wallet.posted.minus(amount).unwrap();
                wallet.receipt("charged", &[("captured", amount.to_string())])
            }
            ["REFUND", ..] => {
                wallet.posted = wallet.posted.plus(amount(3)).unwrap();
                wallet.receipt("refunded", &[])
            }
            other => panic!("the fake does not know {other:?}"),
        };
        wallet.done.insert(id.to_owned(), (words.to_vec(), reply.clone()));
        reply
    }
}

fn capture(
    wallet: &mut Wallet,
    hold: &str,
    amount: Amount,
    faults: Faults,
    now: &dyn Fn(Option<u64>) -> bool,
) -> String {
    let late = wallet.holds.get(hold).is_some_and(|hold| hold.expires <= Instant::now());
    if !now(faults.leave_held_at) {
        wallet.holds.remove(hold);
    }
    let grain = Amount::from_pico(1);
    let taken = if now(faults.overcharge_at) { amount.plus(grain).unwrap() } else { amount };
    let taken = if now(faults.charge_twice_at) { taken.plus(taken).unwrap() } else { taken };
    let from_funds = taken.min(wallet.posted);
    let debt = taken.minus(from_funds).unwrap();
    wallet.posted = wallet.posted.minus(from_funds).unwrap();
    wallet.debt = wallet.debt.plus(debt).unwrap();
    let said = if now(faults.wrong_receipt_at) { amount.plus(grain).unwrap() } else { amount };
    let mut fields = vec![("captured", said.to_string())];
    if debt.is_positive() {
        fields.push(("debt", debt.to_string()));
    }
    if late && !faults.hide_late {
        fields.push(("late", "1".to_owned()));
    }
    wallet.receipt("captured", &fields)
}

fn map(fields: &[(&str, String)]) -> String {
    let mut out = format!("*{}\r\n", fields.len() * 2);
    for word in fields.iter().flat_map(|(name, value)| [*name, value]) {
        out.extend([&format!("${}\r\n", word.len()), word, "\r\n"]);
    }
    out
}

/// A row of a ledger.
fn row(seq: usize) -> String {
    let more =
        map(&[("posted", "1".to_owned()), ("held", "0".to_owned()), ("debt", "0".to_owned())]);
    let (_, fields) = more.split_once("\r\n").unwrap();
    format!("*8\r\n$3\r\nseq\r\n:{seq}\r\n{fields}")
}

/// Serves the metrics on an address of its own.
fn serve_metrics(checkpoints: Checkpoints, start: Instant) -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for socket in listener.incoming() {
            let mut socket = socket.unwrap();
            let mut request = Vec::new();
            let mut piece = [0; 512];
            while !request.ends_with(b"\r\n\r\n") {
                match socket.read(&mut piece) {
                    Ok(count) if count > 0 => request.extend(&piece[..count]),
                    _ => break,
                }
            }
            let body = checkpoints.metrics(start.elapsed());
            let reply = format!("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{body}");
            // Whoever asked may be gone.
            let _ = socket.write_all(reply.as_bytes());
        }
    });
    address
}

/// The same receipt with `replayed 1` at its end.
fn replayed(reply: &str) -> String {
    let (head, fields) = reply.split_once("\r\n").unwrap();
    let items: usize = head[1..].parse().unwrap();
    format!("*{}\r\n{fields}$8\r\nreplayed\r\n:1\r\n", items + 2)
}

async fn serve(mut socket: TcpStream, bank: Arc<Mutex<Bank>>) {
    // Without it, every second reply would wait 40 ms for an acknowledgement.
    socket.set_nodelay(true).unwrap();
    let mut bytes = Vec::new();
    while socket.read_buf(&mut bytes).await.is_ok_and(|count| count > 0) {
        let mut replies = String::new();
        let mut open = true;
        while let Some((words, length)) = command(&bytes) {
            bytes.drain(..length);
            match bank.lock().unwrap().answer(&words) {
                Some(reply) => replies += &reply,
                None => open = false,
            }
            if !open {
                break;
            }
        }
        if socket.write_all(replies.as_bytes()).await.is_err() || !open {
            return;
        }
    }
}

/// The first whole command in `bytes`, and how long it is.
fn command(bytes: &[u8]) -> Option<(Vec<String>, usize)> {
    let text = std::str::from_utf8(bytes).unwrap();
    let mut lines = text.split_inclusive("\r\n");
    let mut length = 0;
    let mut next = || {
        let line = lines.next().filter(|line| line.ends_with("\r\n"))?;
        length += line.len();
        Some(line.trim_end().to_owned())
    };
    let count: usize = next()?[1..].parse().unwrap();
    let words = (0..count).map(|_| next().and_then(|_| next())).collect::<Option<_>>()?;
    Some((words, length))
}
