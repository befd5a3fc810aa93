//! Configurations with users, and requests for every command there is.

use super::support::{Client, Server, data, text_of};
use purser::codec::commands::{self, Command};
use purser::config::secret::Secret;
use std::fmt::Write as _;
use std::path::PathBuf;

/// The password of a user in these tests.
pub(crate) fn password(name: &str) -> String {
    format!("the-password-of-{name}")
}

/// A `[[users]]` entry.
pub(crate) fn user(name: &str, role: &str, more: &str) -> String {
    let secret = Secret::of(&password(name)).unwrap().expose();
    format!("\n[[users]]\nname = \"{name}\"\nrole = \"{role}\"\nsecret = \"{secret}\"\n{more}\n")
}

/// Writes a configuration file.
pub(crate) fn write(folder: &tempfile::TempDir, text: &str) -> PathBuf {
    let path = folder.path().join("purser.toml");
    std::fs::write(&path, text).unwrap();
    path
}

/// A server with a configuration file.
pub(crate) fn serve(folder: &tempfile::TempDir, text: &str) -> Server {
    let path = write(folder, text);
    Server::start_with(&data(folder), &["--config", path.to_str().unwrap()])
}

/// A client that has authenticated.
pub(crate) fn login(server: &Server, name: &str) -> Client {
    let mut client = server.client();
    assert_eq!(text_of(&client.call(&format!("AUTH {name} {}", password(name)))), "OK");
    client
}

/// Every command and subcommand of the table.
pub(crate) fn all() -> Vec<&'static Command> {
    commands::places().map(|(_, command)| command).collect()
}

/// A well-formed request of a command, for a wallet if it takes one; nothing that ends the server.
pub(crate) fn example(command: &Command, wallet: &str) -> String {
    let rest = match command.name {
        "authorize" => "1 ID h",
        "capture" => "h 1 ID c",
        "charge" => "1 ID d",
        "extend" => "h 1 ID e",
        "hold.get" | "void" => "h",
        "explain" | "op.get" => "t",
        "refund" => "d 1 ID r",
        "topup" => "1 ID t",
        "topup.reverse" => "t ID v",
        "topup.revoke" => "t ID k",
        "wallet.open" => "CURRENCY USD",
        "wallet.set" => "PLAN p ID s",
        "withdraw" => "1 ID w",
        "balance" | "hold.list" | "ledger" | "wallet.get" | "wallet.close" | "wallet.freeze"
        | "wallet.unfreeze" => "",
        "price" => return "price nosuch QTY input_tokens 1".to_owned(),
        "prices.get" => return "prices.get nosuch".to_owned(),
        "wallet.scan" => return "wallet.scan 0".to_owned(),
        "auth" => return "auth nobody nothing".to_owned(),
        "shutdown" => return "shutdown abort".to_owned(),
        "client|kill" => return "client kill ID 999999999".to_owned(),
        "client|no-evict" | "client|no-touch" => {
            return format!("{} ON", command.name.replace('|', " "));
        }
        "client|setinfo" => return "client setinfo LIB-NAME x".to_owned(),
        "client|setname" => return "client setname x".to_owned(),
        "config|get" => return "config get *".to_owned(),
        "echo" => return "echo x".to_owned(),
        "select" => return "select 0".to_owned(),
        "client" => return "client id".to_owned(),
        "config" | "latency" | "slowlog" => return format!("{} help", command.name),
        name if command.wallet.is_none() => return name.replace('|', " "),
        name => panic!("how is {name} asked? Say so here: every command must be tried"),
    };
    let mut line = format!("{} {wallet}", command.name);
    if !rest.is_empty() {
        write!(line, " {rest}").unwrap();
    }
    line
}

/// The whole error that answers a request; empty when it is no error.
pub(crate) fn error_of(client: &mut Client, line: &str) -> String {
    match client.call(line) {
        redis::Value::ServerError(error) => {
            format!("{} {}", error.code(), error.details().unwrap_or_default())
        }
        _ => String::new(),
    }
}
