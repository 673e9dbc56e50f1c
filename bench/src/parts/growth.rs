//! Growth: the cost of an order, in time and memory, while more and more orders are stored.

use std::time::Instant;

use anyhow::Result;
use redis::Connection;
use serde::{Deserialize, Serialize};

use super::{Plan, say};
use crate::client::http_client;
use crate::shop::{check_cycle, place_orders};
use crate::statistics::{Counted, median, percentile};
use crate::system::{App, Fsync, Redis, Runtime, STORE, Sidecar};
use crate::watch::watch_cycle;

/// Orders stored at each step; the runs of a step add theirs.
const STEPS: [usize; 5] = [1_000, 10_000, 100_000, 300_000, 1_000_000];
const STEPS_QUICK: [usize; 3] = [1_000, 5_000, 10_000];
/// Requests for a list page whose times are taken.
const PAGES: usize = 100;

/// Orders stored, and what one more costs then.
#[derive(Serialize, Deserialize)]
pub(crate) struct Step {
    pub(crate) orders: usize,
    pub(crate) runs: Vec<Run>,
    /// Of all runs together.
    pub(crate) counted: Counted,
    /// The newest page of the list of orders.
    pub(crate) page_p50_ms: f64,
    pub(crate) page_p99_ms: f64,
    /// Memory of Redis per stored order, with its streams, of which everything is kept for an hour.
    pub(crate) bytes_per_order: f64,
}

/// Microseconds per order.
#[derive(Serialize, Deserialize)]
pub(crate) struct Run {
    /// Placing it over HTTP, and the rest of its way.
    pub(crate) place_us: f64,
    pub(crate) cycle_us: f64,
    /// Redis's own thread in the rest of its way.
    pub(crate) cycle_redis_us: f64,
}

impl Step {
    pub(crate) fn each(&self, figure: impl Fn(&Run) -> f64) -> Vec<f64> {
        self.runs.iter().map(figure).collect()
    }
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Growth {
    pub(crate) runtime: Runtime,
    pub(crate) steps: Vec<Step>,
}

pub(crate) fn measure(plan: &Plan) -> Result<Growth> {
    let runtime = plan.first_runtime();
    let redis = Redis::start(Fsync::Everysec, Some(plan.stocked.path()))?;
    let app = App::start(runtime, &redis)?;
    let mut connection = redis.connect(STORE)?;
    let empty_bytes = Counted::read(&mut connection)?.memory_bytes;
    let mut steps = Vec::new();
    let mut stored = 0;
    for target in plan.either(&STEPS[..], &STEPS_QUICK[..]) {
        let missing = target.saturating_sub(stored);
        if missing > 0 {
            run_once(&redis, &app, &mut connection, &mut stored, missing)?;
        }
        let orders = stored;
        let before = Counted::read(&mut connection)?;
        let runs: Result<Vec<Run>> = (0..plan.either(5, 3))
            .map(|_| run_once(&redis, &app, &mut connection, &mut stored, plan.either(2_000, 500)))
            .collect();
        let counted = Counted::read(&mut connection)?.since(&before);
        let pages = list_pages(&app)?;
        let step = Step {
            orders,
            runs: runs?,
            counted,
            page_p50_ms: median(&pages),
            page_p99_ms: percentile(&pages, 99.0),
            bytes_per_order: (before.memory_bytes - empty_bytes) / orders as f64,
        };
        say(&format!(
            "  growth: {orders} orders stored: {:.0} us per order, Redis {:.0} us, a page {:.1} ms, {:.0} bytes per order",
            median(&step.each(|run| run.cycle_us)),
            median(&step.each(|run| run.cycle_redis_us)),
            step.page_p50_ms,
            step.bytes_per_order
        ));
        steps.push(step);
    }
    check_cycle(&app, stored)?;
    Ok(Growth { runtime, steps })
}

/// Places more orders and brings them to their end.
fn run_once(redis: &Redis, app: &App, connection: &mut Connection, stored: &mut usize, orders: usize) -> Result<Run> {
    let per_order = 1e6 / orders as f64;
    let place_us = place_orders(app, *stored, orders)? * per_order;
    let placed = Counted::read(connection)?;
    let sidecar = Sidecar::begin(redis, &[], &[])?;
    let cycle_us = watch_cycle(redis, *stored, orders)? * per_order;
    let counted = Counted::read(connection)?.since(&placed);
    sidecar.stop()?;
    *stored += orders;
    Ok(Run {
        place_us,
        cycle_us,
        cycle_redis_us: counted.main_thread_s * per_order,
    })
}

fn list_pages(app: &App) -> Result<Vec<f64>> {
    let client = http_client();
    let url = app.url("/store/orders?limit=50");
    let page = || -> Result<f64> {
        let begin = Instant::now();
        client.get(&url).call()?.body_mut().read_to_string()?;
        Ok(begin.elapsed().as_secs_f64() * 1e3)
    };
    page()?;
    (0..PAGES).map(|_| page()).collect()
}
