//! Where the oldest history was given up, what is left is verified and exported all the same.

use super::support::{Server, data, folder};
use super::world::{figure, pico, succeeds, verify, written};
use std::time::Duration;

#[test]
fn a_store_without_its_oldest_history_is_what_it_says() {
    let folder = folder();
    let data = data(&folder);
    let text =
        "shards = 2\ncheckpoint_every_ms = 150\narchive_bytes_max = 1\ndedup_window_ms = 1\n";
    let config = written(folder.path(), text);
    let start = || Server::start_with(&data, &["--config", &config]);
    for round in 0..5 {
        let server = start();
        let mut client = server.client();
        if round == 0 {
            // Nobody ever asks for this one again.
            client.map("WALLET.OPEN quiet CURRENCY EUR");
            client.map("TOPUP quiet 5 ID t");
            client.map("AUTHORIZE quiet 2 ID h TTL 3600000");
        }
        for wallet in 0..6 {
            if round == 0 {
                client.map(&format!("WALLET.OPEN w{wallet} CURRENCY USD CREDITLIMIT 3"));
            }
            client.map(&format!("TOPUP w{wallet} 4 ID t{round}"));
            client.map(&format!("AUTHORIZE w{wallet} 1 ID h{round} TTL 3600000"));
            client.map(&format!("AUTHORIZE w{wallet} 0.5 ID short{round} TTL 50"));
            client.map(&format!("CHARGE w{wallet} 0.25 ID c{round}"));
            if round > 0 {
                client.map(&format!("CAPTURE w{wallet} h{} 0.75 ID k{round}", round - 1));
            }
        }
        std::thread::sleep(Duration::from_millis(400));
        server.kill();
        assert!(verify(&data).ends_with("ok\n"));
    }
    let said = verify(&data);
    assert!(pico(&figure(&said, "USD", "brought forward")) > 0, "{said}");
    assert_eq!(figure(&said, "EUR", "brought forward"), "5");
    assert_eq!(figure(&said, "EUR", "held"), "2");
    // 5 top-ups of 4, less 5 charges of 0.25 and 4 captures of 0.75.
    assert_eq!(figure(&said, "USD", "posted"), "94.5");
    let path = data.to_str().unwrap();
    let all = succeeds(&["export", "--data", path]);
    assert_eq!(all.lines().count().to_string(), figure(&said, "", "records"));
    assert!(all.lines().all(|line| line.contains(r#""currency":"USD""#)), "{all}");
    let one = succeeds(&["export", "--data", path, "--wallet", "w3"]);
    let expected = all.lines().filter(|line| line.contains(r#""wallet":"w3""#)).count();
    assert_eq!(one.lines().count(), expected);
    assert_eq!(succeeds(&["export", "--data", path, "--wallet", "quiet"]), "");
}
