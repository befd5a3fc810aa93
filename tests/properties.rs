//! The rules of money hold for whatever is asked in whatever order: the wallet agrees with an
//! independent model after every step. `PROPTEST_CASES` sets how many sequences are tried; `STORY`
//! tells those that fail.

#[cfg(test)]
#[expect(clippy::option_option, clippy::result_large_err, reason = "naive on purpose")]
mod model;
#[cfg(test)]
mod pair;
#[cfg(test)]
mod rules;

use model::asks::random;
use pair::Pair;
use proptest::prelude::*;
use std::collections::BTreeSet;

/// As proptest's own, but more cases, and no files beside the tests.
fn config() -> ProptestConfig {
    let usual = ProptestConfig::default();
    let cases = if std::env::var_os("PROPTEST_CASES").is_some() { usual.cases } else { 2_000 };
    ProptestConfig { cases, max_shrink_iters: 20_000, failure_persistence: None, ..usual }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_wallet_agrees_with_the_model(
        setup in 0_u64..36,
        steps in prop::collection::vec(any::<u64>(), 1..80),
    ) {
        let mut pair = Pair::open(setup);
        for bits in steps {
            pair.step(bits);
        }
        pair.check_replay();
    }
}

/// A random test proves nothing about what its dice never show.
#[test]
fn the_dice_show_every_kind_of_answer() {
    let mut shown = BTreeSet::new();
    let mut random = random(7);
    for _ in 0..600 {
        let mut pair = Pair::open(random());
        for _ in 0..60 {
            let answer = pair.step(random());
            for flag in ["replayed", "late", "over", "uncovered", "repaid", "debt"] {
                if answer.has(flag) {
                    shown.insert(format!("{} {flag}", answer.word));
                }
            }
            if answer.balances[3] < 0 {
                shown.insert(format!("{} below zero", answer.word));
            }
            if let Some(state) = answer.state {
                shown.insert(format!("{} state {state}", answer.word));
            }
            shown.insert(answer.word);
        }
    }
    for expected in [
        "captured late",
        "captured uncovered",
        "captured debt",
        "captured repaid",
        "charged over",
        "charged uncovered",
        "charged debt",
        "refunded repaid",
        "toppedup repaid",
        "reversed debt",
        "reversed repaid",
        "revoked",
        "withdrawn",
        "voided replayed",
        "voided repaid",
        "held state open",
        "held state captured",
        "held state voided",
        "held state expired",
        "extended state open",
        "declined NOFUNDS",
        "declined NOFUNDS below zero",
        "declined FROZEN",
        "declined CLOSED",
        "CLOSED",
        "NOTEMPTY",
        "OVERCAPTURE",
        "OVERREFUND",
        "IDREUSED",
        "RANGE",
        "NOHOLD",
        "NOOP",
        "HOLDDONE captured",
        "HOLDDONE voided",
        "HOLDDONE expired",
        "status closing",
        "status closed",
        "status frozen",
        "status open",
        "balance replayed",
    ] {
        assert!(shown.contains(expected), "never shown: {expected}; shown: {shown:?}");
    }
}
