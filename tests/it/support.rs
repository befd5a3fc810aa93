//! A server process on free ports, and a client that reads replies with an independent parser.

use redis::{Parser, Value};
use rustix::process::{Pid, Signal, kill_process};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// How long anything may take before a test gives up; generous, for machines under load.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// A server process; killed when dropped.
pub(crate) struct Server {
    process: Child,
    pub(crate) resp: SocketAddr,
    pub(crate) http: SocketAddr,
    log: Arc<Mutex<Vec<u8>>>,
}

impl Server {
    /// Starts a server on a data directory and waits until it serves.
    pub(crate) fn start(data: &Path) -> Self {
        Self::start_with(data, &[])
    }

    /// Starts a server with more arguments.
    pub(crate) fn start_with(data: &Path, more: &[&str]) -> Self {
        Self::of(spawn(data, more))
    }

    /// Waits until a process serves.
    pub(crate) fn of(mut process: Child) -> Self {
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let mut address = |what: &str| -> SocketAddr {
            let Some(Ok(line)) = lines.next() else {
                let status = process.wait().unwrap();
                let mut error = String::new();
                process.stderr.take().unwrap().read_to_string(&mut error).unwrap();
                panic!("the server did not start: {status}\n{error}");
            };
            let (_, address) = line.split_once(what).unwrap_or_else(|| panic!("{line}"));
            address.parse().unwrap()
        };
        let resp = address("RESP on ");
        let http = address("HTTP on ");
        // Nobody may be blocked by a pipe that nobody reads.
        let mut errors = process.stderr.take().unwrap();
        let log = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&log);
        std::thread::spawn(move || {
            let mut chunk = [0; 4096];
            while let Ok(read @ 1..) = errors.read(&mut chunk) {
                kept.lock().unwrap().extend_from_slice(&chunk[..read]);
            }
        });
        Self { process, resp, http, log }
    }

    /// What it has logged so far.
    pub(crate) fn log(&self) -> String {
        String::from_utf8_lossy(&self.log.lock().unwrap()).into_owned()
    }

    /// Has it read its configuration again, and waits for it to log `outcome`; answers what it has
    /// logged meanwhile.
    pub(crate) fn reload(&self, outcome: &str) -> String {
        let before = self.log().len();
        signal(self.id(), Signal::HUP);
        let start = Instant::now();
        loop {
            let log = self.log()[before..].to_owned();
            if log.contains(outcome) {
                return log;
            }
            assert!(start.elapsed() < PATIENCE, "{outcome} is not logged: {log}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    pub(crate) fn client(&self) -> Client {
        Client::connect(self.resp)
    }

    /// Ends the process without any warning. It must not have ended by itself.
    pub(crate) fn kill(mut self) {
        if let Some(status) = self.process.try_wait().unwrap() {
            panic!("the server ended by itself: {status}\n{}", self.log());
        }
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Asks it to stop, and waits for its exit code.
    pub(crate) fn terminate(mut self) -> ExitStatus {
        signal(self.process.id(), Signal::TERM);
        self.wait()
    }

    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    /// Waits for the process to end by itself.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        let start = Instant::now();
        loop {
            if let Some(status) = self.process.try_wait().unwrap() {
                return status;
            }
            assert!(start.elapsed() < PATIENCE, "the server does not end");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// What `/metrics` shows of a series, with its labels if it has any; none when it is not there.
    pub(crate) fn series(&self, name: &str) -> Option<String> {
        let (status, metrics) = self.get("/metrics");
        assert_eq!(status, 200);
        let value = |line: &str| Some(line.strip_prefix(name)?.strip_prefix(' ')?.to_owned());
        metrics.lines().find_map(value)
    }

    /// What the HTTP port answers: status code and body.
    pub(crate) fn get(&self, path: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(self.http).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: purser\r\nConnection: close\r\n\r\n").unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A server process that may not come up.
pub(crate) fn spawn(data: &Path, more: &[&str]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_purser"))
        .args(["--resp", "127.0.0.1:0", "--http", "127.0.0.1:0", "--data"])
        .arg(data)
        .args(more)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Sends a signal to a process.
pub(crate) fn signal(process: u32, signal: Signal) {
    let process = Pid::from_raw(process.try_into().unwrap()).unwrap();
    kill_process(process, signal).unwrap();
}

/// Has `purser verify` look at a store that nobody uses.
pub(crate) fn verify(data: &Path) {
    let purser =
        Command::new(env!("CARGO_BIN_EXE_purser")).arg("verify").arg("--data").arg(data).output();
    let purser = purser.unwrap();
    assert!(purser.status.success(), "{}", String::from_utf8_lossy(&purser.stderr));
}

/// A folder that goes away with the test.
pub(crate) fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

/// The data directory in a folder.
pub(crate) fn data(folder: &tempfile::TempDir) -> PathBuf {
    folder.path().join("data")
}

/// What a client speaks over.
pub(crate) trait Wire: Read + Write + Send {}

impl<Stream: Read + Write + Send> Wire for Stream {}

/// A client of one connection.
pub(crate) struct Client {
    stream: BufReader<Box<dyn Wire>>,
    parser: Parser,
}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self::over(stream)
    }

    /// A client that speaks over whatever this is.
    pub(crate) fn over(wire: impl Wire + 'static) -> Self {
        Self { stream: BufReader::new(Box::new(wire)), parser: Parser::new() }
    }

    /// Sends bytes as they are.
    pub(crate) fn send_raw(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.stream.get_mut().write_all(bytes)?;
        self.stream.get_mut().flush()
    }

    /// Sends a request whose arguments are the words of `line`.
    pub(crate) fn send(&mut self, line: &str) -> std::io::Result<()> {
        let args: Vec<&str> = line.split(' ').collect();
        let mut bytes = Vec::new();
        purser::codec::resp::write_request(&mut bytes, &args);
        self.send_raw(&bytes)
    }

    /// The next reply.
    pub(crate) fn receive(&mut self) -> redis::RedisResult<Value> {
        self.parser.parse_value(&mut self.stream)
    }

    /// Sends a request and waits for its reply.
    pub(crate) fn call(&mut self, line: &str) -> Value {
        self.send(line).unwrap();
        self.receive().unwrap_or_else(|error| panic!("{line}: {error}"))
    }

    /// Sends a request and reads the map that answers it.
    pub(crate) fn map(&mut self, line: &str) -> BTreeMap<String, String> {
        match self.call(line) {
            Value::ServerError(error) => panic!("{line}: {error:?}"),
            value => map_of(&value),
        }
    }

    /// Sends a request and reads the error that answers it, whole.
    pub(crate) fn error(&mut self, line: &str) -> String {
        match self.call(line) {
            Value::ServerError(error) => {
                format!("{} {}", error.code(), error.details().unwrap_or_default())
            }
            other => panic!("{line}: {other:?}"),
        }
    }

    /// One field of the map that answers a request; empty when it is not there.
    pub(crate) fn field(&mut self, line: &str, field: &str) -> String {
        self.map(line).remove(field).unwrap_or_default()
    }

    /// Reads until the server closes the connection.
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        // A reset is an end, too.
        let _ = self.stream.read_to_end(&mut rest);
        rest
    }
}

/// The text of a scalar reply.
pub(crate) fn text_of(value: &Value) -> String {
    match value {
        Value::BulkString(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Value::SimpleString(text) => text.clone(),
        Value::Okay => "OK".to_owned(),
        Value::Int(number) => number.to_string(),
        Value::Nil => String::new(),
        other => format!("{other:?}"),
    }
}

/// A map reply of either protocol.
pub(crate) fn map_of(value: &Value) -> BTreeMap<String, String> {
    match value {
        Value::Map(pairs) => pairs.iter().map(|(k, v)| (text_of(k), text_of(v))).collect(),
        Value::Array(flat) => {
            let pairs = flat.chunks_exact(2);
            pairs.map(|pair| (text_of(&pair[0]), text_of(&pair[1]))).collect()
        }
        other => panic!("not a map: {other:?}"),
    }
}
