//! What is done to every wallet of a synthetic run: opened and topped up before it, compared after.

use anyhow::{Result, bail};
use purser::domain::amount::Amount;

use crate::accounts::{Accounts, Balance, Difference};
use crate::drive::answer::{Answer, Fields};
use crate::drive::command::Command;
use crate::drive::{Then, Times, Work};
use crate::traffic::Ids;
use indicatif::ProgressBar;

/// The pause before a wallet is asked again that could not be asked now, in nanoseconds.
const PAUSE: u64 = 50_000_000;
/// How often that is tried: about ten seconds.
const ATTEMPTS_MAX: u32 = 200;
/// How many differing wallets are kept.
const DIFFERENCES_SHOWN: usize = 20;

/// A question to one wallet.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ask {
    what: What,
    wallet: u32,
    attempts: u32,
}

#[derive(Debug, Clone, Copy)]
enum What {
    Open,
    TopUp,
    Balance,
}

/// What all wallets are asked, in their order.
#[derive(Debug)]
struct Round<'a> {
    ids: &'a Ids,
    wallets: u32,
    next: u32,
    word: Vec<u8>,
    /// Those whose connection was lost.
    again: Vec<Ask>,
    bar: &'a ProgressBar,
    /// Why one of them could not be asked.
    failure: Option<String>,
}

impl<'a> Round<'a> {
    fn new(ids: &'a Ids, wallets: u32, bar: &'a ProgressBar) -> Self {
        let (word, again) = (Vec::new(), Vec::new());
        Self { ids, wallets, next: 0, word, again, bar, failure: None }
    }

    fn begin(&mut self, first: What) -> Option<Ask> {
        if self.failure.is_some() {
            return None;
        }
        self.again.pop().or_else(|| {
            let wallet = (self.next < self.wallets).then_some(self.next)?;
            self.next += 1;
            Some(Ask { what: first, wallet, attempts: 0 })
        })
    }

    fn done(&self) {
        self.bar.inc(1);
    }

    /// The fields of an answer; nothing if it is to be asked again, or cannot be.
    fn fields<'b>(
        &mut self,
        ask: Ask,
        answer: Answer<'b>,
        then: &mut Vec<Then<Ask>>,
    ) -> Option<Fields<'b>> {
        let error = match answer {
            Answer::Fields(fields) => return Some(fields),
            Answer::Error(error) => String::from_utf8_lossy(error).into_owned(),
            Answer::Text(_) | Answer::Integer(_) | Answer::Null => format!("{answer:?}"),
        };
        let passes = ["BUSY", "LOADING", "UNAVAILABLE"].iter().any(|code| error.starts_with(code));
        if passes && ask.attempts < ATTEMPTS_MAX {
            let op = Ask { attempts: ask.attempts + 1, ..ask };
            then.push(Then { after: PAUSE, op });
        } else {
            let wallet = self.ids.wallet(ask.wallet);
            self.failure.get_or_insert(format!("{:?} {wallet}: {error}", ask.what));
        }
        None
    }

    fn lost(&mut self, ask: Ask) {
        if ask.attempts < ATTEMPTS_MAX {
            self.again.push(Ask { attempts: ask.attempts + 1, ..ask });
        } else {
            let wallet = self.ids.wallet(ask.wallet);
            self.failure.get_or_insert(format!("{:?} {wallet}: the connection was lost", ask.what));
        }
    }

    fn wallet_command<'b>(
        &'b mut self,
        words: usize,
        name: &[u8],
        ask: Ask,
        out: &'b mut Vec<u8>,
    ) -> Command<'b> {
        let command = Command::new(words, out, &mut self.word).word(name);
        command.name(&self.ids.prefix, "-w", u64::from(ask.wallet))
    }

    /// An error if a wallet could not be asked.
    fn finish(self) -> Result<()> {
        match self.failure {
            Some(failure) => bail!("{failure}"),
            None => Ok(()),
        }
    }
}

/// Opens all wallets and gives each its first money.
#[derive(Debug)]
pub(crate) struct Opening<'a> {
    round: Round<'a>,
    accounts: &'a mut Accounts,
    currency: &'a str,
    money: Amount,
}

impl<'a> Opening<'a> {
    pub(crate) fn new(
        ids: &'a Ids,
        wallets: u32,
        accounts: &'a mut Accounts,
        currency: &'a str,
        money: Amount,
        bar: &'a ProgressBar,
    ) -> Self {
        Self { round: Round::new(ids, wallets, bar), accounts, currency, money }
    }

    pub(crate) fn finish(self) -> Result<()> {
        self.round.finish()
    }
}

impl Work for Opening<'_> {
    type Op = Ask;

    fn begin(&mut self, ops: &mut Vec<Ask>) {
        ops.extend(self.round.begin(What::Open));
    }

    fn write(&mut self, ask: &Ask, out: &mut Vec<u8>) {
        let currency = self.currency.as_bytes();
        match ask.what {
            What::TopUp => {
                let money = self.money;
                let command = self.round.wallet_command(5, b"TOPUP", *ask, out).amount(money);
                command.word(b"ID").word(b"top-up");
            }
            What::Open | What::Balance => {
                let command = self.round.wallet_command(4, b"WALLET.OPEN", *ask, out);
                command.word(b"CURRENCY").word(currency);
            }
        }
    }

    fn answered(
        &mut self,
        ask: Ask,
        times: Times,
        answer: Answer<'_>,
        then: &mut Vec<Then<Ask>>,
    ) -> Result<()> {
        if self.round.fields(ask, answer, then).is_none() {
            return Ok(());
        }
        match ask.what {
            What::Open if self.money.is_positive() => {
                let after = times.arrived.saturating_sub(times.due);
                then.push(Then { after, op: Ask { what: What::TopUp, ..ask } });
            }
            What::Open | What::Balance => self.round.done(),
            What::TopUp => {
                self.accounts.add(ask.wallet, self.money.pico());
                self.round.done();
            }
        }
        Ok(())
    }

    fn lost(&mut self, ask: Ask, _sent: u64) {
        self.round.lost(ask);
    }
}

/// Compares all wallets with what was computed.
#[derive(Debug)]
pub(crate) struct Checking<'a> {
    round: Round<'a>,
    accounts: &'a Accounts,
    compared: u32,
    different: u64,
    differences: Vec<Difference>,
}

impl<'a> Checking<'a> {
    pub(crate) fn new(
        ids: &'a Ids,
        wallets: u32,
        accounts: &'a Accounts,
        bar: &'a ProgressBar,
    ) -> Self {
        let round = Round::new(ids, wallets, bar);
        Self { round, accounts, compared: 0, different: 0, differences: Vec::new() }
    }

    /// How many wallets were compared, how many of them differ, and the first of those.
    pub(crate) fn finish(self) -> Result<(u32, u64, Vec<Difference>)> {
        self.round.finish()?;
        Ok((self.compared, self.different, self.differences))
    }
}

impl Work for Checking<'_> {
    type Op = Ask;

    fn begin(&mut self, ops: &mut Vec<Ask>) {
        ops.extend(self.round.begin(What::Balance));
    }

    fn write(&mut self, ask: &Ask, out: &mut Vec<u8>) {
        self.round.wallet_command(2, b"BALANCE", *ask, out);
    }

    fn answered(
        &mut self,
        ask: Ask,
        times: Times,
        answer: Answer<'_>,
        then: &mut Vec<Then<Ask>>,
    ) -> Result<()> {
        let Some(fields) = self.round.fields(ask, answer, then) else { return Ok(()) };
        let [posted, held, available, debt] =
            ["posted", "held", "available", "debt"].map(|name| fields.amount(name));
        let (Some(posted), Some(held), Some(available), Some(debt)) =
            (posted, held, available, debt)
        else {
            bail!("the balance of {} is none", self.round.ids.wallet(ask.wallet));
        };
        let [posted, held, available, debt] = [posted, held, available, debt].map(Amount::pico);
        let engine = Balance { posted, held, available, debt };
        let difference = self.accounts.compare(ask.wallet, engine, times.sent, times.arrived);
        self.compared += 1;
        self.different += u64::from(difference.is_some());
        if self.differences.len() < DIFFERENCES_SHOWN {
            self.differences.extend(difference);
        }
        self.round.done();
        Ok(())
    }

    fn lost(&mut self, ask: Ask, _sent: u64) {
        self.round.lost(ask);
    }
}
