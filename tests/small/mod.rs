//! A small journal of some thirty records, one of them in fragments, and what is read back from it.

use purser::codec::value::{self, Content};
use purser::domain::amount::Amount;
use purser::domain::command::{
    Authorize, Command, Expiry, GrantKind, OpenTerms, Overage, Request, RequestHash, Terms, TopUp,
};
use purser::domain::id::{Currency, Note, OpId, TagKey, TagValue, Tags, WalletId, Zone};
use purser::domain::rules::Rules;
use purser::domain::time::Timestamp;
use purser::domain::wallet::Wallet;
use purser::engine::batch::FillingBatch;
use purser::engine::live_wallet::LiveWallet;
use purser::store::history::History;
use purser::store::recovery::{Loss, Recovered, Start, recover};
use purser::store::writer::{JournalWriter, Tail};
use purser::store::{Journal, StoreError};
use std::collections::BTreeMap;

/// The wallets that a journal comes to.
pub(crate) type State = BTreeMap<String, Wallet>;

/// Takes up every wallet of what was recovered.
pub(crate) fn state(journal: &dyn Journal, recovered: Recovered) -> Result<State, StoreError> {
    let wallets: Vec<_> = recovered.tail.wallets().map(|(wallet, _)| wallet.clone()).collect();
    let history = History::of_journal(journal.reader(), recovered.tail);
    let mut state = State::new();
    for wallet in wallets {
        let found = history.take_up(&wallet)?.expect("it has records");
        state.insert(wallet.to_string(), found.wallet);
    }
    Ok(state)
}

/// What a start makes of a journal.
pub(crate) fn read(journal: &mut dyn Journal, loss: Loss) -> Result<State, StoreError> {
    let recovered = recover(journal, &Start::BEGINNING, loss)?;
    state(journal, recovered)
}

fn grains(amount: i128) -> Amount {
    Amount::from_pico(amount)
}

fn ask(wallet: &WalletId, number: u64, command: Command) -> Request {
    let id = OpId::new(format!("op-{number:0>60}").as_bytes()).expect("a good id");
    Request { wallet: wallet.clone(), id: Some(id), hash: RequestHash(number), user: None, command }
}

fn many_tags() -> Tags {
    let tag = |index: usize| {
        let key = TagKey::new(format!("{index:k>64}").as_bytes()).expect("a key");
        (key, TagValue::new("v".repeat(256).as_bytes()).expect("a value"))
    };
    (0..16).map(tag).collect()
}

fn commands() -> Vec<Command> {
    let top_up = |amount, kind| {
        let (expiry, note) = (Expiry::Never, Note::default());
        Command::TopUp(Box::new(TopUp {
            amount: grains(amount),
            kind,
            priority: None,
            expiry,
            note,
        }))
    };
    let hold = |number: u64| OpId::new(format!("op-{number:0>60}").as_bytes()).expect("a good id");
    let authorize = |amount| {
        let (min, ttl, tags) = (None, None, Tags::new());
        Command::Authorize(Authorize {
            amount: grains(amount),
            min,
            ttl,
            overage: Overage::Debt,
            tags,
        })
    };
    let capture = |number, amount, tags| {
        let (hold, amount) = (hold(number), grains(amount));
        Command::Capture { hold, amount, keep: false, strict: false, tags }
    };
    let mut commands: Vec<_> = (0..14).map(|_| top_up(3, GrantKind::Paid)).collect();
    commands.push(authorize(40));
    // Burns fourteen grants, under sixteen long tags: more than a value takes.
    commands.push(capture(15, 45, many_tags()));
    commands.push(top_up(20, GrantKind::Promo));
    for amount in 1..4 {
        commands.push(authorize(amount));
        let number = u64::try_from(commands.len()).expect("few");
        commands.push(capture(number, amount, Tags::new()));
    }
    commands
}

fn opening() -> Command {
    let terms = Terms {
        credit_limit: Amount::ZERO,
        debt_limit: None,
        plan: None,
        zone: Zone::new(b"UTC").expect("a zone"),
    };
    Command::Open(Box::new(OpenTerms { currency: Currency::new(b"USD").expect("one"), terms }))
}

/// Fills a journal: every record a value, or several, of one log; marked when all is written.
/// With `second`, a wallet begins in log 0 and goes on in log 1, beside others.
pub(crate) fn fill<J: Journal>(journal: J, second: bool) -> JournalWriter<J> {
    let mut writer = JournalWriter::new(journal, Vec::new());
    let mut wallets: Vec<_> = ["anna", "bert"]
        .map(|name| LiveWallet::unopened(WalletId::new(name.as_bytes()).expect("a name")))
        .into();
    let mut logs = [0, 1].map(|log| FillingBatch::after(Tail::empty(log)));
    let mut step = |wallet: usize, log: usize, number: u64, command: Command| {
        let live = &mut wallets[wallet];
        let request = Request {
            id: (number > 0).then(|| ask(live.id(), number, opening()).id).flatten(),
            ..ask(live.id(), number, command)
        };
        let now = Timestamp::from_millis(1_000 + i64::try_from(number).expect("small"));
        let executed = live.execute(&request, now, &Rules::default(), &mut logs[log]);
        assert!(executed.expect("it fits").changed, "{request:?}");
        let sealed = logs[log].seal(Vec::new()).expect("it has a record");
        writer.append(&sealed.batch).expect("a sound disk");
        writer.sync().expect("a sound disk");
        writer.mark([&sealed.batch]).expect("a sound disk");
    };
    step(0, 0, 0, opening());
    step(1, 0, 0, opening());
    for (index, command) in commands().into_iter().enumerate() {
        let log = usize::from(second && index > 8);
        step(0, log, u64::try_from(index + 1).expect("few"), command.clone());
        if matches!(command, Command::TopUp(_)) && index > 11 {
            step(1, 0, u64::try_from(index + 1).expect("few"), command);
        }
    }
    writer
}

/// The positions at which records begin, and whether a value begins one.
pub(crate) fn begins_record(value: &[u8]) -> bool {
    match value::decode(value).expect("it is sound").content {
        Content::Whole { .. } => true,
        Content::Fragment { part, .. } => part == 0,
    }
}
