//! What is done to every wallet: opened and topped up before the run, compared after it.

use std::sync::Arc;

use anyhow::{Context as _, Result, anyhow};
use indicatif::ProgressBar;
use purser::domain::amount::Amount;
use tokio::task::JoinSet;

use crate::model::{Balance, Difference, Model};
use crate::request::Context;
use crate::wire::{self, Fields};

/// How many wallets are asked at once.
const IN_FLIGHT_MAX: usize = 512;

/// Opens all wallets and gives each its first money.
pub(crate) async fn open(
    context: &Arc<Context>,
    model: &mut Model,
    currency: &str,
    money: Amount,
    bar: &ProgressBar,
) -> Result<()> {
    let opened = each(context, model.customers(), bar, {
        let currency = currency.to_owned();
        move |context, customer| {
            let currency = currency.clone();
            async move {
                let wallet = context.names.wallet(customer);
                ask(&context, customer, &wire::open(&wallet, &currency))
                    .await
                    .with_context(|| format!("cannot open the wallet {wallet}"))?;
                if money.is_positive() {
                    let command = wire::top_up(&wallet, money, &context.names.top_up());
                    ask(&context, customer, &command)
                        .await
                        .with_context(|| format!("cannot top up the wallet {wallet}"))?;
                }
                Ok(customer)
            }
        }
    });
    for customer in opened.await? {
        model.top_up(customer, money)?;
    }
    Ok(())
}

/// What the engine says all wallets spent, and the wallets for which that is not what was computed.
pub(crate) async fn compare(
    context: &Arc<Context>,
    model: &Model,
    bar: &ProgressBar,
) -> Result<(Amount, Vec<Difference>)> {
    let mut balances = each(context, model.customers(), bar, |context, customer| async move {
        let wallet = context.names.wallet(customer);
        let fields = ask(&context, customer, &wire::balance(&wallet)).await;
        let balance = fields.and_then(|fields| balance(&fields).map_err(|error| anyhow!(error)));
        Ok((customer, balance.with_context(|| format!("cannot tell the balance of {wallet}"))?))
    })
    .await?;
    balances.sort_by_key(|&(customer, _)| customer);
    let mut spent = Amount::ZERO;
    let mut differences = Vec::new();
    for (customer, balance) in balances {
        let (engine, difference) = model.compare(customer, balance)?;
        spent = spent.plus(engine)?;
        differences.extend(difference);
    }
    Ok((spent, differences))
}

/// Does the same for every customer, some at once.
async fn each<T, F>(
    context: &Arc<Context>,
    customers: usize,
    bar: &ProgressBar,
    ask: impl Fn(Arc<Context>, usize) -> F,
) -> Result<Vec<T>>
where
    T: Send + 'static,
    F: Future<Output = Result<T>> + Send + 'static,
{
    let mut answers = Vec::with_capacity(customers);
    let mut asked = JoinSet::new();
    for customer in 0..customers {
        if asked.len() >= IN_FLIGHT_MAX
            && let Some(answer) = asked.join_next().await
        {
            answers.push(answer??);
            bar.inc(1);
        }
        asked.spawn(ask(Arc::clone(context), customer));
    }
    while let Some(answer) = asked.join_next().await {
        answers.push(answer??);
        bar.inc(1);
    }
    Ok(answers)
}

async fn ask(context: &Context, lane: usize, command: &[u8]) -> Result<Fields> {
    let answered =
        context.client.call(lane, command).await.map_err(|unknown| anyhow!("{unknown}"))?;
    Fields::of(answered.answer.reply).map_err(|error| anyhow!(error))
}

fn balance(fields: &Fields) -> Result<Balance, String> {
    Ok(Balance {
        posted: fields.amount("posted")?,
        held: fields.amount("held")?,
        debt: fields.amount("debt")?,
    })
}
