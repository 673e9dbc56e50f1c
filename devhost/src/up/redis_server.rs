//! A Redis server on the loopback interface, with its data in a folder.

use std::fs::{File, TryLockError};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use tokio::process::Command;
use tokio::time::timeout;

use super::port::free_port;
use super::redis_url::RedisUrl;
use super::supervisor::Service;

/// The port that redis-cli tries by default.
const PORT_PREFERRED: u16 = 6379;
/// Time to stop; it writes what is not yet on disk.
const GRACE_MS: u64 = 10_000;
/// Time for an answer to PING.
const PING_MS: u64 = 3_000;
/// In the data folder, not on the terminal: each start writes many lines that nobody needs to read.
const LOG_FILE: &str = "redis.log";
const PROGRAMS: [&str; 2] = ["redis-server", "valkey-server"];

/// The folder with the server's data, locked against a second `devhost up`: two servers would destroy each other's
/// files.
pub(crate) struct DataFolder {
    pub(crate) path: PathBuf,
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
}

/// The server on a free port. Its append-only file goes to disk every second; when memory is full, writes fail, and
/// nothing is evicted.
pub(crate) fn service(data: &DataFolder) -> Result<(RedisUrl, Service)> {
    let program = program()?;
    let port = free_port(PORT_PREFERRED)?.to_string();
    let url = RedisUrl::parse(&format!("redis://127.0.0.1:{port}"))?;
    let folder = data.path.clone();
    let command = move || {
        let mut command = Command::new(program);
        command.arg("--dir").arg(&folder);
        command.args(["--port", &port, "--bind", "127.0.0.1", "--logfile", LOG_FILE]);
        command.args(["--appendonly", "yes", "--appendfsync", "everysec", "--save", ""]);
        command.args(["--maxmemory-policy", "noeviction"]);
        command
    };
    let service = Service {
        name: "redis",
        command: Box::new(command),
        grace: Duration::from_millis(GRACE_MS),
        log: data.path.join(LOG_FILE).display().to_string(),
    };
    Ok((url, service))
}

fn program() -> Result<&'static str> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let is_on_path = |name: &&str| std::env::split_paths(&path).any(|folder| folder.join(name).is_file());
    PROGRAMS.into_iter().find(is_on_path).with_context(|| {
        format!(
            "no {} on PATH: install Redis 7 or later, or name a running Redis with --redis-url",
            PROGRAMS.join(" and no ")
        )
    })
}

/// Fails, with the reason, unless a Redis answers; one that still loads its data does not.
pub(crate) async fn ping(url: &RedisUrl) -> Result<()> {
    let ping = async {
        let client = redis::Client::open(url.as_str())?;
        let mut connection = client.get_multiplexed_async_connection().await?;
        redis::cmd("PING").exec_async(&mut connection).await
    };
    match timeout(Duration::from_millis(PING_MS), ping).await {
        // As text: it already contains its cause.
        Ok(answer) => answer.map_err(|error| anyhow!("{error}")),
        Err(_) => bail!("no answer within {PING_MS} ms"),
    }
}
