//! The Python programs in `bench/peers/`, as processes.

use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::allocate::SCRIPT;
use crate::process::{Process, eventually, free_port, project};
use crate::system::{Folder, Redis, STORE, WAREHOUSE};

/// Where `bench/setup.sh` puts what `bench/peers/requirements.txt` names.
const PYTHON: &str = "target/bench/venv/bin/python";

/// A running peer.
pub(crate) struct Peer {
    /// Its process.
    pub(crate) process: Process,
    _folder: Folder,
}

fn start(program: &str, redis: &Redis, settings: &[(&str, String)]) -> Result<Peer> {
    let folder = Folder::new("peer")?;
    let script = folder.path().join("allocate.lua");
    std::fs::write(&script, SCRIPT)?;
    let mut command = Command::new(project().join(PYTHON));
    command.arg(project().join("bench/peers").join(program));
    command.env("STORE_URL", format!("{}/{STORE}", redis.url()));
    command.env("WAREHOUSE_URL", format!("{}/{WAREHOUSE}", redis.url()));
    command.env("SCRIPT_FILE", &script);
    command.env("PYTHONDONTWRITEBYTECODE", "1");
    command.envs(settings.iter().map(|(name, value)| (name, value)));
    let process = Process::start(&mut command, &folder.path().join("log"))?;
    Ok(Peer {
        process,
        _folder: folder,
    })
}

/// Starts a consumer of `order-completed`.
pub(crate) fn consumer(program: &str, redis: &Redis) -> Result<Peer> {
    start(program, redis, &[])
}

/// Starts the HTTP service with so many worker processes, and waits until it answers; answers with its address too.
pub(crate) fn http_service(redis: &Redis, workers: u8) -> Result<(Peer, String)> {
    let address = format!("127.0.0.1:{}", free_port()?);
    let port = address.rsplit(':').next().unwrap_or_default().to_owned();
    let settings = [("PORT", port), ("WORKERS", workers.to_string())];
    let mut peer = start("http_service.py", redis, &settings)?;
    eventually("FastAPI answers", || {
        if let Err(error) = peer.process.check() {
            return Some(Err(error));
        }
        ureq::get(format!("http://{address}/healthz"))
            .call()
            .is_ok()
            .then_some(Ok(()))
    })??;
    Ok((peer, address))
}

/// The versions that are installed, as `name version`.
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
