//! Clients that misbehave, against servers that stand it and that do not.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::mpsc;

use crate::{run, text};

/// A server that answers so many pings, and ends every other connection once it was sent something.
/// Gives its address, and what it was sent.
fn server(mut pings: usize) -> (String, mpsc::Receiver<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut bytes = [0; 4_096];
            let length = stream.read(&mut bytes).unwrap_or(0);
            if bytes.starts_with(b"PING") && pings > 0 {
                pings -= 1;
                stream.write_all(b"+PONG\r\n").unwrap();
            }
            if tell.send(bytes[..length].to_vec()).is_err() {
                return;
            }
        }
    });
    (address, told)
}

#[test]
fn all_kinds_come_and_the_server_is_asked_whether_it_is_well() {
    let (address, told) = server(2);
    let output = run(&["misbehave", "--server", &address, "--clients", "60", "--duration", "3"]);
    let said = text(&output);
    assert_eq!(output.status.code(), Some(0), "{said}");
    let sent: Vec<_> = told.try_iter().collect();
    for begin in [&b"*2\r\n$4\r\nECHO\r\n$1073741824"[..], b"*1\r\n*1\r\n", b"*2\r\n$7\r\nCOMMAND"]
    {
        assert!(sent.iter().any(|bytes| bytes.starts_with(begin)), "{}", begin.escape_ascii());
    }
    assert!(sent.iter().any(Vec::is_empty), "some connect and leave");
    assert!(said.contains("sends a byte at a time"), "{said}");
}

#[test]
fn a_server_that_is_not_well_after_it_fails_the_run() {
    let (address, _told) = server(1);
    let output = run(&["misbehave", "--server", &address, "--clients", "2", "--duration", "0.2"]);
    let said = text(&output);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("not well"), "{said}");
}
