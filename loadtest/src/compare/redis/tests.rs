//! The scripts, against a real server.
use super::*;

/// A server with one wallet, or nothing where Redis is not installed.
fn started() -> Option<(Box<dyn Running>, Talk, String, String)> {
    let Some(redis) = Redis::find(None).unwrap() else {
        eprintln!("skipped: there is no redis-server on the path");
        return None;
    };
    let running = redis.start(None, 1, 1).unwrap();
    let (port, _) = running.benchmark(1).unwrap();
    let mut talk = Talk::open(([127, 0, 0, 1], port).into()).unwrap();
    let (authorize, capture) = (load(&mut talk, AUTHORIZE), load(&mut talk, CAPTURE));
    Some((running, talk, authorize.unwrap(), capture.unwrap()))
}

#[test]
fn the_scripts_keep_balances_and_count_nothing_twice() {
    let Some((running, mut talk, authorize, capture)) = started() else { return };
    let mut call = |script: &str, words: &[&str]| {
        let wallet = wallet(0);
        let words = [&["EVALSHA", script, "1", &wallet], words].concat();
        match talk.ask(&words) {
            Ok(resp::Reply::Text(text)) => text,
            Ok(other) => panic!("{other:?}"),
            Err(error) => error.to_string(),
        }
    };
    for _ in 0..2 {
        assert_eq!(call(&authorize, &["h1", "300"]), "held 999999999700 300");
    }
    assert_eq!(call(&authorize, &["h2", "100"]), "held 999999999600 400");
    for _ in 0..2 {
        assert_eq!(call(&capture, &["h1", "250", "c1"]), "captured 999999999650 100");
    }
    assert!(call(&capture, &["h1", "1", "c2"]).contains("NOHOLD"));
    assert!(call(&capture, &["h2", "101", "c3"]).contains("OVERCAPTURE"));
    // More than there is; the same id is judged afresh later.
    let all = (MONEY - 350).to_string();
    assert_eq!(call(&authorize, &["h3", &(MONEY - 349).to_string()]), "declined 999999999650 100");
    assert_eq!(call(&authorize, &["h3", &all]), "held 0 999999999750");
    assert_eq!(call(&authorize, &["h1", "300"]), "held 999999999700 300");
    assert_eq!(running.totals(1).unwrap(), Totals { available: 0, held: MONEY - 250 });
    running.stop().unwrap();
}

#[test]
fn keys_are_remembered_for_a_day_and_every_write_is_synced() {
    let Some((running, mut talk, authorize, _)) = started() else { return };
    let wallet = wallet(0);
    talk.ask(&["EVALSHA", &authorize, "1", &wallet, "h1", "1"]).unwrap();
    let resp::Reply::Integer(ttl) = talk.ask(&["TTL", &format!("{wallet}:op:h1")]).unwrap() else {
        panic!("no time to live")
    };
    assert!((86_300..=86_400).contains(&ttl), "{ttl}");
    for (name, value) in [("appendonly", "yes"), ("appendfsync", "always"), ("save", "")] {
        let resp::Reply::Array(pair) = talk.ask(&["CONFIG", "GET", name]).unwrap() else {
            panic!("no setting")
        };
        assert_eq!(pair.last(), Some(&resp::Reply::Text(value.to_owned())), "{name}");
    }
    running.stop().unwrap();
}

#[test]
fn the_status_of_a_receipt_is_its_first_word() {
    assert_eq!(status(b"$10\r\nheld 700 3\r\n"), Some(&b"held"[..]));
    assert_eq!(status(b"-NOHOLD no such hold\r\n"), None);
}
