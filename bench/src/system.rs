//! The real processes: Redis, the runtime with the components, the sidecar.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::process::{Process, binary, eventually, free_port, project};

/// The store's database.
pub(crate) const STORE: u8 = 0;
/// The warehouse's database.
pub(crate) const WAREHOUSE: u8 = 1;

/// What deliveries over HTTP are signed with.
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
    /// The word in Redis's configuration.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Everysec => "everysec",
            Self::Always => "always",
        }
    }
}

/// A folder that is removed when it is dropped.
pub(crate) struct Folder(PathBuf);

impl Folder {
    /// An empty folder below `target/bench`.
    pub(crate) fn new(name: &str) -> Result<Self> {
        let path = project().join("target/bench/run").join(name);
        if path.exists() {
            std::fs::remove_dir_all(&path)?;
        }
        std::fs::create_dir_all(&path)?;
        Ok(Self(path))
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    fn copy_from(&self, other: &Path) -> Result<()> {
        copy(other, &self.0)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            std::fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

/// A Redis of our own.
pub(crate) struct Redis {
    process: Process,
    port: u16,
    folder: Folder,
}

impl Redis {
    /// Starts one with an append-only file, empty or with what another left in its folder.
    ///
    /// The settings are those of `make up`, but for one: the file is never rewritten, since a rewrite would hit one
    /// contender's run and spare the next.
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
        let process = Process::start(&mut command, &folder.path().join("redis.log"))?;
        let redis = Self { process, port, folder };
        eventually("Redis answers", || {
            let mut connection = redis.connect(STORE).ok()?;
            redis::cmd("PING").query::<String>(&mut connection).ok()
        })?;
        Ok(redis)
    }

    /// Stops it in an orderly way and keeps its data, for others to start with.
    pub(crate) fn into_data(self, name: &str) -> Result<Folder> {
        self.process.stop()?;
        let kept = Folder::new(name)?;
        kept.copy_from(self.folder.path())?;
        Ok(kept)
    }

    /// Its URL, without a database.
    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// A connection to one of its databases.
    pub(crate) fn connect(&self, database: u8) -> Result<redis::Connection> {
        Ok(redis::Client::open(format!("{}/{database}", self.url()))?.get_connection()?)
    }
}

/// What runs the components.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Runtime {
    /// The real one.
    Spin,
    /// The project's own, on the same wasmtime.
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

/// As `make up` starts Spin.
const REQUESTS_PER_INSTANCE: &str = "1024";

/// The app's variables with their defaults.
fn variables() -> Result<BTreeMap<String, String>> {
    #[derive(Deserialize)]
    struct Manifest {
        variables: BTreeMap<String, Variable>,
    }
    #[derive(Deserialize)]
    struct Variable {
        default: String,
    }
    let manifest: Manifest = toml::from_str(&fs::read_to_string(project().join("spin.toml"))?)?;
    let variables = manifest.variables.into_iter();
    Ok(variables.map(|(name, variable)| (name, variable.default)).collect())
}

impl Runtime {
    /// `devhost`, and before it Spin where it is on PATH: the first is the one that stands for the project.
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

/// What `spin --version` says, if there is a Spin.
pub(crate) fn spin_version() -> Option<String> {
    let output = Command::new("spin").arg("--version").output().ok()?;
    let version = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    output.status.success().then_some(version)
}

/// The components on a runtime.
pub(crate) struct App {
    /// The runtime.
    pub(crate) process: Process,
    /// Where it listens: host and port.
    pub(crate) address: String,
    _logs: Folder,
}

impl App {
    /// Starts both components and waits until they answer.
    pub(crate) fn start(runtime: Runtime, redis: &Redis) -> Result<Self> {
        let logs = Folder::new("app")?;
        let address = format!("127.0.0.1:{}", free_port()?);
        let mut command = runtime.command()?;
        command.arg("--from").arg(project().join("spin.toml"));
        command.args(["--listen", &address]).arg("--log-dir").arg(logs.path());
        // As `make up` does it: a secret in the environment, where Spin is slower to find a variable, and all others on
        // the command line.
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
        let mut process = Process::start(&mut command, &logs.path().join("runtime.log"))?;
        eventually("both components answer", || {
            if let Err(error) = process.check() {
                return Some(Err(error));
            }
            let healthy = |service| ureq::get(format!("http://{address}/{service}/healthz")).call().is_ok();
            (healthy("store") && healthy("warehouse")).then_some(Ok(()))
        })??;
        Ok(Self {
            process,
            address,
            _logs: logs,
        })
    }

    /// A full URL.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

/// A runtime, and how the sidecar delivers to the components on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Setup {
    pub(crate) runtime: Runtime,
    /// Over HTTP, and not through the Redis trigger.
    pub(crate) over_http: bool,
}

impl Setup {
    /// With deliveries through the Redis trigger.
    pub(crate) fn new(runtime: Runtime) -> Self {
        Self {
            runtime,
            over_http: false,
        }
    }

    /// What the sidecar has to be told for this app.
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

/// The sidecar.
pub(crate) struct Sidecar {
    /// Its process.
    pub(crate) process: Process,
    folder: Folder,
}

/// A setting of the sidecar, and its value.
pub(crate) type Setting = (String, String);

/// Where the sidecar writes its own address.
const ADDRESS_FILE: &str = "address";

impl Sidecar {
    /// Starts one with the project's configuration, of which it keeps the named routes only, unless none is named.
    /// `settings` are set over the configured ones, named as in its environment.
    pub(crate) fn begin(redis: &Redis, routes: &[&str], settings: &[Setting]) -> Result<Self> {
        let folder = Folder::new("sidecar")?;
        let configuration = folder.path().join("sidecar.toml");
        std::fs::write(&configuration, configure(redis, routes)?)?;
        let mut command = Command::new(binary("release", "stream-sidecar")?);
        command.arg("run").arg("--config").arg(&configuration);
        command.arg("--address-file").arg(folder.path().join(ADDRESS_FILE));
        for (name, value) in settings {
            command.env(format!("STREAM_SIDECAR__{name}"), value);
        }
        let process = Process::start(&mut command, &folder.path().join("sidecar.log"))?;
        Ok(Self { process, folder })
    }

    /// As `begin`, and waits until it is ready.
    pub(crate) fn start(redis: &Redis, routes: &[&str], settings: &[Setting]) -> Result<Self> {
        let mut sidecar = Self::begin(redis, routes, settings)?;
        eventually("the sidecar is ready", || {
            if let Err(error) = sidecar.process.check() {
                return Some(Err(error));
            }
            let address = std::fs::read_to_string(sidecar.folder.path().join(ADDRESS_FILE)).ok()?;
            let ready = ureq::get(format!("http://{}/readyz", address.trim())).call();
            ready.is_ok().then_some(Ok(()))
        })??;
        Ok(sidecar)
    }

    /// Stops it, which settles all that is in flight.
    pub(crate) fn stop(self) -> Result<()> {
        self.process.stop()
    }
}

fn configure(redis: &Redis, keep: &[&str]) -> Result<String> {
    let text = std::fs::read_to_string(project().join("sidecar.toml"))?;
    let mut configuration: toml::Table = text.parse()?;
    let table = |configuration: &mut toml::Table, name: &str| -> Result<toml::Table> {
        let value = configuration.remove(name).unwrap_or(toml::Table::new().into());
        value.try_into().with_context(|| format!("[{name}] of sidecar.toml"))
    };
    let mut services = table(&mut configuration, "services")?;
    for (_, service) in services.iter_mut() {
        if let Some(service) = service.as_table_mut() {
            service.insert("redis_url".to_owned(), redis.url().into());
        }
    }
    let mut routes = table(&mut configuration, "routes")?;
    routes.retain(|name, _| keep.is_empty() || keep.contains(&name));
    let mut admin = toml::Table::new();
    admin.insert("listen".to_owned(), "127.0.0.1:0".into());
    for (name, value) in [("services", services), ("routes", routes), ("admin", admin)] {
        configuration.insert(name.to_owned(), value.into());
    }
    Ok(toml::to_string(&configuration)?)
}

/// An HTTP client that keeps its connection, for one thread.
pub(crate) fn http_client() -> ureq::Agent {
    ureq::Agent::config_builder()
        .timeout_global(Some(Duration::from_secs(30)))
        .build()
        .new_agent()
}
