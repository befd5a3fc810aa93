//! What all benches play with: requests, the wallets that they are for, and what comes of them.

mod cases;
mod written;

pub(crate) use cases::{CASES, Case, capture, hold};
pub(crate) use written::Written;

use purser::codec::reply::write_outcome;
use purser::codec::request::{self, Parsed};
use purser::codec::resp::{self, Limits, Parser, Proto, Writer};
use purser::domain::command::Request;
use purser::domain::id::WalletId;
use purser::domain::outcome::Outcome;
use purser::domain::rating::NoPrices;
use purser::domain::rules::Rules;
use purser::domain::time::Timestamp;
use purser::engine::batch::FillingBatch;
use purser::engine::live_wallet::LiveWallet;
use purser::store::writer::Tail;

/// As in the server: what an allocation costs is part of every figure.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// When everything happens.
const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

/// How many requests are measured before the wallets are made anew, so that they never grow beyond
/// what is usual.
pub(crate) const ROUND: usize = 1_000;

/// The most memory that the records of a round take.
const ROUND_BYTES: usize = 1024 * 1024;

/// An `AUTHORIZE` as a gateway sends it.
pub(crate) const AUTHORIZE: &str =
    "AUTHORIZE customer-0000000017 0.0241 ID req-0000000000000042 TTL 600000 TAG model gpt-5";

/// The bytes of a request, as clients send it.
pub(crate) fn bytes_of(line: &str) -> Vec<u8> {
    let args: Vec<&str> = line.split(' ').collect();
    let mut bytes = Vec::new();
    resp::write_request(&mut bytes, &args);
    bytes
}

/// Reads one request, as a connection does.
pub(crate) fn parse(parser: &mut Parser, bytes: &[u8], rules: &request::Rules) -> Request {
    parser.next(bytes).unwrap();
    let Parsed::Wallet { request, .. } = request::parse(parser.args(bytes), rules).unwrap() else {
        unreachable!("a request to a wallet")
    };
    request
}

/// Writes a reply behind others.
pub(crate) fn reply(outcome: &Outcome, proto: Proto, out: &mut Vec<u8>) {
    write_outcome(outcome, &mut Writer::new(out, proto));
}

/// An empty batch with room for a round, as the engine has it once its buffers go round.
pub(crate) fn batch() -> FillingBatch {
    let mut batch = FillingBatch::after(Tail::empty(0));
    // A batch takes a buffer when the one before it is sealed, and an empty one is not sealed.
    wallets(1).execute(0, &requests(["WALLET.OPEN w CURRENCY USD"]).remove(0), &mut batch);
    batch.seal(Vec::with_capacity(ROUND_BYTES));
    batch
}

/// Parses requests.
pub(crate) fn requests(lines: impl IntoIterator<Item = impl AsRef<str>>) -> Vec<Request> {
    let (mut parser, rules) = (Parser::new(Limits::default()), request::Rules::default());
    let lines = lines.into_iter();
    lines.map(|line| parse(&mut parser, &bytes_of(line.as_ref()), &rules)).collect()
}

/// Wallets that take requests in turn.
#[derive(Clone)]
pub(crate) struct Wallets(Vec<LiveWallet>);

/// So many wallets that were never opened.
pub(crate) fn wallets(count: usize) -> Wallets {
    let id = |index| WalletId::new(format!("customer-{index:010}").as_bytes()).unwrap();
    Wallets((0..count).map(|index| LiveWallet::unopened(id(index))).collect())
}

impl Wallets {
    /// How they are.
    pub(crate) fn all(&self) -> &[LiveWallet] {
        &self.0
    }

    /// Has the wallet whose turn it is execute a request, and records what happens.
    pub(crate) fn execute(
        &mut self,
        turn: usize,
        request: &Request,
        batch: &mut FillingBatch,
    ) -> Outcome {
        let index = turn % self.0.len();
        let wallet = self.0.get_mut(index).unwrap();
        wallet.execute(request, NOW, &Rules::default(), &NoPrices, batch).unwrap().outcome
    }

    /// Opens all of them and gives each some money.
    pub(crate) fn open(mut self, batch: &mut FillingBatch) -> Self {
        let openings = requests(["WALLET.OPEN w CURRENCY USD", "TOPUP w 1000000 ID top-up"]);
        for request in &openings {
            for turn in 0..self.0.len() {
                self.execute(turn, request, batch);
            }
        }
        self
    }
}

/// A case, ready to be measured.
pub(crate) struct Round {
    /// The wallets before the first request.
    pub(crate) start: Wallets,
    /// The requests, each for the wallet whose turn it is.
    pub(crate) requests: Vec<Request>,
}

impl Round {
    /// Makes wallets and requests, and looks whether they answer as the case says.
    pub(crate) fn of(case: &Case) -> Self {
        let mut batch = batch();
        let mut start = wallets(case.wallets);
        if case.opens {
            start = start.open(&mut batch);
        }
        if let Some(before) = case.before {
            for (turn, request) in requests((0..ROUND).map(before)).iter().enumerate() {
                start.execute(turn, request, &mut batch);
            }
        }
        let round = Self { start, requests: requests((0..ROUND).map(case.line)) };
        round.check(case);
        round
    }

    /// The answer to every request must be the one that is to be measured.
    fn check(&self, case: &Case) {
        let (mut wallets, mut batch) = (self.start.clone(), batch());
        for (turn, request) in self.requests.iter().enumerate() {
            let mut answer = Vec::new();
            let outcome = wallets.execute(turn, request, &mut batch);
            reply(&outcome, Proto::Resp2, &mut answer);
            let answer = String::from_utf8(answer).unwrap();
            // `status held available 7 …`: without the lengths between the words.
            let words = answer.lines().filter(|line| !line.starts_with(['*', '$']));
            let words = words.collect::<Vec<_>>().join(" ");
            assert!(words.contains(case.answer), "{}: {words}", case.name);
        }
    }
}
