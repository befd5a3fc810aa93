//! The rules of money as a client meets them: one short story a rule.

use super::support::{Server, data, folder, map_of, text_of};
use redis::Value;
use std::time::Duration;

#[test]
fn authorize_capture_and_what_is_released() {
    let folder = folder();
    let server = Server::start(&data(&folder));
    let mut client = server.client();
    client.call("WALLET.OPEN w CURRENCY USD");
    client.map("TOPUP w 10 ID t1");
    let held = client.map("AUTHORIZE w 4 ID h1 TAG model gpt");
    assert_eq!((held["status"].as_str(), held["held"].as_str()), ("held", "4"));
    assert_eq!(held["available"], "6");
    let captured = client.map("CAPTURE w h1 2.5 ID c1");
    assert_eq!(captured["captured"], "2.5");
    assert_eq!((captured["available"].as_str(), captured["held"].as_str()), ("7.5", "0"));
    assert!(client.error("CAPTURE w h1 1 ID c2").starts_with("HOLDDONE state=captured"));
    assert!(client.error("CAPTURE w nohold 1 ID c2").starts_with("NOHOLD"));
    let refunded = client.map("REFUND w c1 0.5 ID r1");
    assert_eq!((refunded["status"].as_str(), refunded["available"].as_str()), ("refunded", "8"));
    assert!(client.error("REFUND w c1 2.1 ID r2").starts_with("OVERREFUND refundable=2"));
}

#[test]
fn declines_are_answers_and_are_not_remembered() {
    let folder = folder();
    let server = Server::start(&data(&folder));
    let mut client = server.client();
    client.call("WALLET.OPEN w CURRENCY USD");
    let declined = client.map("AUTHORIZE w 3 ID h1");
    assert_eq!(declined["status"], "declined");
    assert_eq!(declined["reason"], "NOFUNDS");
    assert_eq!(declined["required"], "3");
    client.map("TOPUP w 2 ID t1");
    assert_eq!(client.field("AUTHORIZE w 3 ID h1", "status"), "declined");
    let partial = client.map("AUTHORIZE w 3 ID h1 MIN 1");
    assert_eq!((partial["status"].as_str(), partial["amount"].as_str()), ("held", "2"));
    let again = client.map("AUTHORIZE w 3.0 min 1.00 ID h1");
    assert_eq!((again["replayed"].as_str(), again["state"].as_str()), ("1", "open"));
    assert!(client.error("AUTHORIZE w 3 ID h1").starts_with("IDREUSED"));
}

#[test]
fn a_hold_expires_by_itself_and_can_be_captured_late() {
    let folder = folder();
    let server = Server::start(&data(&folder));
    let mut client = server.client();
    client.call("WALLET.OPEN w CURRENCY USD");
    client.map("TOPUP w 10 ID t1");
    client.map("AUTHORIZE w 4 ID h1 TTL 30");
    client.map("AUTHORIZE w 4 ID h2 TTL 30");
    std::thread::sleep(Duration::from_millis(60));
    let balance = client.map("BALANCE w");
    assert_eq!((balance["available"].as_str(), balance["held"].as_str()), ("10", "0"));
    assert_eq!(client.field("HOLD.GET w h1", "state"), "expired");
    assert!(client.error("EXTEND w h1 1 ID e1").starts_with("HOLDDONE state=expired"));
    assert!(client.error("CAPTURE w h1 4 ID c1 STRICT").starts_with("HOLDDONE state=expired"));
    let late = client.map("CAPTURE w h1 4 ID c1");
    assert_eq!((late["late"].as_str(), late["captured"].as_str()), ("1", "4"));
    assert_eq!(client.field("VOID w h2", "status"), "voided");
    assert_eq!(client.field("VOID w h2", "replayed"), "1");
    assert!(client.error("CAPTURE w h2 1 ID c2").starts_with("HOLDDONE state=voided"));
}

#[test]
fn overage_is_debt_or_uncovered_or_refused() {
    let folder = folder();
    let server = Server::start(&data(&folder));
    let mut client = server.client();
    client.call("WALLET.OPEN w CURRENCY USD DEBTLIMIT 3");
    client.map("TOPUP w 10 ID t1");
    client.map("AUTHORIZE w 8 ID h1 OVERAGE reject");
    assert!(client.error("CAPTURE w h1 9 ID c1").starts_with("OVERCAPTURE held=8"));
    let captured = client.map("CAPTURE w h1 8 ID c1");
    assert_eq!(captured["available"], "2");
    client.map("AUTHORIZE w 1 ID h2");
    let over = client.map("CAPTURE w h2 7 ID c2");
    assert_eq!((over["captured"].as_str(), over["debt"].as_str()), ("5", "3"));
    assert_eq!((over["uncovered"].as_str(), over["available"].as_str()), ("2", "-3"));
    let stated = client.map("CHARGE w 1 ID c3 OVERAGE cap");
    assert_eq!((stated["over"].as_str(), stated["uncovered"].as_str()), ("1", "1"));
    let repaid = client.map("TOPUP w 5 ID t2");
    assert_eq!((repaid["repaid"].as_str(), repaid["available"].as_str()), ("3", "2"));
}

#[test]
fn frozen_and_closed_wallets() {
    let folder = folder();
    let server = Server::start(&data(&folder));
    let mut client = server.client();
    client.call("WALLET.OPEN w CURRENCY USD");
    client.map("TOPUP w 10 ID t1");
    client.map("AUTHORIZE w 4 ID h1");
    assert_eq!(client.field("WALLET.FREEZE w", "status"), "frozen");
    assert_eq!(client.field("AUTHORIZE w 1 ID h2", "reason"), "FROZEN");
    assert_eq!(client.field("CHARGE w 1 ID c9", "reason"), "FROZEN");
    assert_eq!(client.field("CHARGE w 1 ID c1 OVERAGE debt", "over"), "1");
    assert_eq!(client.field("CAPTURE w h1 3 ID c2 KEEP", "captured"), "3");
    assert_eq!(client.field("WALLET.UNFREEZE w", "status"), "open");
    assert!(client.error("WALLET.CLOSE w").starts_with("NOTEMPTY"));
    assert_eq!(client.field("WALLET.CLOSE w FORCE", "status"), "closing");
    assert_eq!(client.field("AUTHORIZE w 1 ID h3", "reason"), "CLOSED");
    assert!(client.error("TOPUP w 1 ID t2").starts_with("CLOSED"));
    assert_eq!(client.field("VOID w h1", "status"), "voided");
    let balance = client.map("BALANCE w");
    assert_eq!((balance["status"].as_str(), balance["posted"].as_str()), ("closed", "0"));
    assert_eq!(client.field("TOPUP w 10 ID t1", "replayed"), "1");
}

#[test]
fn credit_lines_withdrawals_and_chargebacks() {
    let folder = folder();
    let server = Server::start(&data(&folder));
    let mut client = server.client();
    client.call("WALLET.OPEN w CURRENCY USD CREDITLIMIT 5");
    let spent = client.map("CHARGE w 4 ID c1");
    assert_eq!((spent["debt"].as_str(), spent["available"].as_str()), ("4", "1"));
    client.map("TOPUP w 10 ID t1");
    client.map("TOPUP w 3 ID p1 KIND promo");
    assert_eq!(client.field("WITHDRAW w 7 ID w1", "reason"), "NOFUNDS");
    assert_eq!(client.field("WITHDRAW w 2 ID w1", "status"), "withdrawn");
    assert_eq!(client.field("TOPUP.REVOKE w p1 ID v1", "available"), "9");
    let reversed = client.map("TOPUP.REVERSE w t1 ID x1");
    assert_eq!((reversed["status"].as_str(), reversed["debt"].as_str()), ("reversed", "6"));
    let set = client.map("WALLET.SET w CREDITLIMIT 1 DEBTLIMIT none PLAN pro ID s1");
    assert_eq!((set["available"].as_str(), set["credit_limit"].as_str()), ("-5", "1"));
    assert_eq!(
        client.field("WALLET.SET w CREDITLIMIT 1 DEBTLIMIT none PLAN pro ID s1", "replayed"),
        "1"
    );
    assert!(client.error("WALLET.OPEN w CURRENCY EUR").starts_with("EXISTS"));
    let opened = client.map("WALLET.OPEN w CURRENCY USD CREDITLIMIT 5");
    assert_eq!((opened["plan"].as_str(), opened["debt"].as_str()), ("pro", "6"));
}

#[test]
fn what_a_client_misspells_is_refused_with_a_reason() {
    let folder = folder();
    let server = Server::start(&data(&folder));
    let mut client = server.client();
    client.call("WALLET.OPEN w CURRENCY USD");
    for (request, error) in [
        ("TOPUP w 0 ID t1", "RANGE"),
        ("TOPUP w -1 ID t1", "ERR"),
        ("TOPUP w 1e3 ID t1", "ERR"),
        ("TOPUP w 1000000000000000001 ID t1", "RANGE"),
        ("TOPUP w 1", "ERR"),
        ("TOPUP w 1 ID t1 EXPIRES 1000", "RANGE"),
        ("TOPUP w 1 ID t1 SENT 1000", "TOOLATE"),
        ("WALLET.SCAN 0 SENT 1000", "TOOLATE"),
        ("AUTHORIZE w 1 ID h1 TTL 0", "RANGE"),
        ("AUTHORIZE w 1 ID h1 TTL 2678400001", "RANGE"),
        ("AUTHORIZE w 1 ID h1 MIN 2", "RANGE"),
        ("AUTHORIZE w 1 ID h1 ID h2", "ERR"),
        ("AUTHORIZE w 1 ID @h1", "ERR"),
        ("AUTHORIZE w 1 ID h1 OVERAGE maybe", "ERR"),
        ("WALLET.OPEN v CURRENCY USD TZ Mars/Olympus", "ERR"),
    ] {
        let answer = client.error(request);
        assert!(answer.starts_with(error), "{request}: {answer}");
    }
    assert_eq!(client.field("BALANCE w", "posted"), "0");
}

#[test]
fn a_walk_over_all_wallets_shows_each_once() {
    let folder = folder();
    let server = Server::start(&data(&folder));
    let mut client = server.client();
    for number in 0..250 {
        client.call(&format!("WALLET.OPEN team-{}:w{number} CURRENCY USD", number % 2));
    }
    let mut walk = |more: &str| {
        let (mut cursor, mut seen) = ("0".to_owned(), Vec::new());
        loop {
            let reply = client.call(&format!("WALLET.SCAN {cursor}{more}"));
            let Value::Array(page) = reply else { panic!("{reply:?}") };
            let Value::Array(wallets) = &page[1] else { panic!("{page:?}") };
            seen.extend(wallets.iter().map(text_of));
            cursor = text_of(&page[0]);
            if cursor == "0" {
                seen.sort();
                return seen;
            }
        }
    };
    let all = walk("");
    assert_eq!(all.len(), 250);
    assert!(all.windows(2).all(|pair| pair[0] != pair[1]));
    let half = walk(" MATCH team-1:* COUNT 50");
    assert_eq!(half.len(), 125);
    assert!(half.iter().all(|wallet| wallet.starts_with("team-1:")));
}

#[test]
fn lists_of_holds_and_operations_of_the_past() {
    let folder = folder();
    let server = Server::start(&data(&folder));
    let mut client = server.client();
    client.call("WALLET.OPEN w CURRENCY USD");
    client.map("TOPUP w 10 ID t1");
    for hold in ["a", "b", "c"] {
        client.map(&format!("AUTHORIZE w 1 ID {hold}"));
    }
    let Value::Array(page) = client.call("HOLD.LIST w AFTER a COUNT 1") else { panic!() };
    assert_eq!(map_of(&page[0])["hold"], "b");
    client.map("CAPTURE w a 1 ID ca");
    assert_eq!(client.field("OP.GET w ca", "refundable"), "1");
    assert!(client.error("OP.GET w nothing").starts_with("NOOP"));
    // It used to be shown as a receipt, with a status that no receipt has.
    let set = client.map("WALLET.SET w CREDITLIMIT 7 ID terms");
    let shown = client.map("OP.GET w terms");
    assert!(set.iter().all(|(key, value)| shown.get(key) == Some(value)), "{set:?} {shown:?}");
    assert_eq!((shown["op"].as_str(), shown["credit_limit"].as_str()), ("terms", "7"));
    assert_eq!(text_of(&client.call("PING")), "PONG");
}
