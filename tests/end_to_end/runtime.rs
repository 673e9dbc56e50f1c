//! Which runtimes there are.

use std::path::Path;
use std::process::Command;

use crate::process::binary;

/// Something that runs `spin.toml`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Runtime {
    /// The project's own.
    Devhost,
    /// The real one.
    Spin,
}

impl Runtime {
    /// `devhost`, and `spin` where it is on PATH.
    pub fn present() -> Vec<Self> {
        let mut runtimes = vec![Self::Devhost];
        if spin_version().is_some() {
            runtimes.push(Self::Spin);
        }
        runtimes
    }

    /// Its name, as `devhost up --runtime` takes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Devhost => "devhost",
            Self::Spin => "spin",
        }
    }

    /// The command that runs an app, as far as the runtimes have it in common; `listen` is for one that serves HTTP.
    pub fn command(self, manifest: &Path, listen: Option<&str>, log_dir: &Path) -> Command {
        let mut command = match self {
            Self::Devhost => {
                let mut command = Command::new(binary("devhost"));
                command.arg("run");
                command
            }
            Self::Spin => {
                let mut command = Command::new("spin");
                command.arg("up");
                command
            }
        };
        command.arg("--from").arg(manifest);
        if let Some(listen) = listen {
            command.args(["--listen", listen]);
        }
        command.arg("--log-dir").arg(log_dir);
        // As `devhost up` starts it: with more threads, an answer's head may leave before its body.
        command.env("TOKIO_WORKER_THREADS", "1");
        command
    }

    /// What ran and what did not, in words.
    pub fn describe(runtimes: &[Self]) -> String {
        match spin_version() {
            Some(version) if runtimes.contains(&Self::Spin) => format!("devhost and {version}"),
            _ => "devhost; not Spin, since there is no spin on PATH".to_owned(),
        }
    }
}

fn spin_version() -> Option<String> {
    let output = Command::new("spin").arg("--version").output().ok()?;
    let version = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    output.status.success().then_some(version)
}
