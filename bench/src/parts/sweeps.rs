//! How throughput depends on the size of a batch, on how many batches may be unanswered, and on lanes.

use anyhow::Result;
use serde::{Deserialize, Serialize};

use super::fulfilment::run_app;
use super::{Plan, say};
use crate::shop::waiting_shop;
use crate::system::{Fsync, Runtime, Setup};

/// Entries per delivery at most.
const BATCHES: [u64; 6] = [1, 8, 32, 128, 256, 512];
/// Deliveries that may be unanswered on a lane.
const WINDOWS: [u64; 4] = [1, 2, 4, 8];
/// Lanes to the component; `spin.toml` has triggers for no more.
const LANES: [u64; 2] = [1, 2];

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
    pub(crate) by_lanes: Vec<Point>,
}

/// Measures it.
pub(crate) fn measure(plan: &Plan) -> Result<Sweeps> {
    let runtime = plan.first_runtime();
    let (most, fewest) = plan.either((100_000, 10_000), (10_000, 2_000));
    let many = waiting_shop(&plan.stocked, most, "waiting")?;
    let few = waiting_shop(&plan.stocked, fewest, "waiting-few")?;
    let points = |settings: &[u64], orders: &dyn Fn(u64) -> usize| -> Vec<Point> {
        let point = |setting: &u64| Point {
            setting: *setting,
            orders: orders(*setting),
            per_s: Vec::new(),
            app_us: Vec::new(),
            sidecar_us: Vec::new(),
        };
        settings.iter().map(point).collect()
    };
    // Small batches are slow: fewer orders tell as much.
    let mut by_batch = points(&BATCHES, &|batch| if batch < 32 { fewest } else { most });
    let mut by_window = points(&WINDOWS, &|_| most);
    let mut by_lanes = points(&LANES, &|_| most);
    for _ in 0..plan.either(3, 1) {
        for (name, points) in [
            ("LIMITS__BATCH_MAX", &mut by_batch),
            ("LIMITS__WINDOW_DELIVERIES", &mut by_window),
            ("SERVICES__WAREHOUSE__LANES", &mut by_lanes),
        ] {
            for point in points {
                let data = if point.orders == most { &many } else { &few };
                let setting = [(name.to_owned(), point.setting.to_string())];
                let run = run_app(Setup::new(runtime), data, point.orders, Fsync::Everysec, &setting)?;
                let orders = point.orders as f64;
                point.per_s.push(orders / run.seconds);
                point.app_us.push(run.app_cpu_s / orders * 1e6);
                point.sidecar_us.push(run.sidecar_cpu_s / orders * 1e6);
                say(&format!(
                    "  {name} of {} on {runtime}: {:.0} orders/s",
                    point.setting,
                    orders / run.seconds
                ));
            }
        }
    }
    Ok(Sweeps {
        runtime,
        by_batch,
        by_window,
        by_lanes,
    })
}
