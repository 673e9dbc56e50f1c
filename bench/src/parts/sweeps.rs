//! Throughput by the size of a batch, by the number of batches that may be unanswered, and by lanes.

use std::fmt;

use anyhow::Result;
use serde::{Deserialize, Serialize};

use super::fulfilment::{Run, run_app};
use super::{Plan, Row, run_interleaved};
use crate::shop::waiting_shop;
use crate::system::{Fsync, Runtime, Setup};

/// Settings of the sidecar: entries per delivery; deliveries that may be unanswered on a lane; lanes to the component.
pub(crate) const BATCH: &str = "LIMITS__BATCH_MAX";
pub(crate) const WINDOW: &str = "LIMITS__WINDOW_DELIVERIES";
pub(crate) const LANES: &str = "SERVICES__WAREHOUSE__LANES";

/// `spin.toml` has triggers for no more than two lanes.
const VALUES: [(&str, &[u64]); 3] = [
    (BATCH, &[1, 8, 32, 128, 256, 512]),
    (WINDOW, &[1, 2, 4, 8]),
    (LANES, &[1, 2]),
];
/// With smaller batches it is so slow that fewer orders say as much.
const FAST_BATCH: u64 = 32;

#[derive(Serialize, Deserialize)]
pub(crate) struct Point {
    setting: String,
    pub(crate) value: u64,
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", self.setting, self.value)
    }
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Sweeps {
    pub(crate) runtime: Runtime,
    pub(crate) rows: Vec<Row<Point, Run>>,
}

impl Sweeps {
    pub(crate) fn by(&self, setting: &str) -> impl Iterator<Item = &Row<Point, Run>> {
        self.rows.iter().filter(move |row| row.case.setting == setting)
    }
}

pub(crate) fn measure(plan: &Plan) -> Result<Sweeps> {
    let runtime = plan.first_runtime();
    let (orders, slow_orders) = plan.either((100_000, 10_000), (10_000, 2_000));
    let many = waiting_shop(&plan.stocked, orders, "waiting")?;
    let few = waiting_shop(&plan.stocked, slow_orders, "waiting-few")?;
    let point = |setting: &str, value: &u64| Point {
        setting: setting.to_owned(),
        value: *value,
    };
    let points = VALUES
        .iter()
        .flat_map(|(setting, values)| values.iter().map(|value| point(setting, value)));
    let rows = run_interleaved("sweeps", points, plan.either(3, 1), |point| {
        let is_slow = point.setting == BATCH && point.value < FAST_BATCH;
        let (data, orders) = if is_slow { (&few, slow_orders) } else { (&many, orders) };
        let setting = (point.setting.clone(), point.value.to_string());
        run_app(Setup::new(runtime), data, orders, Fsync::Everysec, &[setting])
    })?;
    Ok(Sweeps { runtime, rows })
}
