//! Growth: what an order costs, in time and memory, while more and more orders are stored.

use std::time::Instant;

use anyhow::Result;
use serde::{Deserialize, Serialize};

use super::cycle::until_ended;
use super::{Plan, say};
use crate::shop::{check_cycle, place_orders};
use crate::statistics::{Counted, percentile};
use crate::system::{App, Fsync, Redis, Runtime, STORE, Sidecar, http_client};

/// Orders stored at each step of a full measurement.
const STEPS: [usize; 5] = [1_000, 10_000, 100_000, 300_000, 1_000_000];
/// Of a quick one.
const STEPS_QUICK: [usize; 3] = [1_000, 5_000, 10_000];
/// Requests for a list page, whose times are taken.
const PAGES: usize = 100;

/// What was measured with so many orders stored.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Step {
    /// Orders stored before.
    pub(crate) orders: usize,
    /// Orders placed and brought to their end in each run.
    pub(crate) window: usize,
    /// Microseconds per order by the clock, by run: placing it over HTTP, and the rest of its way.
    pub(crate) place_us: Vec<f64>,
    pub(crate) cycle_us: Vec<f64>,
    /// Microseconds of Redis's own thread per order, by run: placing it, and the rest.
    pub(crate) place_redis_us: Vec<f64>,
    pub(crate) cycle_redis_us: Vec<f64>,
    /// Microseconds within Redis commands over all runs, and how often each was called: name, calls, microseconds.
    pub(crate) commands: Vec<(String, f64, f64)>,
    /// Milliseconds for the newest page of the list of orders, p50 and p99.
    pub(crate) page_p50_ms: f64,
    pub(crate) page_p99_ms: f64,
    /// Memory of Redis per stored order, in bytes: with its streams, of which everything is kept for an hour.
    pub(crate) bytes_per_order: f64,
}

/// What was measured.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Growth {
    pub(crate) runtime: Runtime,
    pub(crate) steps: Vec<Step>,
}

/// Measures it.
pub(crate) fn measure(plan: &Plan) -> Result<Growth> {
    let runtime = plan.first_runtime();
    let redis = Redis::start(Fsync::Everysec, Some(plan.stocked.path()))?;
    let app = App::start(runtime, &redis)?;
    let mut connection = redis.connect(STORE)?;
    let empty_bytes = Counted::read(&mut connection)?.memory_bytes;
    let mut steps = Vec::new();
    let mut stored = 0;
    for target in plan.either(&STEPS[..], &STEPS_QUICK[..]) {
        fill(&redis, &app, &mut stored, *target)?;
        let mut step = Step {
            orders: stored,
            window: plan.either(2_000, 500),
            place_us: Vec::new(),
            cycle_us: Vec::new(),
            place_redis_us: Vec::new(),
            cycle_redis_us: Vec::new(),
            commands: Vec::new(),
            page_p50_ms: 0.0,
            page_p99_ms: 0.0,
            bytes_per_order: (Counted::read(&mut connection)?.memory_bytes - empty_bytes) / stored as f64,
        };
        let before = Counted::read(&mut connection)?;
        for _ in 0..plan.either(5, 3) {
            window(&redis, &app, &mut connection, &mut stored, &mut step)?;
        }
        let counted = Counted::read(&mut connection)?.since(&before);
        step.commands = counted
            .commands
            .into_iter()
            .map(|(name, (calls, us))| (name, calls, us))
            .collect();
        let pages = list_pages(&app)?;
        step.page_p50_ms = percentile(&pages, 50.0);
        step.page_p99_ms = percentile(&pages, 99.0);
        say(&format!(
            "  growth: {} orders stored: {:.0} us per order, Redis {:.0} us, a page {:.1} ms, {:.0} bytes per order",
            step.orders,
            percentile(&step.cycle_us, 50.0),
            percentile(&step.cycle_redis_us, 50.0),
            step.page_p50_ms,
            step.bytes_per_order
        ));
        steps.push(step);
    }
    check_cycle(&app, stored)?;
    Ok(Growth { runtime, steps })
}

/// Brings more orders to their end until so many are stored.
fn fill(redis: &Redis, app: &App, stored: &mut usize, target: usize) -> Result<()> {
    if target > *stored {
        let more = target - *stored;
        place_orders(app, *stored, more)?;
        let sidecar = Sidecar::begin(redis, &[], &[])?;
        until_ended(redis, *stored, more)?;
        sidecar.stop()?;
        *stored = target;
    }
    Ok(())
}

fn window(
    redis: &Redis,
    app: &App,
    connection: &mut redis::Connection,
    stored: &mut usize,
    step: &mut Step,
) -> Result<()> {
    let per_order = 1e6 / step.window as f64;
    let before = Counted::read(connection)?;
    step.place_us.push(place_orders(app, *stored, step.window)? * per_order);
    let placed = Counted::read(connection)?;
    step.place_redis_us
        .push(placed.since(&before).main_thread_s * per_order);
    let sidecar = Sidecar::begin(redis, &[], &[])?;
    step.cycle_us
        .push(until_ended(redis, *stored, step.window)? * per_order);
    let ended = Counted::read(connection)?;
    step.cycle_redis_us.push(ended.since(&placed).main_thread_s * per_order);
    sidecar.stop()?;
    *stored += step.window;
    Ok(())
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
