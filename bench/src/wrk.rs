//! HTTP load by `wrk`.

use std::fs;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

use crate::folder::Folder;
use crate::process::{project, tied};
use crate::shop::order_body;

/// Different orders, placed in turn.
pub(crate) const ORDERS: usize = 1_000;
/// A steady load ends after this time unless it is stopped before.
const LOAD_S_MAX: u64 = 600;
/// An answer that takes longer counts as failed.
const ANSWER_S_MAX: u64 = 20;

/// The figures of one run.
#[derive(Serialize, Deserialize)]
pub(crate) struct Load {
    pub(crate) requests: f64,
    pub(crate) seconds: f64,
    pub(crate) failed: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p90_ms: f64,
    pub(crate) p99_ms: f64,
}

impl Load {
    pub(crate) fn per_s(&self) -> f64 {
        self.requests / self.seconds
    }

    fn read(output: &std::process::Output) -> Result<Self> {
        let text = String::from_utf8_lossy(&output.stdout);
        let last = text.lines().last().unwrap_or_default();
        let load: Self = serde_json::from_str(last).with_context(|| format!("wrk says {text}"))?;
        let (requests, failed) = (load.requests, load.failed);
        ensure!(failed == 0.0, "of {requests} requests {failed} failed");
        Ok(load)
    }
}

/// Requests that are sent in turn.
pub(crate) struct Requests {
    variable: &'static str,
    folder: Folder,
}

impl Requests {
    pub(crate) fn placing() -> Result<Self> {
        let bodies: Vec<String> = (0..ORDERS).map(order_body).collect();
        Self::new("BODIES", &bodies)
    }

    pub(crate) fn getting(paths: &[String]) -> Result<Self> {
        Self::new("PATHS", paths)
    }

    fn new(variable: &'static str, lines: &[String]) -> Result<Self> {
        let folder = Folder::new(variable)?;
        fs::write(folder.path().join("requests"), lines.join("\n"))?;
        Ok(Self { variable, folder })
    }

    fn command(&self, url: &str, connections: usize, seconds: u64) -> Command {
        let mut command = Command::new("wrk");
        command
            .args(["--threads", "1", "--connections", &connections.to_string()])
            .args(["--duration", &format!("{seconds}s")])
            .args(["--timeout", &format!("{ANSWER_S_MAX}s"), "--script"])
            .arg(project().join("bench/wrk/orders.lua"))
            .arg(url)
            .env(self.variable, self.folder.path().join("requests"));
        command
    }

    /// Sends them as fast as they are answered.
    pub(crate) fn send(&self, url: &str, connections: usize, seconds: u64) -> Result<Load> {
        let output = self.command(url, connections, seconds).output().context(MISSING)?;
        Load::read(&output)
    }

    /// Sends so many per second, as long as connections are free, until the load is stopped.
    pub(crate) fn send_at_rate(self, url: &str, connections: usize, per_s: usize) -> Result<Steady> {
        let mut command = self.command(url, connections, LOAD_S_MAX);
        command.env("PER_SECOND", per_s.to_string()).stdout(Stdio::piped());
        let child = tied(&mut command).spawn().context(MISSING)?;
        Ok(Steady { child, _requests: self })
    }
}

const MISSING: &str = "cannot run wrk; bench/setup.sh installs it";

/// A load that goes on until it is stopped.
pub(crate) struct Steady {
    child: Child,
    /// Holds the file that `wrk` reads when it begins.
    _requests: Requests,
}

impl Steady {
    pub(crate) fn stop(mut self) -> Result<Load> {
        ensure!(self.child.try_wait()?.is_none(), "the load ended before it was stopped");
        kill(Pid::from_raw(self.child.id().cast_signed()), Signal::SIGINT)?;
        Load::read(&self.child.wait_with_output()?)
    }
}
