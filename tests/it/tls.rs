//! TLS on both ports: what is let in, what is not, and certificates that change.

use super::support::{Client, PATIENCE, Server, folder, signal, text_of};
use super::users::{password, serve, user};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion,
};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

type Stream = StreamOwned<ClientConnection, TcpStream>;

/// Somebody who signs certificates.
struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key.
struct Identity {
    cert: rcgen::Certificate,
    key: KeyPair,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn identity(&self) -> Identity {
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let key = KeyPair::generate().unwrap();
        let cert = CertificateParams::new(names).unwrap().signed_by(&key, &self.0).unwrap();
        Identity { cert, key }
    }
}

/// Puts a certificate where the configuration looks for it.
fn install(folder: &Path, identity: &Identity) {
    std::fs::write(folder.join("cert.pem"), identity.cert.pem()).unwrap();
    std::fs::write(folder.join("key.pem"), identity.key.serialize_pem()).unwrap();
}

fn settings(folder: &Path) -> String {
    let path = |name: &str| folder.join(name).display().to_string();
    format!("tls_cert = \"{}\"\ntls_key = \"{}\"\n", path("cert.pem"), path("key.pem"))
}

/// Connects, or says why not.
fn connect(
    address: SocketAddr,
    authority: &Authority,
    identity: Option<&Identity>,
    versions: &[&'static SupportedProtocolVersion],
) -> Result<Stream, String> {
    let mut roots = RootCertStore::empty();
    roots.add(authority.0.der().clone()).unwrap();
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots);
    let config = match identity {
        None => builder.with_no_client_auth(),
        Some(identity) => {
            let key = PrivateKeyDer::try_from(identity.key.serialize_der()).unwrap();
            builder.with_client_auth_cert(vec![identity.cert.der().clone()], key).unwrap()
        }
    };
    let name = ServerName::try_from("localhost").unwrap();
    let mut session = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    while session.is_handshaking() {
        session.complete_io(&mut socket).map_err(|error| error.to_string())?;
    }
    Ok(StreamOwned::new(session, socket))
}

const BOTH: &[&SupportedProtocolVersion] = &[&rustls::version::TLS13, &rustls::version::TLS12];

fn certificate(stream: &Stream) -> CertificateDer<'static> {
    stream.conn.peer_certificates().unwrap()[0].clone().into_owned()
}

/// What HTTP answers.
fn get(mut stream: Stream, path: &str) -> String {
    let mut bytes = Vec::new();
    // A server that refuses closes at once, and none need say goodbye.
    let _ = write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    let _ = stream.read_to_end(&mut bytes);
    String::from_utf8(bytes).unwrap()
}

/// What a server sends until it closes, to a client without TLS.
fn raw(address: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let _ = stream.write_all(bytes);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    answer
}

/// The first message of a client that knows nothing newer than this version.
fn hello(version: [u8; 2]) -> Vec<u8> {
    let mut body = version.to_vec();
    body.extend([7; 32]); // random
    body.push(0); // no session
    // ECDHE with AES, as it was then and as it is now.
    body.extend([0, 6, 0xc0, 0x09, 0xc0, 0x13, 0xc0, 0x2b]);
    body.extend([1, 0]); // no compression
    // Extensions: the curve P-256, uncompressed points, ECDSA.
    let extensions = [0, 10, 0, 4, 0, 2, 0, 23, 0, 11, 0, 2, 1, 0, 0, 13, 0, 4, 0, 2, 4, 3];
    body.extend(u16::try_from(extensions.len()).unwrap().to_be_bytes());
    body.extend(extensions);
    let length = u8::try_from(body.len()).unwrap();
    let mut record = vec![22, 3, 1, 0, length + 4, 1, 0, 0, length];
    record.extend(body);
    record
}

#[test]
fn both_ports_speak_tls_of_today_and_nothing_else() {
    let folder = folder();
    let authority = Authority::new();
    install(folder.path(), &authority.identity());
    let text = settings(folder.path()) + &user("root", "admin", "");
    let server = serve(&folder, &text);
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let stream = connect(server.resp, &authority, None, &[version]).unwrap();
        let mut client = Client::over(stream);
        assert!(client.error("PING").starts_with("NOAUTH"));
        assert_eq!(text_of(&client.call(&format!("AUTH root {}", password("root")))), "OK");
        assert_eq!(text_of(&client.call("PING")), "PONG");
        // More than any buffer on the way holds.
        let large = "x".repeat(30_000);
        for _ in 0..100 {
            assert_eq!(text_of(&client.call(&format!("ECHO {large}"))), large);
        }
        assert_eq!(text_of(&client.call("QUIT")), "OK");
        assert_eq!(client.rest(), b"");
        let stream = connect(server.http, &authority, None, &[version]).unwrap();
        assert!(get(stream, "/readyz").starts_with("HTTP/1.1 200 OK"));
    }
    for address in [server.resp, server.http] {
        for old in [[3, 0], [3, 1], [3, 2]] {
            let answer = raw_closed(address, &hello(old));
            // One alert, fatal: no such version, or nothing in common.
            let [21, 3, _, 0, 2, 2, 40 | 70] = answer[..] else { panic!("{old:?}: {answer:?}") };
        }
        // The same words are understood in a version that is spoken.
        assert_eq!(raw_closed(address, &hello([3, 3])).first(), Some(&22));
    }
    // Bytes that are no TLS harm nobody, and are told nothing of what is behind.
    for garbage in
        [&b"PING\r\n"[..], b"GET / HTTP/1.1\r\n\r\n", &vec![0; 70_000], &[22, 3, 1, 255, 255, 1]]
    {
        let answer = raw_closed(server.resp, garbage);
        assert!(answer.len() < 16, "{answer:?}");
    }
    assert!(connect(server.resp, &Authority::new(), None, BOTH).is_err());
    let stream = connect(server.resp, &authority, None, BOTH).unwrap();
    assert!(Client::over(stream).error("PING").starts_with("NOAUTH"));
}

/// What a server sends to a client that says no more.
fn raw_closed(address: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let _ = stream.write_all(bytes);
    let _ = stream.shutdown(std::net::Shutdown::Write);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    answer
}

#[test]
fn replies_that_nobody_reads_wait_within_bounds_and_then_arrive() {
    let folder = folder();
    let authority = Authority::new();
    install(folder.path(), &authority.identity());
    let server = serve(&folder, &settings(folder.path()));
    let stream = connect(server.resp, &authority, None, BOTH).unwrap();
    let mut client = Client::over(stream);
    let large = "x".repeat(50_000);
    // Requests fill the way there while replies fill the way back: the server stops to read.
    let total = 40;
    for _ in 0..total {
        client.send(&format!("ECHO {large}")).unwrap();
    }
    for _ in 0..total {
        assert_eq!(text_of(&client.receive().unwrap()).len(), large.len());
    }
    let mut other = Client::over(connect(server.resp, &authority, None, BOTH).unwrap());
    assert_eq!(text_of(&other.call("PING")), "PONG");
    assert!(server.terminate().success());
}

#[test]
fn clients_need_a_certificate_when_they_are_to() {
    let folder = folder();
    let (authority, clients) = (Authority::new(), Authority::new());
    install(folder.path(), &authority.identity());
    let ca = folder.path().join("clients.pem");
    std::fs::write(&ca, clients.0.pem()).unwrap();
    let text = format!("{}tls_client_ca = \"{}\"\n", settings(folder.path()), ca.display());
    let server = serve(&folder, &text);
    let known = clients.identity();
    let asks = |identity: Option<&Identity>, authority: &Authority| -> Result<String, String> {
        let mut stream = connect(server.resp, authority, identity, BOTH)?;
        stream.write_all(b"PING\r\n").map_err(|error| error.to_string())?;
        let mut answer = [0; 7];
        stream.read_exact(&mut answer).map_err(|error| error.to_string())?;
        Ok(String::from_utf8_lossy(&answer).into_owned())
    };
    assert_eq!(asks(Some(&known), &authority).unwrap(), "+PONG\r\n");
    assert!(asks(None, &authority).is_err());
    assert!(asks(Some(&authority.identity()), &authority).is_err());
    let stream = connect(server.http, &authority, Some(&known), BOTH).unwrap();
    assert!(get(stream, "/livez").starts_with("HTTP/1.1 200"));
    let refused = connect(server.http, &authority, None, BOTH);
    assert!(refused.is_err() || get(refused.unwrap(), "/livez").is_empty());
    // Who cannot get in stands in the log.
    let start = Instant::now();
    while !server.log().contains("its TLS handshake failed: peer sent no certificates") {
        assert!(start.elapsed() < PATIENCE, "{}", server.log());
        std::thread::sleep(Duration::from_millis(5));
    }
    // Others sign from now on.
    let others = Authority::new();
    std::fs::write(&ca, others.0.pem()).unwrap();
    server.reload("configuration was read again");
    assert!(asks(Some(&known), &authority).is_err());
    assert_eq!(asks(Some(&others.identity()), &authority).unwrap(), "+PONG\r\n");
}

#[test]
fn certificates_change_while_connections_go_on() {
    let folder = folder();
    let authority = Authority::new();
    let (first, second) = (authority.identity(), authority.identity());
    install(folder.path(), &first);
    let server = serve(&folder, &settings(folder.path()));
    let stream = connect(server.resp, &authority, None, BOTH).unwrap();
    assert_eq!(certificate(&stream), *first.cert.der());
    let mut before = Client::over(stream);
    assert_eq!(text_of(&before.call("PING")), "PONG");
    install(folder.path(), &second);
    server.reload("configuration was read again");
    for address in [server.resp, server.http] {
        let stream = connect(address, &authority, None, BOTH).unwrap();
        assert_eq!(certificate(&stream), *second.cert.der());
    }
    assert_eq!(text_of(&before.call("PING")), "PONG");
    // A key that does not belong to the certificate changes nothing.
    std::fs::write(folder.path().join("key.pem"), first.key.serialize_pem()).unwrap();
    let log = server.reload("nothing was changed");
    assert!(log.contains("tls_key"), "{log}");
    let stream = connect(server.resp, &authority, None, BOTH).unwrap();
    assert_eq!(certificate(&stream), *second.cert.der());
    std::fs::write(folder.path().join("purser.toml"), "").unwrap();
    let log = server.reload("nothing was changed");
    assert!(log.contains("only at a start"), "{log}");
}

#[test]
fn a_handshake_that_does_not_end_is_dropped() {
    let folder = folder();
    let authority = Authority::new();
    install(folder.path(), &authority.identity());
    let server = serve(&folder, &(settings(folder.path()) + "handshake_timeout_ms = 500\n"));
    let start = Instant::now();
    for begin in [&b""[..], &hello([3, 3])[..20]] {
        assert_eq!(raw(server.resp, begin), b"");
    }
    assert!(start.elapsed() >= Duration::from_millis(900));
    let mut client = Client::over(connect(server.resp, &authority, None, BOTH).unwrap());
    assert_eq!(text_of(&client.call("PING")), "PONG");
    let (idle, open) = (TcpStream::connect(server.resp).unwrap(), Instant::now());
    signal(server.id(), rustix::process::Signal::TERM);
    let mut server: Server = server;
    assert!(server.wait().success() && open.elapsed() < Duration::from_secs(20));
    drop(idle);
}

/// Clients that began a handshake and stopped held 63 KB each for a minute, as many as there were
/// connections, and no figure showed them.
#[test]
fn handshakes_that_do_not_go_on_are_bounded_and_let_others_in() {
    const BOUND: usize = 4;
    let folder = folder();
    let authority = Authority::new();
    install(folder.path(), &authority.identity());
    let server = serve(&folder, &(settings(folder.path()) + "tls_handshakes_max = 4\n"));
    let mut before = Client::over(connect(server.resp, &authority, None, BOTH).unwrap());
    let mut halves = Vec::new();
    for _ in 0..3 * BOUND {
        let mut half = TcpStream::connect(server.resp).unwrap();
        half.write_all(&hello([3, 3])[..20]).unwrap();
        halves.push(half);
    }
    // Metrics are on a port of their own, which speaks TLS, too.
    let scrape = || get(connect(server.http, &authority, None, BOTH).unwrap(), "/metrics");
    let series = |name: &str| -> usize {
        let text = scrape();
        let value = |line: &str| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok();
        text.lines().find_map(value).unwrap_or_else(|| panic!("{name} is not in {text}"))
    };
    let start = Instant::now();
    while series("purser_tls_handshakes") < BOUND {
        assert!(start.elapsed() < PATIENCE);
    }
    assert_eq!(text_of(&before.call("PING")), "PONG");
    // One that is good waits for those before it, no longer.
    let mut good = Client::over(connect(server.resp, &authority, None, BOTH).unwrap());
    assert_eq!(text_of(&good.call("PING")), "PONG");
    assert!(series("purser_tls_handshakes") <= BOUND);
    // At least so many had to give way for it.
    let dropped = series("purser_connections_dropped_total{reason=\"handshake\"}");
    assert!((2 * BOUND..=3 * BOUND).contains(&dropped), "{dropped}");
    assert!(server.log().contains("tls_handshakes_max"), "{}", server.log());
    assert_eq!(text_of(&before.call("PING")), "PONG");
    // Whoever says too much before it is known is not listened to.
    let mut long = TcpStream::connect(server.resp).unwrap();
    long.set_read_timeout(Some(PATIENCE)).unwrap();
    // A first message of 60,000 bytes, in records of 10,000.
    let mut message = vec![1, 0, 0xea, 0x60];
    message.resize(60_004, 0);
    for part in message.chunks(10_000) {
        let length = u16::try_from(part.len()).unwrap().to_be_bytes();
        let record = [&[22, 3, 1][..], &length, part].concat();
        if long.write_all(&record).is_err() {
            break;
        }
    }
    assert!(matches!(long.read(&mut [0; 16]), Ok(0) | Err(_)), "it is not closed");
}
