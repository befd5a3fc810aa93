//! What a shard counts about the requests of its wallets. Plain cells: one thread owns them, and
//! publishes them now and then.

use crate::domain::command::Command;
use crate::domain::outcome::Outcome;
use std::cell::Cell;

/// How a request ended, as counted.
pub const OUTCOMES: [&str; 4] = ["ok", "declined", "refused", "replayed"];

/// The commands of wallets, as counted.
pub const COMMANDS: [&str; 20] = [
    "WALLET.OPEN",
    "WALLET.GET",
    "WALLET.SET",
    "WALLET.FREEZE",
    "WALLET.UNFREEZE",
    "WALLET.CLOSE",
    "BALANCE",
    "TOPUP",
    "TOPUP.REVERSE",
    "TOPUP.REVOKE",
    "WITHDRAW",
    "AUTHORIZE",
    "EXTEND",
    "CAPTURE",
    "VOID",
    "CHARGE",
    "REFUND",
    "HOLD.GET",
    "HOLD.LIST",
    "PRICE",
];

/// Requests by command and outcome; `OP.GET` and whatever has no name above counts last.
#[derive(Debug, Default)]
pub struct Counters {
    requests: [[Cell<u64>; OUTCOMES.len()]; COMMANDS.len() + 1],
}

impl Counters {
    /// Counts a request and how it ended.
    pub fn count(&self, command: &Command, outcome: &Outcome) {
        let row = self.requests.get(place(command));
        let cell = row.and_then(|row| row.get(ending(outcome)));
        if let Some(cell) = cell {
            cell.set(cell.get().saturating_add(1));
        }
    }

    /// Gives every count to `visit`: command, outcome, requests so far.
    pub fn each(&self, mut visit: impl FnMut(&'static str, &'static str, u64)) {
        let names = COMMANDS.iter().chain(std::iter::once(&"OP.GET"));
        for (name, row) in names.zip(&self.requests) {
            for (outcome, cell) in OUTCOMES.iter().zip(row) {
                if cell.get() > 0 {
                    visit(name, outcome, cell.get());
                }
            }
        }
    }
}

fn ending(outcome: &Outcome) -> usize {
    match outcome {
        Outcome::Receipt(receipt) if receipt.replayed => 3,
        Outcome::Balance(view) if view.replayed => 3,
        Outcome::Declined(_) => 1,
        Outcome::Refused(_) => 2,
        _ => 0,
    }
}

fn place(command: &Command) -> usize {
    match command {
        Command::Open(_) => 0,
        Command::Get => 1,
        Command::Set(_) => 2,
        Command::Freeze { .. } => 3,
        Command::Unfreeze => 4,
        Command::Close { .. } => 5,
        Command::Balance => 6,
        Command::TopUp(_) => 7,
        Command::Reverse { .. } => 8,
        Command::Revoke { .. } => 9,
        Command::Withdraw { .. } => 10,
        Command::Authorize(_) => 11,
        Command::Extend { .. } => 12,
        Command::Capture { .. } => 13,
        Command::Void { .. } => 14,
        Command::Charge { .. } => 15,
        Command::Refund { .. } => 16,
        Command::HoldGet { .. } => 17,
        Command::HoldList { .. } => 18,
        Command::Price { .. } => 19,
        Command::OpGet { .. } => 20,
    }
}

/// A figure for an operator's chart, where the last digits do not matter.
pub fn as_float(value: u64) -> f64 {
    u32::try_from(value).map_or_else(
        |_| {
            let high = u32::try_from(value >> 32).map_or(f64::MAX, f64::from);
            let low = u32::try_from(value & 0xffff_ffff).map_or(0.0, f64::from);
            high.mul_add(4_294_967_296.0, low)
        },
        f64::from,
    )
}
