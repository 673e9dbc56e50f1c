//! The machine and the versions that took part.

use std::path::Path;
use std::process::Command;
use std::time::SystemTime;

use anyhow::Result;
use serde::{Deserialize, Serialize};

use crate::peers;
use crate::process::project;
use crate::system::spin_version;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Surroundings {
    /// RFC 3339, UTC.
    pub(crate) date: String,
    pub(crate) cpu: String,
    pub(crate) cores: usize,
    pub(crate) memory_gb: f64,
    pub(crate) kernel: String,
    /// Load average over the last minute when the part began: well above 1, others were at work.
    pub(crate) load: f64,
    pub(crate) versions: Vec<String>,
}

pub(crate) fn look() -> Result<Surroundings> {
    let file = |name: &str| std::fs::read_to_string(Path::new("/proc").join(name));
    let value = |text: &str, name: &str| -> Option<String> {
        let line = text.lines().find(|line| line.starts_with(name))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    let first_number = |text: &str| text.split_whitespace().next()?.parse::<f64>().ok();
    let commit = output("git", &["describe", "--always", "--dirty"]);
    let mut versions = vec![
        format!("this project, commit {commit}"),
        spin_version().unwrap_or_else(|| "no Spin on PATH".to_owned()),
        output("rustc", &["--version"]),
        output("redis-server", &["--version"]),
        // wrk prints its version with an error's exit code.
        output("wrk", &["--version"]),
    ];
    versions.extend(peers::versions()?);
    let memory_kib = value(&file("meminfo")?, "MemTotal").and_then(|value| first_number(&value));
    Ok(Surroundings {
        date: humantime::format_rfc3339_seconds(SystemTime::now()).to_string(),
        cpu: value(&file("cpuinfo")?, "model name").unwrap_or_else(|| "unknown".to_owned()),
        cores: std::thread::available_parallelism()?.get(),
        memory_gb: memory_kib.unwrap_or_default() * 1024.0 / 1e9,
        kernel: file("sys/kernel/osrelease")?.trim().to_owned(),
        load: first_number(&file("loadavg")?).unwrap_or_default(),
        versions,
    })
}

/// The first line that a program prints.
fn output(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).current_dir(project()).output();
    let text = output.map_or_else(
        |_| String::new(),
        |output| String::from_utf8_lossy(&output.stdout).into_owned(),
    );
    let line = text.lines().next().map(|line| line.trim().to_owned());
    line.unwrap_or_else(|| format!("no {program}"))
}
