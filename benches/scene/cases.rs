//! The commands that are measured, each on wallets as it finds them in practice.

use super::ROUND;

/// One command to measure.
pub(crate) struct Case {
    /// What it is called.
    pub(crate) name: &'static str,
    /// How many wallets take the requests of a round in turn.
    pub(crate) wallets: usize,
    /// Whether the wallets are open and have money.
    pub(crate) opens: bool,
    /// What precedes each request, without being measured.
    pub(crate) before: Option<fn(usize) -> String>,
    /// The request with that number.
    pub(crate) line: fn(usize) -> String,
    /// What every reply must say.
    pub(crate) answer: &'static str,
}

impl Case {
    /// A hundred requests to each of ten open wallets.
    const fn new(name: &'static str, line: fn(usize) -> String, answer: &'static str) -> Self {
        Self { name, wallets: 10, opens: true, before: None, line, answer }
    }

    const fn after(self, before: fn(usize) -> String) -> Self {
        Self { before: Some(before), ..self }
    }
}

/// All commands that are measured.
pub(crate) const CASES: [Case; 16] = [
    Case {
        wallets: ROUND,
        opens: false,
        ..Case::new(
            "OPEN",
            |_| "WALLET.OPEN w CURRENCY USD PLAN pro".to_owned(),
            "currency USD status open",
        )
    },
    // Every top-up makes a grant, so a wallet takes only ten of them.
    Case {
        wallets: ROUND / 10,
        ..Case::new(
            "TOPUP",
            |number| format!("TOPUP w 25 ID {}", id('t', number)),
            "status toppedup",
        )
    },
    Case::new("AUTHORIZE", hold, "status held"),
    Case::new("AUTHORIZE with MIN", |number| format!("{} MIN 0.01", hold(number)), "status held"),
    Case::new(
        "AUTHORIZE with tags",
        |number| format!("{} TAG model gpt-5 TAG feature chat TAG user u{number}", hold(number)),
        "status held",
    ),
    Case::new(
        "AUTHORIZE declined",
        |number| format!("AUTHORIZE w 2000000 ID {}", id('h', number)),
        "status declined reason NOFUNDS",
    ),
    Case::new("AUTHORIZE replayed", hold, "replayed :1 state open").after(hold),
    Case::new(
        "EXTEND",
        |number| {
            let (hold, id) = (id('h', number), id('e', number));
            format!("EXTEND w {hold} 0.01 ID {id} TTL 3600000")
        },
        "status extended",
    )
    .after(hold),
    Case::new("CAPTURE full", |number| capture(number, "0.0241"), "status captured").after(hold),
    Case::new("CAPTURE partial", |number| capture(number, "0.0187"), "status captured").after(hold),
    Case::new("CAPTURE KEEP", |number| capture(number, "0.01") + " KEEP", "status captured")
        .after(hold),
    Case::new("CAPTURE over the hold", |number| capture(number, "0.03"), "captured 0.03")
        .after(hold),
    Case::new("VOID", |number| format!("VOID w {}", id('h', number)), "status voided").after(hold),
    Case::new("CHARGE", charge, "status charged"),
    Case::new(
        "REFUND",
        |number| format!("REFUND w {} 0.01 ID {}", id('c', number), id('r', number)),
        "status refunded",
    )
    .after(charge),
    Case::new("BALANCE", |_| "BALANCE w".to_owned(), "currency USD status open"),
];

/// An op id that is as long as most.
fn id(kind: char, number: usize) -> String {
    format!("{kind}-req-{number:014}")
}

/// Places a hold.
pub(crate) fn hold(number: usize) -> String {
    format!("AUTHORIZE w 0.0241 ID {}", id('h', number))
}

/// Captures of the hold with that number.
pub(crate) fn capture(number: usize, amount: &str) -> String {
    format!("CAPTURE w {} {amount} ID {}", id('h', number), id('c', number))
}

fn charge(number: usize) -> String {
    format!("CHARGE w 0.0241 ID {}", id('c', number))
}
