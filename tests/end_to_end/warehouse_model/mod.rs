//! Taking stock in Lua against its model in Rust, among random movements, cancels, returns and changes of products.
//!
//! Everything else is decided by the warehouse's domain and held by its own tests; here only its effects are checked:
//! after every step stocks, lists, allocations and events are exactly what the steps so far add up to.

mod allocate;
mod steps;
mod checks;

use crate::Test;
use crate::courier::Courier;
use crate::harness::System;
use crate::runtime::{Program, Runtime};

use self::steps::Run;

pub const TESTS: &[Test] = &[("taking stock does what the model says", against_the_model)];

/// Runs, each with a fresh database.
const RUNS: u64 = 4;
const STEPS_ON_DEVHOST: usize = 1_000;
const STEPS_ON_SPIN: usize = 250;

/// Environment variable: set to the seed in a failure's message, it repeats that run alone.
const SEED: &str = "WAREHOUSE_MODEL_SEED";

fn against_the_model(runtime: Runtime) {
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
    for seed in seeds {
        println!("the warehouse's model: {SEED}={seed}, {steps} steps");
        let mut courier = Courier::to_warehouse(&system);
        let _: String = courier.redis(&["FLUSHDB"]);
        let mut run = Run::new(&system, courier, seed);
        for step in 0..steps {
            let done = run.step();
            run.check(&format!("{SEED}={seed}, step {step}: {done}"));
        }
        run.check_orders(&format!("{SEED}={seed}, at the end"));
        println!("the warehouse's model: {}", run.summary());
    }
}
