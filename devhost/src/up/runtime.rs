//! What runs the app: Spin where there is one, devhost otherwise.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::process::Command;

use super::address::RedisAddress;
use super::keeper::Service;
use crate::app::{self, ENVIRONMENT_PREFIX};
use crate::cli;
use crate::run::REQUESTS_MAX;

/// The first Spin that knows WASI 0.3, for which the components are built.
const SPIN_MIN: SpinVersion = SpinVersion { major: 4, minor: 1 };
/// How long it may take to stop; neither has anything to finish.
const GRACE_MS: u64 = 5_000;
/// The app.
const MANIFEST: &str = "spin.toml";
/// The services whose Redis the manifest takes from variables: `<service>_redis_host` and `<service>_redis_auth`.
const SERVICES: [&str; 2] = ["store", "warehouse"];

/// As `spin --version` says it; what follows the minor number does not matter.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub(crate) struct SpinVersion {
    major: u32,
    minor: u32,
}

impl SpinVersion {
    /// Parses text such as `spin 4.1.0-pre0 (94a8fc8 2026-08-21)`.
    fn parse(text: &str) -> Option<Self> {
        let version = text
            .split_whitespace()
            .find(|word| word.starts_with(|first: char| first.is_ascii_digit()))?;
        let mut numbers = version.split('.');
        Some(Self {
            major: numbers.next()?.parse().ok()?,
            minor: numbers.next()?.parse().ok()?,
        })
    }
}

impl fmt::Display for SpinVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// The runtime, and why it was chosen.
#[derive(Debug)]
pub(crate) enum Runtime {
    Spin(SpinVersion),
    Devhost { why: String },
}

impl Runtime {
    /// Looks for a Spin, unless devhost was asked for.
    pub(crate) async fn choose(wanted: cli::Runtime) -> Result<Self> {
        if wanted == cli::Runtime::Devhost {
            return Ok(Self::Devhost {
                why: "as --runtime asks".to_owned(),
            });
        }
        match (installed_spin().await?, wanted) {
            (Some(version), _) if version >= SPIN_MIN => Ok(Self::Spin(version)),
            (Some(version), cli::Runtime::Spin) => {
                bail!("the `spin` on PATH is {version}, and the components need {SPIN_MIN} or later")
            }
            (None, cli::Runtime::Spin) => {
                bail!("there is no `spin` on PATH; install {SPIN_MIN} or later, or leave --runtime out")
            }
            (Some(version), _) => Ok(Self::Devhost {
                why: format!("the `spin` on PATH is {version}, and {SPIN_MIN} or later is needed"),
            }),
            (None, _) => Ok(Self::Devhost {
                why: "there is no `spin` on PATH".to_owned(),
            }),
        }
    }

    /// What starts the app on an address, with its variables set to a Redis.
    pub(crate) fn service(&self, this: &Path, listen: SocketAddr, redis: &RedisAddress) -> Result<Service> {
        let variables: BTreeMap<String, String> = SERVICES
            .iter()
            .flat_map(|service| {
                [
                    (format!("{service}_redis_host"), redis.host().to_owned()),
                    (format!("{service}_redis_auth"), redis.auth().to_owned()),
                ]
            })
            .collect();
        let (program, verb, options) = match self {
            Self::Spin(_) => (Path::new("spin").to_owned(), "up", spin_options(&variables)?),
            Self::Devhost { .. } => (this.to_owned(), "run", Vec::new()),
        };
        let command = move || {
            let mut command = Command::new(&program);
            command.args([verb, "--from", MANIFEST, "--listen", &listen.to_string()]);
            command.args(&options);
            for (name, value) in &variables {
                command.env(format!("{ENVIRONMENT_PREFIX}{}", name.to_ascii_uppercase()), value);
            }
            command
        };
        Ok(Service {
            name: "app",
            command: Box::new(command),
            grace: Duration::from_millis(GRACE_MS),
            says_why: "its lines above".to_owned(),
        })
    }
}

/// What makes Spin faster.
///
/// For each delivery, Spin looks every variable of the app up anew, and those that it takes from its environment cost a
/// quarter of what a small delivery takes. So they are told on the command line, but for what nobody may see there.
fn spin_options(variables: &BTreeMap<String, String>) -> Result<Vec<String>> {
    let mut options = vec!["--max-instance-reuse-count".to_owned(), REQUESTS_MAX.to_string()];
    for (name, value) in app::variables(Path::new(MANIFEST), variables)?.open() {
        // Spin would read the file of this name.
        if !value.starts_with('@') {
            options.extend(["--variable".to_owned(), format!("{name}={value}")]);
        }
    }
    Ok(options)
}

impl fmt::Display for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Spin(version) => write!(f, "Spin {version} (on PATH)"),
            Self::Devhost { why } => write!(f, "devhost on wasmtime ({why})"),
        }
    }
}

async fn installed_spin() -> Result<Option<SpinVersion>> {
    let output = match Command::new("spin").arg("--version").output().await {
        Ok(output) => output,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).context("cannot run `spin --version`"),
    };
    let text = String::from_utf8_lossy(&output.stdout);
    match SpinVersion::parse(&text) {
        Some(version) => Ok(Some(version)),
        None => bail!(
            "`spin --version` answers {:?}; give --runtime devhost to do without",
            text.trim()
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, new_enough: Option<bool>) {
        let version = SpinVersion::parse(text);
        assert_eq!(version.map(|version| version >= SPIN_MIN), new_enough, "{text}");
    }

    #[test]
    fn compares_versions() {
        check("spin 4.1.0 (abcdef0 2026-09-01)", Some(true));
        check("spin 4.1.0-pre0 (94a8fc8 2026-08-21)", Some(true));
        check("spin 4.10.2", Some(true));
        check("spin 5.0.0", Some(true));
        check("spin 4.0.3 (abcdef0 2026-05-01)", Some(false));
        check("spin 3.6.0", Some(false));
        check("SPIN - verification tool", None);
        check("", None);
    }
}
