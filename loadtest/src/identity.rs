//! Who the server is: version, process, metrics, data directory; as it says itself.

use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;

use crate::client::Client;
use crate::resp::{Reply, encode};

/// What is known of a server. Everything but the name may be unknown: the run goes on without it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Identity {
    pub(crate) version: Option<String>,
    /// Its process, if that runs on this machine.
    pub(crate) pid: Option<u32>,
    /// Where its metrics are.
    pub(crate) http: Option<String>,
    /// Its data directory, if that is on this machine.
    pub(crate) data: Option<PathBuf>,
    /// Its program, if that is on this machine.
    pub(crate) program: Option<PathBuf>,
}

impl Identity {
    /// Asks the server.
    pub(crate) async fn of(client: &Client, address: &str) -> Self {
        let Some(Reply::Text(info)) = ask(client, &["INFO"]).await else {
            return Self::default();
        };
        let value = |name: &str| {
            let mut lines = info.lines().filter_map(|line| line.split_once(':'));
            lines.find(|&(key, _)| key == name).map(|(_, value)| value.to_owned())
        };
        let address = address.to_socket_addrs().ok().and_then(|mut found| found.next());
        let is_here = address.is_some_and(|address| address.ip().is_loopback());
        let pid = value("process_id").and_then(|pid| pid.parse().ok());
        let pid = pid.filter(|&pid| is_here && is_purser(pid));
        Self {
            version: value("purser_version"),
            pid,
            http: http(client, address).await,
            data: pid.zip(value("data")).and_then(|(pid, data)| {
                // Relative to where the server was started.
                let data = PathBuf::from(format!("/proc/{pid}/cwd")).join(data);
                data.canonicalize().ok()
            }),
            program: pid.and_then(|pid| std::fs::read_link(format!("/proc/{pid}/exe")).ok()),
        }
    }
}

/// Whether the process of that number on this machine can be the one that answers.
fn is_purser(pid: u32) -> bool {
    let name = std::fs::read_to_string(format!("/proc/{pid}/comm"));
    name.is_ok_and(|name| name.trim() == "purser")
}

/// Where the server serves HTTP.
async fn http(client: &Client, address: Option<SocketAddr>) -> Option<String> {
    let Some(Reply::Array(pair)) = ask(client, &["CONFIG", "GET", "http"]).await else {
        return None;
    };
    let Some(Reply::Text(text)) = pair.into_iter().nth(1) else { return None };
    let mut http: SocketAddr = text.parse().ok()?;
    if http.ip().is_unspecified() {
        http.set_ip(address?.ip());
    }
    Some(http.to_string())
}

async fn ask(client: &Client, words: &[&str]) -> Option<Reply> {
    client.call(0, &encode(words)).await.ok().map(|answered| answered.answer.reply)
}
