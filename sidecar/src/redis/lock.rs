//! The lock on an instance's name: one living sidecar has it, in each database that it consumes from.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use anyhow::bail;
use redis::{RedisResult, Script};
use tokio::time::sleep;

use super::{Connection, Fault, fault};
use crate::logging::ErrorLog;

static HOLD: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("scripts/hold_lock.lua")));
static RELEASE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("scripts/release_lock.lua")));

/// The wait between two attempts at a lock that another holds.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// A Redis before 7.0 says this of a script's first line, which it does not know.
const OLD_REDIS: &str = "unexpected symbol near '#'";

/// The lock on an instance's name in one database.
pub struct Lock {
    connection: Arc<Connection>,
    key: String,
    token: String,
    lock_ms: u64,
}

impl Lock {
    /// A lock that is not held yet. The token says whose it is, for people too.
    pub fn new(connection: Arc<Connection>, instance: &str, token: String, lock_ms: u64) -> Self {
        Self {
            connection,
            key: format!("stream-sidecar:lock:{instance}"),
            token,
            lock_ms,
        }
    }

    fn error_log(&self) -> ErrorLog {
        ErrorLog::new(format!(
            "the lock on the instance's name at {}",
            self.connection.address()
        ))
    }

    async fn hold(&self) -> RedisResult<Option<(String, i64)>> {
        let mut script = HOLD.key(&self.key);
        script.arg(&self.token).arg(self.lock_ms);
        self.connection.run(&script).await
    }

    /// Takes the lock. One that nobody renews is waited for: its holder is dead. Fails if a living sidecar holds it, or
    /// if Redis refuses; while Redis is away, this waits for it.
    pub async fn acquire(&self) -> anyhow::Result<()> {
        let mut errors = self.error_log();
        let mut seen: Option<(String, i64)> = None;
        loop {
            match self.hold().await {
                Ok(None) => return Ok(()),
                Ok(Some((holder, left_ms))) => {
                    match &seen {
                        None => tracing::info!("waiting for the instance's name: {holder} held it last"),
                        // A lock that nobody renews only gets older.
                        Some((before, before_ms)) if *before == holder && left_ms <= *before_ms => {}
                        Some(_) => bail!(
                            "another sidecar has this instance's name at {}: {holder}. Each needs a name of its own",
                            self.connection.address()
                        ),
                    }
                    seen = Some((holder, left_ms));
                }
                Err(err) => {
                    errors.failed(&err);
                    if fault(&err) == Fault::Refused && !err.is_connection_refusal() && err.code() == Some("NOPERM") {
                        bail!(
                            "the lock on the instance's name at {}: {err}",
                            self.connection.address()
                        );
                    }
                    if err.to_string().contains(OLD_REDIS) {
                        bail!(
                            "the Redis at {} does not take scripts as of Redis 7.0: run that or a later one ({err})",
                            self.connection.address()
                        );
                    }
                    sleep(Duration::from_secs(1)).await;
                }
            }
            sleep(LOOK_EVERY).await;
        }
    }

    /// Renews the lock until another sidecar has taken the name.
    pub async fn keep(&self) -> anyhow::Error {
        let mut errors = self.error_log();
        loop {
            sleep(Duration::from_millis(self.lock_ms / 4)).await;
            match self.hold().await {
                Ok(None) => errors.recovered(),
                Ok(Some((holder, _))) => {
                    return anyhow::anyhow!(
                        "{holder} has taken this instance's name at {}",
                        self.connection.address()
                    );
                }
                Err(err) => errors.failed(&err),
            }
        }
    }

    /// Gives the lock up, so that a successor need not wait. If that fails, it ends by itself.
    pub async fn release(&self) {
        let mut script = RELEASE.key(&self.key);
        let _ = self.connection.run::<i64>(script.arg(&self.token)).await;
    }
}
