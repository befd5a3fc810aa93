//! A synthetic run: opens the wallets, sends, finds out what is unknown, compares, and puts together
//! what was found.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use indicatif::ProgressBar;

use crate::bursts;
use crate::checkpoints::{Apart, Checkpoints};
use crate::cli::LoadArgs;
use crate::disk;
use crate::drive::{Driver, Limits, Work, nanos};
use crate::findings::{
    Answers, Differing, Findings, Ramped, Rates, Series, VERSION, Validity, Verified,
};
use crate::identity::Identity;
use crate::latencies::ms;
use crate::load::{Load, Shape};
use crate::machine::{self, Machine, Purser};
use crate::observer::{Observer, Seen};
use crate::population::{Checking, Opening};
use crate::progress;
use crate::ramp::{Ramp, Step};
use crate::recorder::Recorder;
use crate::rounding::{count, fraction, ratio};
use crate::run;
use crate::schedule::{Arrivals, Rate, SECOND};
use crate::traffic::{Ids, Settling, Traffic};

/// How many connections, and how deep, for what is done to every wallet: deep, so that a million
/// wallets are opened in large batches.
const ROUND_CONNECTIONS: u16 = 16;
const ROUND_DEPTH: usize = 256;
/// After the end of its schedule, a generator that is behind goes on for so long at most.
const OVERRUN: Duration = Duration::from_secs(1);

/// A run against one server.
pub(crate) struct Run<'a> {
    load: &'a Load,
    address: &'a str,
    identity: &'a Identity,
    stop: &'a AtomicBool,
    ids: Ids,
    /// All times of the run count from here.
    start: Instant,
}

/// One time of sending, as it was measured.
struct Sent {
    recorder: Recorder,
    seen: Seen,
    validity: Validity,
    /// When the sending ended, in nanoseconds from its begin.
    to: u64,
}

impl<'a> Run<'a> {
    pub(crate) fn new(
        load: &'a Load,
        address: &'a str,
        identity: &'a Identity,
        prefix: String,
        stop: &'a AtomicBool,
    ) -> Self {
        Self { load, address, identity, stop, ids: Ids { prefix }, start: Instant::now() }
    }

    fn args(&self) -> &'a LoadArgs {
        &self.load.args
    }

    /// Makes the run.
    pub(crate) fn make(&self, settings: BTreeMap<String, String>) -> Result<Findings> {
        let made_at = run::made_at();
        let mut traffic = self.traffic()?;
        self.open_wallets(&mut traffic)?;
        let (sent, ramped) = if let Shape::Ramp { .. } = self.load.shape {
            let (sent, ramped) = self.ramp(&mut traffic)?;
            (sent, Some(ramped))
        } else {
            (self.send(&mut traffic, self.load.rate())?, None)
        };
        self.settle(&mut traffic)?;
        let verified = if self.args().verify { Some(self.verify(&mut traffic)?) } else { None };
        let disk = disk::beside_a_run(self.identity, &sent.seen);
        let phases = self.load.rate().and_then(|rate| rate.bursts).map(|bursts| {
            let windows = bursts.windows(sent.to);
            bursts::phases(&sent.recorder.series, &windows, nanos(self.args().warmup), sent.to)
        });
        let Sent { mut recorder, seen, validity, to } = sent;
        // What was found out at the end belongs to the run.
        recorder.settled += traffic.recorder.settled;
        recorder.failed += traffic.recorder.failed;
        recorder.failures.append(&mut traffic.recorder.failures);
        let warmup = nanos(self.args().warmup);
        let measured_s = fraction(to.saturating_sub(warmup)) / fraction(SECOND);
        let per_second = |events| ratio(fraction(events), measured_s).unwrap_or_default();
        let is_open = !matches!(self.load.shape, Shape::Closed { .. });
        let mut latency: BTreeMap<String, _> =
            recorder.by_kind().map(|(name, of)| (name.to_owned(), of.percentiles())).collect();
        latency.insert("all".to_owned(), recorder.all.percentiles());
        Ok(Findings {
            version: VERSION,
            profile: self.load.profile,
            made_at,
            seed: self.args().run.seed,
            prefix: self.ids.prefix.clone(),
            settings,
            machine: Machine::of_this(),
            purser: Purser {
                version: self.identity.version.clone(),
                commit: machine::commit(self.identity.program.as_deref()),
            },
            warmup_s: self.args().warmup.as_secs_f64(),
            measured_s,
            stopped_early: self.is_stopped(),
            validity,
            rates: Rates {
                offered_per_s: is_open.then(|| per_second(recorder.offered)),
                accepted_per_s: per_second(recorder.accepted),
            },
            latency,
            curve: recorder.all.curve(),
            phases: phases.transpose()?,
            ramp: ramped,
            series: Series {
                slice_s: fraction(recorder.series.width) / fraction(SECOND),
                points: recorder.series.points(),
            },
            stages: seen.stages,
            checkpoints: seen
                .checkpoints
                .map(|counted| Checkpoints::of(counted, &recorder.apart, warmup, to)),
            disk,
            cost: seen.server,
            generator_cost: seen.generator,
            memory: seen.memory,
            footprint: seen.footprint,
            verified,
            answers: answers(recorder),
        })
    }

    fn traffic(&self) -> Result<Traffic> {
        let Load { plan, wallets, zipf, args, .. } = self.load;
        let unused = Recorder::new(0, 0, 0, false, ProgressBar::hidden())?;
        Traffic::new(self.ids.clone(), plan.clone(), *wallets, *zipf, args.run.seed, unused)
    }

    fn is_stopped(&self) -> bool {
        self.stop.load(std::sync::atomic::Ordering::Relaxed)
    }

    fn limits(&self, end: u64) -> Limits<'a> {
        let patience = Duration::from_millis(self.args().run.timeout);
        Limits { stop: self.stop, end, in_flight_max: usize::MAX, overrun: OVERRUN, patience }
    }

    /// Sends all of a work, as fast as the server answers.
    fn round<W: Work>(&self, work: &mut W, stop: &AtomicBool) -> Result<()> {
        let connections = self.args().connections.min(ROUND_CONNECTIONS);
        let mut driver = Driver::connect(self.address, connections, self.start)?;
        let limits = self.limits(u64::MAX);
        driver.closed(work, ROUND_DEPTH, &Limits { stop, ..limits })
    }

    fn open_wallets(&self, traffic: &mut Traffic) -> Result<()> {
        let (wallets, args) = (self.load.wallets, self.args());
        let bar = progress::bar(u64::from(wallets), "wallets opened")?;
        let accounts = &mut traffic.accounts;
        let mut work =
            Opening::new(&self.ids, wallets, accounts, &args.run.currency, args.top_up, &bar);
        self.round(&mut work, self.stop)?;
        work.finish().context("cannot open the wallets")?;
        bar.finish_and_clear();
        if self.is_stopped() {
            bail!("interrupted before anything was sent");
        }
        Ok(())
    }

    /// Sends for the warm-up and the measured time.
    fn send(&self, traffic: &mut Traffic, rate: Option<Rate>) -> Result<Sent> {
        let args = self.args();
        let mut driver = Driver::connect(self.address, args.connections, self.start)?;
        let (warmup, to) = (nanos(args.warmup), nanos(args.warmup + args.duration));
        let fine = rate.is_some_and(|rate| rate.bursts.is_some());
        let bar = progress::time(args.warmup + args.duration, self.load.profile)?;
        let begin = driver.now();
        let recorder = Recorder::new(begin, warmup, to, fine, bar.clone())?;
        let answers = std::sync::Arc::clone(&recorder.answers);
        let zero = self.start + Duration::from_nanos(begin);
        let (from, end) = (args.warmup, args.warmup + args.duration);
        let observer = Observer::start(self.identity, answers, zero, from, end);
        traffic.recorder = recorder;
        traffic.recorder.apart = Apart::new(observer.sightings.clone())?;
        let limits = self.limits(begin.saturating_add(to));
        let validity = match (&self.load.shape, rate) {
            (Shape::Closed { depth }, _) | (Shape::Open { in_flight_max: depth, .. }, None) => {
                driver.closed(traffic, *depth, &limits)?;
                Validity::of_closed()
            }
            (
                Shape::Open { spacing, in_flight_max, .. }
                | Shape::Ramp { spacing, in_flight_max, .. },
                Some(rate),
            ) => {
                let limits = Limits { in_flight_max: *in_flight_max, ..limits };
                let arrivals = Arrivals::new(rate, *spacing, to, args.run.seed);
                let arrivals = arrivals.map(|time| time.saturating_add(begin));
                let not_sent = driver.open(traffic, arrivals, &limits)?;
                let recorder = &traffic.recorder;
                Validity::of_open(&recorder.lag, &recorder.all, not_sent, driver.was_full)
            }
            (Shape::Ramp { .. }, None) => bail!("a ramp has a rate"),
        };
        bar.finish_and_clear();
        let to = to.min(driver.now().saturating_sub(begin));
        let unused = Recorder::new(0, 0, 0, false, ProgressBar::hidden())?;
        let mut recorder = std::mem::replace(&mut traffic.recorder, unused);
        let seen = observer.finish();
        recorder.apart.settle();
        Ok(Sent { recorder, seen, validity, to })
    }

    /// Looks for the highest rate that stays under the bound. The figures are those of the highest
    /// good step, or of the last one if none was good.
    fn ramp(&self, traffic: &mut Traffic) -> Result<(Sent, Ramped)> {
        let Shape::Ramp { first, factor, halvings, bound, .. } = self.load.shape else {
            bail!("this is no ramp");
        };
        let bound_us = nanos(bound) / 1_000;
        let mut ramp = Ramp::new(first, factor, halvings);
        let (mut steps, mut best) = (Vec::new(), None);
        while let Some(rate) = ramp.next() {
            let planned = self.load.rate_of(rate);
            let sent = self.send(traffic, Some(planned))?;
            if self.is_stopped() {
                best = best.or(Some(sent));
                break;
            }
            let step = self.step(rate, bound_us, &sent);
            ramp.tell(rate, step.is_good);
            if step.is_good || best.is_none() {
                best = Some(sent);
            }
            steps.push(step);
        }
        let best = best.context("no rate was tried")?;
        Ok((best, Ramped { p99_bound_us: bound_us, highest_rate: ramp.highest(), steps }))
    }

    fn step(&self, rate: f64, bound_us: u64, sent: &Sent) -> Step {
        let latency = sent.recorder.all.percentiles();
        let refused: u64 = sent.recorder.not_now.values().sum();
        let why_not = if latency.p99_us >= bound_us {
            Some(format!("p99 {}", ms(latency.p99_us)))
        } else if refused > 0 {
            Some(format!("{refused} commands were refused"))
        } else if !sent.validity.complete {
            Some("the generator could not send all of it".to_owned())
        } else {
            // A generator that was only late has made the latencies worse, not better.
            None
        };
        let seconds = self.args().duration.as_secs_f64();
        let accepted_per_s = ratio(fraction(sent.recorder.accepted), seconds).unwrap_or_default();
        Step { rate, accepted_per_s, latency, is_good: why_not.is_none(), why_not }
    }

    /// Asks again after what nobody knows the outcome of.
    fn settle(&self, traffic: &mut Traffic) -> Result<()> {
        let mut settling = Settling::new(traffic);
        // Whoever stopped the sending still wants to know.
        self.round(&mut settling, &AtomicBool::new(false))?;
        let unknown = settling.unknown();
        if unknown > 0 {
            bail!(
                "the server at {} was lost: the outcome of {unknown} commands is unknown, so that \
                 nothing can be compared",
                self.address
            );
        }
        traffic.leave_open_holds();
        Ok(())
    }

    /// Compares every wallet.
    fn verify(&self, traffic: &mut Traffic) -> Result<Verified> {
        let wallets = self.load.wallets;
        let bar = progress::bar(u64::from(wallets), "wallets compared")?;
        let mut checking = Checking::new(&self.ids, wallets, &traffic.accounts, &bar);
        self.round(&mut checking, &AtomicBool::new(false))?;
        let (compared, different, differences) =
            checking.finish().context("cannot compare the wallets")?;
        bar.finish_and_clear();
        if compared != wallets {
            bail!("only {compared} of {wallets} wallets could be compared");
        }
        let differing = differences.iter().map(|difference| Differing {
            wallet: self.ids.wallet(difference.wallet),
            computed: difference.computed.to_string(),
            engine: difference.engine.to_string(),
        });
        Ok(Verified {
            wallets: u64::from(wallets),
            different,
            holds_left: count(traffic.accounts.left()),
            differences: differing.collect(),
        })
    }
}

fn answers(recorder: Recorder) -> Answers {
    Answers {
        offered: recorder.offered,
        accepted: recorder.accepted,
        declined: recorder.declined,
        refused: recorder.not_now,
        replays: recorder.replays,
        connections_lost_under: recorder.lost,
        settled_at_the_end: recorder.settled,
        failed: recorder.failed,
        failures: recorder.failures,
    }
}
