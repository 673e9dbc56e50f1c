//! The Python programs in `bench/peers/`, as processes.

use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::allocate::SCRIPT;
use crate::client::answers;
use crate::folder::Folder;
use crate::process::{Process, free_port, project};
use crate::system::{Redis, STORE, WAREHOUSE};

/// Installed by `bench/setup.sh`, with `bench/peers/requirements.txt`.
const PYTHON: &str = "target/bench/venv/bin/python";

fn start(program: &str, redis: &Redis, settings: &[(&str, String)]) -> Result<Process> {
    let folder = Folder::new("peer")?;
    let script = folder.path().join("allocate.lua");
    std::fs::write(&script, SCRIPT)?;
    let mut command = Command::new(project().join(PYTHON));
    command.arg(project().join("bench/peers").join(program));
    command.env("STORE_URL", redis.database_url(STORE));
    command.env("WAREHOUSE_URL", redis.database_url(WAREHOUSE));
    command.env("SCRIPT_FILE", &script);
    command.env("PYTHONDONTWRITEBYTECODE", "1");
    command.envs(settings.iter().map(|(name, value)| (name, value)));
    Process::start(&mut command, folder)
}

/// Starts a consumer of `order-completed`.
pub(crate) fn consumer(program: &str, redis: &Redis) -> Result<Process> {
    start(program, redis, &[])
}

/// Starts the HTTP service with so many worker processes and waits until it answers; returns it with its address.
pub(crate) fn http_service(redis: &Redis, workers: u8) -> Result<(Process, String)> {
    let port = free_port()?;
    let settings = [("PORT", port.to_string()), ("WORKERS", workers.to_string())];
    let mut peer = start("http_service.py", redis, &settings)?;
    let address = format!("127.0.0.1:{port}");
    let health = format!("http://{address}/healthz");
    peer.wait_until("FastAPI answers", || answers(&health))?;
    Ok((peer, address))
}

/// The installed versions, as `name version`.
pub(crate) fn versions() -> Result<Vec<String>> {
    let script = "import importlib.metadata as m, platform; print('Python', platform.python_version()); \
                  [print(n, m.version(n)) for n in ('faststream','fastapi','uvicorn','uvloop','httptools','redis','hiredis')]";
    let output = Command::new(project().join(PYTHON))
        .args(["-c", script])
        .output()
        .context("the peers are not installed; run bench/setup.sh")?;
    ensure!(
        output.status.success(),
        "the peers are not installed whole; run bench/setup.sh"
    );
    Ok(String::from_utf8(output.stdout)?.lines().map(str::to_owned).collect())
}
