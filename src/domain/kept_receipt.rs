//! A receipt as a wallet keeps it for retries: a fraction of the size of one that is shown, because
//! there is one for every operation and few are ever asked for again.
//!
//! Layout: the status, two bytes that tell which figures follow, and the figures as integers of 7
//! bits a byte, the lowest first. It lives in memory alone; the journal keeps events.

use super::amount::Amount;
use super::outcome::{Balances, Receipt, ReceiptStatus};
use super::rating::PriceVersion;
use super::time::Timestamp;
use smallvec::SmallVec;

/// A receipt that takes little memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptReceipt(SmallVec<[u8; 40]>);

const STATUSES: [ReceiptStatus; 11] = [
    ReceiptStatus::Held,
    ReceiptStatus::Extended,
    ReceiptStatus::Captured,
    ReceiptStatus::Voided,
    ReceiptStatus::Charged,
    ReceiptStatus::ToppedUp,
    ReceiptStatus::Reversed,
    ReceiptStatus::Revoked,
    ReceiptStatus::Withdrawn,
    ReceiptStatus::Refunded,
    ReceiptStatus::Set,
];

const AMOUNT: u16 = 1;
const EXPIRES_AT: u16 = 1 << 1;
const CAPTURED: u16 = 1 << 2;
const DEBT: u16 = 1 << 3;
const REPAID: u16 = 1 << 4;
const UNCOVERED: u16 = 1 << 5;
const OVER: u16 = 1 << 6;
const LATE: u16 = 1 << 7;
const PRICE_VERSION: u16 = 1 << 8;

impl KeptReceipt {
    /// Keeps a receipt of something that was done just now: neither a replay nor with a state.
    pub fn of(receipt: &Receipt) -> Self {
        let mut kept = Self(SmallVec::new());
        let status = STATUSES.iter().position(|status| *status == receipt.status);
        kept.0.push(status.and_then(|code| u8::try_from(code).ok()).unwrap_or(u8::MAX));
        let non_zero = |amount: Amount| Some(amount).filter(|amount| !amount.is_zero());
        let expires_at = receipt.expires_at.map(|at| Amount::from_pico(at.millis().into()));
        let price_version =
            receipt.price_version.map(|version| Amount::from_pico(version.number().into()));
        let figures = [
            (AMOUNT, receipt.amount),
            (EXPIRES_AT, expires_at),
            (CAPTURED, receipt.captured),
            (DEBT, non_zero(receipt.debt)),
            (REPAID, non_zero(receipt.repaid)),
            (UNCOVERED, non_zero(receipt.uncovered)),
            (PRICE_VERSION, price_version),
        ];
        let mut flags = 0;
        for (flag, _) in figures.iter().filter(|(_, figure)| figure.is_some()) {
            flags |= flag;
        }
        flags |= if receipt.over { OVER } else { 0 } | if receipt.late { LATE } else { 0 };
        kept.0.extend_from_slice(&flags.to_le_bytes());
        let Balances { posted, held, debt, available } = receipt.balances;
        for figure in [posted, held, debt, available] {
            kept.push(figure);
        }
        for figure in figures.into_iter().filter_map(|(_, figure)| figure) {
            kept.push(figure);
        }
        kept
    }

    /// The receipt as it was.
    pub fn receipt(&self) -> Receipt {
        let mut figures = Figures(self.0.get(3..).unwrap_or_default());
        let status = self.0.first().and_then(|code| STATUSES.get(usize::from(*code)));
        let flags = match self.0.get(1..3) {
            Some(&[low, high]) => u16::from_le_bytes([low, high]),
            _ => 0,
        };
        let balances = Balances {
            posted: figures.next(),
            held: figures.next(),
            debt: figures.next(),
            available: figures.next(),
        };
        let mut flagged = |flag| (flags & flag != 0).then(|| figures.next());
        Receipt {
            status: status.copied().unwrap_or(ReceiptStatus::Set),
            balances,
            amount: flagged(AMOUNT),
            expires_at: flagged(EXPIRES_AT)
                .and_then(|at| i64::try_from(at.pico()).ok())
                .map(Timestamp::from_millis),
            captured: flagged(CAPTURED),
            debt: flagged(DEBT).unwrap_or(Amount::ZERO),
            repaid: flagged(REPAID).unwrap_or(Amount::ZERO),
            uncovered: flagged(UNCOVERED).unwrap_or(Amount::ZERO),
            price_version: flagged(PRICE_VERSION)
                .and_then(|version| u64::try_from(version.pico()).ok())
                .map(PriceVersion::of_number),
            over: flags & OVER != 0,
            late: flags & LATE != 0,
            replayed: false,
            state: None,
        }
    }

    /// Adds a figure; the sign goes into the lowest bit, so that small ones stay short.
    fn push(&mut self, figure: Amount) {
        let pico = figure.pico();
        let mut rest = (pico.unsigned_abs() << 1) | u128::from(pico.is_negative());
        // Until 64 bits are left, which is soon; those cost a fraction.
        while u64::try_from(rest).is_err() {
            self.0.push(u8::try_from(rest & 0x7f).unwrap_or_default() | 0x80);
            rest >>= 7;
        }
        let mut rest = u64::try_from(rest).unwrap_or_default();
        while rest > 0x7f {
            self.0.push(u8::try_from(rest & 0x7f).unwrap_or_default() | 0x80);
            rest >>= 7;
        }
        self.0.push(u8::try_from(rest).unwrap_or_default());
    }
}

/// The figures that are left to read.
struct Figures<'a>(&'a [u8]);

impl Figures<'_> {
    fn next(&mut self) -> Amount {
        let (mut value, mut shift) = (0_u128, 0_u32);
        while let Some((byte, rest)) = self.0.split_first() {
            self.0 = rest;
            value |= u128::from(byte & 0x7f).checked_shl(shift).unwrap_or_default();
            shift = shift.saturating_add(7);
            if byte & 0x80 == 0 {
                break;
            }
        }
        let size = i128::try_from(value >> 1).unwrap_or(i128::MAX);
        Amount::from_pico(if value & 1 == 0 { size } else { size.saturating_neg() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn amounts() -> impl Strategy<Value = Amount> {
        let most = 1_000_000_000_000_000_000_000_000_000_000_000_000_i128;
        prop_oneof![Just(0), -1_000_i128..1_000, most.wrapping_neg()..most]
            .prop_map(Amount::from_pico)
    }

    proptest! {
        #[test]
        fn a_receipt_is_kept_as_it_was(
            status in 0..STATUSES.len(),
            balances in [amounts(), amounts(), amounts(), amounts()],
            sums in [amounts(), amounts(), amounts()],
            amount in prop::option::of(amounts()),
            captured in prop::option::of(amounts()),
            expires_at in prop::option::of(any::<i64>()),
            price_version in prop::option::of(any::<u64>()),
            (over, late) in any::<(bool, bool)>(),
        ) {
            let [posted, held, debt, available] = balances;
            let receipt = Receipt {
                status: STATUSES[status],
                balances: Balances { posted, held, debt, available },
                amount,
                expires_at: expires_at.map(Timestamp::from_millis),
                captured,
                debt: sums[0],
                repaid: sums[1],
                uncovered: sums[2],
                over,
                late,
                replayed: false,
                state: None,
                price_version: price_version.map(PriceVersion::of_number),
            };
            prop_assert_eq!(KeptReceipt::of(&receipt).receipt(), receipt);
        }
    }

    #[test]
    fn a_usual_receipt_needs_no_memory_of_its_own() {
        let large = Amount::from_pico(1_000_000_000_000_000_000_000);
        let balances =
            Balances { posted: large, held: large, debt: Amount::ZERO, available: large };
        let receipt = Receipt {
            amount: Some(Amount::from_pico(10_000_000_000)),
            expires_at: Some(Timestamp::from_millis(1_700_000_000_000)),
            ..Receipt::plain(ReceiptStatus::Held, balances)
        };
        let kept = KeptReceipt::of(&receipt);
        assert!(kept.0.len() <= 48 && size_of::<KeptReceipt>() <= 48, "{}", kept.0.len());
        assert_eq!(kept.receipt(), receipt);
    }
}
