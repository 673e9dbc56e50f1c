//! How throughput depends on the size of a batch and on how many batches are under way.

use anyhow::Result;
use serde::{Deserialize, Serialize};

use super::fulfilment::run_app;
use super::{Plan, say};
use crate::shop::waiting_shop;
use crate::system::{Fsync, Runtime};

/// Entries per delivery at most.
const BATCHES: [u64; 6] = [1, 8, 32, 128, 256, 512];
/// Deliveries that may be unanswered.
const WINDOWS: [u64; 4] = [1, 2, 4, 8];
/// The defaults, at which the other one is measured.
const BATCH: u64 = 512;
const WINDOW: u64 = 4;

/// One setting's runs.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Point {
    /// What was set.
    pub(crate) setting: u64,
    /// Orders in each run.
    pub(crate) orders: usize,
    /// Orders per second, by run.
    pub(crate) per_s: Vec<f64>,
    /// Processor time per order in microseconds, by run: of the runtime with the component, and of the sidecar.
    pub(crate) app_us: Vec<f64>,
    pub(crate) sidecar_us: Vec<f64>,
}

/// What was measured.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Sweeps {
    pub(crate) runtime: Runtime,
    pub(crate) by_batch: Vec<Point>,
    pub(crate) by_window: Vec<Point>,
}

/// Measures it.
pub(crate) fn measure(plan: &Plan) -> Result<Sweeps> {
    let runtime = plan.first_runtime();
    let (most, fewest) = plan.either((100_000, 10_000), (10_000, 2_000));
    let many = waiting_shop(&plan.stocked, most, "waiting")?;
    let few = waiting_shop(&plan.stocked, fewest, "waiting-few")?;
    let point = |setting: &u64, batch: u64| Point {
        setting: *setting,
        // Small batches are slow: fewer orders tell as much.
        orders: if batch < 32 { fewest } else { most },
        per_s: Vec::new(),
        app_us: Vec::new(),
        sidecar_us: Vec::new(),
    };
    let mut by_batch: Vec<Point> = BATCHES.iter().map(|batch| point(batch, *batch)).collect();
    let mut by_window: Vec<Point> = WINDOWS.iter().map(|window| point(window, BATCH)).collect();
    for _ in 0..plan.either(3, 1) {
        let batches = by_batch.iter_mut().map(|point| ("batch", point));
        let windows = by_window.iter_mut().map(|point| ("window", point));
        for (what, point) in batches.chain(windows) {
            let (batch, window) = match what {
                "batch" => (point.setting, WINDOW),
                _ => (BATCH, point.setting),
            };
            let data = if point.orders == most { &many } else { &few };
            let limits = [("batch_max", batch), ("window_deliveries", window)];
            let run = run_app(runtime, data, point.orders, Fsync::Everysec, &limits)?;
            let orders = point.orders as f64;
            point.per_s.push(orders / run.seconds);
            point.app_us.push(run.app_cpu_s / orders * 1e6);
            point.sidecar_us.push(run.sidecar_cpu_s / orders * 1e6);
            say(&format!(
                "  {what} of {} on {runtime}: {:.0} orders/s",
                point.setting,
                orders / run.seconds
            ));
        }
    }
    Ok(Sweeps {
        runtime,
        by_batch,
        by_window,
    })
}
