//! The functions, against a real server.
use super::*;

/// The first wallet, as SQL.
const W: &str = "'w:000000000000'";

/// A server with so many wallets, or nothing where PostgreSQL is not installed.
fn started(wallets: u32) -> Option<(Postgres, Box<dyn Running>, SocketAddr)> {
    let Some(postgres) = Postgres::find(None, None).unwrap() else {
        eprintln!("skipped: there is no PostgreSQL");
        return None;
    };
    let running = postgres.start(None, wallets, 4).unwrap();
    let address = running.dialect().connect().unwrap().peer_addr().unwrap();
    Some((postgres, running, address))
}

#[test]
fn the_functions_keep_balances_and_count_nothing_twice() {
    let Some((_postgres, running, address)) = started(1) else { return };
    let mut session = Session::open(address).unwrap();
    let mut call = |words: &str| match session.query(&format!("SELECT {words}")) {
        Ok(receipt) => receipt.unwrap(),
        Err(error) => error.to_string(),
    };
    for _ in 0..2 {
        assert_eq!(call(&format!("authorize({W}, 'h1', 300)")), "held 999999999700 300");
    }
    assert_eq!(call(&format!("authorize({W}, 'h2', 100)")), "held 999999999600 400");
    for _ in 0..2 {
        assert_eq!(call(&format!("capture({W}, 'h1', 250, 'c1')")), "captured 999999999650 100");
    }
    assert!(call(&format!("capture({W}, 'h1', 1, 'c2')")).contains("no such hold"));
    assert!(call(&format!("capture({W}, 'h2', 101, 'c3')")).contains("it is smaller"));
    // More than there is; the same id is judged afresh later.
    let (all, more) = (MONEY - 350, MONEY - 349);
    assert_eq!(call(&format!("authorize({W}, 'h3', {more})")), "declined 999999999650 100");
    assert_eq!(call(&format!("authorize({W}, 'h3', {all})")), "held 0 999999999750");
    assert_eq!(call(&format!("authorize({W}, 'h1', 300)")), "held 999999999700 300");
    assert_eq!(running.totals(1).unwrap(), Totals { available: 0, held: MONEY - 250 });
    running.stop().unwrap();
}

#[test]
fn a_retry_beside_its_first_call_holds_once() {
    let Some((_postgres, running, address)) = started(1) else { return };
    let mut first = Session::open(address).unwrap();
    let call = "SELECT authorize('w:000000000000', 'h1', 300)";
    first.query("BEGIN").unwrap();
    assert_eq!(first.query(call).unwrap().unwrap(), "held 999999999700 300");
    let retry = std::thread::spawn(move || Session::open(address).unwrap().query(call));
    // The retry waits for the wallet that the first call has changed.
    let waits = "SELECT count(*)::text FROM pg_stat_activity WHERE wait_event_type = 'Lock'";
    let mut other = Session::open(address).unwrap();
    while other.query(waits).unwrap().unwrap() == "0" {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    first.query("COMMIT").unwrap();
    let error = retry.join().unwrap().unwrap_err();
    assert!(error.to_string().contains("call again"), "{error:#}");
    assert_eq!(first.query(call).unwrap().unwrap(), "held 999999999700 300");
    assert_eq!(running.totals(1).unwrap(), Totals { available: MONEY - 300, held: 300 });
    running.stop().unwrap();
}

/// The plans were made when the tables were empty, read them from end to end, and were kept while
/// they grew: PostgreSQL lost every comparison by more than it deserved.
#[test]
fn keys_are_looked_up_in_an_index_from_the_first_call_on() {
    let Some((_postgres, running, address)) = started(1) else { return };
    let mut session = Session::open(address).unwrap();
    for number in 0..20 {
        session.query(&format!("SELECT authorize('w:000000000000', 'h{number}', 1)")).unwrap();
    }
    session.query("SELECT pg_stat_force_next_flush()").unwrap();
    let scans = "SELECT sum(seq_scan)::text FROM pg_stat_user_tables WHERE relname <> 'wallets'";
    let before = session.query(scans).unwrap().unwrap();
    session.query("SELECT authorize('w:000000000000', 'last', 1)").unwrap();
    session.query("SELECT pg_stat_force_next_flush()").unwrap();
    assert_eq!(session.query(scans).unwrap().unwrap(), before);
    let plan =
        "EXPLAIN (FORMAT TEXT) SELECT receipt FROM operations WHERE wallet = 'w' AND id = 'x'";
    assert!(!session.query(plan).unwrap().unwrap().contains("Seq Scan"));
    running.stop().unwrap();
}

#[test]
fn commits_are_synced_and_a_start_begins_with_fresh_wallets() {
    let Some((postgres, running, address)) = started(3) else { return };
    let mut session = Session::open(address).unwrap();
    for name in ["fsync", "synchronous_commit", "full_page_writes"] {
        assert_eq!(session.query(&format!("SHOW {name}")).unwrap().unwrap(), "on", "{name}");
    }
    session.query("SELECT authorize('w:000000000002', 'h1', 300)").unwrap();
    assert_eq!(running.totals(3).unwrap(), Totals { available: 3 * MONEY - 300, held: 300 });
    running.stop().unwrap();
    let running = postgres.start(None, 2, 4).unwrap();
    assert_eq!(running.totals(2).unwrap(), Totals { available: 2 * MONEY, held: 0 });
    running.stop().unwrap();
}

#[test]
fn users_are_found_by_their_whole_name() {
    let users = "postgresql:x:7:8::/:/bin/sh\npostgres:x:101:104:admin:/:/bin/bash\n";
    let found = user(users, "postgres").unwrap();
    assert_eq!((found.id, found.group), (101, 104));
    assert!(user(users, "nobody").is_none());
}
