//! One command of the traffic, and its bytes.

use purser::domain::amount::Amount;

use crate::drive::command::Command;

/// How many rows of a ledger are asked for.
pub(super) const LEDGER_ROWS: u64 = 10;

/// What a command does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Authorize,
    Extend,
    Capture,
    Void,
    Charge,
    Refund,
    Balance,
    Ledger,
}

impl Kind {
    pub(crate) const ALL: [Self; 8] = [
        Self::Authorize,
        Self::Extend,
        Self::Capture,
        Self::Void,
        Self::Charge,
        Self::Refund,
        Self::Balance,
        Self::Ledger,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Authorize => "authorize",
            Self::Extend => "extend",
            Self::Capture => "capture",
            Self::Void => "void",
            Self::Charge => "charge",
            Self::Refund => "refund",
            Self::Balance => "balance",
            Self::Ledger => "ledger",
        }
    }

    /// Whether it changes a wallet.
    pub(super) const fn changes(self) -> bool {
        !matches!(self, Self::Balance | Self::Ledger)
    }
}

/// The names of a run. All op ids of a wallet are one namespace, so that every command of the run
/// has a number of its own.
#[derive(Debug, Clone)]
pub(crate) struct Ids {
    pub(crate) prefix: String,
}

impl Ids {
    pub(crate) fn wallet(&self, wallet: u32) -> String {
        format!("{}-w{wallet}", self.prefix)
    }
}

/// A hold that is open, as far as is known here. Times are in nanoseconds of the run.
#[derive(Debug, Clone, Copy)]
pub(super) struct Hold {
    pub(super) number: u64,
    pub(super) wallet: u32,
    pub(super) amount: u64,
    /// What will be captured; nothing if it is left to expire.
    pub(super) settle: Option<u64>,
    /// It expires between these two times.
    pub(super) earliest: u64,
    pub(super) latest: u64,
}

/// Which sending of a command this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Attempt {
    First,
    /// The same again follows right behind.
    FirstOfTwo,
    Second,
    /// Long after the first one, whose receipt is known by its hash.
    Late {
        receipt: u64,
    },
}

/// A command.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Op {
    pub(super) kind: Kind,
    pub(super) number: u64,
    pub(super) wallet: u32,
    /// What is asked for, in 10^-12.
    pub(super) amount: u64,
    /// The hold that it is about; of a refund, what it gives back.
    pub(super) hold: Hold,
    /// Of an authorization: what will be captured, nothing if it is left to expire.
    pub(super) settle: Option<u64>,
    pub(super) attempt: Attempt,
}

impl Op {
    pub(super) const fn plain(kind: Kind, number: u64, wallet: u32, amount: u64) -> Self {
        let hold = Hold { number: 0, wallet, amount: 0, settle: None, earliest: 0, latest: 0 };
        Self { kind, number, wallet, amount, hold, settle: None, attempt: Attempt::First }
    }

    pub(super) const fn authorize(
        number: u64,
        wallet: u32,
        amount: u64,
        settle: Option<u64>,
    ) -> Self {
        Self { settle, ..Self::plain(Kind::Authorize, number, wallet, amount) }
    }

    const fn about(kind: Kind, number: u64, hold: Hold, amount: u64) -> Self {
        Self { hold, ..Self::plain(kind, number, hold.wallet, amount) }
    }

    pub(super) fn capture(number: u64, hold: Hold) -> Self {
        Self::about(Kind::Capture, number, hold, hold.settle.unwrap_or_default())
    }

    pub(super) const fn void(number: u64, hold: Hold) -> Self {
        Self::about(Kind::Void, number, hold, 0)
    }

    pub(super) const fn extend(number: u64, hold: Hold, amount: u64) -> Self {
        Self::about(Kind::Extend, number, hold, amount)
    }

    /// Gives back what a capture or charge took; `spend` names it by its number and amount.
    pub(super) const fn refund(number: u64, spend: Hold) -> Self {
        Self::about(Kind::Refund, number, spend, spend.amount)
    }

    /// How a failure names it.
    pub(super) fn name(&self, ids: &Ids) -> String {
        let kind = self.kind.name().to_uppercase();
        format!("{kind} {} {}-{}", ids.wallet(self.wallet), ids.prefix, self.number)
    }

    /// Writes the command.
    pub(super) fn write(&self, ids: &Ids, ttl_ms: u64, out: &mut Vec<u8>, word: &mut Vec<u8>) {
        let prefix = ids.prefix.as_str();
        let amount = Amount::from_pico(i128::from(self.amount));
        let wallet = u64::from(self.wallet);
        let begin = |words, name: &[u8], out, word| {
            Command::new(words, out, word).word(name).name(prefix, "-w", wallet)
        };
        let id = |command: Command<'_>| {
            command.word(b"ID").name(prefix, "-", self.number);
        };
        match self.kind {
            Kind::Authorize => {
                let command = begin(7, b"AUTHORIZE", out, word).amount(amount);
                command.word(b"ID").name(prefix, "-", self.number).word(b"TTL").number(ttl_ms);
            }
            Kind::Extend => {
                let command = begin(6, b"EXTEND", out, word);
                id(command.name(prefix, "-", self.hold.number).amount(amount));
            }
            Kind::Capture => {
                let command = begin(6, b"CAPTURE", out, word);
                id(command.name(prefix, "-", self.hold.number).amount(amount));
            }
            Kind::Void => {
                id(begin(5, b"VOID", out, word).name(prefix, "-", self.hold.number));
            }
            Kind::Charge => id(begin(5, b"CHARGE", out, word).amount(amount)),
            Kind::Refund => {
                let command = begin(6, b"REFUND", out, word);
                id(command.name(prefix, "-", self.hold.number).amount(amount));
            }
            Kind::Balance => {
                begin(2, b"BALANCE", out, word);
            }
            Kind::Ledger => {
                begin(4, b"LEDGER", out, word).word(b"COUNT").number(LEDGER_ROWS);
            }
        }
    }
}
