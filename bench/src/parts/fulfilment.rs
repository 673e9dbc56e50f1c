//! Fulfilment: paid orders wait in a stream; stock is taken, the outcome published, the entry acknowledged.

use std::fmt;
use std::thread;

use anyhow::{Result, anyhow, ensure};
use redis::Connection;
use serde::{Deserialize, Serialize};

use super::{Case, Plan, Row, run_interleaved};
use crate::folder::Folder;
use crate::shop::{check_fulfilment, waiting_shop};
use crate::statistics::Counted;
use crate::system::{App, Fsync, Redis, STORE, Setting, Setup, Sidecar};
use crate::watch::{TAKE_STOCK, watch_group};
use crate::{native, peers};

/// The route that takes stock, in `sidecar.toml`.
const ROUTE: &str = "take-stock";
/// Entries that the native consumer reads at a time: as many as the sidecar delivers at a time under load.
const NATIVE_BATCH: usize = 512;

#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Contender {
    App { setup: Setup },
    Native,
    FaststreamBatch,
    RedisPy,
    FaststreamGroup,
}

impl fmt::Display for Contender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::App { setup } => write!(f, "this project on {setup}"),
            Self::Native => write!(f, "native Rust consumer, batches of {NATIVE_BATCH}"),
            Self::FaststreamBatch => f.write_str("FastStream, batches of 256, scripts pipelined"),
            Self::RedisPy => f.write_str("redis-py, one entry at a time"),
            Self::FaststreamGroup => f.write_str("FastStream consumer group"),
        }
    }
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Run {
    pub(crate) per_s: f64,
    /// Share of the time in which Redis's own thread worked.
    pub(crate) redis_busy: f64,
    /// Processor time of the runtime and of the sidecar per order; 0 for others than the project.
    pub(crate) app_us: f64,
    pub(crate) sidecar_us: f64,
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.0} orders/s", self.per_s)
    }
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Fulfilment {
    pub(crate) rows: Vec<Row<Case<Contender>, Run>>,
}

impl Fulfilment {
    pub(crate) fn row(&self, contender: Contender, fsync: Fsync) -> Option<&Row<Case<Contender>, Run>> {
        let mut rows = self.rows.iter();
        rows.find(|row| row.case.contender == contender && row.case.fsync == fsync)
    }
}

pub(crate) fn measure(plan: &Plan) -> Result<Fulfilment> {
    let (orders, slow_orders) = plan.either((100_000, 20_000), (20_000, 2_000));
    let mut rows = compare(plan, Fsync::Everysec, orders, slow_orders, plan.runs())?;
    let (orders, slow_orders) = plan.either((100_000, 10_000), (10_000, 300));
    rows.extend(compare(plan, Fsync::Always, orders, slow_orders, plan.either(3, 1))?);
    Ok(Fulfilment { rows })
}

fn compare(
    plan: &Plan,
    fsync: Fsync,
    orders: usize,
    slow_orders: usize,
    runs: usize,
) -> Result<Vec<Row<Case<Contender>, Run>>> {
    let many = waiting_shop(&plan.stocked, orders, "waiting")?;
    let few = waiting_shop(&plan.stocked, slow_orders, "waiting-few")?;
    let apps = plan.setups().into_iter().map(|setup| Contender::App { setup });
    let fast = apps
        .chain([Contender::Native, Contender::FaststreamBatch])
        .map(|contender| (contender, orders));
    // One entry at a time is so slow that fewer orders say as much.
    let slow = [Contender::RedisPy, Contender::FaststreamGroup].map(|contender| (contender, slow_orders));
    let cases = fast.chain(slow).map(|(contender, orders)| Case {
        contender,
        fsync,
        orders,
    });
    run_interleaved("fulfilment", cases, runs, |case| {
        let data = if case.orders == orders { &many } else { &few };
        match case.contender {
            Contender::App { setup } => run_app(setup, data, case.orders, fsync, &[]),
            Contender::Native => run_native(data, case.orders, fsync),
            Contender::FaststreamBatch => run_peer("faststream_batch.py", data, case.orders, fsync),
            Contender::RedisPy => run_peer("redis_loop.py", data, case.orders, fsync),
            Contender::FaststreamGroup => run_peer("faststream_group.py", data, case.orders, fsync),
        }
    })
}

/// A run of the project, whose sidecar has this one route and these further settings.
pub(crate) fn run_app(setup: Setup, data: &Folder, orders: usize, fsync: Fsync, settings: &[Setting]) -> Result<Run> {
    let redis = Redis::start(fsync, Some(data.path()))?;
    let mut app = App::start(setup.runtime, &redis)?;
    let settings = [&setup.settings(&app), settings].concat();
    let (mut watcher, before) = look(&redis)?;
    let app_before = app.process.cpu_s();
    let sidecar = Sidecar::begin(&redis, &[ROUTE], &settings)?;
    let seconds = watch_group(&mut watcher, TAKE_STOCK, orders, || app.process.check())?;
    let (app_s, sidecar_s) = (app.process.cpu_s() - app_before, sidecar.process.cpu_s());
    let run = finish(&redis, &mut watcher, &before, seconds, orders)?;
    Ok(Run {
        app_us: app_s / orders as f64 * 1e6,
        sidecar_us: sidecar_s / orders as f64 * 1e6,
        ..run
    })
}

fn run_native(data: &Folder, orders: usize, fsync: Fsync) -> Result<Run> {
    let redis = Redis::start(fsync, Some(data.path()))?;
    let (mut watcher, before) = look(&redis)?;
    let seconds = thread::scope(|scope| -> Result<f64> {
        let consumer = scope.spawn(|| native::consume(&redis, NATIVE_BATCH, orders));
        let mut had_ended = false;
        let seconds = watch_group(&mut watcher, TAKE_STOCK, orders, || {
            // It may have ended between two looks, but not before the first of them.
            let is_too_early = std::mem::replace(&mut had_ended, consumer.is_finished());
            ensure!(!is_too_early, "the native consumer has ended");
            Ok(())
        });
        consumer.join().map_err(|_| anyhow!("the native consumer panicked"))??;
        seconds
    })?;
    finish(&redis, &mut watcher, &before, seconds, orders)
}

fn run_peer(program: &str, data: &Folder, orders: usize, fsync: Fsync) -> Result<Run> {
    let redis = Redis::start(fsync, Some(data.path()))?;
    let (mut watcher, before) = look(&redis)?;
    let mut peer = peers::consumer(program, &redis)?;
    let seconds = watch_group(&mut watcher, TAKE_STOCK, orders, || peer.check())?;
    finish(&redis, &mut watcher, &before, seconds, orders)
}

fn look(redis: &Redis) -> Result<(Connection, Counted)> {
    let mut watcher = redis.connect(STORE)?;
    let before = Counted::read(&mut watcher)?;
    Ok((watcher, before))
}

fn finish(redis: &Redis, watcher: &mut Connection, before: &Counted, seconds: f64, orders: usize) -> Result<Run> {
    let counted = Counted::read(watcher)?.since(before);
    check_fulfilment(redis, orders)?;
    Ok(Run {
        per_s: orders as f64 / seconds,
        redis_busy: counted.main_thread_s / seconds,
        app_us: 0.0,
        sidecar_us: 0.0,
    })
}
