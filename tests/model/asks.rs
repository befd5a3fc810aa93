//! Random requests to one wallet: small amounts, clashing ids, times that hit ends exactly. A
//! request is made of one number, so that failing sequences shrink and rerun alike.

use super::Model;
use super::asked::NEVER;
use purser::domain::amount::Amount;
use purser::domain::command::{
    Authorize, Command, Expiry, GrantKind, OpenTerms, Overage, Request, RequestHash, Terms,
    TermsChange, TopUp,
};
use purser::domain::id::{Currency, Note, OpId, TagKey, TagValue, Tags, WalletId, Zone};
use purser::domain::time::{Span, Timestamp};
use std::hash::{DefaultHasher, Hash, Hasher};

/// Choices, drawn from one number.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    /// A number below `sides`.
    pub(crate) fn roll(&mut self, sides: u64) -> u64 {
        let rolled = self.0 % sides;
        self.0 /= sides;
        rolled
    }
    fn pick<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        let sides = u64::try_from(from.len()).expect("small").max(1);
        // The newest first: they are the ones that still matter.
        from.iter().rev().nth(usize::try_from(self.roll(sides)).expect("small"))
    }
}

pub(crate) fn grains(amount: u64) -> Amount {
    Amount::from_pico(i128::from(amount))
}
pub(crate) fn op(id: &str) -> OpId {
    OpId::new(id.as_bytes()).expect("a good id")
}
fn millis(span: u64) -> Span {
    Span::from_millis(i64::try_from(span).expect("small"))
}

/// A request as the codec makes it, but for its hash, which is of the command's debug text.
pub(crate) fn request(wallet: &WalletId, id: Option<&str>, command: Command) -> Request {
    let mut hasher = DefaultHasher::new();
    format!("{command:?}").hash(&mut hasher);
    let hash = RequestHash(hasher.finish());
    Request { wallet: wallet.clone(), id: id.map(op), hash, user: None, command }
}

pub(crate) fn opening(wallet: &WalletId, credit: u64, debt_limit: Option<u64>) -> Request {
    let terms = Terms {
        credit_limit: grains(credit),
        debt_limit: debt_limit.map(grains),
        plan: None,
        zone: Zone::new(b"UTC").expect("a good zone"),
    };
    let currency = Currency::new(b"USD").expect("a good currency");
    request(wallet, None, Command::Open(Box::new(OpenTerms { currency, terms })))
}

/// Random numbers from a seed (`SplitMix64`).
pub(crate) fn random(seed: u64) -> impl FnMut() -> u64 {
    let mut state = seed;
    move || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

/// Makes up requests to one wallet, knowing what it asked before.
#[derive(Debug, Clone)]
pub(crate) struct Asker {
    wallet: WalletId,
    asked: Vec<Request>,
    made: u64,
}

impl Asker {
    pub(crate) fn new(wallet: WalletId) -> Self {
        Self { wallet, asked: Vec::new(), made: 0 }
    }

    /// When the next request comes: now, a little later, or exactly when something ends.
    pub(crate) fn time(dice: &mut Dice, now: i64, model: &Model) -> i64 {
        let ops = model.ops.iter().filter(|op| op.state == "open" || op.is_grant());
        let ends = ops.map(|op| op.ends).filter(|&ends| ends > now && ends < NEVER);
        let next = ends.min().unwrap_or(now);
        match dice.roll(16) {
            0..=9 => now,
            10 => now + 1,
            11 => now + 4,
            12 | 13 => next,
            14 => next - 1,
            // A clock that was set back; the wallet's time must not follow.
            _ => now - 3,
        }
    }

    pub(crate) fn ask(&mut self, dice: &mut Dice, now: i64, model: &Model) -> Request {
        let style = dice.roll(16);
        let mut again = *dice;
        if style == 15
            && let Some(earlier) = again.pick(&self.asked)
        {
            return earlier.clone();
        }
        let command = self.command(dice, now, model);
        self.made += 1;
        let fresh = format!("o{}", self.made);
        let reused = if style == 14 { again.pick(&self.asked) } else { None };
        let id =
            reused.and_then(|earlier| earlier.id.as_ref()).map_or(fresh.as_str(), OpId::as_str);
        let without = match command {
            Command::Freeze { .. } | Command::Unfreeze | Command::Close { .. } => true,
            Command::Void { .. } => style.is_multiple_of(2),
            _ => false,
        };
        let request = request(&self.wallet, (!without).then_some(id), command);
        if !without {
            self.asked.push(request.clone());
        }
        request
    }

    fn command(&mut self, dice: &mut Dice, now: i64, model: &Model) -> Command {
        let kind = dice.roll(32);
        let (amount, less) = (dice.roll(13), dice.roll(13));
        let (target, flags, span) = (dice.roll(64), dice.roll(16), dice.roll(24) + 1);
        let note = Note::default();
        let some = |on: bool, value: u64| on.then(|| grains(value.min(amount)));
        let ttl = (flags % 4 > 0).then(|| millis(span));
        match kind {
            0..=3 => Command::TopUp(Box::new(top_up(amount + 1, less, flags, now + 1, span))),
            4..=10 => Command::Authorize(Authorize {
                amount: grains(amount),
                min: some(flags % 3 == 0, less),
                ttl,
                overage: overage(target),
                tags: tags(less),
            }),
            11..=15 => Command::Capture {
                hold: self.hold(target, model),
                amount: grains(amount),
                keep: flags % 4 == 0,
                strict: flags % 5 == 0,
                tags: tags(less),
            },
            16 | 17 => Command::Extend {
                hold: self.hold(target, model),
                amount: grains(amount.saturating_sub(4)),
                min: (flags % 3 == 0).then(|| grains(less.min(amount.saturating_sub(4)))),
                ttl,
            },
            18 | 19 => Command::Void { hold: self.hold(target, model), note },
            20..=24 => Command::Charge {
                amount: grains(amount),
                overage: overage(target),
                tags: tags(less),
            },
            25..=27 => Command::Refund {
                op: self.earlier(target, |command| {
                    matches!(command, Command::Charge { .. } | Command::Capture { .. })
                }),
                amount: grains(less / 2 + 1),
                note,
            },
            28 | 29 => {
                let op = self.earlier(target, |command| matches!(command, Command::TopUp(_)));
                let amount = (flags % 2 == 0).then(|| grains(less + 1));
                Command::Reverse { op, amount, note }
            }
            30 if flags % 2 == 0 => Command::Revoke {
                op: self.earlier(target, |command| {
                    matches!(command, Command::TopUp(_) | Command::Refund { .. })
                }),
                note,
            },
            30 => Command::Withdraw { amount: grains(less + 1), note },
            _ => match flags {
                0 => Command::Freeze { note },
                1..=4 => Command::Unfreeze,
                5 if target < 16 => Command::Close { force: less < 8 },
                _ => Command::Set(Box::new(TermsChange {
                    credit_limit: (flags % 2 == 0).then(|| grains(less)),
                    debt_limit: (flags % 3 == 0).then(|| (amount < 9).then(|| grains(amount))),
                    ..TermsChange::default()
                })),
            },
        }
    }

    /// Mostly one of the wallet's holds, sometimes the id of anything.
    fn hold(&self, target: u64, model: &Model) -> OpId {
        let mut dice = Dice(target);
        let holds: Vec<_> = model.ops.iter().filter(|op| op.answer.word == "held").collect();
        match if dice.roll(12) == 11 { None } else { dice.pick(&holds) } {
            Some(hold) => op(&hold.id),
            None => self.earlier(target, |_| true),
        }
    }

    fn earlier(&self, target: u64, of: impl Fn(&Command) -> bool) -> OpId {
        let fits: Vec<_> = self.asked.iter().filter(|request| of(&request.command)).collect();
        let earlier = Dice(target).pick(&fits).and_then(|request| request.id.clone());
        earlier.unwrap_or_else(|| op("nothing"))
    }
}

fn top_up(amount: u64, less: u64, flags: u64, soon: i64, span: u64) -> TopUp {
    TopUp {
        amount: grains(amount),
        kind: [GrantKind::Paid, GrantKind::Promo, GrantKind::Allowance]
            [usize::from(less > 4) + usize::from(less > 8)],
        priority: less.is_multiple_of(4).then_some(15),
        expiry: match flags {
            0..=7 => Expiry::Never,
            8..=12 => Expiry::In(millis(span)),
            // Now and then in the past.
            _ => Expiry::At(Timestamp::from_millis(soon - 4).after(millis(span))),
        },
        note: Note::default(),
    }
}

fn overage(target: u64) -> Overage {
    [Overage::Debt, Overage::Debt, Overage::Cap, Overage::Reject]
        [usize::try_from(target % 4).expect("small")]
}

fn tags(less: u64) -> Tags {
    if less < 10 {
        return Tags::new();
    }
    vec![(TagKey::new(b"model").expect("a key"), TagValue::new(b"large").expect("a value"))]
}
