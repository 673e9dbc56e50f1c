//! The sidecar as a service, and the watch on its lanes.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use hyper::{Method, StatusCode};
use tokio::process::Command;
use tokio::time::{Instant, sleep};

use super::address::{RedisAddress, free_port};
use super::keeper::{Restarter, Service};
use crate::http;

/// The program, which is built beside devhost.
const PROGRAM: &str = "stream-sidecar";
/// Its configuration, at the root of the project.
const CONFIGURATION: &str = "sidecar.toml";
/// What its environment variables begin with.
const ENVIRONMENT_PREFIX: &str = "STREAM_SIDECAR__";
/// The address on which it tells how it is.
const ADMIN_VARIABLE: &str = "ADMIN__LISTEN";
/// The services of its configuration.
const SERVICES: [&str; 2] = ["store", "warehouse"];
/// Where it prefers to tell how it is.
const ADMIN_PORT_PREFERRED: u16 = 9900;
/// How long it may take to stop; it waits for the receipts of what is in flight.
const GRACE_MS: u64 = 20_000;
/// The pause between two looks at a lane.
const LOOK_PAUSE_MS: u64 = 2_000;
/// How long a lane may be stalled before the app is started again. Longer than an app takes to start.
const STALL_MS_MAX: u64 = 30_000;

/// Where the sidecar tells how it is: as the environment says, else on a free port.
pub(crate) fn admin_address() -> Result<SocketAddr> {
    let variable = format!("{ENVIRONMENT_PREFIX}{ADMIN_VARIABLE}");
    match std::env::var(&variable) {
        Ok(address) => address
            .parse()
            .with_context(|| format!("{variable} is {address:?}, and not of the form 127.0.0.1:9900")),
        Err(_) => Ok(SocketAddr::from((
            Ipv4Addr::LOCALHOST,
            free_port(ADMIN_PORT_PREFERRED)?,
        ))),
    }
}

/// The sidecar beside this program.
pub(crate) fn program(this: &Path) -> Result<PathBuf> {
    let program = this.with_file_name(PROGRAM);
    ensure!(
        program.is_file(),
        "{} is missing; build it: cargo build --package sidecar",
        program.display()
    );
    Ok(program)
}

/// What starts it.
pub(crate) fn service(program: PathBuf, redis: &RedisAddress, admin: SocketAddr) -> Service {
    let redis = redis.url();
    let command = move || {
        let mut command = Command::new(&program);
        command.args(["run", "--config", CONFIGURATION]);
        command.env("STREAM_SIDECAR_LOG_FORMAT", "human");
        command.env(format!("{ENVIRONMENT_PREFIX}{ADMIN_VARIABLE}"), admin.to_string());
        for service in SERVICES {
            let name = format!(
                "{ENVIRONMENT_PREFIX}SERVICES__{}__REDIS_URL",
                service.to_ascii_uppercase()
            );
            command.env(name, &redis);
        }
        command
    };
    Service {
        name: "sidecar",
        command: Box::new(command),
        grace: Duration::from_millis(GRACE_MS),
        says_why: "its lines above".to_owned(),
    }
}

/// Starts the app again when the sidecar reports a lane as stalled for long: the runtime gives a message's handler no
/// deadline, so one that hangs would hold up its service for ever. Never ends.
pub(crate) async fn watch_lanes(admin: SocketAddr, app: Restarter) -> Infallible {
    let mut stalled: Option<Instant> = None;
    loop {
        sleep(Duration::from_millis(LOOK_PAUSE_MS)).await;
        let Some(reasons) = stalled_lanes(admin).await else {
            stalled = None;
            continue;
        };
        let since = *stalled.get_or_insert_with(Instant::now);
        if since.elapsed() >= Duration::from_millis(STALL_MS_MAX) {
            app.restart(&format!("a lane is stalled: {reasons}"));
            stalled = None;
        }
    }
}

/// What the sidecar says of the lanes that are stalled, if any is.
async fn stalled_lanes(admin: SocketAddr) -> Option<String> {
    let answer = http::request(admin, Method::GET, "/lanes", None).await;
    match answer {
        Ok((StatusCode::SERVICE_UNAVAILABLE, body)) => Some(String::from_utf8_lossy(&body).trim().replace('\n', "; ")),
        _ => None,
    }
}
