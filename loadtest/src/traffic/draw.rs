//! What is drawn by chance, all from one seed: wallets, amounts, kinds, fates.

use anyhow::{Context, Result, anyhow, bail};
use rand::distr::Distribution;
use rand::distr::weighted::WeightedIndex;
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};
use rand_distr::Zipf;

use super::op::Kind;
use crate::rounding::whole;

/// Estimates are drawn between these two, in 10^-12: 0.001 to 0.02.
const ESTIMATE: std::ops::Range<u64> = 1_000_000_000..20_000_000_000;

/// What the traffic is made of.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    /// The share of authorizations that are captured; the others are left to expire.
    pub(crate) captures: f64,
    /// The share of captures that are above their estimate.
    pub(crate) above: f64,
    /// From an authorization's due time to its capture's, in nanoseconds.
    pub(crate) work: u64,
    pub(crate) ttl_ms: u64,
    /// How long those live that are left to expire.
    pub(crate) expire_ttl_ms: u64,
    /// The share of commands that are sent again, half of them at once, half of them later.
    pub(crate) retries: f64,
    /// Which commands, if not an authorization and its capture each time.
    pub(crate) mix: Option<Shares>,
}

/// How often each command is sent, by weight.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Shares(Vec<(Kind, f64)>);

impl std::str::FromStr for Shares {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let mut shares = Vec::new();
        for part in text.split(',') {
            let (name, weight) = part
                .split_once('=')
                .with_context(|| format!("`{part}` is no share; one is like authorize=40"))?;
            let kind = Kind::ALL.into_iter().find(|kind| kind.name() == name).ok_or_else(|| {
                let names = Kind::ALL.map(Kind::name).join(", ");
                anyhow!("there is no `{name}`; there are {names}")
            })?;
            let weight = weight.parse::<f64>().ok().filter(|weight| (0.0..=1e6).contains(weight));
            let weight = weight.with_context(|| format!("`{part}`: a share is a number from 0"))?;
            if shares.iter().any(|&(other, _)| other == kind) {
                bail!("`{name}` stands there twice");
            }
            shares.push((kind, weight));
        }
        if !shares.iter().any(|&(kind, weight)| kind == Kind::Authorize && weight > 0.0) {
            bail!("without a share of authorize there is nothing to capture");
        }
        Ok(Self(shares))
    }
}

/// Draws.
#[derive(Debug)]
pub(super) struct Draw {
    plan: Plan,
    kinds: Option<(Vec<Kind>, WeightedIndex<f64>)>,
    wallets: u32,
    skew: Option<Zipf<f64>>,
    random: Xoshiro256PlusPlus,
}

impl Draw {
    pub(super) fn new(plan: Plan, wallets: u32, zipf: f64, seed: u64) -> Result<Self> {
        let kinds = plan.mix.as_ref().map(|Shares(shares)| -> Result<_> {
            let (kinds, weights): (Vec<_>, Vec<_>) = shares.iter().copied().unzip();
            Ok((kinds, WeightedIndex::new(weights).context("cannot draw from the shares")?))
        });
        let skew = (zipf > 0.0).then(|| Zipf::new(f64::from(wallets), zipf)).transpose();
        Ok(Self {
            kinds: kinds.transpose()?,
            wallets,
            skew: skew.map_err(|error| anyhow!("cannot draw wallets: {error}"))?,
            // A generator by name: it stays the same from release to release.
            random: Xoshiro256PlusPlus::seed_from_u64(seed),
            plan,
        })
    }

    pub(super) fn is_mix(&self) -> bool {
        self.kinds.is_some()
    }

    pub(super) fn has_retries(&self) -> bool {
        self.plan.retries > 0.0
    }

    pub(super) fn kind(&mut self) -> Kind {
        let Some((kinds, shares)) = &self.kinds else { return Kind::Authorize };
        kinds.get(shares.sample(&mut self.random)).copied().unwrap_or(Kind::Authorize)
    }

    /// The busiest wallet is number 0.
    pub(super) fn wallet(&mut self) -> u32 {
        match &self.skew {
            Some(zipf) => {
                let rank = whole(zipf.sample(&mut self.random)).saturating_sub(1);
                u32::try_from(rank).unwrap_or(u32::MAX).min(self.wallets.saturating_sub(1))
            }
            None => self.random.random_range(0..self.wallets),
        }
    }

    pub(super) fn estimate(&mut self) -> u64 {
        self.random.random_range(ESTIMATE)
    }

    /// What will be captured of an estimate; nothing if it will be left to expire.
    pub(super) fn settlement(&mut self, estimate: u64) -> Option<u64> {
        if !self.chance(self.plan.captures) {
            return None;
        }
        Some(if self.chance(self.plan.above) {
            estimate.saturating_add(self.random.random_range(1..=estimate))
        } else {
            self.random.random_range(0..=estimate)
        })
    }

    pub(super) fn retries_at_once(&mut self) -> bool {
        self.chance(self.plan.retries / 2.0)
    }

    pub(super) fn retries_late(&mut self) -> bool {
        self.chance(self.plan.retries / 2.0)
    }

    /// Nanoseconds up to that many.
    pub(super) fn up_to(&mut self, most: u64) -> u64 {
        self.random.random_range(0..=most)
    }

    /// In nanoseconds.
    pub(super) fn expire_ttl(&self) -> u64 {
        self.plan.expire_ttl_ms.saturating_mul(1_000_000)
    }

    fn chance(&mut self, share: f64) -> bool {
        share >= 1.0 || (share > 0.0 && self.random.random_bool(share))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan() -> Plan {
        Plan {
            captures: 1.0,
            above: 0.0,
            work: 0,
            ttl_ms: 1,
            expire_ttl_ms: 1,
            retries: 0.0,
            mix: None,
        }
    }

    fn wallets(count: u32, zipf: f64, seed: u64) -> Vec<u32> {
        let mut draw = Draw::new(plan(), count, zipf, seed).unwrap();
        (0..100_000).map(|_| draw.wallet()).collect()
    }

    #[test]
    fn the_busiest_wallet_gets_the_share_that_zipf_says() {
        let first = |zipf| wallets(10, zipf, 7).iter().filter(|&&wallet| wallet == 0).count();
        // 1 / (1 + 1/2 + … + 1/10) is 34.1 %, and an even share of ten is 10 %.
        assert!((33_500..34_700).contains(&first(1.0)), "{}", first(1.0));
        assert!((9_600..10_400).contains(&first(0.0)), "{}", first(0.0));
        assert!(wallets(1_000_000, 1.1, 7).iter().all(|&wallet| wallet < 1_000_000));
    }

    #[test]
    fn the_seed_decides() {
        assert_eq!(wallets(1_000, 1.0, 3), wallets(1_000, 1.0, 3));
        assert_ne!(wallets(1_000, 1.0, 3), wallets(1_000, 1.0, 4));
    }

    #[test]
    fn shares_are_kept() {
        let mix = "authorize=30,charge=10,balance=60".parse().unwrap();
        let mut draw = Draw::new(Plan { mix: Some(mix), ..plan() }, 1, 0.0, 1).unwrap();
        let mut charges = 0;
        for _ in 0..100_000 {
            charges += usize::from(draw.kind() == Kind::Charge);
        }
        assert!((9_600..10_400).contains(&charges), "{charges}");
    }

    #[test]
    fn captures_are_within_the_estimate_unless_they_are_to_be_above() {
        let mut draw = Draw::new(Plan { above: 0.5, ..plan() }, 1, 0.0, 1).unwrap();
        let settled = |draw: &mut Draw| draw.settlement(1_000).unwrap();
        let above = (0..10_000).filter(|_| settled(&mut draw) > 1_000).count();
        assert!((4_700..5_300).contains(&above), "{above}");
        let mut never = Draw::new(Plan { captures: 0.0, ..plan() }, 1, 0.0, 1).unwrap();
        assert_eq!(never.settlement(1_000), None);
    }

    #[test]
    fn shares_say_what_is_wrong_with_them() {
        for (text, expected) in [
            ("authorize", "one is like authorize=40"),
            ("authorise=1", "there is no `authorise`; there are authorize, extend"),
            ("authorize=x", "a share is a number"),
            ("authorize=1,authorize=2", "twice"),
            ("charge=1", "nothing to capture"),
        ] {
            let error = text.parse::<Shares>().unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
