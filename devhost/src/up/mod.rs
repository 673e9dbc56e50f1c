//! `devhost up`: Redis, the app and the sidecar, started in this order and kept running until Ctrl-C.

mod address;
mod backoff;
mod console;
mod keeper;
mod own_redis;
mod process;
mod runtime;
mod sidecar;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::cli::UpArguments;
use crate::exit::Failure;
use crate::{demo, http};
use address::RedisAddress;
use console::{print_plain, say};
use keeper::{Keepers, Restarter};
use own_redis::DataFolder;
use runtime::Runtime;

/// How long Redis may take to load its data.
const REDIS_READY_MS: u64 = 120_000;
/// How long the app may take until it answers; the first time, its components are compiled.
const APP_READY_MS: u64 = 120_000;
/// How long the sidecar may take until it delivers.
const SIDECAR_READY_MS: u64 = 30_000;
/// What answers 200 when the runtime runs, and when each component reaches its Redis.
const APP_READY_PATHS: [&str; 3] = ["/.well-known/spin/health", "/store/healthz", "/warehouse/healthz"];

/// Starts everything, prints what is where, and stops everything on Ctrl-C.
pub(crate) fn up(arguments: UpArguments) -> Result<(), Failure> {
    let redis = arguments
        .redis_url
        .as_deref()
        .map(RedisAddress::parse)
        .transpose()
        .context("--redis-url, or REDIS_URL in the environment")
        .map_err(Failure::configuration)?;
    // One thread only: the kernel ends the children when the thread that started them ends.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start")?;
    Ok(runtime.block_on(supervise(&arguments, redis))?)
}

/// Whose Redis it is.
enum RedisSource {
    Configured(RedisAddress),
    Own(DataFolder),
}

async fn supervise(arguments: &UpArguments, redis: Option<RedisAddress>) -> Result<()> {
    let mut stop = StopSignals::new()?;
    // The data folder stays locked until Redis has stopped.
    let redis = match redis {
        Some(address) => RedisSource::Configured(address),
        None => RedisSource::Own(DataFolder::open(&arguments.data_dir)?),
    };
    let mut keepers = Keepers::new();
    let outcome = tokio::select! {
        outcome = run(arguments, &redis, &mut keepers) => outcome,
        () = stop.received() => Ok(()),
    };
    keepers.stop().await;
    outcome
}

/// Starts everything; returns only with what makes it impossible to go on.
async fn run(arguments: &UpArguments, redis: &RedisSource, keepers: &mut Keepers) -> Result<()> {
    let listen = arguments.listen;
    let this = std::env::current_exe().context("cannot find this program's own file")?;
    let sidecar = sidecar::program(&this)?;
    let runtime = Runtime::choose(arguments.runtime).await?;
    address::ensure_free(listen)?;

    let redis = start_redis(redis, keepers).await?;
    let app = start_app(&runtime, &this, listen, &redis.address, keepers).await?;
    let admin = start_sidecar(sidecar, &redis.address, keepers).await?;
    if !arguments.no_seed {
        match demo::seed(listen).await {
            Ok(added) => say(&demo::added(added)),
            Err(error) => say(&format!("the demo products are not all there: {error:#}")),
        }
    }

    let is_open = http::is_open(listen).await.unwrap_or(true);
    let who = if is_open {
        "open: without a token in SPIN_VARIABLE_API_TOKEN, everybody may change everything"
    } else {
        "whoever changes something needs the token, as SPIN_VARIABLE_API_TOKEN has it"
    };
    let http = http::reachable(listen);
    print_plain(&format!(
        "\nEverything runs; http://{http} shows it:\n\n  store      http://{http}/store/openapi.json\n  warehouse  http://{http}/warehouse/openapi.json\n  \
         access     {who}\n  app        {runtime}\n  Redis      {} ({})\n  sidecar    http://{admin}/readyz",
        redis.address.shown(),
        redis.whose,
    ));
    print_plain(&demo::lines_to_paste(http, is_open, &redis.address.cli()));
    say("Ctrl-C stops everything");

    tokio::select! {
        error = keepers.hopeless() => Err(error),
        never = sidecar::watch_lanes(admin, app) => match never {},
    }
}

/// The Redis that all use.
struct RunningRedis {
    address: RedisAddress,
    /// For the console.
    whose: String,
}

async fn start_redis(source: &RedisSource, keepers: &mut Keepers) -> Result<RunningRedis> {
    let data = match source {
        RedisSource::Configured(address) => {
            say(&format!("using the Redis at {}", address.shown()));
            own_redis::ping(address)
                .await
                .with_context(|| format!("{} does not answer", address.shown()))?;
            return Ok(RunningRedis {
                address: address.clone(),
                whose: "as configured".to_owned(),
            });
        }
        RedisSource::Own(data) => data,
    };
    let (address, service) = own_redis::service(data)?;
    say(&format!("starting Redis on {}", address.shown()));
    keepers.start(service);
    let limit = Duration::from_millis(REDIS_READY_MS);
    keepers
        .until_ready("Redis", limit, async || own_redis::ping(&address).await)
        .await?;
    Ok(RunningRedis {
        address,
        whose: format!("data in {}", data.path().display()),
    })
}

async fn start_app(
    runtime: &Runtime,
    this: &Path,
    listen: SocketAddr,
    redis: &RedisAddress,
    keepers: &mut Keepers,
) -> Result<Restarter> {
    say(&format!("starting the app with {runtime}"));
    let app = keepers.start(runtime.service(this, listen, redis)?);
    let limit = Duration::from_millis(APP_READY_MS);
    for path in APP_READY_PATHS {
        keepers
            .until_ready("the app", limit, async || http::ready(listen, path).await)
            .await?;
    }
    Ok(app)
}

async fn start_sidecar(program: PathBuf, redis: &RedisAddress, keepers: &mut Keepers) -> Result<SocketAddr> {
    say("starting the sidecar");
    let admin = sidecar::admin_address()?;
    keepers.start(sidecar::service(program, redis, admin));
    let limit = Duration::from_millis(SIDECAR_READY_MS);
    keepers
        .until_ready("the sidecar", limit, async || http::ready(admin, "/readyz").await)
        .await?;
    Ok(admin)
}

/// Ctrl-C, and what else asks a process to stop.
struct StopSignals {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
}

impl StopSignals {
    fn new() -> Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    async fn received(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hang_up.recv() => {}
        }
    }
}
