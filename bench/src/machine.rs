//! Where and with what was measured.

use std::process::Command;
use std::time::SystemTime;

use anyhow::Result;
use serde::{Deserialize, Serialize};

use crate::peers;
use crate::process::project;
use crate::system::spin_version;

/// A part's surroundings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Surroundings {
    /// RFC 3339, UTC.
    pub(crate) date: String,
    pub(crate) cpu: String,
    pub(crate) cores: usize,
    pub(crate) memory_gb: f64,
    pub(crate) kernel: String,
    /// Processes that waited for a core when the part began, over the last minute: above 1, others were at work.
    pub(crate) load: f64,
    /// What took part, with its version.
    pub(crate) versions: Vec<String>,
}

/// Looks around.
pub(crate) fn look() -> Result<Surroundings> {
    let cpu_info = std::fs::read_to_string("/proc/cpuinfo")?;
    let value = |text: &str, name: &str| -> Option<String> {
        let line = text.lines().find(|line| line.starts_with(name))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    let memory = std::fs::read_to_string("/proc/meminfo")?;
    let memory_kib: Option<f64> =
        value(&memory, "MemTotal").and_then(|value| value.split_whitespace().next()?.parse().ok());
    let load = std::fs::read_to_string("/proc/loadavg")?;
    let mut versions = vec![format!(
        "this project, commit {}",
        output("git", &["describe", "--always", "--dirty"])
    )];
    versions.push(spin_version().unwrap_or_else(|| "no Spin on PATH".to_owned()));
    versions.push(output("rustc", &["--version"]));
    versions.push(output("redis-server", &["--version"]));
    // wrk answers its version with an error's exit code, and its usage after it.
    versions.push(output("wrk", &["--version"]));
    versions.extend(peers::versions()?);
    Ok(Surroundings {
        date: humantime::format_rfc3339_seconds(SystemTime::now()).to_string(),
        cpu: value(&cpu_info, "model name").unwrap_or_else(|| "unknown".to_owned()),
        cores: std::thread::available_parallelism()?.get(),
        memory_gb: memory_kib.unwrap_or_default() * 1024.0 / 1e9,
        kernel: std::fs::read_to_string("/proc/sys/kernel/osrelease")?.trim().to_owned(),
        load: load
            .split_whitespace()
            .next()
            .and_then(|load| load.parse().ok())
            .unwrap_or_default(),
        versions,
    })
}

/// The first line that a program prints.
fn output(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).current_dir(project()).output();
    let text = output
        .map(|output| String::from_utf8_lossy(&output.stdout).into_owned())
        .unwrap_or_default();
    text.lines()
        .next()
        .map_or_else(|| format!("no {program}"), |line| line.trim().to_owned())
}
