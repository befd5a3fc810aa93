//! Who takes part, and one round of each: started fresh, loaded, checked, stopped.

use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::args::{Against, CompareArgs, Tool};
use super::drive::{Load, drive};
use super::measured::Measured;
use super::peer::{About, Peer, Running};
use super::postgres::{self, Postgres};
use super::purser::Purser;
use super::redis::{self, Redis};
use super::redis_benchmark::{self, RedisBenchmark, Target};
use super::shape::Case;
use super::tigerbeetle::{BATCHES, Batch, TigerBeetle};
use super::workload::Totals;

/// All that take part, and what is left out.
pub(crate) struct Contest {
    contestants: Vec<Contestant>,
    tigerbeetle: Option<TigerBeetle>,
    pub(crate) left_out: Vec<String>,
    tool: Option<RedisBenchmark>,
    dir: Option<PathBuf>,
    warm_up: Duration,
    seconds: Duration,
}

/// Who is measured.
enum Contestant {
    Server(Box<dyn Peer>),
    TigerBeetle(Batch),
}

impl Contestant {
    fn name(&self) -> &'static str {
        match self {
            Self::Server(peer) => peer.about().name,
            Self::TigerBeetle(batch) => batch.name,
        }
    }
}

impl Contest {
    /// Finds what is installed. What was asked for by name and is not there is left out, too.
    pub(crate) fn find(args: &CompareArgs) -> Result<Self> {
        let dir = args.dir.as_deref();
        let tool = match args.tool {
            Tool::Driver => None,
            Tool::RedisBenchmark => Some(RedisBenchmark::find()?),
        };
        let mut contestants =
            vec![Contestant::Server(Box::new(Purser::find(args.purser.as_deref())?))];
        let mut left_out = Vec::new();
        let is_wanted = |peer| args.against.is_empty() || args.against.contains(&peer);
        if !is_wanted(Against::Redis) {
            left_out.push(format!("{}: not asked for", redis::NAME));
        } else if let Some(redis) = Redis::find(args.redis_server.as_deref())? {
            contestants.push(Contestant::Server(Box::new(redis)));
        } else {
            left_out
                .push(format!("{}: no redis-server on the path; see --redis-server", redis::NAME));
        }
        if !is_wanted(Against::Postgres) {
            left_out.push(format!("{}: not asked for", postgres::NAME));
        } else if tool.is_some() {
            left_out.push(format!("{}: redis-benchmark does not speak to it", postgres::NAME));
        } else if let Some(postgres) = Postgres::find(args.postgres_bin.as_deref(), dir)? {
            contestants.push(Contestant::Server(Box::new(postgres)));
        } else {
            left_out.push(format!("{}: no initdb was found; see --postgres-bin", postgres::NAME));
        }
        let mut tigerbeetle = None;
        if !is_wanted(Against::Tigerbeetle) {
            left_out.push("tigerbeetle: not asked for".to_owned());
        } else if let Some(program) = &args.tigerbeetle {
            tigerbeetle = Some(TigerBeetle::at(program)?);
            contestants.extend(BATCHES.map(Contestant::TigerBeetle));
        } else {
            left_out.push("tigerbeetle: no binary named; see --tigerbeetle".to_owned());
        }
        if contestants.len() == 1 {
            bail!("there is nothing to compare purser with: {}", left_out.join("; "));
        }
        if tool.is_some()
            && let Some(wallets) =
                args.wallets.iter().find(|&&count| !redis_benchmark::suits(count))
        {
            bail!(
                "redis-benchmark draws wallets and ids from one range: 1 wallet, or at least {}, \
                 not {wallets}",
                redis_benchmark::WALLETS_MIN
            );
        }
        let (warm_up, seconds) = (args.warm_up, args.seconds);
        Ok(Self {
            contestants,
            tigerbeetle,
            left_out,
            tool,
            dir: args.dir.clone(),
            warm_up,
            seconds,
        })
    }

    pub(crate) fn len(&self) -> usize {
        self.contestants.len()
    }

    /// Whether `redis-benchmark` sends.
    pub(crate) fn is_by_tool(&self) -> bool {
        self.tool.is_some()
    }

    pub(crate) fn name(&self, index: usize) -> &'static str {
        self.contestants.get(index).map_or("", Contestant::name)
    }

    pub(crate) fn about(&self) -> Vec<About> {
        let servers = self.contestants.iter().filter_map(|contestant| match contestant {
            Contestant::Server(peer) => Some(peer.about().clone()),
            Contestant::TigerBeetle(_) => None,
        });
        let tigerbeetle = self.tigerbeetle.iter().map(|tigerbeetle| About {
            name: "tigerbeetle",
            version: tigerbeetle.version.clone(),
            settings: vec![
                "its own benchmark command: one replica; single transfers, no funds checked; a \
                 transfer counts as a command, a latency is that of a batch"
                    .into(),
            ],
        });
        servers.chain(tigerbeetle).collect()
    }

    /// Measures one of them; none: it takes no part in this case.
    pub(crate) fn measure(
        &self,
        index: usize,
        case: &Case,
        seed: u64,
        stop: &AtomicBool,
    ) -> Result<Option<Measured>> {
        let contestant = self.contestants.get(index).context("there is nobody of that number")?;
        match contestant {
            Contestant::Server(peer) => self.measure_server(&**peer, case, seed, stop),
            Contestant::TigerBeetle(batch) => {
                let tigerbeetle = self.tigerbeetle.as_ref().context("there is no TigerBeetle")?;
                tigerbeetle.measure(*batch, case.wallets, self.dir.as_deref()).map(Some)
            }
        }
        .with_context(|| format!("cannot measure {}", contestant.name()))
    }

    fn measure_server(
        &self,
        peer: &dyn Peer,
        case: &Case,
        seed: u64,
        stop: &AtomicBool,
    ) -> Result<Option<Measured>> {
        let Some(shape) = case.shape_of(peer.about().name) else { return Ok(None) };
        let wallets = case.wallets;
        let running = peer.start(self.dir.as_deref(), wallets, shape.connections)?;
        let pid = running.pid();
        let measured = if let Some(tool) = &self.tool {
            let (port, words) =
                running.benchmark(wallets).context("redis-benchmark cannot ask it")?;
            let (seconds, words) = (self.seconds, words.as_slice());
            tool.measure(&Target { port, words, shape, wallets, seconds, pid, stop })?
        } else {
            let (warm_up, seconds) = (self.warm_up, self.seconds);
            let load = Load { shape, wallets, warm_up, seconds, seed, pid, stop };
            let (mut measured, expected) = drive(running.dialect(), &load)?;
            check(&*running, wallets, expected, &mut measured)?;
            measured
        };
        running.stop()?;
        Ok(Some(measured))
    }
}

/// Whether the server's own account is what its answers say.
fn check(
    running: &dyn Running,
    wallets: u32,
    expected: Totals,
    measured: &mut Measured,
) -> Result<()> {
    let totals = running.totals(wallets)?;
    if totals != expected {
        measured.wrong.add(format!("its wallets have {totals:?}, not {expected:?}").as_bytes());
    }
    Ok(())
}
