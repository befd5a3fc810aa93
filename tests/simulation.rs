//! Whatever crashes whenever: what was acknowledged is there exactly once, what was not may be
//! asked again. A failing seed is told; `SIM_SEED` runs it alone, `SIM_SEEDS` sets how many run.

#[cfg(test)]
#[expect(clippy::option_option, clippy::result_large_err, reason = "naive on purpose")]
mod model;
#[cfg(test)]
mod world;

use world::{Seen, World};

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

fn run(seed: u64) -> Seen {
    let mut world = World::new(seed);
    for _ in 0..400 {
        world.step();
    }
    world.finish()
}

#[test]
fn nothing_acknowledged_is_ever_lost_or_done_twice() {
    let seeds = match number("SIM_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("SIM_SEEDS").unwrap_or(200),
    };
    let mut total = Seen::default();
    for seed in seeds {
        let seen = std::panic::catch_unwind(|| run(seed));
        let seen = seen.unwrap_or_else(|_| panic!("rerun it with SIM_SEED={seed}"));
        total.add(seen);
    }
    eprintln!("{total:?}");
    if number("SIM_SEED").is_none() {
        assert!(total.is_worth_it(), "too little happened: {total:?}");
    }
}

#[test]
fn a_seed_reruns_alike() {
    assert_eq!(format!("{:?}", run(3)), format!("{:?}", run(3)));
}
