//! Latency of one order: from the answer to its `POST` until a `GET` shows it as fulfilled.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Plan, say};
use crate::process::{pause, pause_until};
use crate::shop::{fulfillable, order_body};
use crate::statistics::percentile;
use crate::system::{App, Fsync, Redis, Setup, Sidecar, http_client};
use crate::wrk::Requests;

/// Orders placed per second beside the watched ones.
const LOAD_PER_S: usize = 2_000;
/// Connections on which they are placed.
const LOADERS: usize = 16;
/// Time between two watched orders on an idle system, and under load.
const IDLE_EVERY: Duration = Duration::from_millis(20);
const LOADED_EVERY: Duration = Duration::from_millis(50);
/// Watchers under load: a second one watches its order when the first one's takes long.
const WATCHERS: usize = 2;
/// Time between two looks under load, when looking costs what the load could use. Idle, a watcher looks all the time.
const LOOK_EVERY: Duration = Duration::from_millis(4);
/// How long the load runs before the first order is watched.
const WARM_UP: Duration = Duration::from_secs(2);
/// How long an order may take.
const ORDER_MAX: Duration = Duration::from_secs(20);

/// The orders watched in one setup.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Row {
    pub(crate) setup: Setup,
    /// Milliseconds of each watched order, by run.
    pub(crate) idle_ms: Vec<Vec<f64>>,
    pub(crate) loaded_ms: Vec<Vec<f64>>,
    /// Orders per second that the load really placed, by run.
    pub(crate) load_per_s: Vec<f64>,
}

/// What was measured.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Latency {
    pub(crate) rows: Vec<Row>,
}

/// Measures it.
pub(crate) fn measure(plan: &Plan) -> Result<Latency> {
    let mut rows: Vec<Row> = plan
        .setups()
        .into_iter()
        .map(|setup| Row {
            setup,
            idle_ms: Vec::new(),
            loaded_ms: Vec::new(),
            load_per_s: Vec::new(),
        })
        .collect();
    for _ in 0..plan.runs() {
        for row in &mut rows {
            run_once(plan, row)?;
            for (what, times) in [("idle", &row.idle_ms), ("loaded", &row.loaded_ms)] {
                let times = times.last().map_or(&[][..], Vec::as_slice);
                let (p50, p99) = (percentile(times, 50.0), percentile(times, 99.0));
                say(&format!(
                    "  latency, {what}: {}: p50 {p50:.1} ms, p99 {p99:.1} ms",
                    row.setup
                ));
            }
        }
    }
    Ok(Latency { rows })
}

fn run_once(plan: &Plan, row: &mut Row) -> Result<()> {
    let redis = Redis::start(Fsync::Everysec, Some(plan.stocked.path()))?;
    let app = App::start(row.setup.runtime, &redis)?;
    let _sidecar = Sidecar::start(&redis, &[], &row.setup.settings(&app))?;
    let count = plan.either(500, 100);
    // The first ones find nothing compiled, connected or loaded yet.
    watch(&app, 20, IDLE_EVERY, None)?;
    row.idle_ms.push(watch(&app, count, IDLE_EVERY, None)?);

    let load = Requests::placing()?.send_at_rate(&app.url("/store/orders"), LOADERS, LOAD_PER_S)?;
    pause(WARM_UP);
    let loaded = thread::scope(|scope| -> Result<Vec<f64>> {
        let app = &app;
        let watchers: Vec<_> = (0..WATCHERS)
            .map(|_| scope.spawn(move || watch(app, count / WATCHERS, LOADED_EVERY, Some(LOOK_EVERY))))
            .collect();
        let mut times = Vec::new();
        for watcher in watchers {
            times.extend(watcher.join().map_err(|_| anyhow!("a watcher panicked"))??);
        }
        Ok(times)
    });
    let load = load.stop();
    // Where both failed, the watchers know why.
    let loaded = loaded?;
    row.load_per_s.push(load?.per_s());
    row.loaded_ms.push(loaded);
    Ok(())
}

/// Places orders one after the other and watches each; answers with how long each took, in milliseconds.
fn watch(app: &App, count: usize, every: Duration, look_every: Option<Duration>) -> Result<Vec<f64>> {
    let client = http_client();
    let begin = Instant::now();
    let mut times = Vec::with_capacity(count);
    for number in 0..count {
        pause_until(begin + every * u32::try_from(number)?);
        let mut answer = client
            .post(app.url("/store/orders"))
            .send(order_body(fulfillable(number)))?;
        let placed = Instant::now();
        let order: Value = serde_json::from_str(&answer.body_mut().read_to_string()?)?;
        let id = order["order_id"].as_str().context("an order without an id")?;
        let url = app.url(&format!("/store/orders/{id}"));
        loop {
            let text = client.get(&url).call()?.body_mut().read_to_string()?;
            let took = placed.elapsed();
            let order: Value = serde_json::from_str(&text)?;
            if order["status"] == "fulfilled" {
                times.push(took.as_secs_f64() * 1e3);
                break;
            }
            ensure!(
                took < ORDER_MAX,
                "the order {id} is still {} after {took:?}",
                order["status"]
            );
            if let Some(pause_for) = look_every {
                pause(pause_for);
            }
        }
    }
    Ok(times)
}
