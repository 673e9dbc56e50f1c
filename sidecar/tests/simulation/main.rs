//! The lanes of two sidecars against a simulated Redis, network, clock and runtimes, deterministic from a seed:
//! replies and receipts are delayed and lost, processes crash and are paused at any step, and everything must still
//! come to its one right end.
//!
//! `SIM_SEEDS=1000000` tries more seeds; `SIM_SEED=17` runs one and prints what happened step by step.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod broker;
mod checks;
mod faults;
mod network;
mod node;
mod runtime;
mod simulation;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use faults::Fault;
use simulation::Simulation;

/// Number of seeds in every run of the tests; more with SIM_SEEDS.
const SEEDS: u64 = 100_000;
/// Number of lines shown of a failing seed's trace.
const TRACE_LINES: usize = 150;

fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap())
}

#[test]
fn everything_comes_to_its_one_right_end() {
    if let Some(seed) = variable("SIM_SEED") {
        let mut simulation = Simulation::new(seed, true);
        let result = simulation.run();
        println!("{}", simulation.trace().join("\n"));
        result.unwrap();
        return;
    }
    let seeds = variable("SIM_SEEDS").unwrap_or(SEEDS);
    let next = AtomicU64::new(0);
    let steps = AtomicU64::new(0);
    let start = Instant::now();
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let seed = next.fetch_add(1, Ordering::Relaxed)
                    && seed < seeds
                {
                    let mut simulation = Simulation::new(seed, false);
                    if let Err(why) = simulation.run() {
                        next.store(seeds, Ordering::Relaxed);
                        explain(seed, &why);
                    }
                    steps.fetch_add(simulation.steps, Ordering::Relaxed);
                }
            });
        }
    });
    println!("{seeds} seeds, {} steps in {:?}", steps.into_inner(), start.elapsed());
}

/// Runs a failing seed once more, with its trace.
fn explain(seed: u64, why: &str) -> ! {
    let mut simulation = Simulation::new(seed, true);
    let again = simulation.run().expect_err("a seed fails the same way every time");
    assert_eq!(again, why);
    let trace = simulation.trace();
    let tail = &trace[trace.len().saturating_sub(TRACE_LINES)..];
    panic!(
        "seed {seed}, step {}: {why}\nSIM_SEED={seed} shows all of it. The end:\n{}",
        simulation.steps,
        tail.join("\n")
    );
}

/// An hour, in microseconds.
const HOUR: i64 = 3_600_000_000;

#[test]
fn a_component_that_is_unavailable_for_an_hour_costs_no_attempt() {
    check_hour(&[Fault::Unavailable(0, HOUR), Fault::Unavailable(1, HOUR)]);
}

#[test]
fn a_redis_that_is_away_for_an_hour_costs_no_attempt() {
    check_hour(&[Fault::RedisAway(HOUR)]);
}

/// Runs with every check, among them that a good entry is done at its first attempt.
fn check_hour(faults: &[Fault]) {
    for seed in 0..5 {
        let faults = faults.iter().map(|fault| (10_000, *fault)).collect();
        let mut simulation = Simulation::with_faults(fastrand::Rng::with_seed(seed), faults, true);
        if let Err(why) = simulation.run() {
            let trace = simulation.trace();
            panic!("{why}\n{}", trace[trace.len().saturating_sub(TRACE_LINES)..].join("\n"));
        }
        assert!(simulation.now > HOUR, "it was over before the hour was");
    }
}

#[test]
fn a_seed_always_does_the_same() {
    let trace = |seed| {
        let mut simulation = Simulation::new(seed, true);
        simulation.run().unwrap();
        simulation.trace().to_vec()
    };
    assert_eq!(trace(7), trace(7));
    assert_ne!(trace(7), trace(8));
}
