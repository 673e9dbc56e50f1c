//! Where the time of one order goes, stage by stage: each stage runs alone, on all orders, before the next begins.

use std::time::Instant;

use anyhow::Result;
use contracts::names::{
    ORDER_COMPLETED, ORDER_FULFILLED, ORDER_PLACED, PAYMENT_GROUP, REFUND_ORDER, STORE_GROUP, WAREHOUSE_GROUP,
};
use serde::{Deserialize, Serialize};

use super::{Plan, say};
use crate::shop::{check_cycle, place_orders, stream_length, watch_group};
use crate::statistics::Counted;
use crate::system::{App, Fsync, Redis, Runtime, STORE, Sidecar, WAREHOUSE};

/// One stage. All times are microseconds per entry.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Stage {
    /// What happens in it.
    pub(crate) name: String,
    /// Entries that went through it; for the first stage, requests.
    pub(crate) entries: usize,
    /// By the clock.
    pub(crate) wall_us: f64,
    /// Processor time of Redis's own thread, of the runtime with the components, and of the sidecar.
    pub(crate) redis_us: f64,
    pub(crate) app_us: f64,
    pub(crate) sidecar_us: f64,
    /// What Redis says was within its commands: the name, calls and microseconds, both per entry.
    pub(crate) commands: Vec<(String, f64, f64)>,
}

/// What was measured.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Profile {
    pub(crate) runtime: Runtime,
    pub(crate) stages: Vec<Stage>,
}

/// The stages behind the placing: a name, the route in `sidecar.toml`, and what it reads.
const STAGES: [(&str, &str, u8, &str, &str); 4] = [
    ("charge", "charge", STORE, ORDER_PLACED, PAYMENT_GROUP),
    ("take stock", "take-stock", STORE, ORDER_COMPLETED, WAREHOUSE_GROUP),
    ("close", "close", WAREHOUSE, ORDER_FULFILLED, STORE_GROUP),
    ("refund", "refund", WAREHOUSE, REFUND_ORDER, PAYMENT_GROUP),
];

/// Measures it.
pub(crate) fn measure(plan: &Plan) -> Result<Profile> {
    let orders = plan.either(50_000, 10_000);
    let runtime = plan.first_runtime();
    let redis = Redis::start(Fsync::Everysec, Some(plan.stocked.path()))?;
    let app = App::start(runtime, &redis)?;
    let mut connection = redis.connect(STORE)?;

    let before = Counted::read(&mut connection)?;
    let cpu = app.process.cpu_s();
    let begin = Instant::now();
    place_orders(&app, 0, orders)?;
    let seconds = begin.elapsed().as_secs_f64();
    let counted = Counted::read(&mut connection)?.since(&before);
    let app_cpu_s = app.process.cpu_s() - cpu;
    let mut stages = vec![stage("place (HTTP)", orders, seconds, &counted, app_cpu_s, 0.0)];

    for (name, route, database, stream, group) in STAGES {
        let mut watcher = redis.connect(database)?;
        let entries = stream_length(&mut watcher, stream)?;
        let before = Counted::read(&mut connection)?;
        let cpu = app.process.cpu_s();
        let mut sidecar = Sidecar::begin(&redis, &[route], &[])?;
        let seconds = watch_group(&mut watcher, (stream, group), 0, entries, || sidecar.process.check())?;
        let counted = Counted::read(&mut connection)?.since(&before);
        let app_cpu_s = app.process.cpu_s() - cpu;
        let sidecar_cpu_s = sidecar.process.cpu_s();
        sidecar.stop()?;
        stages.push(stage(name, entries, seconds, &counted, app_cpu_s, sidecar_cpu_s));
        say(&format!(
            "  profile on {runtime}: {name}: {:.0} entries/s",
            entries as f64 / seconds
        ));
    }
    check_cycle(&app, orders)?;
    Ok(Profile { runtime, stages })
}

fn stage(name: &str, entries: usize, seconds: f64, counted: &Counted, app_cpu_s: f64, sidecar_cpu_s: f64) -> Stage {
    /// The watch's own looks, and what costs next to nothing.
    const LEAST_US: f64 = 0.05;
    let count = entries as f64;
    let mut commands: Vec<(String, f64, f64)> = counted
        .commands
        .iter()
        .map(|(name, (calls, us))| (name.clone(), calls / count, us / count))
        .filter(|(name, _, us)| *us >= LEAST_US && !name.starts_with("xinfo"))
        .collect();
    commands.sort_by(|one, other| other.2.total_cmp(&one.2));
    Stage {
        name: name.to_owned(),
        entries,
        wall_us: seconds / count * 1e6,
        redis_us: counted.main_thread_s / count * 1e6,
        app_us: app_cpu_s / count * 1e6,
        sidecar_us: sidecar_cpu_s / count * 1e6,
        commands,
    }
}
