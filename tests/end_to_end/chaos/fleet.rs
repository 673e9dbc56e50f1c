//! A Redis and two nodes, each a runtime with its sidecar, and the restarts of processes that have ended.

use std::fmt::Write;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use redis::{Connection, FromRedisValue};

use crate::database::Database;
use crate::harness::{DELIVERY_SECRET, deliver_over_http};
use crate::port::free_port;
use crate::process::{Process, binary, eventually, project};
use crate::proxy::Proxy;
use crate::runtime::Runtime;

/// The instances' names.
pub(super) const NODES: [&str; 2] = ["one", "two"];
pub(super) use crate::database::SERVICES;

/// Between the end of a process and its next start.
const RESTART_AFTER: Duration = Duration::from_millis(300);
/// A lane that is reported as stalled for this time has its runtime started again.
const STALLED_FOR: Duration = Duration::from_secs(2);
/// Time for a runtime to start before its lanes are watched.
const STARTS_WITHIN: Duration = Duration::from_secs(10);
/// Between two looks at a node's lanes.
const LOOK_EVERY: Duration = Duration::from_millis(300);

/// Redis's durability: the writes that are on disk when it answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Durability {
    Always,
    EverySecond,
}

pub(super) struct Fleet {
    folder: PathBuf,
    title: String,
    start: Instant,
    notes: Vec<(Duration, String)>,
    durability: Durability,
    database: Arc<Database>,
    redis: Option<Process>,
    pub(super) nodes: Vec<Node>,
}

pub(super) struct Node {
    name: &'static str,
    kind: Runtime,
    database: Arc<Database>,
    folder: PathBuf,
    agent: ureq::Agent,
    http_port: u16,
    admin_port: u16,
    pub(super) runtime_proxy: Proxy,
    pub(super) sidecar_proxy: Proxy,
    /// The proxy before the runtime, for deliveries over HTTP.
    pub(super) delivery_proxy: Proxy,
    runtime: Kept,
    sidecar: Kept,
    look_at: Instant,
    stalled_since: Option<Instant>,
}

/// A process that is started again when it has ended.
struct Kept {
    process: Option<Process>,
    /// Its last start, or its end.
    since: Instant,
}

impl Fleet {
    pub(super) fn start(kind: Runtime, title: &str, durability: Durability) -> Self {
        let folder = project().join(format!("target/end-to-end/chaos-{}-{}", kind.name(), free_port()));
        std::fs::create_dir_all(&folder).unwrap();
        let database = Arc::new(Database::new(&folder, kind.secured));
        let mut fleet = Self {
            title: format!("chaos on {}, {title}", kind.title()),
            start: Instant::now(),
            notes: Vec::new(),
            durability,
            database,
            redis: None,
            nodes: Vec::new(),
            folder,
        };
        println!("{} begins", fleet.title);
        fleet.start_redis();
        fleet.nodes = NODES.map(|name| Node::new(name, kind, &fleet)).into();
        eventually("the fleet is ready", || {
            fleet.nodes.iter_mut().for_each(|node| node.keep(&mut Vec::new()));
            fleet.is_ready().then_some(())
        });
        fleet.note(&format!("all is up; Redis writes to disk: {durability:?}"));
        fleet
    }

    pub(super) fn addresses(&self) -> Vec<String> {
        let address = |node: &Node| format!("http://127.0.0.1:{}", node.http_port);
        self.nodes.iter().map(address).collect()
    }

    pub(super) fn note(&mut self, what: &str) {
        self.notes.push((self.start.elapsed(), what.to_owned()));
    }

    /// A log of faults and events.
    pub(super) fn timeline(&self) -> String {
        let mut text = format!("{}:\n", self.title);
        for (at, what) in &self.notes {
            let _ = writeln!(text, "{:>8.3} s  {what}", at.as_secs_f64());
        }
        text
    }

    /// Restarts processes that have ended, and the runtimes of stalled lanes.
    pub(super) fn supervise(&mut self) {
        let mut notes = Vec::new();
        for node in &mut self.nodes {
            node.keep(&mut notes);
            node.watch_lanes(&mut notes);
        }
        notes.iter().for_each(|note| self.note(note));
    }

    /// True when both sidecars deliver and both runtimes answer.
    pub(super) fn is_ready(&self) -> bool {
        self.nodes.iter().all(|node| node.what_is_not_ready().is_empty())
    }

    /// For people.
    pub(super) fn what_is_not_ready(&self) -> String {
        self.nodes.iter().map(Node::what_is_not_ready).collect()
    }

    pub(super) fn start_redis(&mut self) {
        if self.redis.is_some() {
            return;
        }
        let fsync = match self.durability {
            Durability::Always => "always",
            Durability::EverySecond => "everysec",
        };
        let mut command = self.database.command(fsync);
        self.redis = Some(Process::start(&mut command, &self.folder.join("redis.log")));
        eventually("Redis answers", || {
            let mut connection = self.connect(0).ok()?;
            redis::cmd("PING").query::<String>(&mut connection).ok()
        });
    }

    /// Ends Redis as rudely as its durability allows.
    pub(super) fn stop_redis(&mut self) {
        let Some(redis) = self.redis.take() else {
            return;
        };
        // A frozen process could not stop.
        redis.signal(Signal::SIGCONT);
        match self.durability {
            Durability::Always => redis.kill(),
            Durability::EverySecond => {
                redis.stop(Signal::SIGTERM);
            }
        }
    }

    pub(super) fn signal_redis(&self, signal: Signal) {
        if let Some(redis) = &self.redis {
            redis.signal(signal);
        }
    }

    /// Sends a command whose result does not matter: Redis may be away or frozen.
    pub(super) fn tell_redis(&self, words: &[&str]) {
        if let Ok(mut connection) = self.connect(0) {
            let _ = redis::cmd(words[0]).arg(&words[1..]).query::<()>(&mut connection);
        }
    }

    /// Runs a command on a service's database.
    pub(super) fn redis<T: FromRedisValue>(&self, service: usize, words: &[&str]) -> T {
        let mut connection = self.connect(service).unwrap();
        let result = redis::cmd(words[0]).arg(&words[1..]).query(&mut connection);
        result.unwrap_or_else(|error| panic!("{words:?}: {error}"))
    }

    fn connect(&self, database: usize) -> redis::RedisResult<Connection> {
        let client = redis::Client::open(format!("{}/{database}", self.database.operator_url()))?;
        let connection = client.get_connection_with_timeout(Duration::from_secs(1))?;
        connection.set_read_timeout(Some(Duration::from_secs(1)))?;
        Ok(connection)
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        self.signal_redis(Signal::SIGCONT);
        self.nodes.clear();
        self.redis = None;
        if std::thread::panicking() {
            println!("{}its files are in {}", self.timeline(), self.folder.display());
        } else {
            let _ = std::fs::remove_dir_all(&self.folder);
        }
    }
}

impl Node {
    fn new(name: &'static str, kind: Runtime, fleet: &Fleet) -> Self {
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_millis(300)))
            .build()
            .new_agent();
        let idle = || Kept {
            process: None,
            since: fleet.start,
        };
        let (redis_port, http_port) = (fleet.database.clients_port(), free_port());
        Self {
            name,
            kind,
            database: fleet.database.clone(),
            folder: fleet.folder.clone(),
            agent,
            http_port,
            admin_port: free_port(),
            runtime_proxy: Proxy::start(redis_port),
            sidecar_proxy: Proxy::start(redis_port),
            delivery_proxy: Proxy::start(http_port),
            runtime: idle(),
            sidecar: idle(),
            look_at: Instant::now(),
            stalled_since: None,
        }
    }

    fn log(&self, what: &str) -> PathBuf {
        self.folder.join(format!("{what}-{}.log", self.name))
    }

    fn runtime_command(&self) -> Command {
        let listen = format!("127.0.0.1:{}", self.http_port);
        let manifest = project().join("spin.toml");
        let mut command = self.kind.command(&manifest, Some(&listen), &self.folder.join("logs"));
        if self.kind.over_http {
            command.env("SPIN_VARIABLE_DELIVERY_SECRET", DELIVERY_SECRET);
        }
        command
            .envs(self.database.app_variables(self.runtime_proxy.port))
            .env("SPIN_VARIABLE_INSTANCE", self.name)
            .current_dir(project());
        command
    }

    fn sidecar_command(&self) -> Command {
        let mut command = Command::new(binary("stream-sidecar"));
        command.arg("run").arg("--config").arg(project().join("sidecar.toml"));
        command.envs(self.database.sidecar_settings(self.sidecar_proxy.port));
        if self.kind.over_http {
            let port = self.delivery_proxy.port;
            command.envs(SERVICES.iter().flat_map(|service| deliver_over_http(service, port)));
        }
        let mut set = |name: &str, value: String| {
            command.env(format!("STREAM_SIDECAR__{name}"), value);
        };
        set("INSTANCE", self.name.to_owned());
        set("ADMIN__LISTEN", format!("127.0.0.1:{}", self.admin_port));
        for (name, value) in [
            ("LEASE_MS", 2_000),
            ("BACKOFF_MS_MIN", 50),
            ("BACKOFF_MS_MAX", 500),
            ("REDIS_MS", 1_000),
            ("RECONNECT_MS_MAX", 500),
            ("RELEASE_MS", 2_000),
            ("LOCK_MS", 1_000),
            // Longer than a component waits for one command of its own.
            ("ANSWER_MS", 5_000),
            // A frozen runtime rightly costs the entries that it holds an attempt, and here that happens all the time.
            ("ATTEMPTS_MAX", 8),
        ] {
            set(&format!("LIMITS__{name}"), value.to_string());
        }
        command
    }

    /// Restarts the processes that have ended.
    fn keep(&mut self, notes: &mut Vec<String>) {
        let (runtime, sidecar) = (self.runtime_command(), self.sidecar_command());
        let (runtime_log, sidecar_log) = (self.log("runtime"), self.log("sidecar"));
        if self.runtime.keep(runtime, &runtime_log) {
            notes.push(format!("         the runtime of {} starts", self.name));
        }
        if self.sidecar.keep(sidecar, &sidecar_log) {
            notes.push(format!("         the sidecar of {} starts", self.name));
        }
    }

    /// Kills the runtime when the sidecar has reported one of its lanes as stalled for a while.
    fn watch_lanes(&mut self, notes: &mut Vec<String>) {
        if Instant::now() < self.look_at {
            return;
        }
        self.look_at = Instant::now() + LOOK_EVERY;
        let Some((503, reasons)) = self.ask("/lanes") else {
            self.stalled_since = None;
            return;
        };
        let since = *self.stalled_since.get_or_insert_with(Instant::now);
        if since.elapsed() >= STALLED_FOR && self.runtime.since.elapsed() >= STARTS_WITHIN {
            notes.push(format!(
                "         the runtime of {} is killed, since {}",
                self.name,
                reasons.trim().replace('\n', "; ")
            ));
            self.signal_runtime(Signal::SIGKILL);
            self.stalled_since = None;
        }
    }

    fn ask(&self, path: &str) -> Option<(u16, String)> {
        self.get(self.admin_port, path)
    }

    fn get(&self, port: u16, path: &str) -> Option<(u16, String)> {
        let url = format!("http://127.0.0.1:{port}{path}");
        let mut answer = self.agent.get(url).call().ok()?;
        Some((answer.status().as_u16(), answer.body_mut().read_to_string().ok()?))
    }

    fn what_is_not_ready(&self) -> String {
        let mut reasons = String::new();
        let health = SERVICES.map(|service| format!("/{service}/healthz"));
        let asked = health.iter().map(|path| (self.http_port, path.as_str()));
        for (port, path) in asked.chain([(self.admin_port, "/readyz")]) {
            match self.get(port, path) {
                Some((200, _)) => {}
                other => {
                    let _ = writeln!(reasons, "{path} of {}: {other:?}", self.name);
                }
            }
        }
        reasons
    }

    pub(super) fn signal_runtime(&self, signal: Signal) {
        self.runtime.signal(signal);
    }

    pub(super) fn signal_sidecar(&self, signal: Signal) {
        self.sidecar.signal(signal);
    }
}

impl Kept {
    /// Starts it if it does not run, and tells whether it did.
    fn keep(&mut self, mut command: Command, log: &std::path::Path) -> bool {
        if let Some(process) = &mut self.process
            && process.has_ended()
        {
            // The rest of its process group is killed too.
            self.process = None;
            self.since = Instant::now();
        }
        if self.process.is_some() || self.since.elapsed() < RESTART_AFTER {
            return false;
        }
        self.process = Some(Process::start(&mut command, log));
        self.since = Instant::now();
        true
    }

    fn signal(&self, signal: Signal) {
        if let Some(process) = &self.process {
            process.signal(signal);
        }
    }
}
