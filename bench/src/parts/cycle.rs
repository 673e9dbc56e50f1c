//! The whole cycle: orders are placed; then the sidecar starts, and each is charged, fulfilled or refunded, and closed.

use std::fmt;

use anyhow::Result;
use serde::{Deserialize, Serialize};

use super::{Case, Plan, Row, run_interleaved};
use crate::folder::Folder;
use crate::shop::{check_cycle, place_orders};
use crate::statistics::Counted;
use crate::system::{App, Fsync, Redis, STORE, Setup, Sidecar};
use crate::watch::watch_cycle;

#[derive(Serialize, Deserialize)]
pub(crate) struct Run {
    /// From the first order charged to the last closed.
    pub(crate) per_s: f64,
    /// Placed before.
    pub(crate) placed_per_s: f64,
    /// Shares of the time in which Redis's own thread, the runtime and the sidecar worked.
    pub(crate) redis_busy: f64,
    pub(crate) app_busy: f64,
    pub(crate) sidecar_busy: f64,
    pub(crate) counted: Counted,
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.0} orders/s", self.per_s)
    }
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Cycle {
    pub(crate) rows: Vec<Row<Case<Setup>, Run>>,
}

pub(crate) fn measure(plan: &Plan) -> Result<Cycle> {
    let mut rows = Vec::new();
    for (fsync, orders, runs) in [
        (Fsync::Everysec, plan.either(50_000, 10_000), plan.runs()),
        (Fsync::Always, plan.either(20_000, 2_000), plan.either(3, 1)),
    ] {
        let cases = plan.setups().into_iter().map(|contender| Case {
            contender,
            fsync,
            orders,
        });
        rows.extend(run_interleaved("whole cycle", cases, runs, |case| {
            run_once(&plan.stocked, *case)
        })?);
    }
    Ok(Cycle { rows })
}

fn run_once(stocked: &Folder, case: Case<Setup>) -> Result<Run> {
    let redis = Redis::start(case.fsync, Some(stocked.path()))?;
    let app = App::start(case.contender.runtime, &redis)?;
    let orders = case.orders as f64;
    let placed_per_s = orders / place_orders(&app, 0, case.orders)?;
    let mut connection = redis.connect(STORE)?;
    let before = Counted::read(&mut connection)?;
    let app_before = app.process.cpu_s();
    let sidecar = Sidecar::begin(&redis, &[], &case.contender.settings(&app))?;
    let seconds = watch_cycle(&redis, 0, case.orders)?;
    let counted = Counted::read(&mut connection)?.since(&before);
    let run = Run {
        per_s: orders / seconds,
        placed_per_s,
        redis_busy: counted.main_thread_s / seconds,
        app_busy: (app.process.cpu_s() - app_before) / seconds,
        sidecar_busy: sidecar.process.cpu_s() / seconds,
        counted,
    };
    check_cycle(&app, case.orders)?;
    Ok(run)
}
