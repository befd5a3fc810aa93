//! The examples of docs/rating.md come to what stands there.

use super::{Ask, book, explain_running};
use crate::domain::rating::{Counter, Running};
use crate::domain::usage::Quantity;
use crate::pricing::read::file;

const PAGE: &str = include_str!("../../../docs/rating.md");

/// The TOML of the page, in its order.
fn blocks() -> Vec<&'static str> {
    let blocks = PAGE.split("```toml\n").skip(1);
    blocks.map(|block| block.split("```").next().unwrap()).collect()
}

/// Which block, the model, what is used of it, and what it comes to.
type Example = (usize, &'static str, &'static [(&'static str, &'static str)], &'static str);

#[derive(Debug)]
struct Before;

impl Running for Before {
    fn so_far(&self, _: &Counter) -> Quantity {
        "3000".parse().unwrap()
    }
}

#[test]
fn every_example_comes_to_what_the_page_says() {
    let blocks = blocks();
    let [shown, markups, examples @ ..] = &blocks[..] else { panic!("no examples") };
    assert_eq!(book(shown).cards().len(), 1);
    assert_eq!(file("markups.toml", markups).unwrap().markups.unwrap().len(), 3);
    let asked: [Example; 6] = [
        (
            0,
            "long-context",
            &[
                ("input_tokens", "20000"),
                ("cache_read_tokens", "100000"),
                ("output_tokens", "1000"),
            ],
            "0.0475",
        ),
        (
            0,
            "long-context",
            &[
                ("input_tokens", "20000"),
                ("cache_read_tokens", "200000"),
                ("output_tokens", "1000"),
            ],
            "0.115",
        ),
        (1, "search", &[("results", "30")], "0.006"),
        (1, "search", &[("results", "0")], "0.002"),
        (2, "any", &[("input_tokens", "1500"), ("output_tokens", "250"), ("images", "1")], "2.75"),
        (3, "gpu-a100", &[("seconds", "1000")], "1.15"),
    ];
    assert_eq!(examples.len(), 4);
    for (index, model, usage, expected) in asked {
        let ask = Ask { model, ..Ask::default() };
        let found = explain_running(&book(examples[index]), ask, usage, &Before).unwrap();
        assert_eq!(found.rated.amount.to_string(), expected, "{model} {usage:?}");
        assert!(PAGE.contains(&format!("**{expected}**")), "{expected} is not on the page");
    }
}
