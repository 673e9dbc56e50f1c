//! Fulfilment: orders that are paid for wait in a stream; stock is taken, the outcome told, the entry acknowledged.

use std::fmt;
use std::thread;

use anyhow::{Result, anyhow, ensure};
use contracts::names::{ORDER_COMPLETED, WAREHOUSE_GROUP};
use serde::{Deserialize, Serialize};

use super::{Plan, say};
use crate::shop::{check_fulfilment, waiting_shop, watch_group};
use crate::statistics::Counted;
use crate::system::{App, Folder, Fsync, Redis, STORE, Setting, Setup, Sidecar};
use crate::{native, peers};

/// The route that takes stock, in `sidecar.toml`.
const ROUTE: &str = "take-stock";
/// Entries that the native consumer reads at a time: as many as the sidecar delivers at a time under load.
const NATIVE_BATCH: usize = 512;

/// Who does the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Contender {
    /// The project.
    App { setup: Setup },
    /// The yardstick.
    Native,
    /// FastStream, a batch at a time.
    FaststreamBatch,
    /// redis-py, an entry at a time.
    RedisPy,
    /// FastStream, an entry at a time.
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

impl Contender {
    /// One entry at a time: slow enough that fewer orders do.
    fn is_slow(self) -> bool {
        matches!(self, Self::RedisPy | Self::FaststreamGroup)
    }
}

/// The runs of one contender.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Row {
    pub(crate) contender: Contender,
    pub(crate) fsync: Fsync,
    /// Orders in each run.
    pub(crate) orders: usize,
    /// Orders per second, by run.
    pub(crate) per_s: Vec<f64>,
    /// Share of the time in which Redis's own thread worked, by run.
    pub(crate) redis_busy: Vec<f64>,
    /// Processor time of the runtime and of the sidecar per order, in microseconds, by run; 0 for others.
    pub(crate) app_us: Vec<f64>,
    pub(crate) sidecar_us: Vec<f64>,
}

/// What was measured.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Fulfilment {
    pub(crate) rows: Vec<Row>,
}

/// What one run took.
pub(crate) struct Run {
    pub(crate) seconds: f64,
    pub(crate) counted: Counted,
    /// Processor time of runtime and sidecar, in seconds; 0 for others.
    pub(crate) app_cpu_s: f64,
    pub(crate) sidecar_cpu_s: f64,
}

/// Measures it.
pub(crate) fn measure(plan: &Plan) -> Result<Fulfilment> {
    let mut rows = Vec::new();
    let (orders, slow_orders) = plan.either((100_000, 20_000), (20_000, 2_000));
    rows.extend(compare(plan, Fsync::Everysec, orders, slow_orders, plan.runs())?);
    let (orders, slow_orders) = plan.either((100_000, 10_000), (10_000, 300));
    rows.extend(compare(plan, Fsync::Always, orders, slow_orders, plan.either(3, 1))?);
    Ok(Fulfilment { rows })
}

fn compare(plan: &Plan, fsync: Fsync, orders: usize, slow_orders: usize, runs: usize) -> Result<Vec<Row>> {
    let app = |setup| Contender::App { setup };
    let mut contenders: Vec<Contender> = plan.setups().into_iter().map(app).collect();
    contenders.extend([
        Contender::Native,
        Contender::FaststreamBatch,
        Contender::RedisPy,
        Contender::FaststreamGroup,
    ]);
    let mut rows: Vec<Row> = contenders
        .into_iter()
        .map(|contender| Row {
            contender,
            fsync,
            orders: if contender.is_slow() { slow_orders } else { orders },
            per_s: Vec::new(),
            redis_busy: Vec::new(),
            app_us: Vec::new(),
            sidecar_us: Vec::new(),
        })
        .collect();
    let many = waiting_shop(&plan.stocked, orders, "waiting")?;
    let few = waiting_shop(&plan.stocked, slow_orders, "waiting-few")?;
    for run in 1..=runs {
        for row in &mut rows {
            let data = if row.orders == orders { &many } else { &few };
            let took = run_once(row.contender, data, row.orders, fsync)?;
            let per_s = row.orders as f64 / took.seconds;
            row.per_s.push(per_s);
            row.redis_busy.push(took.counted.main_thread_s / took.seconds);
            row.app_us.push(took.app_cpu_s / row.orders as f64 * 1e6);
            row.sidecar_us.push(took.sidecar_cpu_s / row.orders as f64 * 1e6);
            let (name, fsync) = (row.contender, fsync.as_str());
            say(&format!(
                "  fulfilment, {fsync}, run {run} of {runs}: {name}: {per_s:.0} orders/s"
            ));
        }
    }
    Ok(rows)
}

fn run_once(contender: Contender, data: &Folder, orders: usize, fsync: Fsync) -> Result<Run> {
    match contender {
        Contender::App { setup } => run_app(setup, data, orders, fsync, &[]),
        Contender::Native => run_native(data, orders, fsync),
        Contender::FaststreamBatch => run_peer("faststream_batch.py", data, orders, fsync),
        Contender::RedisPy => run_peer("redis_loop.py", data, orders, fsync),
        Contender::FaststreamGroup => run_peer("faststream_group.py", data, orders, fsync),
    }
}

/// Lets the project do the work, on a sidecar that has this route only and these further settings.
pub(crate) fn run_app(setup: Setup, data: &Folder, orders: usize, fsync: Fsync, settings: &[Setting]) -> Result<Run> {
    let redis = Redis::start(fsync, Some(data.path()))?;
    let mut app = App::start(setup.runtime, &redis)?;
    let settings = [&setup.settings(&app), settings].concat();
    let (mut watcher, before) = look(&redis)?;
    let app_before = app.process.cpu_s();
    let sidecar = Sidecar::begin(&redis, &[ROUTE], &settings)?;
    let seconds = watch_group(&mut watcher, (ORDER_COMPLETED, WAREHOUSE_GROUP), 0, orders, || {
        app.process.check()
    })?;
    let run = Run {
        seconds,
        counted: Counted::read(&mut watcher)?.since(&before),
        app_cpu_s: app.process.cpu_s() - app_before,
        sidecar_cpu_s: sidecar.process.cpu_s(),
    };
    check_fulfilment(&redis, orders)?;
    Ok(run)
}

fn look(redis: &Redis) -> Result<(redis::Connection, Counted)> {
    let mut watcher = redis.connect(STORE)?;
    let before = Counted::read(&mut watcher)?;
    Ok((watcher, before))
}

fn run_native(data: &Folder, orders: usize, fsync: Fsync) -> Result<Run> {
    let redis = Redis::start(fsync, Some(data.path()))?;
    let (mut watcher, before) = look(&redis)?;
    let seconds = thread::scope(|scope| -> Result<f64> {
        let consumer = scope.spawn(|| native::consume(&redis, NATIVE_BATCH, orders));
        let mut had_ended = false;
        let seconds = watch_group(&mut watcher, (ORDER_COMPLETED, WAREHOUSE_GROUP), 0, orders, || {
            // Between two looks it may have come to its end, and not before.
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
    let group = (ORDER_COMPLETED, WAREHOUSE_GROUP);
    let seconds = watch_group(&mut watcher, group, 0, orders, || peer.process.check())?;
    finish(&redis, &mut watcher, &before, seconds, orders)
}

fn finish(
    redis: &Redis,
    watcher: &mut redis::Connection,
    before: &Counted,
    seconds: f64,
    orders: usize,
) -> Result<Run> {
    let counted = Counted::read(watcher)?.since(before);
    check_fulfilment(redis, orders)?;
    Ok(Run {
        seconds,
        counted,
        app_cpu_s: 0.0,
        sidecar_cpu_s: 0.0,
    })
}
