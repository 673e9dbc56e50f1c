//! Child processes that do not outlive the benchmark, and what they cost.

use std::fs::File;
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use crate::folder::Folder;

/// Time for a process to stop, and for anything to become ready.
const PATIENCE_S: u64 = 60;
/// `/proc` counts processor time in hundredths of a second, on every Linux there is.
const TICKS_PER_S: f64 = 100.0;

/// File in a process's folder with what it prints.
const LOG: &str = "log";

/// A child in a process group of its own, killed with the whole group when it is dropped.
pub(crate) struct Process {
    child: Child,
    group: Pid,
    folder: Folder,
}

impl Process {
    /// Starts a command with its output in a file of the folder, which goes with the process.
    pub(crate) fn start(command: &mut Command, folder: Folder) -> Result<Self> {
        let log = folder.path().join(LOG);
        let out = File::options().create(true).append(true).open(log)?;
        let child = tied(command)
            // Set for debugging, they cost Spin a third of its speed.
            .env_remove("RUST_BACKTRACE")
            .env_remove("RUST_LIB_BACKTRACE")
            .stdin(Stdio::null())
            .stdout(out.try_clone()?)
            .stderr(out)
            .process_group(0)
            .spawn()
            .with_context(|| format!("cannot start {}", command.get_program().display()))?;
        let group = Pid::from_raw(child.id().cast_signed());
        Ok(Self { child, group, folder })
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Sends the whole group a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        // The group may be gone already.
        let _ = killpg(self.group, signal);
    }

    /// Asks the process to stop, and waits until it has.
    pub(crate) fn stop(&mut self) -> Result<()> {
        self.signal(Signal::SIGTERM);
        let what = format!("{} has stopped", self.folder().display());
        eventually(&what, || self.child.try_wait().transpose())??;
        Ok(())
    }

    /// Waits until the condition holds, while the process runs.
    pub(crate) fn wait_until(&mut self, what: &str, mut condition: impl FnMut() -> bool) -> Result<()> {
        eventually(what, || match self.check() {
            Ok(()) => condition().then_some(Ok(())),
            ended => Some(ended),
        })?
    }

    /// Fails when the process has ended.
    pub(crate) fn check(&mut self) -> Result<()> {
        if let Some(status) = self.child.try_wait()? {
            let output = std::fs::read_to_string(self.folder().join(LOG)).unwrap_or_default();
            let lines: Vec<&str> = output.lines().collect();
            let end = lines[lines.len().saturating_sub(15)..].join("\n");
            let folder = self.folder().display();
            bail!("a process of {folder} ended ({status}); the end of its output:\n{end}");
        }
        Ok(())
    }

    /// Processor time of the whole group so far, in seconds.
    pub(crate) fn cpu_s(&self) -> f64 {
        let group = self.group.to_string();
        let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
        let ticks: u64 = processes
            .filter_map(|process| {
                let stat = std::fs::read_to_string(process.path().join("stat")).ok()?;
                // The name, in parentheses, may hold anything; what follows it is state, parent, group, ...
                let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
                if *fields.get(2)? != group {
                    return None;
                }
                Some(fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?)
            })
            .sum();
        ticks as f64 / TICKS_PER_S
    }

    /// Peak resident memory of the process itself, in MB.
    pub(crate) fn peak_memory_mb(&self) -> Result<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let kib: Option<f64> = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:"))
            .and_then(|value| value.split_whitespace().next()?.parse().ok());
        Ok(kib.context("/proc tells no peak memory")? * 1024.0 / 1e6)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.signal(Signal::SIGKILL);
        let _ = self.child.wait();
    }
}

/// The command, whose process ends with the benchmark, even if that is killed.
pub(crate) fn tied(command: &mut Command) -> &mut Command {
    // SAFETY: between fork and exec only async-signal-safe calls are allowed, and prctl is one.
    unsafe { command.pre_exec(|| Ok(nix::sys::prctl::set_pdeathsig(Signal::SIGTERM)?)) }
}

/// A port that was free a moment ago.
pub(crate) fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

pub(crate) fn project() -> &'static Path {
    let bench = Path::new(env!("CARGO_MANIFEST_DIR"));
    bench.parent().unwrap_or(bench)
}

/// A program of this workspace, as built in a profile: `debug` or `release`.
pub(crate) fn binary(profile: &str, name: &str) -> Result<PathBuf> {
    let this = std::env::current_exe()?;
    let target = this.parent().and_then(Path::parent).unwrap_or(&this);
    let path = target.join(profile).join(name);
    ensure!(path.is_file(), "{} is not built; run make bench", path.display());
    Ok(path)
}

/// Waits until the condition gives a value.
pub(crate) fn eventually<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> Result<T> {
    let until = Instant::now() + Duration::from_secs(PATIENCE_S);
    loop {
        if let Some(value) = condition() {
            return Ok(value);
        }
        ensure!(
            Instant::now() < until,
            "gave up after {PATIENCE_S} s waiting until {what}"
        );
        pause(Duration::from_millis(2));
    }
}

#[expect(clippy::disallowed_methods, reason = "a benchmark paces itself by the clock")]
pub(crate) fn pause(duration: Duration) {
    std::thread::sleep(duration);
}

pub(crate) fn pause_until(time: Instant) {
    pause(time.saturating_duration_since(Instant::now()));
}
