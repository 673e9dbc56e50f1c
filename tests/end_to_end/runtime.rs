//! The variants of the system under test: the runtime, the way of delivery, and Redis's security.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::process::binary;

/// A program that runs `spin.toml`, with the way of delivery and Redis's security.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Runtime {
    /// The program that runs the app.
    pub program: Program,
    /// The sidecar delivers over HTTP, and not through the Redis trigger.
    pub over_http: bool,
    /// Redis has TLS and users, as in `deploy/redis/`.
    pub secured: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    /// The project's own.
    Devhost,
    /// The real one.
    Spin,
}

impl Runtime {
    /// `devhost`, and `spin` where it is on PATH, each with the Redis trigger and a bare Redis.
    pub fn present() -> Vec<Self> {
        let mut programs = vec![Program::Devhost];
        if spin_version().is_some() {
            programs.push(Program::Spin);
        }
        let plain = |program| Self {
            program,
            over_http: false,
            secured: false,
        };
        programs.into_iter().map(plain).collect()
    }

    /// Its name, as `devhost up --runtime` takes it.
    pub fn name(self) -> &'static str {
        match self.program {
            Program::Devhost => "devhost",
            Program::Spin => "spin",
        }
    }

    /// Its name with the variant.
    pub fn title(self) -> String {
        let http = if self.over_http { " over HTTP" } else { "" };
        let secured = if self.secured { " with TLS and users" } else { "" };
        format!("{}{http}{secured}", self.name())
    }

    /// The command that runs an app, as far as the runtimes have it in common; `listen` is for one that serves HTTP.
    pub fn command(self, manifest: &Path, listen: Option<&str>, log_dir: &Path) -> Command {
        let mut command = match self.program {
            Program::Devhost => {
                let mut command = Command::new(binary("devhost"));
                command.arg("run");
                command
            }
            Program::Spin => {
                let mut command = Command::new("spin");
                command.arg("up");
                // A Spin that is killed leaves its temporary folder behind: where the test's other files are.
                fs::create_dir_all(log_dir).expect("the folder for the logs can be made");
                command.env("TMPDIR", log_dir);
                // An app without an HTTP trigger knows no such argument.
                if listen.is_some() {
                    command.args(["--max-instance-reuse-count", "1024"]);
                }
                command
            }
        };
        command.arg("--from").arg(manifest);
        if let Some(listen) = listen {
            command.args(["--listen", listen]);
        }
        command.arg("--log-dir").arg(log_dir);
        command
    }

    /// The runtimes that ran and those that did not, in words.
    pub fn describe() -> String {
        match spin_version() {
            Some(version) => format!("devhost and {version}"),
            _ => "devhost; not Spin, since there is no spin on PATH".to_owned(),
        }
    }
}

fn spin_version() -> Option<String> {
    let output = Command::new("spin").arg("--version").output().ok()?;
    let version = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    output.status.success().then_some(version)
}
