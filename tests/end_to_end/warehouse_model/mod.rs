//! The warehouse's scripts against the model that the domain is: random requests and events, and after every step what
//! is in Redis equals what the domain says.

mod allocate;
mod model;
mod steps;
mod look;

use std::time::Instant;

use crate::Test;
use crate::courier::Courier;
use crate::harness::System;
use crate::runtime::{Program, Runtime};

use self::steps::Run;

pub const TESTS: &[Test] = &[("the warehouse's scripts do what the model says", scripts)];

/// Runs with a database of their own.
const RUNS: u64 = 4;
const STEPS_ON_DEVHOST: usize = 1_000;
const STEPS_ON_SPIN: usize = 250;

/// Set to the seed that a failure names, it runs that one alone.
const SEED: &str = "WAREHOUSE_MODEL_SEED";

fn scripts(runtime: Runtime) {
    let mut system = System::with_redis(runtime);
    system.start_runtime();
    let steps = match runtime.program {
        Program::Devhost => STEPS_ON_DEVHOST,
        Program::Spin => STEPS_ON_SPIN,
    };
    let seeds: Vec<u64> = match std::env::var(SEED) {
        Ok(seed) => vec![seed.parse().unwrap()],
        Err(_) => (0..RUNS).map(|_| fastrand::u64(..)).collect(),
    };
    let began = Instant::now();
    for seed in &seeds {
        println!("the warehouse's model: {SEED}={seed}, {steps} steps");
        let mut courier = Courier::to_warehouse(&system);
        let _: String = courier.redis(&["FLUSHDB"]);
        let mut run = Run::new(&system, courier, *seed);
        for step in 0..steps {
            let what = run.step();
            run.look(&format!("{SEED}={seed}, step {step}: {what}"));
        }
        run.look_at_everything(&format!("{SEED}={seed}, at the end"));
    }
    println!(
        "the warehouse's model: {} steps in {:?}",
        seeds.len() * steps,
        began.elapsed()
    );
}
