//! The time of one order, stage by stage: each stage runs alone, on all orders, before the next begins.

use anyhow::Result;
use redis::Commands;
use serde::{Deserialize, Serialize};

use super::{Plan, say};
use crate::shop::{check_cycle, place_orders};
use crate::statistics::Counted;
use crate::system::{App, Fsync, Redis, Runtime, STORE, Sidecar};
use crate::watch::{CHARGE, CLOSE, Group, REFUND, TAKE_STOCK, watch_group};

#[derive(Serialize, Deserialize)]
pub(crate) struct Stage {
    pub(crate) name: String,
    /// Entries that went through it; for the first stage, requests.
    pub(crate) entries: usize,
    pub(crate) seconds: f64,
    /// Processor time of the runtime with the components, and of the sidecar.
    pub(crate) app_cpu_s: f64,
    pub(crate) sidecar_cpu_s: f64,
    pub(crate) counted: Counted,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Profile {
    pub(crate) runtime: Runtime,
    pub(crate) stages: Vec<Stage>,
}

/// The stages behind the placing: name, route in `sidecar.toml`, and what it reads.
const STAGES: [(&str, &str, Group); 4] = [
    ("charge", "charge", CHARGE),
    ("take stock", "take-stock", TAKE_STOCK),
    ("close", "close", CLOSE),
    ("refund", "refund", REFUND),
];

pub(crate) fn measure(plan: &Plan) -> Result<Profile> {
    let orders = plan.either(50_000, 10_000);
    let runtime = plan.first_runtime();
    let redis = Redis::start(Fsync::Everysec, Some(plan.stocked.path()))?;
    let app = App::start(runtime, &redis)?;
    let mut connection = redis.connect(STORE)?;
    let mut stages = Vec::new();
    // Runs a stage, which returns its entries, its seconds, and the sidecar's processor time.
    let mut stage = |name: &str, run: &dyn Fn() -> Result<(usize, f64, f64)>| -> Result<()> {
        let before = Counted::read(&mut connection)?;
        let cpu = app.process.cpu_s();
        let (entries, seconds, sidecar_cpu_s) = run()?;
        say(&format!(
            "  profile on {runtime}: {name}: {:.0} entries/s",
            entries as f64 / seconds
        ));
        stages.push(Stage {
            name: name.to_owned(),
            entries,
            seconds,
            app_cpu_s: app.process.cpu_s() - cpu,
            sidecar_cpu_s,
            counted: Counted::read(&mut connection)?.since(&before),
        });
        Ok(())
    };
    stage("place (HTTP)", &|| Ok((orders, place_orders(&app, 0, orders)?, 0.0)))?;
    for (name, route, group) in STAGES {
        stage(name, &|| {
            let Group(database, stream, _) = group;
            let mut watcher = redis.connect(database)?;
            let entries = watcher.xlen(stream)?;
            let mut sidecar = Sidecar::begin(&redis, &[route], &[])?;
            let seconds = watch_group(&mut watcher, group, entries, || sidecar.process.check())?;
            let sidecar_cpu_s = sidecar.process.cpu_s();
            sidecar.stop()?;
            Ok((entries, seconds, sidecar_cpu_s))
        })?;
    }
    check_cycle(&app, orders)?;
    Ok(Profile { runtime, stages })
}
