//! Throughput by the size of a batch, by the number of batches that may be unanswered, and by lanes.

use std::fmt;

use anyhow::Result;
use serde::{Deserialize, Serialize};

use super::fulfilment::{Run, run_app};
use super::{Plan, Row, run_interleaved};
use crate::shop::waiting_shop;
use crate::system::{Fsync, Runtime, Setup};

/// Entries per delivery at most.
const BATCHES: [u64; 6] = [1, 8, 32, 128, 256, 512];
/// Deliveries that may be unanswered on a lane.
const WINDOWS: [u64; 4] = [1, 2, 4, 8];
/// Lanes to the component; `spin.toml` has triggers for no more.
const LANES: [u64; 2] = [1, 2];

#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Setting {
    Batch,
    Window,
    Lanes,
}

/// One setting at one value.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Point {
    pub(crate) setting: Setting,
    pub(crate) value: u64,
}

impl Point {
    fn variable(self) -> &'static str {
        match self.setting {
            Setting::Batch => "LIMITS__BATCH_MAX",
            Setting::Window => "LIMITS__WINDOW_DELIVERIES",
            Setting::Lanes => "SERVICES__WAREHOUSE__LANES",
        }
    }

    /// With small batches it is slow: fewer orders say as much.
    fn is_slow(self) -> bool {
        self.setting == Setting::Batch && self.value < 32
    }
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", self.variable(), self.value)
    }
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Sweeps {
    pub(crate) runtime: Runtime,
    pub(crate) rows: Vec<Row<Point, Run>>,
}

impl Sweeps {
    pub(crate) fn by(&self, setting: Setting) -> impl Iterator<Item = &Row<Point, Run>> {
        self.rows.iter().filter(move |row| row.case.setting == setting)
    }
}

pub(crate) fn measure(plan: &Plan) -> Result<Sweeps> {
    let runtime = plan.first_runtime();
    let (orders, slow_orders) = plan.either((100_000, 10_000), (10_000, 2_000));
    let many = waiting_shop(&plan.stocked, orders, "waiting")?;
    let few = waiting_shop(&plan.stocked, slow_orders, "waiting-few")?;
    let all = [
        (Setting::Batch, &BATCHES[..]),
        (Setting::Window, &WINDOWS[..]),
        (Setting::Lanes, &LANES[..]),
    ];
    let points = all
        .into_iter()
        .flat_map(|(setting, values)| values.iter().map(move |value| Point { setting, value: *value }));
    let rows = run_interleaved("sweeps", points, plan.either(3, 1), |point| {
        let (data, orders) = if point.is_slow() {
            (&few, slow_orders)
        } else {
            (&many, orders)
        };
        let variable = (point.variable().to_owned(), point.value.to_string());
        run_app(Setup::new(runtime), data, orders, Fsync::Everysec, &[variable])
    })?;
    Ok(Sweeps { runtime, rows })
}
