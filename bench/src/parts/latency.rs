//! Latency of one order: from the answer to its `POST` until a `GET` shows it as fulfilled.

use std::fmt;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, ensure};
use serde::{Deserialize, Serialize};

use super::{Plan, Row, run_interleaved};
use crate::client::{get_json, http_client};
use crate::process::{pause, pause_until};
use crate::shop::{fulfillable, place_order};
use crate::statistics::{median, percentile};
use crate::system::{App, Fsync, Redis, Setup, Sidecar};
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
/// Time between two looks under load, where looks take from what the load could use. Idle, a watcher looks all the time.
const LOOK_EVERY: Duration = Duration::from_millis(4);
/// Load before the first order is watched.
const WARM_UP: Duration = Duration::from_secs(2);
/// An order that takes longer fails the run.
const ORDER_MAX: Duration = Duration::from_secs(20);

/// Milliseconds of each watched order.
#[derive(Serialize, Deserialize)]
pub(crate) struct Run {
    pub(crate) idle_ms: Vec<f64>,
    pub(crate) loaded_ms: Vec<f64>,
    /// Orders per second that the load really placed.
    pub(crate) load_per_s: f64,
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |times| format!("p50 {:.1} ms, p99 {:.1} ms", median(times), percentile(times, 99.0));
        write!(f, "idle {}; loaded {}", text(&self.idle_ms), text(&self.loaded_ms))
    }
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Latency {
    pub(crate) rows: Vec<Row<Setup, Run>>,
}

pub(crate) fn measure(plan: &Plan) -> Result<Latency> {
    let rows = run_interleaved("latency", plan.setups(), plan.runs(), |setup| run_once(plan, *setup))?;
    Ok(Latency { rows })
}

fn run_once(plan: &Plan, setup: Setup) -> Result<Run> {
    let redis = Redis::start(Fsync::Everysec, Some(plan.stocked.path()))?;
    let app = App::start(setup.runtime, &redis)?;
    let _sidecar = Sidecar::start(&redis, &[], &setup.settings(&app))?;
    let count = plan.either(500, 100);
    // The first ones find nothing compiled, connected or loaded yet.
    watch(&app, 20, IDLE_EVERY, None)?;
    let idle_ms = watch(&app, count, IDLE_EVERY, None)?;

    let load = Requests::placing()?.send_at_rate(&app.url("/store/orders"), LOADERS, LOAD_PER_S)?;
    pause(WARM_UP);
    let loaded_ms = thread::scope(|scope| -> Result<Vec<f64>> {
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
    Ok(Run {
        idle_ms,
        // First, since where both failed, the watchers know why.
        loaded_ms: loaded_ms?,
        load_per_s: load?.per_s(),
    })
}

/// Places orders one after the other and watches each; returns the milliseconds that each took.
fn watch(app: &App, count: usize, every: Duration, look_every: Option<Duration>) -> Result<Vec<f64>> {
    let client = http_client();
    let begin = Instant::now();
    let mut times = Vec::with_capacity(count);
    for number in 0..count {
        pause_until(begin + every * u32::try_from(number)?);
        let id = place_order(&client, &app.url("/store/orders"), fulfillable(number))?;
        let placed = Instant::now();
        let url = app.url(&format!("/store/orders/{id}"));
        loop {
            let order = get_json(&client, &url)?;
            let took = placed.elapsed();
            if order["status"] == "fulfilled" {
                times.push(took.as_secs_f64() * 1e3);
                break;
            }
            let status = &order["status"];
            ensure!(took < ORDER_MAX, "the order {id} is still {status} after {took:?}");
            if let Some(pause_for) = look_every {
                pause(pause_for);
            }
        }
    }
    Ok(times)
}
