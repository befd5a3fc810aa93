//! What a synthetic profile asks for, whichever flags it came from.

use std::time::Duration;

use crate::cli::{
    BurstArgs, HotArgs, LoadArgs, MaxArgs, MixArgs, OpenArgs, RampArgs, SpreadArgs, SteadyArgs,
};
use crate::drive::nanos;
use crate::schedule::{Bursts, Rate, Spacing};
use crate::traffic::Plan;

/// A synthetic profile with its settings.
#[derive(Debug)]
pub(crate) struct Load {
    pub(crate) profile: &'static str,
    pub(crate) args: LoadArgs,
    pub(crate) wallets: u32,
    pub(crate) zipf: f64,
    pub(crate) plan: Plan,
    pub(crate) shape: Shape,
}

/// When commands are sent.
#[derive(Debug)]
pub(crate) enum Shape {
    /// By a schedule, whatever the answers. The rate is of commands, follow-ups included.
    Open { per_second: f64, bursts: Option<Bursts>, spacing: Spacing, in_flight_max: usize },
    /// So many unanswered on each connection.
    Closed { depth: usize },
    /// By schedules of rising rates.
    Ramp {
        first: f64,
        factor: f64,
        halvings: u32,
        /// Of the 99th percentile.
        bound: Duration,
        spacing: Spacing,
        in_flight_max: usize,
    },
}

impl Load {
    /// The schedule of arrivals; none in a closed loop, and in a ramp, which has several.
    pub(crate) fn rate(&self) -> Option<Rate> {
        match &self.shape {
            Shape::Open { per_second, bursts, .. } => {
                Some(Rate { bursts: *bursts, ..self.rate_of(*per_second) })
            }
            Shape::Closed { .. } | Shape::Ramp { .. } => None,
        }
    }

    /// The schedule that offers so many commands a second: fewer arrivals, because captures follow.
    pub(crate) fn rate_of(&self, per_second: f64) -> Rate {
        let follow = if self.plan.mix.is_some() { 0.0 } else { self.plan.captures };
        Rate { per_second: per_second / (1.0 + follow), bursts: None }
    }

    pub(crate) fn steady(args: &SteadyArgs) -> Self {
        Self::crowd("steady", args)
    }

    pub(crate) fn hot(args: &HotArgs) -> Self {
        Self::open("hot", &args.load, 1, 0.0, &args.open)
    }

    pub(crate) fn spread(args: &SpreadArgs) -> Self {
        Self::open("spread", &args.load, args.wallets, args.zipf, &args.open)
    }

    pub(crate) fn burst(args: &BurstArgs) -> Self {
        let open = &args.steady.open;
        let every = millis(args.every_ms);
        let bursts = Bursts {
            factor: args.burst_factor,
            first: nanos(args.steady.load.warmup).saturating_add(every / 2),
            every,
            length: millis(args.burst_ms),
        };
        let load = Self::crowd("burst", &args.steady);
        let shape = Shape::Open {
            per_second: open.rate,
            bursts: Some(bursts),
            spacing: open.arrivals,
            in_flight_max: in_flight_max(open),
        };
        Self { shape, ..load }
    }

    pub(crate) fn ramp(args: &RampArgs) -> Self {
        let open = &args.steady.open;
        let load = Self::crowd("ramp", &args.steady);
        let shape = Shape::Ramp {
            first: open.rate,
            factor: args.step_factor,
            halvings: args.halvings,
            bound: args.p99_ms,
            spacing: open.arrivals,
            in_flight_max: in_flight_max(open),
        };
        Self { shape, ..load }
    }

    pub(crate) fn mix(args: &MixArgs) -> Self {
        let load = Self::crowd("mix", &args.steady);
        let plan = Plan {
            captures: 1.0 - args.expire,
            expire_ttl_ms: args.expire_ttl,
            retries: args.retries,
            mix: Some(args.shares.clone()),
            ..load.plan
        };
        Self { plan, ..load }
    }

    pub(crate) fn max(args: &MaxArgs) -> Self {
        let (load, crowd) = (&args.load, &args.crowd);
        Self {
            profile: "max",
            args: load.clone(),
            wallets: crowd.wallets,
            zipf: crowd.zipf,
            plan: plan(load, 0),
            shape: Shape::Closed { depth: usize::from(args.depth) },
        }
    }

    fn crowd(profile: &'static str, args: &SteadyArgs) -> Self {
        let crowd = &args.crowd;
        Self::open(profile, &args.load, crowd.wallets, crowd.zipf, &args.open)
    }

    fn open(
        profile: &'static str,
        args: &LoadArgs,
        wallets: u32,
        zipf: f64,
        open: &OpenArgs,
    ) -> Self {
        Self {
            profile,
            args: args.clone(),
            wallets,
            zipf,
            plan: plan(args, nanos(open.work)),
            shape: Shape::Open {
                per_second: open.rate,
                bursts: None,
                spacing: open.arrivals,
                in_flight_max: in_flight_max(open),
            },
        }
    }
}

/// Authorizations and their captures.
fn plan(args: &LoadArgs, work: u64) -> Plan {
    Plan {
        captures: args.captures,
        above: args.above,
        work,
        ttl_ms: args.run.ttl,
        expire_ttl_ms: args.run.ttl,
        retries: 0.0,
        mix: None,
    }
}

fn in_flight_max(open: &OpenArgs) -> usize {
    usize::try_from(open.in_flight_max).unwrap_or(usize::MAX)
}

const fn millis(ms: u64) -> u64 {
    ms.saturating_mul(1_000_000)
}
