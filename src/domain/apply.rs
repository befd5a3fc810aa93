//! Folding events into a wallet. Nothing here judges: an event that does not fit is a bug or a
//! damaged journal, and the wallet must not be used any more.

use super::amount::{Amount, Overflow};
use super::counters::Counters;
use super::event::{Event, EventKind, HoldPlaced};
use super::grant::Grants;
use super::hold::{Hold, HoldNo, Holds};
use super::id::OpId;
use super::kept_receipt::KeptReceipt;
use super::memory::{EndedHold, Memory, Remembered, Role, Spend};
use super::outcome::{Balances, HoldState, Receipt, ReceiptStatus};
use super::posting::{self, Posting, PostingKind, Step};
use super::price_tag::{PricePin, PriceTag};
use super::time::Timestamp;
use super::wallet::{Figures, QuietUntil, Status, Wallet};
use smallvec::SmallVec;
use std::sync::Arc;

/// An event that cannot have happened to this wallet: a bug, or a damaged journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("event {seq} does not fit its wallet: {what}")]
pub struct Corrupt {
    /// The event's number in its wallet.
    pub seq: u64,
    /// What does not fit.
    pub what: &'static str,
}

impl From<Overflow> for Misfit {
    fn from(_: Overflow) -> Self {
        Self("a figure leaves its range")
    }
}

/// What does not fit, before it is known to which event.
struct Misfit(&'static str);

/// Makes the absence of something that the event presupposes a misfit.
fn need<T>(value: Option<T>, what: &'static str) -> Result<T, Misfit> {
    value.ok_or(Misfit(what))
}

impl Wallet {
    /// The wallet that an opening event makes.
    pub fn open(event: &Event) -> Result<(Self, Receipt), Corrupt> {
        let EventKind::Opened(opened) = &event.kind else {
            return Err(Corrupt { seq: 1, what: "the first event does not open the wallet" });
        };
        let wallet = Self {
            opened: opened.clone(),
            opened_at: event.at,
            terms: opened.terms.clone(),
            status: Status::Open,
            seq: 1,
            time: event.at,
            grants: Grants::default(),
            next_grant: 1,
            holds: Holds::default(),
            figures: Figures::default(),
            counters: Counters::default(),
            memory: Memory::default(),
            quiet_until: QuietUntil(Timestamp::MAX),
        };
        let receipt = wallet.receipt(event);
        Ok((wallet, receipt))
    }

    /// Folds one event. After an error the wallet must be discarded.
    pub fn apply(&mut self, event: &Event) -> Result<Receipt, Corrupt> {
        let seq = self.seq.saturating_add(1);
        self.fold(event, seq).map_err(|Misfit(what)| Corrupt { seq, what })
    }

    /// Brings in what the event makes, moves its money, ends what it ends, and remembers it.
    fn fold(&mut self, event: &Event, seq: u64) -> Result<Receipt, Misfit> {
        if event.at < self.time {
            return Err(Misfit("W6: time runs backwards"));
        }
        let spend = self.spend_of(event)?;
        self.begin(event, seq)?;
        let hold = self.hold_of(event, seq);
        for posting in &event.postings {
            self.post(*posting, hold)?;
        }
        let ended = self.end(event, hold)?;
        self.count(event)?;
        self.grants.drop_empty();
        self.seq = seq;
        self.time = event.at;
        self.quiet_until = QuietUntil(self.quiet_after(event));
        let receipt = self.receipt(event);
        self.remember(event, &receipt, spend, ended)?;
        Ok(receipt)
    }

    /// Adds to the running quantities what was charged for; what is only held does not count.
    fn count(&mut self, event: &Event) -> Result<(), Misfit> {
        let Some(price) = &event.price else { return Ok(()) };
        if matches!(event.kind, EventKind::Captured { .. } | EventKind::Charged { .. }) {
            for counted in &price.counted {
                self.counters.add(counted)?;
            }
        }
        Ok(())
    }

    /// Until when nothing is due, after an event.
    fn quiet_after(&self, event: &Event) -> Timestamp {
        let known = self.quiet_until.0;
        match &event.kind {
            // What was due then has happened: look what comes next.
            _ if event.at >= known => self.look_ahead(),
            EventKind::HoldPlaced(placed) => known.min(placed.expires_at),
            // These bring nothing nearer.
            EventKind::HoldExtended { .. }
            | EventKind::Captured { .. }
            | EventKind::HoldVoided { .. }
            | EventKind::Charged { .. } => known,
            _ => self.look_ahead(),
        }
    }

    fn look_ahead(&self) -> Timestamp {
        let is_closing = matches!(self.status, Status::Closing { .. });
        // When money that came back to an expired grant lapses, only the rules know.
        if is_closing || self.grants.iter().any(|grant| grant.expired) {
            return Timestamp::MIN;
        }
        let grants = self.grants.iter().filter_map(|grant| grant.terms.expires_at);
        let hold = self.holds.next_expiry().map(|(at, _)| at);
        grants.chain(hold).min().unwrap_or(Timestamp::MAX)
    }

    /// The open hold whose money the event moves.
    fn hold_of(&self, event: &Event, seq: u64) -> Option<HoldNo> {
        match &event.kind {
            EventKind::HoldPlaced(_) => Some(HoldNo(seq)),
            _ => self.memory.open_hold(event.hold()?),
        }
    }

    /// What the event presupposes before its money moves.
    fn begin(&mut self, event: &Event, seq: u64) -> Result<(), Misfit> {
        match &event.kind {
            EventKind::Opened(_) => return Err(Misfit("it is open already")),
            EventKind::ToppedUp { grant, .. } => {
                self.grants.insert(grant);
                self.next_grant = self.next_grant.max(grant.number.0.saturating_add(1));
            }
            EventKind::Refunded { grants, .. } => {
                for grant in grants {
                    self.grants.insert(grant);
                    self.next_grant = self.next_grant.max(grant.number.0.saturating_add(1));
                }
            }
            EventKind::HoldPlaced(placed) => {
                let id = need(event.op.clone(), "a hold without an id")?;
                let hold = new_hold(placed, event, id, seq);
                self.holds.insert(hold);
            }
            EventKind::HoldExtended { hold, amount, expires_at } => {
                let hold = need(self.memory.open_hold(hold), "no such hold to extend")?;
                need(self.holds.reschedule(hold, *expires_at), "no such hold to extend")?;
                let hold = need(self.holds.get_mut(hold), "no such hold to extend")?;
                hold.amount = hold.amount.plus(*amount)?;
            }
            _ => {}
        }
        Ok(())
    }

    /// Moves the money of one posting.
    fn post(&mut self, posting: Posting, hold: Option<HoldNo>) -> Result<(), Misfit> {
        let Posting { kind, grant: number, amount } = posting;
        let effect = kind.effect();
        let figures = &mut self.figures;
        step(&mut figures.free, effect.free, amount)?;
        step(&mut figures.pinned, effect.pinned, amount)?;
        step(&mut figures.credit_held, effect.credit_held, amount)?;
        step(&mut figures.debt, effect.debt, amount)?;
        if effect.free != Step::Same || effect.pinned != Step::Same {
            let grant = need(self.grants.get_mut(number), "no such grant")?;
            step(&mut grant.free, effect.free, amount)?;
            step(&mut grant.pinned, effect.pinned, amount)?;
        }
        if effect.pinned == Step::Same && effect.credit_held == Step::Same {
            return Ok(());
        }
        let hold = hold.and_then(|number| self.holds.get_mut(number));
        let hold = need(hold, "W1: a hold's money moves without its hold")?;
        step(&mut hold.credit, effect.credit_held, amount)?;
        match effect.pinned {
            Step::Up => hold.pin(number, amount)?,
            Step::Down => need(hold.unpin(number, amount), "W1: a hold pins too little")?,
            Step::Same => {}
        }
        Ok(())
    }

    /// Ends what the event ends, after its money has moved; answers the hold that is done.
    fn end(&mut self, event: &Event, hold: Option<HoldNo>) -> Result<Option<EndedHold>, Misfit> {
        match &event.kind {
            EventKind::TermsSet(terms) => self.terms = (**terms).clone(),
            EventKind::Frozen { .. } => self.status = Status::Frozen,
            EventKind::Unfrozen => self.status = Status::Open,
            EventKind::Closing { force } => self.status = Status::Closing { force: *force },
            EventKind::Closed => self.status = Status::Closed,
            EventKind::GrantExpired { grant } => {
                need(self.grants.get_mut(*grant), "no such grant to expire")?.expired = true;
            }
            EventKind::Reversed { target, amount, .. } => {
                let taken = self.memory.take_back(target, *amount);
                self.subject(taken, "nothing to take back")?.transpose()?;
            }
            EventKind::Revoked { target, .. } => {
                let amount = posting::total(&event.postings, &[PostingKind::Revoke]);
                let taken = self.memory.take_back(target, amount);
                self.subject(taken, "nothing to take back")?.transpose()?;
            }
            EventKind::Refunded { target, amount, .. } => {
                let refunded = self.memory.refund(target, *amount);
                self.subject(refunded, "nothing to refund")?.transpose()?;
            }
            EventKind::Captured { keep, late: false, .. } => {
                let hold = need(hold, "no such hold to capture")?;
                let open = need(self.holds.get_mut(hold), "no such hold to capture")?;
                open.captured = open.captured.plus(event.spent())?;
                if !keep {
                    return self.end_hold(hold, HoldState::Captured, Amount::ZERO).map(Some);
                }
            }
            EventKind::HoldVoided { .. } => {
                // Without an open one it is of an expired hold.
                let end = |hold| self.end_hold(hold, HoldState::Voided, Amount::ZERO);
                return hold.map(end).transpose();
            }
            EventKind::HoldExpired { .. } => {
                let hold = need(hold, "no such hold to expire")?;
                return self.end_hold(hold, HoldState::Expired, event.lapsed()).map(Some);
            }
            _ => {}
        }
        Ok(None)
    }

    /// Takes an open hold out of the wallet; it must not hold anything any more (W1).
    fn end_hold(
        &mut self,
        number: HoldNo,
        state: HoldState,
        lapsed: Amount,
    ) -> Result<EndedHold, Misfit> {
        let hold = need(self.holds.remove(number), "no such hold to end")?;
        if !hold.remaining().is_zero() {
            return Err(Misfit("W1: a hold ends and still holds money"));
        }
        Ok(EndedHold { state, hold, lapsed, void: None })
    }

    /// Where the money of a spend comes from; read before it moves, while its grants are there.
    fn spend_of(&self, event: &Event) -> Result<Option<Box<Spend>>, Misfit> {
        if !matches!(event.kind, EventKind::Captured { .. } | EventKind::Charged { .. }) {
            return Ok(None);
        }
        let mut slices = SmallVec::new();
        let mut debt = Amount::ZERO;
        for posting in event.postings.iter().filter(|posting| posting.kind.is_spend()) {
            if posting.kind == PostingKind::SpendDebt {
                debt = debt.plus(posting.amount)?;
            } else {
                let grant = need(self.grants.get(posting.grant), "no such grant to burn")?;
                slices.push((Arc::clone(&grant.terms), posting.amount));
            }
        }
        Ok(Some(Box::new(Spend { slices, debt, refunded: Amount::ZERO })))
    }

    /// Remembers the operation (W5) and what became of the hold that it concerns.
    fn remember(
        &mut self,
        event: &Event,
        receipt: &Receipt,
        spend: Option<Box<Spend>>,
        ended: Option<EndedHold>,
    ) -> Result<(), Misfit> {
        if let Some(mut ended) = ended {
            let hold = need(event.hold(), "a hold ends without an id")?;
            if ended.state == HoldState::Voided {
                ended.void = Some(KeptReceipt::of(receipt));
            }
            need(self.memory.end_hold(hold, ended), "W5: a hold that nobody placed")?;
        } else {
            self.settle_expired_hold(event, receipt)?;
        }
        let Some(op) = &event.op else { return Ok(()) };
        let role = Role::of(event, self.seq, spend, self.status());
        let receipt = KeptReceipt::of(receipt);
        let remembered = Remembered { request: event.request, at: event.at, receipt, role };
        need(self.memory.insert(op.clone(), remembered), "W5: the op id is taken")
    }

    /// What late captures and voids do to a hold that has expired.
    fn settle_expired_hold(&mut self, event: &Event, receipt: &Receipt) -> Result<(), Misfit> {
        let (EventKind::Captured { hold, late: true, .. } | EventKind::HoldVoided { hold, .. }) =
            &event.kind
        else {
            return Ok(());
        };
        if let Some(expired) = self.memory.ended_hold_mut(hold) {
            return Ok(expired.settle_late(event, receipt)?);
        }
        self.subject(None::<()>, "no such expired hold").map(drop)
    }

    /// What an event changes of the past, unless that is excused.
    fn subject<T>(&mut self, found: Option<T>, what: &'static str) -> Result<Option<T>, Misfit> {
        let is_excused = self.memory.take_excuse();
        if is_excused { Ok(found) } else { need(found, what).map(Some) }
    }

    /// The receipt of an event that was just applied.
    fn receipt(&self, event: &Event) -> Receipt {
        Receipt::of(event, self.balances())
    }
}

impl EndedHold {
    /// What a late capture or a void does to a hold that has expired.
    pub(super) fn settle_late(&mut self, event: &Event, receipt: &Receipt) -> Result<(), Overflow> {
        match &event.kind {
            EventKind::Captured { keep, late: true, .. } => {
                let spent = event.spent();
                self.hold.captured = self.hold.captured.plus(spent)?;
                self.lapsed = self.lapsed.less(spent);
                if !keep {
                    self.state = HoldState::Captured;
                }
            }
            EventKind::HoldVoided { .. } => {
                self.state = HoldState::Voided;
                self.void = Some(KeptReceipt::of(receipt));
            }
            _ => {}
        }
        Ok(())
    }
}

impl Receipt {
    /// The receipt of an event that left its wallet with `balances`.
    pub(super) fn of(event: &Event, balances: Balances) -> Self {
        let total = |kinds: &[PostingKind]| posting::total(&event.postings, kinds);
        let mut receipt = Self {
            debt: total(&[PostingKind::SpendDebt, PostingKind::ReverseDebt]),
            repaid: total(&[PostingKind::FundDebt, PostingKind::RefundDebt, PostingKind::Repay]),
            ..Self::plain(ReceiptStatus::of(&event.kind), balances)
        };
        match &event.kind {
            EventKind::HoldPlaced(placed) => {
                receipt.amount = Some(placed.amount);
                receipt.expires_at = Some(placed.expires_at);
            }
            EventKind::HoldExtended { amount, expires_at, .. } => {
                receipt.amount = Some(*amount);
                receipt.expires_at = Some(*expires_at);
            }
            EventKind::Captured { uncovered, late, .. } => {
                receipt.captured = Some(event.spent());
                receipt.uncovered = *uncovered;
                receipt.late = *late;
            }
            EventKind::Charged { uncovered, over, .. } => {
                receipt.captured = Some(event.spent());
                receipt.uncovered = *uncovered;
                receipt.over = *over;
            }
            _ => {}
        }
        if let Some(price) = &event.price {
            receipt.amount = receipt.amount.or(Some(price.amount));
            receipt.price_version = Some(price.version);
        }
        receipt
    }
}

impl Event {
    /// The open hold whose money the event moves.
    pub fn hold(&self) -> Option<&OpId> {
        match &self.kind {
            EventKind::HoldPlaced(_) => self.op.as_ref(),
            EventKind::HoldExtended { hold, .. }
            | EventKind::Captured { hold, .. }
            | EventKind::HoldVoided { hold, .. }
            | EventKind::HoldExpired { hold } => Some(hold),
            _ => None,
        }
    }

    /// The operation of the past that it refers to, if it is no hold.
    pub const fn target(&self) -> Option<&OpId> {
        match &self.kind {
            EventKind::Reversed { target, .. }
            | EventKind::Revoked { target, .. }
            | EventKind::Refunded { target, .. } => Some(target),
            _ => None,
        }
    }

    /// What a capture or charge charged.
    pub(super) fn spent(&self) -> Amount {
        use PostingKind::{SpendDebt, SpendFree, SpendPinned};
        posting::total(&self.postings, &[SpendPinned, SpendFree, SpendDebt])
    }

    /// What a hold still held when it expired.
    pub(super) fn lapsed(&self) -> Amount {
        use PostingKind::{CreditRelease, Lapse, Unpin};
        posting::total(&self.postings, &[Unpin, Lapse, CreditRelease])
    }
}

impl ReceiptStatus {
    /// What the receipt of an event says was done.
    const fn of(kind: &EventKind) -> Self {
        match kind {
            EventKind::ToppedUp { .. } => Self::ToppedUp,
            EventKind::Reversed { .. } => Self::Reversed,
            EventKind::Revoked { .. } => Self::Revoked,
            EventKind::Withdrawn { .. } => Self::Withdrawn,
            EventKind::HoldPlaced(_) => Self::Held,
            EventKind::HoldExtended { .. } => Self::Extended,
            EventKind::Captured { .. } => Self::Captured,
            EventKind::HoldVoided { .. } | EventKind::HoldExpired { .. } => Self::Voided,
            EventKind::Charged { .. } => Self::Charged,
            EventKind::Refunded { .. } => Self::Refunded,
            // Answered as a status, a balance or not at all.
            EventKind::Opened(_)
            | EventKind::TermsSet(_)
            | EventKind::Frozen { .. }
            | EventKind::Unfrozen
            | EventKind::Closing { .. }
            | EventKind::Closed
            | EventKind::GrantExpired { .. } => Self::Set,
        }
    }
}

/// A hold as it begins, before its postings pin anything.
pub(super) fn new_hold(placed: &HoldPlaced, event: &Event, id: OpId, seq: u64) -> Hold {
    let pin = |price: &PriceTag| PricePin {
        version: price.version,
        model: price.model.clone(),
        variant: price.variant.clone(),
    };
    Hold {
        number: HoldNo(seq),
        id,
        created_at: event.at,
        expires_at: placed.expires_at,
        overage: placed.overage,
        tags: placed.tags.clone(),
        pin: event.price.as_deref().map(pin).map(Box::new),
        amount: placed.amount,
        captured: Amount::ZERO,
        slices: SmallVec::new(),
        credit: Amount::ZERO,
    }
}

/// Moves one figure; none may fall below zero (W3).
fn step(figure: &mut Amount, step: Step, amount: Amount) -> Result<(), Misfit> {
    let moved = match step {
        Step::Up => figure.plus(amount)?,
        Step::Down => figure.minus(amount)?,
        Step::Same => return Ok(()),
    };
    if moved.is_negative() {
        return Err(Misfit("W3: a figure falls below zero"));
    }
    *figure = moved;
    Ok(())
}
