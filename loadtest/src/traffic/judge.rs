//! Holds an answer against what was asked.

use std::hash::{DefaultHasher, Hash, Hasher};

use purser::domain::amount::Amount;

use super::op::{Ids, Kind, LEDGER_ROWS, Op};
use crate::drive::answer::{Answer, Fields, Value};

/// What an answer says.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// It took effect, now or at an earlier attempt. The receipt's hash, if it was wanted.
    Accepted { receipt: u64, replayed: bool },
    /// A retry that was answered with the first receipt, as it must be.
    Repeated,
    /// A balance or a ledger, consistent in itself.
    Read,
    /// The wallet could not pay, or might not: an answer, not an error.
    Declined(String),
    /// Nothing happened: `BUSY`, `LOADING`.
    NotNow(String),
    /// Whether it happened is unknown: `UNAVAILABLE`.
    Unknown(String),
    /// An error that this traffic must never get.
    Refused(String),
    /// An answer that contradicts what was asked, or itself.
    Wrong(String),
}

/// Judges the answer to a command; `hashes` says whether the receipt's hash is wanted.
pub(super) fn judge(op: &Op, ids: &Ids, answer: Answer<'_>, hashes: bool) -> Verdict {
    let wrong = |what: String| Verdict::Wrong(format!("{}: {what}", op.name(ids)));
    let fields = match answer {
        Answer::Fields(fields) => fields,
        Answer::Error(error) => return refusal(op, ids, error),
        Answer::Text(_) | Answer::Integer(_) | Answer::Null => {
            return wrong(format!("not a receipt: {answer:?}"));
        }
    };
    if op.kind == Kind::Balance {
        return if is_sound_balance(fields) {
            Verdict::Read
        } else {
            wrong("a balance that does not add up".to_owned())
        };
    }
    if op.kind == Kind::Ledger {
        return ledger(fields).map_or(Verdict::Read, |what| wrong(what.to_owned()));
    }
    let receipt = Receipt::of(fields);
    if receipt.status == b"declined" {
        return declined(op, &receipt).unwrap_or_else(wrong);
    }
    match contradiction(op, &receipt) {
        Some(what) => wrong(what),
        None => Verdict::Accepted {
            receipt: if hashes { hash(fields) } else { 0 },
            replayed: receipt.replayed,
        },
    }
}

/// The fields of a receipt that are looked at.
#[derive(Debug, Default)]
struct Receipt<'a> {
    status: &'a [u8],
    reason: &'a [u8],
    available: Option<Amount>,
    /// What an authorization holds, or an extension adds.
    amount: Option<Amount>,
    captured: Option<Amount>,
    uncovered: bool,
    replayed: bool,
}

impl<'a> Receipt<'a> {
    fn of(fields: Fields<'a>) -> Self {
        let mut receipt = Self::default();
        for (name, value) in fields.pairs() {
            match (name, value) {
                (b"status", Value::Text(text)) => receipt.status = text,
                (b"reason", Value::Text(text)) => receipt.reason = text,
                (b"available", value) => receipt.available = value.amount(),
                (b"amount", value) => receipt.amount = value.amount(),
                (b"captured", value) => receipt.captured = value.amount(),
                (b"uncovered", _) => receipt.uncovered = true,
                (b"replayed", value) => receipt.replayed = value == Value::Integer(1),
                _ => {}
            }
        }
        receipt
    }
}

/// An error by what it says about the outcome.
fn refusal(op: &Op, ids: &Ids, error: &[u8]) -> Verdict {
    let text = String::from_utf8_lossy(error);
    let code = text.split(' ').next().unwrap_or_default();
    match code {
        "BUSY" | "LOADING" => Verdict::NotNow(code.to_owned()),
        "UNAVAILABLE" => Verdict::Unknown(code.to_owned()),
        _ => Verdict::Refused(format!("{}: {text}", op.name(ids))),
    }
}

fn declined(op: &Op, receipt: &Receipt<'_>) -> Result<Verdict, String> {
    let asks = Amount::from_pico(i128::from(op.amount));
    let reason = String::from_utf8_lossy(receipt.reason).into_owned();
    let may_be = matches!(op.kind, Kind::Authorize | Kind::Extend | Kind::Charge);
    let has_funds =
        receipt.available.is_some_and(|available| available >= asks && !available.is_negative());
    if !may_be {
        Err("it can never be declined".to_owned())
    } else if reason == "NOFUNDS" && has_funds {
        Err(format!("declined {asks} for lack of funds with enough left"))
    } else {
        Ok(Verdict::Declined(reason))
    }
}

/// What in a receipt cannot be true, if anything.
fn contradiction(op: &Op, receipt: &Receipt<'_>) -> Option<String> {
    let status = match op.kind {
        Kind::Authorize => "held",
        Kind::Extend => "extended",
        Kind::Capture => "captured",
        Kind::Void => "voided",
        Kind::Charge => "charged",
        Kind::Refund => "refunded",
        Kind::Balance | Kind::Ledger => return None,
    };
    if receipt.status != status.as_bytes() {
        let said = String::from_utf8_lossy(receipt.status);
        return Some(format!("it cannot be {said:?}"));
    }
    if receipt.uncovered {
        return Some("part of it was not covered, although debt is not limited".to_owned());
    }
    let (said, expected) = match op.kind {
        Kind::Authorize | Kind::Extend => (receipt.amount, op.amount),
        Kind::Capture => (receipt.captured, op.amount),
        // What a charge took stands in its receipt, too, where it says so.
        Kind::Charge if receipt.captured.is_some() => (receipt.captured, op.amount),
        Kind::Charge | Kind::Void | Kind::Refund | Kind::Balance | Kind::Ledger => return None,
    };
    let expected = Amount::from_pico(i128::from(expected));
    match said {
        Some(said) if said == expected => None,
        // A capture of nothing leaves it out.
        None if expected.is_zero() => None,
        Some(said) => Some(format!("{status} {said} instead of {expected}")),
        None => Some(format!("{status}, without saying how much of {expected}")),
    }
}

fn is_sound_balance(fields: Fields<'_>) -> bool {
    let [posted, held, available, debt] =
        ["posted", "held", "available", "debt"].map(|name| fields.amount(name));
    let computed = posted
        .zip(held)
        .zip(debt)
        .and_then(|((posted, held), debt)| posted.minus(held).ok()?.minus(debt).ok());
    computed.is_some() && computed == available
}

/// What is wrong with the last rows of a ledger: they must follow each other, the newest first, each
/// with a balance after it that can be; a wallet that was opened has one at least.
fn ledger(rows: Fields<'_>) -> Option<&'static str> {
    let mut last = None;
    let mut count = 0;
    for row in rows.elements() {
        let Answer::Fields(row) = row else { return Some("a row that is no map") };
        let Some(seq) = row.integer("seq") else { return Some("a row without `seq`") };
        if last.is_some_and(|last: i64| last.checked_sub(1) != Some(seq)) || seq < 1 {
            return Some("rows that do not follow each other");
        }
        let [posted, held, debt] = ["posted", "held", "debt"].map(|name| row.amount(name));
        let is_sound = [posted, held, debt]
            .iter()
            .all(|amount| amount.is_some_and(|amount| !amount.is_negative()));
        if !is_sound {
            return Some("a row whose balance cannot be");
        }
        last = Some(seq);
        count += 1;
    }
    if last.is_none() {
        Some("a ledger without a row")
    } else if count > LEDGER_ROWS {
        Some("more rows than were asked for")
    } else if count < LEDGER_ROWS && last != Some(1) {
        Some("fewer rows than there are")
    } else {
        None
    }
}

/// A hash of all that a retry must answer as the first attempt did.
fn hash(fields: Fields<'_>) -> u64 {
    let mut hasher = DefaultHasher::new();
    for (name, value) in fields.pairs() {
        if name != b"replayed" && name != b"state" {
            (name, value).hash(&mut hasher);
        }
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drive::answer;

    fn verdict(op: &Op, text: &str) -> Verdict {
        let ids = Ids { prefix: "p".to_owned() };
        let words: Vec<String> = text
            .split(' ')
            .map(|word| match word.strip_prefix(':') {
                Some(number) => format!(":{number}\r\n"),
                None => format!("${}\r\n{word}\r\n", word.len()),
            })
            .collect();
        let bytes = format!("*{}\r\n{}", words.len(), words.concat());
        judge(op, &ids, answer::take(&mut bytes.as_bytes()).unwrap(), true)
    }

    fn authorize() -> Op {
        Op::authorize(7, 0, 2_500_000_000_000, None)
    }

    #[test]
    fn a_hold_must_be_what_was_asked_for() {
        let held = |amount| format!("status held available 1 held 9 amount {amount}");
        assert!(matches!(
            verdict(&authorize(), &held("2.5")),
            Verdict::Accepted { replayed: false, .. }
        ));
        let Verdict::Wrong(what) = verdict(&authorize(), &held("2.500000000001")) else {
            panic!("accepted")
        };
        assert_eq!(what, "AUTHORIZE p-w0 p-7: held 2.500000000001 instead of 2.5");
        assert!(matches!(verdict(&authorize(), "status captured"), Verdict::Wrong(_)));
        assert!(matches!(verdict(&authorize(), "status held available 1"), Verdict::Wrong(_)));
    }

    #[test]
    fn a_decline_with_enough_money_left_is_wrong() {
        let declined = |left| format!("status declined reason NOFUNDS available {left} held 0");
        assert!(matches!(verdict(&authorize(), &declined("2.5")), Verdict::Wrong(_)));
        assert!(matches!(verdict(&authorize(), &declined("2.4")), Verdict::Declined(_)));
    }

    #[test]
    fn a_replay_has_the_hash_of_its_receipt() {
        let first = "status held available 1 held 9 amount 2.5";
        let hash = |text: &str| match verdict(&authorize(), text) {
            Verdict::Accepted { receipt, replayed } => (receipt, replayed),
            other => panic!("{other:?}"),
        };
        let again = format!("{first} replayed :1 state open");
        assert_eq!(hash(&again), (hash(first).0, true));
        assert_ne!(hash(&first.replace("available 1", "available 2")).0, hash(first).0);
    }

    #[test]
    fn errors_differ_in_what_they_say_about_the_outcome() {
        let of = |error: &str| {
            judge(
                &authorize(),
                &Ids { prefix: "p".to_owned() },
                Answer::Error(error.as_bytes()),
                false,
            )
        };
        assert!(matches!(of("BUSY later"), Verdict::NotNow(code) if code == "BUSY"));
        assert!(matches!(of("UNAVAILABLE x"), Verdict::Unknown(_)));
        assert!(matches!(of("NOHOLD none"), Verdict::Refused(_)));
    }

    #[test]
    fn the_rows_of_a_ledger_must_follow_each_other() {
        let of = |rows: &[(i64, &str)]| {
            let row = |&(seq, held): &(i64, &str)| {
                let text = |word: &str| format!("${}\r\n{word}\r\n", word.len());
                let words = ["posted", "3", "held", held, "debt", "0"].map(text).concat();
                format!("*8\r\n$3\r\nseq\r\n:{seq}\r\n{words}")
            };
            let rows: Vec<String> = rows.iter().map(row).collect();
            let bytes = format!("*{}\r\n{}", rows.len(), rows.concat());
            let ids = Ids { prefix: "p".to_owned() };
            let op = Op::plain(Kind::Ledger, 1, 0, 0);
            match judge(&op, &ids, answer::take(&mut bytes.as_bytes()).unwrap(), true) {
                Verdict::Read => "sound".to_owned(),
                Verdict::Wrong(what) => what.replace("LEDGER p-w0 p-1: ", ""),
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(of(&[(3, "1"), (2, "1"), (1, "0")]), "sound");
        let ten: Vec<(i64, &str)> = (11..21).rev().map(|seq| (seq, "1")).collect();
        assert_eq!(of(&ten), "sound");
        assert_eq!(of(&[]), "a ledger without a row");
        assert_eq!(of(&[(3, "1"), (1, "0")]), "rows that do not follow each other");
        assert_eq!(of(&[(3, "1"), (2, "0")]), "fewer rows than there are");
        assert_eq!(of(&[(1, "-1")]), "a row whose balance cannot be");
        let eleven: Vec<(i64, &str)> = (1..12).rev().map(|seq| (seq, "1")).collect();
        assert_eq!(of(&eleven), "more rows than were asked for");
    }

    #[test]
    fn a_balance_must_add_up() {
        let balance = Op::plain(Kind::Balance, 1, 0, 0);
        let sound = "posted 3 held 1 available 1.5 debt 0.5";
        assert!(matches!(verdict(&balance, sound), Verdict::Read));
        let unsound = "posted 3 held 1 available 1.6 debt 0.5";
        assert!(matches!(verdict(&balance, unsound), Verdict::Wrong(_)));
    }
}
