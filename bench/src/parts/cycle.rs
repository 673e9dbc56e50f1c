//! The whole cycle: orders are placed; then the sidecar starts, and each is charged for, fulfilled or refunded, closed.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde::{Deserialize, Serialize};

use super::{Plan, say};
use crate::process::pause;
use crate::shop::{check_cycle, orders_begun_and_ended, place_orders};
use crate::statistics::Counted;
use crate::system::{App, Folder, Fsync, Redis, STORE, Setup, Sidecar};

/// How long a run may take.
const RUN_S_MAX: u64 = 1_800;
/// Time between two looks at the groups: a look is four commands.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// The runs of one setup.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Row {
    pub(crate) setup: Setup,
    pub(crate) fsync: Fsync,
    /// Orders in each run.
    pub(crate) orders: usize,
    /// Orders per second from the first charged to the last closed, by run.
    pub(crate) per_s: Vec<f64>,
    /// Orders placed per second before, by run.
    pub(crate) placed_per_s: Vec<f64>,
    /// Shares of the time in which Redis's own thread, the runtime and the sidecar worked, by run.
    pub(crate) redis_busy: Vec<f64>,
    pub(crate) app_busy: Vec<f64>,
    pub(crate) sidecar_busy: Vec<f64>,
    /// What Redis counted in the last run.
    pub(crate) counted: Counted,
}

/// What was measured.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Cycle {
    pub(crate) rows: Vec<Row>,
}

/// Measures it.
pub(crate) fn measure(plan: &Plan) -> Result<Cycle> {
    let mut rows = Vec::new();
    for (fsync, orders, runs) in [
        (Fsync::Everysec, plan.either(50_000, 10_000), plan.runs()),
        (Fsync::Always, plan.either(20_000, 2_000), plan.either(3, 1)),
    ] {
        let mut some: Vec<Row> = plan
            .setups()
            .into_iter()
            .map(|setup| row(setup, fsync, orders))
            .collect();
        for run in 1..=runs {
            for row in &mut some {
                run_once(&plan.stocked, row)?;
                say(&format!(
                    "  whole cycle, {}, run {run} of {runs}: {}: {:.0} orders/s",
                    fsync.as_str(),
                    row.setup,
                    row.per_s.last().copied().unwrap_or_default()
                ));
            }
        }
        rows.extend(some);
    }
    Ok(Cycle { rows })
}

fn row(setup: Setup, fsync: Fsync, orders: usize) -> Row {
    Row {
        setup,
        fsync,
        orders,
        per_s: Vec::new(),
        placed_per_s: Vec::new(),
        redis_busy: Vec::new(),
        app_busy: Vec::new(),
        sidecar_busy: Vec::new(),
        counted: Counted::default(),
    }
}

fn run_once(stocked: &Folder, row: &mut Row) -> Result<()> {
    let redis = Redis::start(row.fsync, Some(stocked.path()))?;
    let app = App::start(row.setup.runtime, &redis)?;
    let orders = row.orders as f64;
    row.placed_per_s.push(orders / place_orders(&app, 0, row.orders)?);
    let mut connection = redis.connect(STORE)?;
    let before = Counted::read(&mut connection)?;
    let app_before = app.process.cpu_s();
    let sidecar = Sidecar::begin(&redis, &[], &row.setup.settings(&app))?;
    let seconds = until_ended(&redis, 0, row.orders)?;
    let counted = Counted::read(&mut connection)?.since(&before);
    row.per_s.push(orders / seconds);
    row.redis_busy.push(counted.main_thread_s / seconds);
    row.app_busy.push((app.process.cpu_s() - app_before) / seconds);
    row.sidecar_busy.push(sidecar.process.cpu_s() / seconds);
    row.counted = counted;
    check_cycle(&app, row.orders)
}

/// Waits until so many more orders than `before` have come to their end; answers with the seconds since the first of
/// them was begun with.
pub(crate) fn until_ended(redis: &Redis, before: usize, orders: usize) -> Result<f64> {
    let mut begun_and_ended = orders_begun_and_ended(redis)?;
    let wait = Instant::now();
    let mut begin = None;
    loop {
        let (begun, ended) = begun_and_ended()?;
        if begun > before && begin.is_none() {
            begin = Some(Instant::now());
        }
        if let Some(begin) = begin
            && ended >= before + orders
        {
            return Ok(begin.elapsed().as_secs_f64());
        }
        ensure!(
            wait.elapsed() < Duration::from_secs(RUN_S_MAX),
            "of {orders} orders {} have come to their end after {RUN_S_MAX} s",
            ended - before
        );
        pause(LOOK_EVERY);
    }
}
