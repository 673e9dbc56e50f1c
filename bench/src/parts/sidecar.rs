//! The cost of the sidecar: memory while a million entries wait, and processor time at a steady rate.

use std::time::{Duration, Instant};

use anyhow::Result;
use nix::sys::signal::Signal;
use serde::{Deserialize, Serialize};

use super::{Plan, say};
use crate::process::{pause, pause_until};
use crate::shop::{append_completed, check_fulfilment};
use crate::system::{App, Fsync, Redis, Runtime, STORE, Sidecar};
use crate::watch::{TAKE_STOCK, watch_group};

/// Entries appended per second while its processor time is taken.
const RATE_PER_S: usize = 20_000;
/// Appended at a time.
const PORTION: usize = 200;
/// Time with a component that does not answer: long enough for the sidecar to count it as failed.
const SILENCE: Duration = Duration::from_secs(12);

#[derive(Serialize, Deserialize)]
pub(crate) struct SidecarCost {
    pub(crate) runtime: Runtime,
    pub(crate) entries: usize,
    /// Peak resident memory: started and idle; with the component not answering; after all entries are settled.
    pub(crate) idle_mb: f64,
    pub(crate) silent_mb: f64,
    pub(crate) drained_mb: f64,
    /// Entries settled per second once the component answers again.
    pub(crate) drain_per_s: f64,
    /// Entries per second really appended, and the share of one core that the sidecar took meanwhile, by run.
    pub(crate) rate_per_s: Vec<f64>,
    pub(crate) busy: Vec<f64>,
}

pub(crate) fn measure(plan: &Plan) -> Result<SidecarCost> {
    let runtime = plan.first_runtime();
    let mut cost = memory(plan, runtime)?;
    for _ in 0..plan.runs() {
        let (rate, busy) = processor(plan, runtime)?;
        say(&format!("  sidecar: {busy:.2} of a core at {rate:.0} entries/s"));
        cost.rate_per_s.push(rate);
        cost.busy.push(busy);
    }
    Ok(cost)
}

fn memory(plan: &Plan, runtime: Runtime) -> Result<SidecarCost> {
    let entries = plan.either(1_000_000, 50_000);
    let redis = Redis::start(Fsync::Everysec, Some(plan.stocked.path()))?;
    let app = App::start(runtime, &redis)?;
    let sidecar = Sidecar::start(&redis, &["take-stock"], &[])?;
    let idle_mb = sidecar.process.peak_memory_mb()?;
    // The component answered the handshake, and now falls silent.
    app.process.signal(Signal::SIGSTOP);
    let mut store = redis.connect(STORE)?;
    append_completed(&mut store, 0, entries)?;
    pause(plan.either(SILENCE, SILENCE / 6));
    let silent_mb = sidecar.process.peak_memory_mb()?;
    app.process.signal(Signal::SIGCONT);
    let begin = Instant::now();
    watch_group(&mut store, TAKE_STOCK, entries, || Ok(()))?;
    let drain_per_s = entries as f64 / begin.elapsed().as_secs_f64();
    let drained_mb = sidecar.process.peak_memory_mb()?;
    check_fulfilment(&redis, entries)?;
    say(&format!(
        "  sidecar: {entries} entries waiting: {silent_mb:.1} MB, and {drained_mb:.1} MB after they were settled \
         at {drain_per_s:.0}/s"
    ));
    Ok(SidecarCost {
        runtime,
        entries,
        idle_mb,
        silent_mb,
        drained_mb,
        drain_per_s,
        rate_per_s: Vec::new(),
        busy: Vec::new(),
    })
}

fn processor(plan: &Plan, runtime: Runtime) -> Result<(f64, f64)> {
    let seconds = plan.either(10, 3);
    let entries = seconds * RATE_PER_S;
    let redis = Redis::start(Fsync::Everysec, Some(plan.stocked.path()))?;
    let _app = App::start(runtime, &redis)?;
    let sidecar = Sidecar::start(&redis, &["take-stock"], &[])?;
    let mut store = redis.connect(STORE)?;
    let mut watcher = redis.connect(STORE)?;
    let before = sidecar.process.cpu_s();
    let begin = Instant::now();
    for first in (0..entries).step_by(PORTION) {
        pause_until(begin + Duration::from_secs(1).mul_f64(first as f64 / RATE_PER_S as f64));
        append_completed(&mut store, first, PORTION)?;
    }
    let appended = begin.elapsed().as_secs_f64();
    watch_group(&mut watcher, TAKE_STOCK, entries, || Ok(()))?;
    let took = begin.elapsed().as_secs_f64();
    check_fulfilment(&redis, entries)?;
    Ok((entries as f64 / appended, (sidecar.process.cpu_s() - before) / took))
}
