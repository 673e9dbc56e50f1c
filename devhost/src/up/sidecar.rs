//! The sidecar as a service, and a watch on its lanes.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use hyper::StatusCode;
use tokio::process::Command;
use tokio::time::{Instant, sleep};

use super::SERVICES;
use super::port::free_port;
use super::redis_url::RedisUrl;
use super::supervisor::{Restarter, Service};
use crate::http::Client;

const PROGRAM: &str = "stream-sidecar";
const CONFIGURATION: &str = "sidecar.toml";
const ENVIRONMENT_PREFIX: &str = "STREAM_SIDECAR__";
const ADMIN_VARIABLE: &str = "STREAM_SIDECAR__ADMIN__LISTEN";
const ADMIN_PORT_PREFERRED: u16 = 9900;
/// Time to stop; it waits for the receipts of what is in flight.
const GRACE_MS: u64 = 20_000;
const WATCH_PAUSE_MS: u64 = 2_000;
/// A lane may be stalled for this long, longer than an app takes to start, before the app is restarted.
const STALL_MS_MAX: u64 = 30_000;

/// Address of the admin port: from the environment, else a free one.
pub(crate) fn admin_address() -> Result<SocketAddr> {
    match std::env::var(ADMIN_VARIABLE) {
        Ok(address) => address
            .parse()
            .with_context(|| format!("{ADMIN_VARIABLE} is {address:?}, and not of the form 127.0.0.1:9900")),
        Err(_) => Ok((Ipv4Addr::LOCALHOST, free_port(ADMIN_PORT_PREFERRED)?).into()),
    }
}

/// The sidecar's program, built beside this one.
pub(crate) fn program(this_program: &Path) -> Result<PathBuf> {
    let program = this_program.with_file_name(PROGRAM);
    ensure!(
        program.is_file(),
        "{} is missing; build it: cargo build --package {PROGRAM}",
        program.display()
    );
    Ok(program)
}

pub(crate) fn service(program: PathBuf, redis: &RedisUrl, admin: SocketAddr) -> Service {
    let redis = redis.clone();
    let command = move || {
        let mut command = Command::new(&program);
        command.args(["run", "--config", CONFIGURATION]);
        command.env("STREAM_SIDECAR_LOG_FORMAT", "human");
        command.env(ADMIN_VARIABLE, admin.to_string());
        for service in SERVICES.map(str::to_ascii_uppercase) {
            command.env(
                format!("{ENVIRONMENT_PREFIX}SERVICES__{service}__REDIS_URL"),
                redis.as_str(),
            );
        }
        command
    };
    Service {
        name: "sidecar",
        command: Box::new(command),
        grace: Duration::from_millis(GRACE_MS),
        log: "its lines above".to_owned(),
    }
}

/// Restarts the app when a lane has been stalled for long: a runtime gives a message's handler no deadline, so one that
/// hangs would hold up its service for ever.
pub(crate) async fn watch_lanes(admin: &Client, app: Restarter) -> Infallible {
    let mut stalled_since: Option<Instant> = None;
    loop {
        sleep(Duration::from_millis(WATCH_PAUSE_MS)).await;
        let Some(reasons) = stalled_lanes(admin).await else {
            stalled_since = None;
            continue;
        };
        let since = *stalled_since.get_or_insert_with(Instant::now);
        if since.elapsed() >= Duration::from_millis(STALL_MS_MAX) {
            app.restart(format!("a lane is stalled: {reasons}"));
            stalled_since = None;
        }
    }
}

async fn stalled_lanes(admin: &Client) -> Option<String> {
    let answer = admin.get("/lanes").await.ok()?;
    (answer.status == StatusCode::SERVICE_UNAVAILABLE).then(|| answer.text().replace('\n', "; "))
}
