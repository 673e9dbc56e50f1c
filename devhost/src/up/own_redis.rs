//! A Redis of our own: on the loopback interface, with its data in a folder.

use std::fs::{File, TryLockError};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use tokio::process::Command;
use tokio::time::timeout;

use super::address::{RedisAddress, free_port};
use super::keeper::Service;

/// The port that every client tries first.
const PORT_PREFERRED: u16 = 6379;
/// How long it may take to stop: it writes what is not yet on disk.
const GRACE_MS: u64 = 10_000;
/// How long an answer to PING may take.
const PING_MS: u64 = 3_000;
/// In the folder with its data: it says much at every start that nobody needs to read.
const LOG_FILE: &str = "redis.log";
/// Redis, or what speaks like it.
const PROGRAMS: [&str; 2] = ["redis-server", "valkey-server"];

/// The folder with the data, locked against a second supervisor: two servers would destroy each other's files.
pub(crate) struct DataFolder {
    path: PathBuf,
    _lock: File,
}

impl DataFolder {
    /// Makes and locks `<data_dir>/redis`.
    pub(crate) fn open(data_dir: &Path) -> Result<Self> {
        let path = data_dir.join("redis");
        std::fs::create_dir_all(&path).with_context(|| format!("cannot make the folder {}", path.display()))?;
        let lock_path = data_dir.join("lock");
        let mut lock = File::options()
            .create(true)
            .write(true)
            .truncate(false)
            .open(&lock_path)
            .with_context(|| format!("cannot open {}", lock_path.display()))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let owner = std::fs::read_to_string(&lock_path).unwrap_or_default();
                bail!(
                    "{} is in use by another `devhost up` (process {}); stop that one, or choose another folder \
                     with --data-dir",
                    data_dir.display(),
                    owner.trim()
                );
            }
            Err(TryLockError::Error(error)) => {
                return Err(error).with_context(|| format!("cannot lock {}", lock_path.display()));
            }
        }
        lock.set_len(0)?;
        writeln!(lock, "{}", std::process::id())?;
        Ok(Self { path, _lock: lock })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

/// A server on a free port, and what starts it. Every write is in the append-only file, which goes to disk every
/// second; when memory is full, writes fail instead of data being evicted.
pub(crate) fn service(data: &DataFolder) -> Result<(RedisAddress, Service)> {
    let program = program()?;
    let port = free_port(PORT_PREFERRED)?;
    let folder = data.path.clone();
    let command = move || {
        let mut command = Command::new(program);
        command.arg("--dir").arg(&folder).args([
            "--port",
            &port.to_string(),
            "--bind",
            "127.0.0.1",
            "--appendonly",
            "yes",
            "--appendfsync",
            "everysec",
            "--save",
            "",
            "--maxmemory-policy",
            "noeviction",
            "--logfile",
            LOG_FILE,
        ]);
        command
    };
    let service = Service {
        name: "redis",
        command: Box::new(command),
        grace: Duration::from_millis(GRACE_MS),
        says_why: data.path.join(LOG_FILE).display().to_string(),
    };
    Ok((RedisAddress::local(port), service))
}

fn program() -> Result<&'static str> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let is_there = |name: &&str| std::env::split_paths(&path).any(|folder| folder.join(name).is_file());
    PROGRAMS.into_iter().find(|name| is_there(name)).with_context(|| {
        format!(
            "no {} on PATH: install Redis 7 or later, or name a Redis that is running with --redis-url",
            PROGRAMS.join(" and no ")
        )
    })
}

/// Fails, with the reason, unless a Redis answers; while it loads its data, it does not.
pub(crate) async fn ping(address: &RedisAddress) -> Result<()> {
    let ping = async {
        let client = redis::Client::open(address.url())?;
        let mut connection = client.get_multiplexed_async_connection().await?;
        redis::cmd("PING").exec_async(&mut connection).await
    };
    match timeout(Duration::from_millis(PING_MS), ping).await {
        // Its text holds its cause already.
        Ok(answer) => answer.map_err(|error| anyhow!("{error}")),
        Err(_) => bail!("no answer within {PING_MS} ms"),
    }
}
