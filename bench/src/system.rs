//! The real processes: Redis, the runtime with the components, the sidecar.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use crate::client::answers;
use crate::folder::Folder;
use crate::process::{Process, binary, eventually, free_port, project};

/// Redis databases of the two services.
pub(crate) const STORE: u8 = 0;
pub(crate) const WAREHOUSE: u8 = 1;

/// Signs deliveries over HTTP.
const DELIVERY_SECRET: &str = "the benchmark's own secret of deliveries";

/// When Redis writes its append-only file to disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Fsync {
    /// Every second, as `make up` has it.
    Everysec,
    /// Before every answer.
    Always,
}

impl Fsync {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Everysec => "everysec",
            Self::Always => "always",
        }
    }
}

/// A Redis server of the benchmark's own.
pub(crate) struct Redis {
    process: Process,
    port: u16,
}

impl Redis {
    /// Starts one with an append-only file, empty or on a copy of this data. Configured as by `make up`, but that the
    /// file is never rewritten: a rewrite would hit one contender's run and spare the next.
    pub(crate) fn start(fsync: Fsync, data: Option<&Path>) -> Result<Self> {
        let folder = Folder::new("redis")?;
        if let Some(data) = data {
            folder.copy_from(data)?;
        }
        let port = free_port()?;
        let mut command = Command::new("redis-server");
        command.args(["--port", &port.to_string(), "--bind", "127.0.0.1"]);
        command.args(["--appendonly", "yes", "--appendfsync", fsync.as_str()]);
        command.args(["--auto-aof-rewrite-percentage", "0", "--save", ""]);
        command.args(["--maxmemory-policy", "noeviction"]);
        command.arg("--dir").arg(folder.path());
        let process = Process::start(&mut command, folder)?;
        let redis = Self { process, port };
        // It refuses to answer until it has loaded its data.
        let ping = || redis::cmd("PING").exec(&mut redis.connect(STORE).ok()?).ok();
        eventually("Redis answers", ping)?;
        Ok(redis)
    }

    /// Stops it and keeps a copy of its data, for others to start on.
    pub(crate) fn into_data(mut self, name: &str) -> Result<Folder> {
        self.process.stop()?;
        let kept = Folder::new(name)?;
        kept.copy_from(self.process.folder())?;
        Ok(kept)
    }

    pub(crate) fn database_url(&self, database: u8) -> String {
        format!("{}/{database}", self.url())
    }

    /// Without a database.
    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    pub(crate) fn connect(&self, database: u8) -> Result<redis::Connection> {
        Ok(redis::Client::open(self.database_url(database))?.get_connection()?)
    }
}

/// Runs the components.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Runtime {
    Spin,
    Devhost,
}

impl fmt::Display for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Spin => "Spin",
            Self::Devhost => "devhost",
        })
    }
}

/// As by `make up`.
const REQUESTS_PER_INSTANCE: &str = "1024";

/// The app's variables with their defaults.
fn variables() -> Result<BTreeMap<String, String>> {
    let manifest: toml::Table = fs::read_to_string(project().join("spin.toml"))?.parse()?;
    let variables = manifest.get("variables").and_then(toml::Value::as_table);
    let default = |variable: &toml::Value| variable.get("default")?.as_str().map(str::to_owned);
    let variables = variables.context("spin.toml has no variables")?.iter();
    Ok(variables
        .filter_map(|(name, variable)| Some((name.clone(), default(variable)?)))
        .collect())
}

impl Runtime {
    /// Spin where it is on PATH, and `devhost`.
    pub(crate) fn present() -> Vec<Self> {
        match spin_version() {
            Some(_) => vec![Self::Spin, Self::Devhost],
            None => vec![Self::Devhost],
        }
    }

    fn command(self) -> Result<Command> {
        Ok(match self {
            Self::Spin => {
                let mut command = Command::new("spin");
                command.args(["up", "--max-instance-reuse-count", REQUESTS_PER_INSTANCE]);
                command
            }
            Self::Devhost => {
                let mut command = Command::new(binary("debug", "devhost")?);
                command.arg("run");
                command
            }
        })
    }
}

/// `None` where there is no Spin on PATH.
pub(crate) fn spin_version() -> Option<String> {
    let output = Command::new("spin").arg("--version").output().ok()?;
    let version = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    output.status.success().then_some(version)
}

/// The components on a runtime.
pub(crate) struct App {
    pub(crate) process: Process,
    /// Host and port.
    pub(crate) address: String,
}

impl App {
    /// Starts both components and waits until they answer.
    pub(crate) fn start(runtime: Runtime, redis: &Redis) -> Result<Self> {
        let logs = Folder::new("app")?;
        let address = format!("127.0.0.1:{}", free_port()?);
        let mut command = runtime.command()?;
        command.arg("--from").arg(project().join("spin.toml"));
        command.args(["--listen", &address]).arg("--log-dir").arg(logs.path());
        // As by `make up`: the secret in the environment, all others on the command line, where Spin finds them faster.
        let mut variables = variables()?;
        for service in ["store", "warehouse"] {
            variables.insert(format!("{service}_redis_host"), format!("127.0.0.1:{}", redis.port));
        }
        variables.remove("delivery_secret");
        command.env("SPIN_VARIABLE_DELIVERY_SECRET", DELIVERY_SECRET);
        for (name, value) in variables {
            command.arg("--variable").arg(format!("{name}={value}"));
        }
        // A Spin that is killed leaves its temporary folder behind.
        command.env("TMPDIR", logs.path());
        command.current_dir(project());
        let mut process = Process::start(&mut command, logs)?;
        process.wait_until("both components answer", || {
            ["store", "warehouse"]
                .iter()
                .all(|service| answers(&format!("http://{address}/{service}/healthz")))
        })?;
        Ok(Self { process, address })
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

/// A runtime with its transport of deliveries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Setup {
    pub(crate) runtime: Runtime,
    /// Else by the Redis trigger.
    pub(crate) over_http: bool,
}

impl Setup {
    pub(crate) fn new(runtime: Runtime) -> Self {
        Self {
            runtime,
            over_http: false,
        }
    }

    /// The sidecar's settings for this app.
    pub(crate) fn settings(self, app: &App) -> Vec<Setting> {
        if !self.over_http {
            return Vec::new();
        }
        let of_service = |service: &str| {
            let set = |name: &str, value: String| (format!("SERVICES__{}__{name}", service.to_uppercase()), value);
            [
                set("DELIVER", "http".to_owned()),
                set("DELIVERY_URL", app.url(&format!("/{service}/deliveries"))),
                set("DELIVERY_SECRET", DELIVERY_SECRET.to_owned()),
            ]
        };
        ["store", "warehouse"].into_iter().flat_map(of_service).collect()
    }
}

impl fmt::Display for Setup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.runtime, if self.over_http { ", over HTTP" } else { "" })
    }
}

pub(crate) struct Sidecar {
    pub(crate) process: Process,
}

/// A setting of the sidecar with its value, named as in its environment.
pub(crate) type Setting = (String, String);

/// The sidecar writes its own address into this file.
const ADDRESS_FILE: &str = "address";

impl Sidecar {
    /// Starts one with the project's configuration and these settings over it. Of the routes it has only the named ones,
    /// or all where none is named.
    pub(crate) fn begin(redis: &Redis, routes: &[&str], settings: &[Setting]) -> Result<Self> {
        let folder = Folder::new("sidecar")?;
        let configuration = folder.path().join("sidecar.toml");
        fs::write(&configuration, configure(routes)?)?;
        let mut command = Command::new(binary("release", "stream-sidecar")?);
        command.arg("run").arg("--config").arg(&configuration);
        command.arg("--address-file").arg(folder.path().join(ADDRESS_FILE));
        let own =
            ["SERVICES__STORE__REDIS_URL", "SERVICES__WAREHOUSE__REDIS_URL"].map(|name| (name.to_owned(), redis.url()));
        let listen = ("ADMIN__LISTEN".to_owned(), "127.0.0.1:0".to_owned());
        for (name, value) in own.iter().chain([&listen]).chain(settings) {
            command.env(format!("STREAM_SIDECAR__{name}"), value);
        }
        let process = Process::start(&mut command, folder)?;
        Ok(Self { process })
    }

    /// As `begin`, and waits until it is ready.
    pub(crate) fn start(redis: &Redis, routes: &[&str], settings: &[Setting]) -> Result<Self> {
        let mut sidecar = Self::begin(redis, routes, settings)?;
        let address_file = sidecar.process.folder().join(ADDRESS_FILE);
        sidecar.process.wait_until("the sidecar is ready", || {
            let address = fs::read_to_string(&address_file).unwrap_or_default();
            answers(&format!("http://{}/readyz", address.trim()))
        })?;
        Ok(sidecar)
    }

    /// Stops it; it settles all that is in flight.
    pub(crate) fn stop(mut self) -> Result<()> {
        self.process.stop()
    }
}

fn configure(keep: &[&str]) -> Result<String> {
    let mut configuration: toml::Table = fs::read_to_string(project().join("sidecar.toml"))?.parse()?;
    let routes = configuration.get_mut("routes").and_then(toml::Value::as_table_mut);
    let routes = routes.context("sidecar.toml has no routes")?;
    routes.retain(|name, _| keep.is_empty() || keep.contains(&name));
    Ok(toml::to_string(&configuration)?)
}
