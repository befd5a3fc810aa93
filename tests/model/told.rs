//! What the domain answers, in the words of the model.

use purser::domain::amount::Amount;
use purser::domain::outcome::{Balances, DeclineReason, Outcome, Receipt, Refusal};
use purser::domain::time::Timestamp;
use std::collections::BTreeMap;

/// What a command answers, money in grains.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Answer {
    /// `held`, `declined NOFUNDS`, `HOLDDONE captured`, …
    pub(crate) word: String,
    /// Posted, held, debt, available.
    pub(crate) balances: [i128; 4],
    /// `amount`, `ends` and `captured`; `debt`, `repaid` and `uncovered`, and `over`, `late` and
    /// `replayed` as 1, where they apply; `at`, the figure of a decline or refusal.
    pub(crate) told: BTreeMap<&'static str, i128>,
    /// The hold's, told by a replay.
    pub(crate) state: Option<&'static str>,
}

impl Answer {
    /// An answer that tells no balances.
    pub(crate) fn of(word: &str, at: Option<i128>) -> Self {
        let told = at.map(|at| ("at", at)).into_iter().collect();
        Self { word: word.to_owned(), told, ..Self::default() }
    }
    /// Only a decline tells the balances, and what says that there are any.
    pub(crate) fn with(self, balances: [i128; 4]) -> Self {
        let tells = self.word.starts_with("declined") || self.word == "NOTEMPTY";
        Self { balances: if tells { balances } else { self.balances }, ..self }
    }
    pub(crate) fn has(&self, name: &str) -> bool {
        self.told.contains_key(name)
    }
    /// Of what is nothing, only an amount and what was captured are told.
    pub(crate) fn tell(&mut self, told: impl IntoIterator<Item = (&'static str, i128)>) {
        let applies =
            |(name, told): &(&str, i128)| *told != 0 || ["amount", "captured"].contains(name);
        self.told.extend(told.into_iter().filter(applies));
    }
    /// The same, to a retry.
    pub(crate) fn again(&self, state: Option<&'static str>) -> Self {
        let mut again = Self { state, ..self.clone() };
        again.told.insert("replayed", 1);
        again
    }
}

/// Answers `word` unless something is fine.
pub(crate) fn check(fine: bool, word: &str, at: Option<i128>) -> Result<(), Answer> {
    if fine { Ok(()) } else { Err(Answer::of(word, at)) }
}

/// What an outcome says, in the words of the model.
pub(crate) fn told(outcome: &Outcome) -> Answer {
    let word = |word: &str| Answer::of(word, None);
    let with = |word: &str, figure: Amount| Answer::of(word, Some(figure.pico()));
    match outcome {
        Outcome::Receipt(receipt) => told_receipt(receipt),
        Outcome::Balance(view) => Answer {
            balances: figures(&view.balances),
            told: view.replayed.then_some(("replayed", 1)).into_iter().collect(),
            ..word("balance")
        },
        Outcome::Status(status) => word(&format!("status {status:?}").to_lowercase()),
        Outcome::Declined(decline) => {
            let (reason, at) = match decline.reason {
                DeclineReason::NoFunds { required } => ("NOFUNDS", Some(required)),
                DeclineReason::Frozen => ("FROZEN", None),
                DeclineReason::Closed => ("CLOSED", None),
            };
            let answer = Answer::of(&format!("declined {reason}"), at.map(Amount::pico));
            Answer { balances: figures(&decline.balances), ..answer }
        }
        Outcome::Refused(refusal) => match refusal {
            Refusal::HoldDone { state } => {
                word(&format!("HOLDDONE {}", format!("{state:?}").to_lowercase()))
            }
            Refusal::OverCapture { held } => with("OVERCAPTURE", *held),
            Refusal::OverRefund { refundable } => with("OVERREFUND", *refundable),
            Refusal::NotEmpty { balances } => {
                Answer { balances: figures(balances), ..word("NOTEMPTY") }
            }
            Refusal::Range(_) => word("RANGE"),
            Refusal::TooMany(_) => word("TOOMANY"),
            other => word(&format!("{other:?}").to_uppercase()),
        },
        other => panic!("no answer to a change: {other:?}"),
    }
}

pub(crate) fn figures(balances: &Balances) -> [i128; 4] {
    [balances.posted, balances.held, balances.debt, balances.available].map(Amount::pico)
}

fn told_receipt(receipt: &Receipt) -> Answer {
    let state = receipt.state.map(|state| match format!("{state:?}").as_str() {
        "Open" => "open",
        "Captured" => "captured",
        "Voided" => "voided",
        _ => "expired",
    });
    let mut answer = Answer::of(&format!("{:?}", receipt.status).to_lowercase(), None);
    let ends = receipt.expires_at.map(|at| ("ends", Timestamp::millis(at).into()));
    // The price of usage: what was charged of it and what nobody pays. The model knows only amounts.
    if let (Some(price), Some(captured)) = (receipt.amount, receipt.captured) {
        assert_eq!(
            price.pico(),
            captured.pico() + receipt.uncovered.pico(),
            "a price is all there"
        );
    }
    let amount = receipt.amount.filter(|_| receipt.captured.is_none());
    let stated = [("amount", amount), ("captured", receipt.captured)];
    let money =
        [("debt", receipt.debt), ("repaid", receipt.repaid), ("uncovered", receipt.uncovered)];
    let flags = [("over", receipt.over), ("late", receipt.late), ("replayed", receipt.replayed)];
    answer.tell(stated.into_iter().filter_map(|(name, money)| Some((name, money?.pico()))));
    answer.tell(money.map(|(name, money)| (name, money.pico())).into_iter().chain(ends));
    answer.tell(flags.map(|(name, on)| (name, on.into())));
    Answer { balances: figures(&receipt.balances), state, ..answer }
}
