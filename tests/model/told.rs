//! What the domain answers, in the words of the model.

use super::Answer;
use purser::domain::amount::Amount;
use purser::domain::outcome::{Balances, DeclineReason, Outcome, Receipt, Refusal};
use purser::domain::time::Timestamp;

/// What an outcome says, in the words of the model.
pub(crate) fn told(outcome: &Outcome) -> Answer {
    let word = |word: String| Answer { word, ..Answer::default() };
    match outcome {
        Outcome::Receipt(receipt) => told_receipt(receipt),
        Outcome::Balance(view) => Answer {
            balances: figures(&view.balances),
            replayed: view.replayed,
            ..word("balance".to_owned())
        },
        Outcome::Status(status) => word(format!("status {status:?}").to_lowercase()),
        Outcome::Declined(decline) => {
            let (reason, detail) = match decline.reason {
                DeclineReason::NoFunds { required } => ("NOFUNDS", Some(required.pico())),
                DeclineReason::Frozen => ("FROZEN", None),
                DeclineReason::Closed => ("CLOSED", None),
            };
            let balances = figures(&decline.balances);
            Answer { balances, detail, ..word(format!("declined {reason}")) }
        }
        Outcome::Refused(refusal) => match refusal {
            Refusal::HoldDone { state } => {
                word(format!("HOLDDONE {}", format!("{state:?}").to_lowercase()))
            }
            Refusal::OverCapture { held } => {
                Answer { detail: Some(held.pico()), ..word("OVERCAPTURE".to_owned()) }
            }
            Refusal::OverRefund { refundable } => {
                Answer { detail: Some(refundable.pico()), ..word("OVERREFUND".to_owned()) }
            }
            Refusal::NotEmpty { balances } => {
                Answer { balances: figures(balances), ..word("NOTEMPTY".to_owned()) }
            }
            Refusal::Range(_) => word("RANGE".to_owned()),
            Refusal::TooMany(_) => word("TOOMANY".to_owned()),
            other => word(format!("{other:?}").to_uppercase()),
        },
        other => panic!("no answer to a change: {other:?}"),
    }
}

pub(crate) fn figures(balances: &Balances) -> [i128; 4] {
    [balances.posted, balances.held, balances.debt, balances.available].map(Amount::pico)
}

fn told_receipt(receipt: &Receipt) -> Answer {
    Answer {
        word: format!("{:?}", receipt.status).to_lowercase(),
        balances: figures(&receipt.balances),
        amount: receipt.amount.map(Amount::pico),
        ends: receipt.expires_at.map(Timestamp::millis),
        captured: receipt.captured.map(Amount::pico),
        debt: receipt.debt.pico(),
        repaid: receipt.repaid.pico(),
        uncovered: receipt.uncovered.pico(),
        over: receipt.over,
        late: receipt.late,
        replayed: receipt.replayed,
        state: receipt.state.map(|state| match format!("{state:?}").as_str() {
            "Open" => "open",
            "Captured" => "captured",
            "Voided" => "voided",
            _ => "expired",
        }),
        detail: None,
    }
}
