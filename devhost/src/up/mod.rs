//! `devhost up`: starts Redis, the app and the sidecar in this order, and keeps them running until Ctrl-C.

mod port;
mod process;
mod redis_server;
mod redis_url;
mod runtime;
mod sidecar;
mod supervisor;
mod terminal;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::cli::UpArguments;
use crate::demo::{self, Situation};
use crate::exit::BadConfiguration;
use crate::http::{Client, TOKEN_VARIABLE};
use crate::signals::stop_signal;
use redis_server::DataFolder;
use redis_url::{PASSWORD_VARIABLE, RedisUrl};
use runtime::Runtime;
use supervisor::{Restarter, Supervisor};
use terminal::{print_plain, say};

/// The app's services. Each takes its Redis from variables of `spin.toml` and settings of `sidecar.toml`.
const SERVICES: [&str; 2] = ["store", "warehouse"];
/// Time for Redis to load its data.
const REDIS_READY_MS: u64 = 120_000;
/// Time until the app answers; its first start compiles the components.
const APP_READY_MS: u64 = 120_000;
/// Time until the sidecar delivers.
const SIDECAR_READY_MS: u64 = 30_000;
/// Paths that answer 200 once the runtime runs, and once each component reaches its Redis.
const APP_READY_PATHS: [&str; 3] = ["/.well-known/spin/health", "/store/healthz", "/warehouse/healthz"];

pub(crate) async fn up(arguments: UpArguments) -> Result<()> {
    let stop = stop_signal()?;
    let redis = match &arguments.redis_url {
        Some(url) => {
            let url = RedisUrl::parse(url).context("--redis-url, or REDIS_URL in the environment");
            Redis::Configured(url.map_err(BadConfiguration)?)
        }
        // Stays locked until Redis has stopped.
        None => Redis::Own(DataFolder::open(&arguments.data_dir)?),
    };
    let mut supervisor = Supervisor::new();
    let outcome = tokio::select! {
        outcome = run(&arguments, &redis, &mut supervisor) => outcome,
        () = stop => Ok(()),
    };
    supervisor.stop().await;
    outcome
}

enum Redis {
    Configured(RedisUrl),
    Own(DataFolder),
}

/// Starts everything, and returns only when a service cannot go on.
async fn run(arguments: &UpArguments, redis: &Redis, supervisor: &mut Supervisor) -> Result<()> {
    let listen = arguments.listen;
    let this_program = std::env::current_exe().context("cannot find this program's own file")?;
    let sidecar_program = sidecar::program(&this_program)?;
    let runtime = Runtime::choose(arguments.runtime).await?;
    port::ensure_free(listen)?;
    let client = Client::new(listen);

    let (redis_url, redis_origin) = start_redis(redis, supervisor).await?;
    let app = start_app(&runtime, &this_program, listen, &redis_url, &client, supervisor).await?;
    let admin = start_sidecar(sidecar_program, &redis_url, supervisor).await?;
    let mut is_seeded = false;
    if !arguments.no_seed {
        let added = demo::add_products(&client).await;
        is_seeded = added.is_ok();
        match added {
            Ok(added) => say(added),
            Err(error) => say(format_args!("not all demo products are loaded: {error:#}")),
        }
    }

    let is_open = client.is_open().await.unwrap_or(true);
    let access = if is_open {
        format!("open: anyone may change anything; set {TOKEN_VARIABLE} to require a token")
    } else {
        format!("changes need the token in {TOKEN_VARIABLE}")
    };
    let address = client.address;
    print_plain(&format!(
        "
Everything runs; http://{address} shows it:

  store      http://{address}/store/openapi.json
  warehouse  http://{address}/warehouse/openapi.json
  access     {access}
  app        {runtime}
  Redis      {redis_url} ({redis_origin})
  sidecar    http://{}/readyz",
        admin.address
    ));
    print_plain(&demo::example_commands(&Situation {
        app: address,
        is_open,
        seed_with: (!is_seeded).then_some(this_program.as_path()),
        redis_cli: redis_url.cli(),
        password_variable: redis_url.has_password().then_some(PASSWORD_VARIABLE),
    }));
    say("Ctrl-C stops everything");

    tokio::select! {
        error = supervisor.failed() => Err(error),
        never = sidecar::watch_lanes(&admin, app) => match never {},
    }
}

/// Returns the URL, and in words where the server comes from.
async fn start_redis(redis: &Redis, supervisor: &mut Supervisor) -> Result<(RedisUrl, String)> {
    match redis {
        Redis::Configured(url) => {
            say(format_args!("using the Redis at {url}"));
            redis_server::ping(url)
                .await
                .with_context(|| format!("{url} does not answer"))?;
            Ok((url.clone(), "as configured".to_owned()))
        }
        Redis::Own(data) => {
            let (url, service) = redis_server::service(data)?;
            say(format_args!("starting Redis on {url}"));
            supervisor.start(service);
            let limit = Duration::from_millis(REDIS_READY_MS);
            supervisor
                .wait_until_ready("Redis", limit, async || redis_server::ping(&url).await)
                .await?;
            Ok((url, format!("data in {}", data.path.display())))
        }
    }
}

async fn start_app(
    runtime: &Runtime,
    this_program: &Path,
    listen: SocketAddr,
    redis: &RedisUrl,
    client: &Client,
    supervisor: &mut Supervisor,
) -> Result<Restarter> {
    say(format_args!("starting the app with {runtime}"));
    let app = supervisor.start(runtime.service(this_program, listen, redis)?);
    let limit = Duration::from_millis(APP_READY_MS);
    for path in APP_READY_PATHS {
        supervisor
            .wait_until_ready("the app", limit, async || client.check_ready(path).await)
            .await?;
    }
    Ok(app)
}

async fn start_sidecar(program: PathBuf, redis: &RedisUrl, supervisor: &mut Supervisor) -> Result<Client> {
    say("starting the sidecar");
    let address = sidecar::admin_address()?;
    supervisor.start(sidecar::service(program, redis, address));
    let admin = Client::new(address);
    let limit = Duration::from_millis(SIDECAR_READY_MS);
    supervisor
        .wait_until_ready("the sidecar", limit, async || admin.check_ready("/readyz").await)
        .await?;
    Ok(admin)
}
