//! A backup of a running server, under load, is a store of its own that lacks nothing that was
//! acknowledged before; and so is one of a stopped store.

use super::support::{Client, Server, data, folder};
use super::world::{build, fails, figure, files, start, succeeds, verify};
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

const CLIENTS: usize = 4;

type Receipt = BTreeMap<String, String>;

/// Charges until told to stop; answers the receipts, in order.
fn load(
    mut client: Client,
    number: usize,
    stop: &AtomicBool,
    done: &AtomicUsize,
) -> Vec<(String, Receipt)> {
    let mut told = Vec::new();
    client.map(&format!("WALLET.OPEN load{number} CURRENCY USD"));
    client.map(&format!("TOPUP load{number} 100000 ID t"));
    while !stop.load(Ordering::Relaxed) {
        let request = match told.len() % 3 {
            0 => format!("CHARGE load{number} 0.01 ID c{}", told.len()),
            1 => format!("AUTHORIZE load{number} 0.5 ID h{}", told.len()),
            _ => format!("CAPTURE load{number} h{} 0.25 ID k{}", told.len() - 1, told.len()),
        };
        let receipt = client.map(&request);
        told.push((request, receipt));
        done.fetch_add(1, Ordering::Relaxed);
    }
    told
}

fn back_up(data: &Path, to: &Path) -> String {
    succeeds(&["backup", "--data", data.to_str().unwrap(), "--to", to.to_str().unwrap()])
}

/// Everything that was acknowledged is answered again as it was.
fn replays(server: &Server, told: &[(String, Receipt)]) {
    let mut client = server.client();
    for (request, receipt) in told {
        let mut again = client.map(request);
        assert_eq!(again.remove("replayed").as_deref(), Some("1"), "{request}: {again:?}");
        again.remove("state");
        assert_eq!(again, *receipt, "{request}");
    }
}

#[test]
fn a_running_server_is_backed_up_under_load() {
    let folder = folder();
    let data = data(&folder);
    let server = start(folder.path(), &data);
    let control = data.join("control");
    assert_eq!(control.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let (stop, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let loads: Vec<_> = (0..CLIENTS)
        .map(|number| {
            let (client, stop, done) = (server.client(), Arc::clone(&stop), Arc::clone(&done));
            std::thread::spawn(move || load(client, number, &stop, &done))
        })
        .collect();
    let wait = |more: usize| {
        let until = done.load(Ordering::Relaxed) + more;
        while done.load(Ordering::Relaxed) < until {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
    };
    wait(400);
    // A client of its own, of which every answer came before the backup.
    let mut client = server.client();
    client.map("WALLET.OPEN before CURRENCY USD");
    let mut before = Vec::new();
    for request in ["TOPUP before 10 ID t", "AUTHORIZE before 3 ID h", "CHARGE before 1 ID c"] {
        before.push((request.to_owned(), client.map(request)));
    }
    let mut copies = Vec::new();
    for number in 0..3 {
        let to = folder.path().join(format!("backup{number}"));
        let said = back_up(&data, &to);
        assert!(said.contains("checkpoint") && said.ends_with("ok\n"), "{said}");
        copies.push(to);
        wait(200);
    }
    stop.store(true, Ordering::Relaxed);
    let told: Vec<_> = loads.into_iter().map(|load| load.join().unwrap()).collect();
    let occupied =
        fails(&["backup", "--data", data.to_str().unwrap(), "--to", copies[0].to_str().unwrap()]);
    assert!(occupied.contains("not empty"), "{occupied}");
    assert!(server.terminate().success());
    assert!(!control.exists());

    let of_all = figure(&verify(&data), "", "records").parse::<usize>().unwrap();
    for copy in &copies {
        // As it is, before anything starts on it.
        let said = verify(copy);
        let records = figure(&said, "", "records").parse::<usize>().unwrap();
        assert!(records <= of_all && records > 400, "{records} of {of_all}");
        let server = start(folder.path(), copy);
        replays(&server, &before);
        let mut client = server.client();
        assert_eq!(client.field("BALANCE before", "posted"), "9");
        assert_eq!(client.field("BALANCE before", "held"), "3");
        for (number, told) in told.iter().enumerate() {
            // The copy has everything up to some request, and nothing behind it.
            let rows = client.field(&format!("WALLET.GET load{number}"), "seq");
            let known = rows.parse::<usize>().unwrap() - 2;
            assert!(known > 0 && known <= told.len() + 1, "{known} of {}", told.len());
            replays(&server, &told[..known.min(told.len())]);
        }
        client.map("CHARGE before 1 ID after");
        server.kill();
        assert!(verify(copy).ends_with("ok\n"));
        let server = start(folder.path(), copy);
        assert_eq!(server.client().field("BALANCE before", "posted"), "8");
        assert!(server.terminate().success());
        assert!(verify(copy).ends_with("ok\n"));
    }
}

#[test]
fn a_store_that_nobody_uses_is_copied_as_it_is() {
    let folder = folder();
    let data = data(&folder);
    build(folder.path(), &data);
    let (before, sound) = (files(&data), verify(&data));
    let to = folder.path().join("copy");
    std::fs::create_dir(&to).unwrap();
    let said = back_up(&data, &to);
    assert!(said.ends_with("ok\n"), "{said}");
    assert_eq!(files(&data), before, "nothing in the directory changes");
    assert_eq!(verify(&to), sound);
    let server = start(folder.path(), &to);
    let again = server.client().map("CHARGE w0 0.5 ID last");
    assert_eq!(again["replayed"], "1");
    drop(server);
    assert_eq!(verify(&data), sound, "the original goes its own way");
}

/// A server that was killed leaves its socket behind; that is nobody who could answer.
#[test]
fn a_stale_socket_is_replaced() {
    let folder = folder();
    let data = data(&folder);
    start(folder.path(), &data).kill();
    assert!(data.join("control").exists());
    assert!(back_up(&data, &folder.path().join("one")).contains("no server runs"));
    let server = start(folder.path(), &data);
    assert!(back_up(&data, &folder.path().join("two")).contains("of the running server"));
    drop(server);
}
