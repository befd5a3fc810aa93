//! `LATENCY` and `SLOWLOG`: what took how long, as Redis 7 answers it.

use super::access::Standing;
use super::session::{Action, Call, integer};
use crate::codec::commands;
use crate::codec::reply::ErrorCode;

/// How many entries `SLOWLOG GET` shows when it is not told.
const SLOW_SHOWN: i64 = 10;

/// `LATENCY HISTOGRAM [command …]`, `LATENCY RESET [event …]`
pub(super) fn latency(call: &Call<'_>) -> Action {
    if call.is(1, "histogram") {
        histogram(call)
    } else if call.is(1, "reset") {
        // So many histories of events were reset: there are none.
        call.reply(|writer| writer.integer(0))
    } else {
        call.unknown_subcommand()
    }
}

/// The commands that are named, those that a named one contains included; all without names.
fn histogram(call: &Call<'_>) -> Action {
    let named: Vec<&str> =
        call.args.iter_from(2).filter_map(commands::find).map(|known| known.name).collect();
    let is_all = call.args.len() == 2;
    let is_chosen = |name: &str| {
        let container = name.split('|').next().unwrap_or_default();
        is_all || named.contains(&name) || named.contains(&container)
    };
    let used = call.context.meters.commands();
    let chosen: Vec<_> =
        used.filter(|(name, totals)| totals.latencies.calls > 0 && is_chosen(name)).collect();
    call.reply(|writer| {
        writer.map_header(chosen.len());
        for (name, totals) in &chosen {
            writer.text(name);
            writer.map_header(2);
            writer.text("calls");
            writer.integer(totals.latencies.calls);
            writer.text("histogram_usec");
            let buckets = totals.latencies.shown();
            writer.map_header(buckets.len());
            for (micros, count) in buckets {
                writer.integer(micros);
                writer.integer(count);
            }
        }
    })
}

/// `SLOWLOG GET [count]`, `SLOWLOG LEN`, `SLOWLOG RESET`
pub(super) fn slow_log(call: &Call<'_>) -> Action {
    if let Standing::Known(account) = &*call.connection.standing()
        && !account.sees_all()
    {
        let text = "the slow log has requests for all wallets, and this user may see some only";
        return call.coded_error(ErrorCode::NoPerm, text);
    }
    let log = &call.context.slow_log;
    if call.is(1, "get") && call.args.len() <= 3 {
        get(call)
    } else if call.is(1, "len") {
        call.reply(|writer| writer.integer(log.len()))
    } else if call.is(1, "reset") {
        log.truncate(0);
        call.ok()
    } else {
        call.unknown_subcommand()
    }
}

fn get(call: &Call<'_>) -> Action {
    let count = call.args.get(2).map_or(Some(SLOW_SHOWN), integer);
    let Some(count) = count else { return call.error("value is not an integer or out of range") };
    if count < -1 {
        return call.error("count should be greater than or equal to -1");
    }
    // -1: all.
    let entries = call.context.slow_log.latest(usize::try_from(count).unwrap_or(usize::MAX));
    call.reply(|writer| {
        writer.array_header(entries.len());
        for entry in &entries {
            writer.array_header(6);
            writer.integer(entry.id);
            writer.integer(entry.at);
            writer.integer(entry.micros);
            writer.array_header(entry.args.len());
            for arg in &entry.args {
                writer.bulk(arg);
            }
            writer.text(&entry.client.to_string());
            writer.text(&entry.name);
        }
    })
}
