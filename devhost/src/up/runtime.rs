//! The runtime of the app: Spin if it is installed, devhost otherwise.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::process::Command;

use super::SERVICES;
use super::redis_url::RedisUrl;
use super::supervisor::Service;
use crate::app::{self, ENVIRONMENT_PREFIX};
use crate::cli::RuntimeChoice;
use crate::run::REQUESTS_MAX;

/// The first Spin with WASI 0.3, for which the components are built.
const SPIN_MIN: SpinVersion = SpinVersion(4, 1);
/// Time to stop; neither runtime has anything to finish.
const GRACE_MS: u64 = 5_000;
const MANIFEST: &str = "spin.toml";

/// Major and minor number; the rest of `spin --version` does not matter.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub(crate) struct SpinVersion(u32, u32);

impl SpinVersion {
    /// Parses text such as `spin 4.1.0-pre0 (94a8fc8 2026-08-21)`.
    fn parse(text: &str) -> Option<Self> {
        let is_number = |word: &&str| word.starts_with(|first: char| first.is_ascii_digit());
        let mut numbers = text.split_whitespace().find(is_number)?.split('.');
        Some(Self(numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
    }
}

impl fmt::Display for SpinVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0, self.1)
    }
}

pub(crate) enum Runtime {
    Spin(SpinVersion),
    /// With the reason why it is not Spin.
    Devhost(String),
}

impl Runtime {
    pub(crate) async fn choose(choice: RuntimeChoice) -> Result<Self> {
        if choice == RuntimeChoice::Devhost {
            return Ok(Self::Devhost("as --runtime asks".to_owned()));
        }
        let must_be_spin = choice == RuntimeChoice::Spin;
        match installed_spin().await? {
            Some(version) if version >= SPIN_MIN => Ok(Self::Spin(version)),
            Some(version) if must_be_spin => {
                bail!("the `spin` on PATH is {version}, and the components need {SPIN_MIN} or later")
            }
            Some(version) => Ok(Self::Devhost(format!(
                "the `spin` on PATH is {version}, and {SPIN_MIN} or later is needed"
            ))),
            None if must_be_spin => {
                bail!("there is no `spin` on PATH; install {SPIN_MIN} or later, or leave --runtime out")
            }
            None => Ok(Self::Devhost("there is no `spin` on PATH".to_owned())),
        }
    }

    /// The app on an address, with its variables set to a Redis.
    pub(crate) fn service(&self, this_program: &Path, listen: SocketAddr, redis: &RedisUrl) -> Result<Service> {
        let mut variables = BTreeMap::new();
        for service in SERVICES {
            variables.insert(format!("{service}_redis_host"), redis.host().to_owned());
            variables.insert(format!("{service}_redis_auth"), redis.auth().to_owned());
        }
        let (program, verb, options) = match self {
            Self::Spin(_) => (Path::new("spin").to_owned(), "up", spin_options(&variables)?),
            Self::Devhost(_) => (this_program.to_owned(), "run", Vec::new()),
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
            log: "its lines above".to_owned(),
        })
    }
}

impl fmt::Display for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Spin(version) => write!(f, "Spin {version} (on PATH)"),
            Self::Devhost(reason) => write!(f, "devhost on wasmtime ({reason})"),
        }
    }
}

/// Options that make Spin faster: it looks every variable up anew for each delivery, and those from the environment
/// cost a quarter of the time of a small delivery. So they are given on the command line, except secrets, which every
/// user of the machine could read there.
fn spin_options(variables: &BTreeMap<String, String>) -> Result<Vec<String>> {
    let mut options = vec!["--max-instance-reuse-count".to_owned(), REQUESTS_MAX.to_string()];
    for (name, value) in app::variables(Path::new(MANIFEST), variables)?.without_secrets() {
        // Spin would read the file of this name.
        if !value.starts_with('@') {
            options.extend(["--variable".to_owned(), format!("{name}={value}")]);
        }
    }
    Ok(options)
}

async fn installed_spin() -> Result<Option<SpinVersion>> {
    let output = match Command::new("spin").arg("--version").output().await {
        Ok(output) => output,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).context("cannot run `spin --version`"),
    };
    let text = String::from_utf8_lossy(&output.stdout);
    let version = SpinVersion::parse(&text);
    version.map(Some).with_context(|| {
        let text = text.trim();
        format!("`spin --version` answers {text:?}; use --runtime devhost to run without Spin")
    })
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
