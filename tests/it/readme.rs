//! README's examples work as written.

use super::support::{Server, data, folder};
use redis::Value;

const README: &str = include_str!("../../README.md");
const PROMPT: &str = "127.0.0.1:7411> ";

/// A reply as `redis-cli -3` shows it.
pub(crate) fn shown(value: &Value) -> String {
    indented(value, "")
}

/// The same, below something that takes so much room on the left.
fn indented(value: &Value, room: &str) -> String {
    let join = |lines: Vec<String>| lines.join(&format!("\n{room}"));
    match value {
        Value::Map(pairs) if pairs.is_empty() => "(empty hash)".to_owned(),
        Value::Map(pairs) => {
            let width = pairs.len().to_string().len();
            let line = |(place, (key, value)): (usize, &(Value, Value))| {
                let head = format!("{place:>width$}# ");
                let below = format!("{room}{}", " ".repeat(head.len()));
                let break_ = match value {
                    Value::Map(parts) if parts.len() > 1 => format!("\n{below}"),
                    Value::Array(parts) if !parts.is_empty() => format!("\n{below}"),
                    _ => String::new(),
                };
                format!("{head}{} => {break_}{}", shown(key), indented(value, &below))
            };
            join((1..).zip(pairs).map(line).collect())
        }
        Value::Array(elements) if elements.is_empty() => "(empty array)".to_owned(),
        Value::Array(elements) => {
            let width = elements.len().to_string().len();
            let line = |(place, element): (usize, &Value)| {
                let head = format!("{place:>width$}) ");
                let below = format!("{room}{}", " ".repeat(head.len()));
                format!("{head}{}", indented(element, &below))
            };
            join((1..).zip(elements).map(line).collect())
        }
        Value::BulkString(bytes) => format!("\"{}\"", String::from_utf8_lossy(bytes)),
        Value::Int(number) => format!("(integer) {number}"),
        Value::ServerError(error) => {
            format!("(error) {} {}", error.code(), error.details().unwrap_or_default())
        }
        other => panic!("{other:?}"),
    }
}

/// Times differ between runs.
pub(crate) fn without_times(text: &str) -> String {
    let is_time = |word: &str| word.len() == 13 && word.bytes().all(|byte| byte.is_ascii_digit());
    let mut lines = Vec::new();
    for line in text.lines() {
        let words = line.trim_end().split(' ');
        let words = words.map(|word| if is_time(word) { "TIME" } else { word });
        lines.push(words.collect::<Vec<_>>().join(" "));
    }
    lines.join("\n")
}

#[test]
fn the_session_on_the_first_screen_works_as_written() {
    let folder = folder();
    let server = Server::start(&data(&folder));
    let mut client = server.client();
    client.call("HELLO 3");
    let session = README.split("```text\n").nth(1).unwrap().split("```").next().unwrap();
    let steps: Vec<&str> = session.split(PROMPT).skip(1).collect();
    assert!(steps.len() >= 6);
    for step in steps {
        let (command, expected) = step.split_once('\n').unwrap();
        let reply = shown(&client.call(command));
        assert_eq!(without_times(&reply), without_times(expected.trim_end()), "{command}");
    }
}

#[test]
fn the_two_commands_and_the_ports_are_those_of_the_program() {
    for text in
        ["cargo run --release ", "cargo test --workspace ", "127.0.0.1:7411", "./purser-data"]
    {
        let screen: String = README.lines().take(60).collect::<Vec<_>>().join("\n");
        assert!(screen.contains(text), "{text}");
    }
    let config = purser::config::Config::default();
    assert_eq!(config.resp.to_string(), "127.0.0.1:7411");
    assert_eq!(config.http.to_string(), "127.0.0.1:7412");
    assert_eq!(config.data.to_str(), Some("purser-data"));
}
