//! The life of one request: authorize an estimate, work, capture what was used.

use std::time::{Duration, Instant};

use purser::domain::amount::Amount;

use crate::client::{Client, Unknown};
use crate::pacer::Pacer;
use crate::plan::Planned;
use crate::rated::{RatedModel, Tokens};
use crate::wire::{self, Fields};

/// How far two clocks may drift apart during a hold; a restarted server reads its clock anew.
const CLOCK_SLACK: Duration = Duration::from_millis(100);

/// What all requests of a run share.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) client: Client,
    /// The model whose usage is sent instead of amounts.
    pub(crate) rated: Option<RatedModel>,
    pub(crate) pacer: Pacer,
    pub(crate) names: Names,
    pub(crate) ttl_ms: u64,
}

/// The names of wallets and op ids. All op ids of a wallet are one namespace, so each kind of
/// operation has a letter of its own.
#[derive(Debug)]
pub(crate) struct Names {
    pub(crate) prefix: String,
}

impl Names {
    pub(crate) fn wallet(&self, customer: usize) -> String {
        format!("{}-{customer}", self.prefix)
    }

    pub(crate) fn top_up(&self) -> String {
        format!("{}-t", self.prefix)
    }

    fn hold(&self, number: usize) -> String {
        format!("{}-h{number}", self.prefix)
    }

    fn capture(&self, number: usize) -> String {
        format!("{}-c{number}", self.prefix)
    }
}

/// What became of a request.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) customer: usize,
    pub(crate) steps: Steps,
    pub(crate) ending: Ending,
}

/// The commands of a request that were answered.
#[derive(Debug, Default)]
pub(crate) struct Steps {
    pub(crate) authorize: Option<Step>,
    pub(crate) capture: Option<Step>,
}

/// One command that was answered.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Step {
    due: Instant,
    /// When it was sent for the first time.
    sent: Instant,
    arrived: Instant,
    pub(crate) retries: u32,
    pub(crate) replayed: bool,
}

impl Step {
    pub(crate) const fn due(&self) -> Instant {
        self.due
    }

    /// How much later than due it was sent: the generator's own fault.
    pub(crate) fn lag(&self) -> Duration {
        self.sent.saturating_duration_since(self.due)
    }

    /// From when it was due to when its answer was here, retries included.
    pub(crate) fn latency(&self) -> Duration {
        self.arrived.saturating_duration_since(self.due)
    }
}

/// How a request ended.
#[derive(Debug)]
pub(crate) enum Ending {
    /// The wallet could not pay, or might not: an answer, not an error.
    Declined { reason: String },
    /// It was paid.
    Captured(Captured),
    /// The server answered with an error, or with what cannot be true.
    Refused { what: String },
    /// No retry brought an answer.
    Unknown { what: String },
}

/// A capture, as computed here and as its receipt says.
#[derive(Debug)]
pub(crate) struct Captured {
    pub(crate) computed: Amount,
    pub(crate) receipt: Amount,
    /// The part of it that became debt.
    pub(crate) debt: Amount,
    pub(crate) late: bool,
    pub(crate) above_estimate: bool,
    /// What else the receipt says that cannot be true; the money is captured all the same.
    pub(crate) contradiction: Option<String>,
}

impl Context {
    /// Makes the request with this number, which is due now or was a moment ago.
    pub(crate) async fn make(&self, number: usize, request: Planned, due: Instant) -> Outcome {
        let mut steps = Steps::default();
        let ending = match self.settle(number, request, due, &mut steps).await {
            Ok(ending) => ending,
            Err(unknown) => Ending::Unknown { what: unknown.to_string() },
        };
        Outcome { customer: request.customer, steps, ending }
    }

    async fn settle(
        &self,
        number: usize,
        request: Planned,
        due: Instant,
        steps: &mut Steps,
    ) -> Result<Ending, Unknown> {
        let wallet = self.names.wallet(request.customer);
        let hold = self.names.hold(number);

        let worth = self.worth(request.estimate, request.expected);
        let command = wire::authorize(&wallet, &worth, &hold, self.ttl_ms);
        let placed = self.send(number, due, &command).await?;
        steps.authorize = Some(placed.step);
        match placed.receipt.and_then(|receipt| verdict(&receipt, request.estimate)) {
            Ok(Verdict::Held) => {}
            Ok(Verdict::Declined(reason)) => return Ok(Ending::Declined { reason }),
            Err(error) => return Ok(refused("AUTHORIZE", &wallet, &hold, &error)),
        }

        let due = placed.step.arrived + request.work;
        self.pacer.until(due).await;

        let id = self.names.capture(number);
        let worth = self.worth(request.actual, request.used);
        let command = wire::capture(&wallet, &hold, &worth, &id);
        let settled = self.send(number, due, &command).await?;
        steps.capture = Some(settled.step);
        Ok(match settled.receipt.and_then(|receipt| captured(&receipt, &request)) {
            Ok(mut captured) => {
                let ttl = Duration::from_millis(self.ttl_ms);
                captured.contradiction = lateness(captured.late, ttl, placed.step, settled.step)
                    .map(|what| failure("CAPTURE", &wallet, &id, what));
                Ending::Captured(captured)
            }
            Err(error) => refused("CAPTURE", &wallet, &id, &error),
        })
    }

    /// The words of an amount, or of the usage that it stands for.
    fn worth(&self, amount: Amount, tokens: Tokens) -> Vec<String> {
        match &self.rated {
            Some(model) => model.words(tokens),
            None => vec![amount.to_string()],
        }
    }

    /// Sends a command that was due at `due`.
    async fn send(&self, lane: usize, due: Instant, command: &[u8]) -> Result<Sent, Unknown> {
        let sent = Instant::now();
        let answered = self.client.call(lane, command).await?;
        let receipt = Fields::of(answered.answer.reply);
        let step = Step {
            due,
            sent,
            arrived: answered.answer.arrived,
            retries: answered.retries,
            replayed: receipt.as_ref().is_ok_and(|receipt| receipt.is_set("replayed")),
        };
        Ok(Sent { step, receipt })
    }
}

/// A command and its answer: a receipt, or an error in words.
struct Sent {
    step: Step,
    receipt: Result<Fields, String>,
}

enum Verdict {
    Held,
    Declined(String),
}

/// What the engine decided on an authorization; an error when that contradicts itself.
fn verdict(receipt: &Fields, estimate: Amount) -> Result<Verdict, String> {
    match receipt.status() {
        "held" => match receipt.amount("amount")? {
            amount if amount == estimate => Ok(Verdict::Held),
            amount => Err(format!("asked to hold {estimate}, it held {amount}")),
        },
        "declined" => {
            let reason = receipt.get("reason").unwrap_or("without a reason");
            let available = receipt.amount("available")?;
            if reason == "NOFUNDS" && available >= estimate && !available.is_negative() {
                return Err(format!("declined {estimate} for lack of funds with {available} left"));
            }
            Ok(Verdict::Declined(reason.to_owned()))
        }
        status => Err(format!("an authorization cannot be {status}")),
    }
}

fn captured(receipt: &Fields, request: &Planned) -> Result<Captured, String> {
    match receipt.status() {
        "captured" => Ok(Captured {
            computed: request.actual,
            receipt: receipt.amount_or_zero("captured")?,
            debt: receipt.amount_or_zero("debt")?,
            late: receipt.is_set("late"),
            above_estimate: request.actual > request.estimate,
            contradiction: None,
        }),
        status => Err(format!("a capture cannot be {status}")),
    }
}

/// Holds a capture's `late` against this side's clock: the hold was placed between the sending of
/// the authorization and its answer, and so with the capture.
fn lateness(late: bool, ttl: Duration, placed: Step, settled: Step) -> Option<&'static str> {
    if placed.replayed || settled.replayed {
        return None; // It happened at another time.
    }
    let surely_expired = settled.sent > placed.arrived + ttl + CLOCK_SLACK;
    let surely_open = settled.arrived + CLOCK_SLACK < placed.sent + ttl;
    match late {
        true if surely_open => Some("late, although the hold cannot have expired"),
        false if surely_expired => Some("not late, although the hold had expired"),
        true | false => None,
    }
}

fn refused(command: &str, wallet: &str, id: &str, error: &str) -> Ending {
    Ending::Refused { what: failure(command, wallet, id, error) }
}

fn failure(command: &str, wallet: &str, id: &str, what: &str) -> String {
    format!("{command} {wallet} {id}: {what}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resp::Reply;

    fn receipt(text: &str) -> Fields {
        let words = text.split(' ').map(|word| Reply::Text(word.to_owned())).collect();
        Fields::of(Reply::Array(words)).unwrap()
    }

    #[test]
    fn a_decline_with_enough_money_left_is_a_contradiction() {
        let declined = receipt("status declined reason NOFUNDS available 2.5 held 0 required 2.5");
        let of = |estimate: &str| verdict(&declined, estimate.parse().unwrap());
        assert!(of("2.5").is_err());
        assert!(
            matches!(of("2.500000000001"), Ok(Verdict::Declined(reason)) if reason == "NOFUNDS")
        );
    }

    #[test]
    fn late_is_what_the_clock_says() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let step = |sent, arrived| Step {
            due: at(sent),
            sent: at(sent),
            arrived: at(arrived),
            retries: 0,
            replayed: false,
        };
        let of = |late, settled| lateness(late, Duration::from_secs(1), step(0, 200), settled);
        assert!(of(true, step(500, 600)).is_some());
        assert!(of(false, step(500, 600)).is_none());
        // Between the two bounds, either may be.
        assert!(of(true, step(900, 1100)).is_none());
        assert!(of(false, step(1200, 1300)).is_none());
        assert!(of(true, step(1400, 1500)).is_none());
        assert!(of(false, step(1400, 1500)).is_some());
        assert!(of(false, Step { replayed: true, ..step(1400, 1500) }).is_none());
    }

    #[test]
    fn a_hold_of_another_amount_is_a_contradiction() {
        let held = receipt("status held available 2 held 1 amount 1 expires_at 1");
        assert!(matches!(verdict(&held, "1".parse().unwrap()), Ok(Verdict::Held)));
        assert!(verdict(&held, "1.1".parse().unwrap()).is_err());
    }
}
