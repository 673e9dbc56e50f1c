//! `devhost up`: Redis, the app and the sidecar, started in this order and kept running until Ctrl-C.

mod address;
mod backoff;
mod console;
mod demo;
mod http;
mod keeper;
mod own_redis;
mod process;
mod runtime;
mod sidecar;

use std::time::Duration;

use anyhow::{Context, Result};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::cli::UpArguments;
use crate::exit::Failure;
use address::RedisAddress;
use console::{print_plain, say};
use keeper::Keepers;
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
    say("stopping");
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

    let redis = match redis {
        RedisSource::Configured(address) => {
            say(&format!("Redis    {} (as configured)", address.shown()));
            own_redis::ping(address)
                .await
                .with_context(|| format!("{} does not answer", address.shown()))?;
            address.clone()
        }
        RedisSource::Own(data) => start_redis(data, keepers).await?,
    };

    say(&format!("HTTP     http://{}", http::reachable(listen)));
    say(&format!("runtime  {runtime}"));
    let app = keepers.start(runtime.service(&this, listen, &redis));
    let answering = async {
        for path in APP_READY_PATHS {
            http::ready(listen, path).await;
        }
    };
    keepers
        .until_ready("the app did not answer", Duration::from_millis(APP_READY_MS), answering)
        .await?;

    let admin = sidecar::admin_address()?;
    say(&format!("sidecar  http://{admin}/metrics"));
    keepers.start(sidecar::service(sidecar, &redis, admin));
    keepers
        .until_ready(
            "the sidecar did not become ready",
            Duration::from_millis(SIDECAR_READY_MS),
            http::ready(admin, "/readyz"),
        )
        .await?;

    match demo::seed(listen).await {
        Ok(0) => say("all is running; the demo products are there from before"),
        Ok(added) => say(&format!("all is running; {added} demo products added")),
        Err(error) => say(&format!("all is running, but without demo products: {error:#}")),
    }
    print_plain(&demo::lines_to_paste(listen, &redis.cli()));
    say("Ctrl-C stops everything");

    tokio::select! {
        error = keepers.hopeless() => Err(error),
        () = sidecar::watch_lanes(admin, app) => Ok(()),
    }
}

async fn start_redis(data: &DataFolder, keepers: &mut Keepers) -> Result<RedisAddress> {
    let (address, service) = own_redis::service(data)?;
    say(&format!(
        "Redis    {} (its own, data in {})",
        address.shown(),
        data.path().display()
    ));
    keepers.start(service);
    keepers
        .until_ready(
            "Redis did not answer",
            Duration::from_millis(REDIS_READY_MS),
            own_redis::answering(&address),
        )
        .await?;
    Ok(address)
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
