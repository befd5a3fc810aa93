//! About how many bytes replies will take, before anybody knows them.

use crate::domain::command::Command;

/// About how many bytes are set aside for a view of a wallet or a hold, for a hold of a list, for a
/// row of a ledger, and for a wallet's id: a client that asks for many and reads none is paused after a few dozen of them,
/// before anybody knows how large they are.
pub(super) const VIEW_BYTES: usize = 32 * 1024;
const HOLD_BYTES: usize = 1024;
pub(super) const ROW_BYTES: usize = 1024;
pub(super) const ID_BYTES: usize = 32;
/// A new wallet is small, and wallets are opened by the million.
const OPENED_BYTES: usize = 4 * 1024;

/// How many bytes the reply to a command may take, beyond what every reply takes.
pub(super) fn weight_to_come(command: &Command) -> usize {
    match command {
        Command::HoldList { count, .. } => count.saturating_mul(HOLD_BYTES).max(VIEW_BYTES),
        Command::Get | Command::HoldGet { .. } => VIEW_BYTES,
        Command::Open(_) => OPENED_BYTES,
        _ => 0,
    }
}
