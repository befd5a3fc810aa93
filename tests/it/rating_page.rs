//! The sessions of docs/rating.md work as written, on its own examples of price files.

use super::readme::{shown, without_times};
use super::support::{Server, data, folder};

const PAGE: &str = include_str!("../../docs/rating.md");

/// The blocks of a kind, in their order.
fn blocks(kind: &str) -> Vec<&'static str> {
    let begin = format!("```{kind}\n");
    PAGE.split(&*begin).skip(1).map(|block| block.split("```").next().unwrap()).collect()
}

#[test]
fn usage_becomes_money_as_the_page_shows() {
    let folder = folder();
    let files = folder.path().join("prices");
    std::fs::create_dir(&files).unwrap();
    // The first two only show what a file looks like.
    for (index, example) in blocks("toml").into_iter().enumerate().skip(2) {
        std::fs::write(files.join(format!("{index}.toml")), example).unwrap();
    }
    let server = Server::start_with(&data(&folder), &["--prices", files.to_str().unwrap()]);
    let mut client = server.client();
    client.call("HELLO 3");
    let mut shown_replies = 0;
    let sessions = format!("\n{}", blocks("text").join("\n"));
    for step in sessions.split("\n> ").skip(1) {
        let (command, expected) = step.split_once('\n').unwrap_or((step, ""));
        let reply = shown(&client.call(command));
        if !expected.trim().is_empty() {
            assert_eq!(without_times(&reply), without_times(expected.trim_end()), "{command}");
            shown_replies += 1;
        }
    }
    assert!(shown_replies > 9, "{shown_replies}");
}
