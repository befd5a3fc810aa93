//! Each numbered rule of money as a conversation: `@time request => answer`. Of an answer, the
//! status and all that is extraordinary must be told; the balances where they matter.

use crate::model::told::told;
use purser::codec::request::{self, Parsed};
use purser::codec::resp::{Limits, Parser, write_request};
use purser::domain::amount::Amount;
use purser::domain::command::Request;
use purser::domain::id::WalletId;
use purser::domain::outcome::Outcome;
use purser::domain::rating::NoPrices;
use purser::domain::rules::Rules;
use purser::domain::time::{Span, Timestamp};
use purser::engine::batch::FillingBatch;
use purser::engine::live_wallet::LiveWallet;
use purser::store::writer::Tail;

fn parse(line: &str) -> Request {
    let mut bytes = Vec::new();
    write_request(&mut bytes, &line.split_ascii_whitespace().collect::<Vec<_>>());
    let mut parser = Parser::new(Limits::default());
    parser.next(&bytes).expect("a frame");
    match request::parse(parser.args(&bytes), &request::Rules::default()) {
        Ok(Parsed::Wallet { request, .. }) => request,
        other => panic!("{line}: {other:?}"),
    }
}

/// An answer in words: what must be told, and what may be.
fn shown(outcome: &Outcome) -> (Vec<String>, Vec<String>) {
    if let Outcome::Wallet(_) = outcome {
        return (vec!["opened".to_owned()], Vec::new());
    }
    let answer = told(outcome);
    let money = |name: &str, pico: i128| format!("{name}={}", Amount::from_pico(pico));
    let mut must: Vec<_> = answer.word.split(' ').map(str::to_owned).collect();
    let named = |name| answer.told.get(name).map(|pico| money(name, *pico));
    must.extend(["debt", "repaid", "uncovered", "at"].into_iter().filter_map(named));
    let flags = ["over", "late", "replayed"].into_iter().filter(|flag| answer.has(flag));
    must.extend(flags.map(str::to_owned));
    must.extend(answer.state.map(|state| format!("state={state}")));
    let [posted, held, owed, available] = answer.balances;
    let mut may = vec![money("posted", posted), money("held", held), money("owed", owed)];
    may.push(money("available", available));
    may.extend(["amount", "captured"].into_iter().filter_map(named));
    may.extend(answer.told.get("ends").map(|ends| format!("ends={ends}")));
    (must, may)
}

fn converse_with(rules: &Rules, script: &str) {
    let id = WalletId::new(b"w").expect("a name");
    let mut live = LiveWallet::unopened(id);
    let mut records = FillingBatch::after(Tail::empty(0));
    for line in script.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (asked, expected) = line.split_once("=>").expect("an answer");
        let (at, call) = asked.strip_prefix('@').and_then(|rest| rest.split_once(' ')).expect("@");
        let now = Timestamp::from_millis(at.parse().expect("a time"));
        assert!(live.settle_due(now, rules, 100, &mut records).expect("it fits"));
        let executed =
            live.execute(&parse(call), now, rules, &NoPrices, &mut records).expect("it fits");
        let (must, may) = shown(&executed.outcome);
        let expected: Vec<_> = expected.split_ascii_whitespace().map(str::to_owned).collect();
        let told = format!("{line}\n answered: {} | {}", must.join(" "), may.join(" "));
        assert!(must.iter().all(|word| expected.contains(word)), "{told}");
        assert!(expected.iter().all(|word| must.contains(word) || may.contains(word)), "{told}");
    }
}

fn converse(script: &str) {
    converse_with(&Rules::default(), script);
}

#[test]
fn rule_1_only_available_decides() {
    converse(
        "@1 WALLET.OPEN w CURRENCY USD CREDITLIMIT 3 => opened
         @1 TOPUP w 10 ID t => toppedup posted=10 held=0 available=13
         @1 AUTHORIZE w 12 ID h => held posted=10 held=12 available=1 amount=12
         @1 AUTHORIZE w 2 ID x => declined NOFUNDS at=2 posted=10 held=12 available=1
         @1 AUTHORIZE w 2 ID x MIN 0.5 => held amount=1 available=0
         @1 CHARGE w 4 ID c OVERAGE debt => charged over debt=4 captured=4 owed=4 available=-4
         @1 AUTHORIZE w 0 ID y => declined NOFUNDS at=0
         @1 EXTEND w h 0 ID e TTL 60000 => extended amount=0 available=-4
         @1 BALANCE w => balance posted=10 held=13 owed=4 available=-4",
    );
}

#[test]
fn rule_2_whatever_becomes_free_repays_debt() {
    converse(
        "@1 WALLET.OPEN w CURRENCY USD CREDITLIMIT 5 => opened
         @1 TOPUP w 10 ID t => toppedup
         @1 AUTHORIZE w 10 ID h => held
         @1 CHARGE w 4 ID c => charged debt=4 captured=4 posted=10 owed=4 available=1
         @1 TOPUP w 1 ID t2 => toppedup repaid=1 posted=10 owed=3 available=2
         @1 CAPTURE w h 8 ID k => captured captured=8 repaid=2 posted=0 owed=1 available=4
         @1 REFUND w k 5 ID r => refunded repaid=1 posted=4 owed=0 available=9
         @1 CHARGE w 3 ID c2 => charged captured=3 posted=1 available=6
         @1 CHARGE w 2 ID c3 => charged debt=1 captured=2 posted=0 owed=1 available=4
         @1 AUTHORIZE w 4 ID h2 => held held=4 available=0
         @1 VOID w h2 => voided held=0 owed=1 available=4
         @1 TOPUP w 2 ID t3 KIND promo => toppedup repaid=1 posted=1 owed=0",
    );
}

#[test]
fn rule_3_money_burns_by_priority_then_end_then_age() {
    converse(
        "@1 WALLET.OPEN w CURRENCY USD => opened
         @1 TOPUP w 1 ID paid => toppedup
         @1 TOPUP w 1 ID promo-late KIND promo EXPIRES 90 => toppedup
         @1 TOPUP w 1 ID promo-soon KIND promo EXPIRES 50 => toppedup
         @1 TOPUP w 1 ID allowance KIND allowance => toppedup
         @1 TOPUP w 1 ID paid-first PRIORITY 5 => toppedup
         @1 CHARGE w 1 ID c1 => charged captured=1
         @1 TOPUP.REVOKE w paid-first ID r1 => revoked posted=4
         @1 CHARGE w 1 ID c2 => charged captured=1
         @1 TOPUP.REVOKE w allowance ID r2 => revoked posted=3
         @1 AUTHORIZE w 1 ID h => held
         @1 TOPUP.REVOKE w promo-soon ID r3 => revoked posted=3
         @1 CHARGE w 1 ID c3 => charged captured=1
         @1 TOPUP.REVOKE w promo-late ID r4 => revoked posted=2
         @1 WITHDRAW w 1 ID out => withdrawn posted=1
         @1 VOID w h => voided posted=1 available=1
         @1 WITHDRAW w 1 ID out2 => declined NOFUNDS at=1",
    );
}

#[test]
fn rule_3_the_older_burns_first_and_the_credit_line_last() {
    converse(
        "@1 WALLET.OPEN w CURRENCY USD CREDITLIMIT 3 => opened
         @1 TOPUP w 1 ID older => toppedup
         @1 TOPUP w 1 ID younger => toppedup
         @1 CHARGE w 1 ID c => charged captured=1
         @1 TOPUP.REVOKE w older ID r => revoked posted=1
         @1 AUTHORIZE w 3 ID h => held held=3 available=1
         @1 CAPTURE w h 1 ID k KEEP => captured captured=1 posted=0 held=2
         @1 CAPTURE w h 1 ID k2 => captured captured=1 debt=1 owed=1 held=0
         @1 CHARGE w 2.5 ID c2 => declined NOFUNDS at=2.5 available=2",
    );
}

#[test]
fn rule_4_a_capture_above_the_hold_follows_its_policy() {
    converse(
        "@1 WALLET.OPEN w CURRENCY USD DEBTLIMIT 2 => opened
         @1 TOPUP w 10 ID t => toppedup
         @1 AUTHORIZE w 4 ID debt => held
         @1 AUTHORIZE w 2 ID cap OVERAGE cap => held
         @1 AUTHORIZE w 3 ID reject OVERAGE reject => held available=1
         @1 CAPTURE w reject 3.5 ID k0 => OVERCAPTURE at=3
         @1 CAPTURE w reject 2 ID k1 => captured captured=2 available=2
         @1 CAPTURE w cap 5 ID k2 => captured captured=4 uncovered=1 available=0
         @1 CAPTURE w debt 7 ID k3 => captured captured=6 debt=2 uncovered=1 owed=2 available=-2
         @1 CHARGE w 1 ID c OVERAGE debt => charged over captured=0 uncovered=1 owed=2
         @1 REFUND w k3 7 ID r => OVERREFUND at=6
         @1 REFUND w k3 6 ID r => refunded repaid=2 posted=4 available=4",
    );
}

/// Free money goes before new debt also where it backs a hold on the credit line.
#[test]
fn rule_4_the_debt_limit_bounds_debt_not_usage() {
    converse(
        "@1 WALLET.OPEN w CURRENCY USD CREDITLIMIT 5 DEBTLIMIT 1 => opened
         @1 AUTHORIZE w 5 ID h => held available=0
         @1 WALLET.SET w CREDITLIMIT 0 ID s => balance available=-5
         @1 TOPUP w 6 ID t => toppedup available=1
         @1 CHARGE w 8 ID c OVERAGE debt => charged over debt=1 captured=7 uncovered=1 owed=1",
    );
}

#[test]
fn rule_5_a_hold_ends_on_the_millisecond_and_may_be_captured_late() {
    converse(
        "@1 WALLET.OPEN w CURRENCY USD => opened
         @1 TOPUP w 10 ID t => toppedup
         @1 AUTHORIZE w 3 ID h TTL 10 => held ends=11 available=7
         @1 AUTHORIZE w 3 ID r TTL 10 OVERAGE reject => held available=4
         @1 AUTHORIZE w 3 ID v TTL 10 => held available=1
         @10 CAPTURE w h 1 ID k1 KEEP => captured captured=1 held=8 available=1
         @10 CAPTURE w h 2 ID k2 KEEP => captured captured=2 held=6 available=1
         @10 EXTEND w h 1 ID e1 => extended amount=1 ends=11 available=0
         @10 EXTEND w h 0 ID e0 TTL 1 => extended amount=0 ends=11
         @11 BALANCE w => balance posted=7 held=0 available=7
         @11 EXTEND w h 1 ID e2 => HOLDDONE expired
         @11 CAPTURE w h 2 ID k3 STRICT => HOLDDONE expired
         @11 CAPTURE w h 2 ID k3 => captured late captured=2 available=5
         @11 CAPTURE w h 1 ID k4 => HOLDDONE captured
         @11 CAPTURE w r 4 ID k5 => OVERCAPTURE at=3
         @11 CAPTURE w r 1 ID k5 KEEP => captured late captured=1 available=4
         @11 CAPTURE w r 2.5 ID k6 => OVERCAPTURE at=2
         @11 CAPTURE w r 2 ID k6 => captured late captured=2 available=2
         @11 VOID w v => voided held=0 available=2
         @11 VOID w v => voided replayed
         @11 CAPTURE w v 1 ID k7 => HOLDDONE voided
         @11 VOID w h => HOLDDONE captured",
    );
}

#[test]
fn rule_6_a_grant_that_ends_under_a_hold_stays_usable_by_it() {
    let script = "@1 WALLET.OPEN w CURRENCY USD => opened
         @1 TOPUP w 5 ID t EXPIRES 20 => toppedup
         @1 AUTHORIZE w 4 ID h => held
         @19 BALANCE w => balance posted=5 available=1
         @20 BALANCE w => balance posted=4 held=4 available=0
         @21 CAPTURE w h 1 ID k KEEP => captured captured=1 posted=3 held=3";
    converse(&format!(
        "{script}
         @22 CAPTURE w h 1 ID k2 => captured captured=1 posted=0 held=0 available=0"
    ));
    let grace = Rules { lapse_grace: Span::from_millis(5), ..Rules::default() };
    converse_with(
        &grace,
        &format!(
            "{script}
         @24 CAPTURE w h 1 ID k2 => captured captured=1 posted=2 available=2
         @24 CHARGE w 0.5 ID c => charged captured=0.5 posted=1.5
         @25 BALANCE w => balance posted=0 available=0"
        ),
    );
}

#[test]
fn rule_7_a_refund_goes_back_along_the_split() {
    converse(
        "@1 WALLET.OPEN w CURRENCY USD CREDITLIMIT 9 => opened
         @1 TOPUP w 2 ID promo KIND promo EXPIRES 100 => toppedup
         @1 TOPUP w 2 ID paid => toppedup
         @50 CHARGE w 6 ID c => charged debt=2 captured=6 owed=2
         @60 TOPUP w 1 ID t => toppedup repaid=1 owed=1
         @60 REFUND w c 3 ID r1 => refunded repaid=1 posted=2 owed=0
         @60 WITHDRAW w 2 ID out => withdrawn posted=0
         @110 REFUND w c 4 ID r2 => OVERREFUND at=3
         @110 REFUND w c 3 ID r2 => refunded posted=3 available=12
         @110 WITHDRAW w 1 ID out2 => withdrawn posted=2
         @110 WITHDRAW w 1 ID out3 => declined NOFUNDS at=1
         @159 BALANCE w => balance posted=2
         @160 BALANCE w => balance posted=0",
    );
}

/// The grant burned twice, pinned by the hold and free above it; it is gone, and comes back as one.
#[test]
fn rule_7_a_grant_comes_back_as_one() {
    let few = Rules { grants_max: 2, ..Rules::default() };
    converse_with(
        &few,
        "@1 WALLET.OPEN w CURRENCY USD => opened
         @1 TOPUP w 4 ID t EXPIRES 100 => toppedup
         @1 AUTHORIZE w 2 ID h => held
         @50 CAPTURE w h 3 ID k => captured captured=3 posted=1
         @110 REFUND w k 3 ID r => refunded posted=3
         @110 TOPUP w 1 ID t2 => toppedup posted=4
         @159 BALANCE w => balance posted=4
         @160 BALANCE w => balance posted=1",
    );
}

#[test]
fn rule_8_nothing_is_lost_when_money_is_taken_back_or_written_off() {
    converse(
        "@1 WALLET.OPEN w CURRENCY USD => opened
         @1 TOPUP w 10 ID t => toppedup
         @1 AUTHORIZE w 4 ID h => held
         @1 CHARGE w 3 ID c => charged captured=3
         @1 TOPUP.REVERSE w t ID r AMOUNT 8 => reversed debt=5 posted=4 held=4 owed=5
         @1 TOPUP.REVERSE w t ID r2 AMOUNT 3 => OVERREFUND at=2
         @1 TOPUP.REVERSE w c ID r2 => NOOP
         @1 WALLET.CLOSE w => NOTEMPTY owed=5 posted=4 held=4 available=-5
         @1 WALLET.CLOSE w FORCE => status closing
         @1 AUTHORIZE w 1 ID x => declined CLOSED
         @1 TOPUP w 1 ID y => CLOSED
         @1 CAPTURE w h 1 ID k => captured captured=1 repaid=3 posted=0 owed=2
         @2 BALANCE w => balance owed=0 posted=0 available=0
         @2 CAPTURE w h 1 ID k => captured captured=1 repaid=3 replayed owed=2
         @2 VOID w h => CLOSED
         @2 WALLET.CLOSE w => status closed",
    );
}

#[test]
fn a_close_by_force_stays_one() {
    converse(
        "@1 WALLET.OPEN w CURRENCY USD => opened
         @1 TOPUP w 3 ID t => toppedup
         @1 AUTHORIZE w 1 ID h => held
         @1 WALLET.CLOSE w => NOTEMPTY posted=3 held=1 available=2
         @1 WALLET.CLOSE w FORCE => status closing
         @1 WALLET.CLOSE w => status closing
         @1 VOID w h => voided posted=3
         @2 BALANCE w => balance posted=0
         @2 WALLET.CLOSE w => status closed",
    );
}

/// With the clock set back after a restart, nothing that was due at the wallet's own time happened:
/// a wallet that had just been closed by its last capture went on as one that was still closing.
#[test]
fn rule_9_a_clock_that_is_set_back_does_not_take_the_wallet_with_it() {
    converse(
        "@1000 WALLET.OPEN w CURRENCY USD => opened
         @1000 TOPUP w 2 ID t => toppedup
         @1000 AUTHORIZE w 2 ID h TTL 10 => held ends=1010
         @1000 WALLET.CLOSE w FORCE => status closing
         @1005 CAPTURE w h 1 ID k => captured captured=1 posted=1
         @995 BALANCE w => balance posted=0
         @995 WALLET.CLOSE w => status closed",
    );
    converse(
        "@1000 WALLET.OPEN w CURRENCY USD => opened
         @1000 TOPUP w 2 ID t => toppedup
         @990 AUTHORIZE w 2 ID h TTL 10 => held ends=1010
         @1010 BALANCE w => balance held=0",
    );
}

/// What is due happens in the order of time, whoever asks when; at the same time holds first.
#[test]
fn rule_9_holds_end_before_grants_of_the_same_moment() {
    // The grant takes back what the hold releases, and only then ends: late usage finds nothing.
    let grace = Rules { lapse_grace: Span::from_millis(5), ..Rules::default() };
    converse_with(
        &grace,
        "@1 WALLET.OPEN w CURRENCY USD => opened
         @1 TOPUP w 2 ID t EXPIRES 50 => toppedup
         @1 AUTHORIZE w 2 ID h TTL 49 => held ends=50
         @50 BALANCE w => balance posted=0 held=0",
    );
}

#[test]
fn rule_9_what_was_due_happened_first() {
    converse(
        "@1 WALLET.OPEN w CURRENCY USD => opened
         @1 TOPUP w 2 ID t EXPIRES 50 => toppedup
         @1 TOPUP w 2 ID u EXPIRES 40 => toppedup
         @1 AUTHORIZE w 4 ID h TTL 44 => held ends=45
         @1 CHARGE w 1 ID c OVERAGE debt => charged over debt=1 owed=1
         @5000 BALANCE w => balance posted=0 held=0 owed=0 available=0",
    );
}

#[test]
fn rule_10_of_two_for_the_last_cent_one_wins() {
    converse(
        "@1 WALLET.OPEN w CURRENCY USD => opened
         @1 TOPUP w 0.01 ID t => toppedup
         @1 AUTHORIZE w 0.01 ID one => held available=0
         @1 AUTHORIZE w 0.01 ID two => declined NOFUNDS at=0.01
         @1 AUTHORIZE w 0.01 ID one => held replayed state=open available=0
         @1 AUTHORIZE w 0.010 ID one TTL 900000 => IDREUSED
         @1 VOID w one => voided available=0.01
         @1 AUTHORIZE w 0.01 ID two => held available=0
         @1 AUTHORIZE w 0.01 ID one => held replayed state=voided available=0",
    );
}

#[test]
fn only_available_money_of_paid_grants_is_paid_out() {
    converse(
        "@1 WALLET.OPEN w CURRENCY USD CREDITLIMIT 5 => opened
         @1 AUTHORIZE w 5 ID h => held available=0
         @1 WALLET.SET w CREDITLIMIT 0 ID s => balance available=-5
         @1 TOPUP w 6 ID t => toppedup available=1
         @1 TOPUP w 4 ID p KIND promo => toppedup available=5
         @1 WITHDRAW w 5.5 ID out => declined NOFUNDS at=5.5
         @1 WITHDRAW w 5 ID out => withdrawn available=0
         @1 WALLET.SET w CREDITLIMIT 0 ID s => balance replayed available=-5
         @1 TOPUP.REVOKE w t ID r => revoked available=-1
         @1 TOPUP.REVERSE w t ID r2 => reversed debt=5 repaid=4 available=-6",
    );
}

#[test]
fn holds_and_grants_are_bounded() {
    let few = Rules { holds_max: 1, grants_max: 1, ..Rules::default() };
    converse_with(
        &few,
        "@1 WALLET.OPEN w CURRENCY USD => opened
         @1 TOPUP w 9 ID t => toppedup
         @1 TOPUP w 9 ID t2 => TOOMANY
         @1 AUTHORIZE w 1 ID h => held
         @1 AUTHORIZE w 1 ID h2 => TOOMANY
         @1 VOID w h => voided
         @1 AUTHORIZE w 1 ID h2 => held",
    );
}

#[test]
fn a_frozen_wallet_takes_facts_and_money_but_no_new_holds() {
    converse(
        "@1 WALLET.OPEN w CURRENCY USD => opened
         @1 TOPUP w 9 ID t => toppedup
         @1 AUTHORIZE w 3 ID h => held
         @1 WALLET.FREEZE w => status frozen
         @1 AUTHORIZE w 1 ID x => declined FROZEN
         @1 EXTEND w h 1 ID x => declined FROZEN
         @1 CHARGE w 1 ID x => declined FROZEN
         @1 CHARGE w 1 ID c OVERAGE debt => charged over captured=1 available=5
         @1 TOPUP w 1 ID t2 => toppedup available=6
         @1 CAPTURE w h 4 ID k => captured captured=4 available=5
         @1 REFUND w k 1 ID r => refunded available=6
         @1 WITHDRAW w 1 ID o => withdrawn available=5
         @1 WALLET.UNFREEZE w => status open
         @1 AUTHORIZE w 1 ID x => held available=4",
    );
}
