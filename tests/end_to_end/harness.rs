//! One whole system for one test.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use nix::sys::signal::Signal;
use redis::{Connection, FromRedisValue};
use serde_json::Value;

use crate::database::{Database, SERVICES};
use crate::port::free_port;
use crate::process::{Process, binary, eventually, project};
use crate::runtime::Runtime;

/// The store's database on the test's Redis.
const STORE_DATABASE: u8 = 0;
/// The warehouse's.
const WAREHOUSE_DATABASE: u8 = 1;

/// The secret for deliveries over HTTP.
pub const DELIVERY_SECRET: &str = "an end-to-end test's own delivery secret";

/// The lease in the tests: short, so that entries of a killed process are claimed soon.
const LEASE_MS: u32 = 2_000;

/// A Redis, a runtime and a sidecar, each of which a test may start, stop and kill.
pub struct System {
    kind: Runtime,
    folder: PathBuf,
    database: Database,
    http_port: u16,
    admin_port: u16,
    agent: ureq::Agent,
    /// File descriptors that the runtime may have.
    descriptors: Option<u32>,
    /// The app's variables beyond those with Redis's address.
    variables: Vec<(&'static str, String)>,
    redis: Option<Process>,
    runtime: Option<Process>,
    sidecar: Option<Process>,
}

/// An answer to a request.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub content_type: String,
    pub location: Option<String>,
    pub etag: Option<String>,
    pub www_authenticate: Option<String>,
    pub allow: Option<String>,
    pub retry_after: Option<String>,
    pub text: String,
}

impl Answer {
    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

impl System {
    /// Everything started and ready.
    pub fn start(kind: Runtime) -> Self {
        let mut system = Self::with_redis(kind);
        system.start_runtime();
        system.start_sidecar();
        system
    }

    /// Only Redis started.
    pub fn with_redis(kind: Runtime) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = project().join(format!(
            "target/end-to-end/{}-{}-{count}",
            kind.name(),
            std::process::id()
        ));
        std::fs::create_dir_all(&folder).unwrap();
        let database = Database::new(&folder, kind.secured);
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(30)))
            .build()
            .new_agent();
        let mut system = Self {
            kind,
            folder,
            database,
            http_port: free_port(),
            admin_port: free_port(),
            agent,
            descriptors: None,
            variables: Vec::new(),
            redis: None,
            runtime: None,
            sidecar: None,
        };
        system.start_redis();
        system
    }

    /// Starts Redis with an append-only file, and waits until it answers.
    pub fn start_redis(&mut self) {
        let mut command = self.database.command("everysec");
        self.redis = Some(Process::start(&mut command, &self.log("redis")));
        eventually("Redis answers", || {
            let mut connection = self.connect(STORE_DATABASE).ok()?;
            redis::cmd("PING").query::<String>(&mut connection).ok()
        });
    }

    /// Starts the runtime, and waits until both components answer.
    pub fn start_runtime(&mut self) {
        let listen = format!("127.0.0.1:{}", self.http_port);
        let manifest = project().join("spin.toml");
        let mut command = self.kind.command(&manifest, Some(&listen), &self.folder.join("logs"));
        if let Some(descriptors) = self.descriptors {
            let mut limited = Command::new("sh");
            limited.args(["-c", &format!("ulimit -n {descriptors}; exec \"$@\""), "sh"]);
            limited.arg(command.get_program()).args(command.get_args());
            command = limited;
        }
        command
            .envs(self.runtime_variables())
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .current_dir(project());
        self.runtime = Some(Process::start(&mut command, &self.log("runtime")));
        self.wait_for_health();
    }

    /// Sets a variable of the app, for when the runtime is started.
    pub fn set_variable(&mut self, name: &'static str, value: &str) {
        self.variables.push((name, value.to_owned()));
    }

    /// Limits the file descriptors of the runtime, for when it is started.
    pub fn limit_descriptors(&mut self, descriptors: u32) {
        self.descriptors = Some(descriptors);
    }

    /// Whether the runtime has ended by itself.
    pub fn has_runtime_ended(&mut self) -> bool {
        self.runtime.as_mut().is_none_or(Process::has_ended)
    }

    /// Memory that the runtime's process has, in KiB.
    pub fn runtime_memory_kib(&self) -> u64 {
        let status = format!("/proc/{}/status", self.runtime.as_ref().unwrap().id());
        let status = std::fs::read_to_string(status).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.split_whitespace().next().unwrap().parse().unwrap()
    }

    /// The app's variables with the address of this test's Redis.
    pub fn runtime_variables(&self) -> Vec<(String, String)> {
        let mut variables = self.database.app_variables(self.database.clients_port());
        if self.kind.over_http {
            let secret = ("SPIN_VARIABLE_DELIVERY_SECRET".to_owned(), DELIVERY_SECRET.to_owned());
            variables.push(secret);
        }
        variables
    }

    /// Waits until both components and their Redis answer.
    pub fn wait_for_health(&self) {
        eventually("both components answer", || {
            let healthy = |path| matches!(self.try_get(path), Ok(answer) if answer.status == 200);
            (healthy("/store/healthz") && healthy("/warehouse/healthz")).then_some(())
        });
    }

    /// Starts the sidecar, and waits until it is ready.
    pub fn start_sidecar(&mut self) {
        self.start_sidecar_with(Vec::new());
    }

    /// Starts the sidecar with settings besides those of the test, and waits until it is ready.
    pub fn start_sidecar_with(&mut self, settings: Vec<(String, String)>) {
        let mut command = Command::new(binary("stream-sidecar"));
        command
            .arg("run")
            .arg("--config")
            .arg(project().join("sidecar.toml"))
            .envs(self.sidecar_settings())
            .envs(settings);
        self.sidecar = Some(Process::start(&mut command, &self.log("sidecar")));
        self.wait_for_sidecar();
    }

    /// The sidecar's settings for this test, as environment.
    pub fn sidecar_settings(&self) -> Vec<(String, String)> {
        let mut settings = self.database.sidecar_settings(self.database.clients_port());
        for (name, value) in [
            ("ADMIN__LISTEN", format!("127.0.0.1:{}", self.admin_port)),
            ("LIMITS__LEASE_MS", LEASE_MS.to_string()),
            ("LIMITS__BACKOFF_MS_MIN", "50".to_owned()),
            ("LIMITS__BACKOFF_MS_MAX", "500".to_owned()),
        ] {
            settings.push((format!("STREAM_SIDECAR__{name}"), value));
        }
        if self.kind.over_http {
            settings.extend(
                SERVICES
                    .iter()
                    .flat_map(|service| deliver_over_http(service, self.http_port)),
            );
        }
        settings
    }

    /// Waits until the sidecar reads every group and reaches every component.
    pub fn wait_for_sidecar(&self) {
        let ready = format!("http://127.0.0.1:{}/readyz", self.admin_port);
        eventually("the sidecar is ready", || {
            let answer = self.agent.get(&ready).call().ok()?;
            (answer.status() == 200).then_some(())
        });
    }

    /// Stops Redis in an orderly way.
    pub fn stop_redis(&mut self) {
        self.redis.take().unwrap().stop(Signal::SIGTERM);
    }

    /// Kills the runtime.
    pub fn kill_runtime(&mut self) {
        self.runtime.take().unwrap().kill();
    }

    /// Sends the sidecar a signal.
    pub fn signal_sidecar(&self, signal: Signal) {
        self.sidecar.as_ref().unwrap().signal(signal);
    }

    /// Kills the sidecar.
    pub fn kill_sidecar(&mut self) {
        self.sidecar.take().unwrap().kill();
    }

    /// Sets another port for requests to the app.
    pub fn reach_app_at(&mut self, port: u16) {
        self.http_port = port;
    }

    /// The runtime under test.
    pub fn kind(&self) -> Runtime {
        self.kind
    }

    /// The URL of this test's Redis for one of its users, without a database.
    pub fn redis_url_as(&self, user: &str) -> String {
        self.database.url_as(user)
    }

    /// The port of this test's Redis for the app and the sidecar.
    pub fn redis_clients_port(&self) -> u16 {
        self.database.clients_port()
    }

    /// The folder of this test's files.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The address of the app.
    pub fn listen(&self) -> String {
        format!("127.0.0.1:{}", self.http_port)
    }

    /// The URL of this test's Redis, without a database.
    pub fn redis_url(&self) -> String {
        self.database.operator_url()
    }

    /// The output of a process so far.
    pub fn read_log(&self, name: &str) -> String {
        std::fs::read_to_string(self.log(name)).unwrap_or_default()
    }

    fn log(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.log"))
    }

    fn connect(&self, database: u8) -> redis::RedisResult<Connection> {
        redis::Client::open(format!("{}/{database}", self.redis_url()))?.get_connection()
    }

    /// Runs a command on the store's database, written as in redis-cli; each part is one argument.
    pub fn store_redis<T: FromRedisValue>(&self, command: &[&str]) -> T {
        self.redis_command(STORE_DATABASE, command)
    }

    /// Runs a command on the warehouse's database.
    pub fn warehouse_redis<T: FromRedisValue>(&self, command: &[&str]) -> T {
        self.redis_command(WAREHOUSE_DATABASE, command)
    }

    /// Sets a key of the store to any bytes.
    pub fn put_into_store(&self, key: &str, value: &[u8]) {
        let mut connection = self.connect(STORE_DATABASE).unwrap();
        redis::cmd("SET").arg(key).arg(value).exec(&mut connection).unwrap();
    }

    /// Restores a key of the warehouse from its `DUMP`.
    pub fn restore_in_warehouse(&self, key: &str, dump: &[u8]) {
        let mut connection = self.connect(WAREHOUSE_DATABASE).unwrap();
        redis::cmd("RESTORE")
            .arg(key)
            .arg(0)
            .arg(dump)
            .exec(&mut connection)
            .unwrap();
    }

    fn redis_command<T: FromRedisValue>(&self, database: u8, command: &[&str]) -> T {
        let mut connection = self.connect(database).unwrap();
        redis::cmd(command[0])
            .arg(&command[1..])
            .query(&mut connection)
            .unwrap_or_else(|error| panic!("{command:?}: {error}"))
    }

    /// `GET`.
    pub fn get(&self, path: &str) -> Answer {
        self.try_get(path).unwrap_or_else(|error| panic!("GET {path}: {error}"))
    }

    /// `GET`, when the app may be away.
    pub fn try_get(&self, path: &str) -> Result<Answer, ureq::Error> {
        self.agent.get(self.url(path)).call().map(answer)
    }

    /// `POST` with JSON.
    pub fn post(&self, path: &str, body: &Value) -> Answer {
        self.post_text(path, &[], &body.to_string())
    }

    /// `POST` with any body and headers.
    pub fn post_text(&self, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        self.try_post(path, headers, body)
            .unwrap_or_else(|error| panic!("POST {path}: {error}"))
    }

    /// `POST`, when the app may be away.
    pub fn try_post(&self, path: &str, headers: &[(&str, &str)], body: &str) -> Result<Answer, ureq::Error> {
        let mut request = self.agent.post(self.url(path));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.send(body).map(answer)
    }

    /// Any request.
    pub fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut request = ureq::http::Request::builder().method(method).uri(self.url(path));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let outcome = if body.is_empty() {
            self.agent.run(request.body(()).unwrap())
        } else {
            self.agent.run(request.body(body).unwrap())
        };
        outcome
            .map(answer)
            .unwrap_or_else(|error| panic!("{method} {path}: {error}"))
    }

    /// The URL of a path of the app; a whole URL, such as of another app, stays as it is.
    fn url(&self, path: &str) -> String {
        if path.starts_with("http://") {
            return path.to_owned();
        }
        format!("http://127.0.0.1:{}{path}", self.http_port)
    }
}

impl Drop for System {
    /// Keeps the files of a test that failed, and shows the end of its logs.
    fn drop(&mut self) {
        drop((self.sidecar.take(), self.runtime.take(), self.redis.take()));
        if !std::thread::panicking() {
            let _ = std::fs::remove_dir_all(&self.folder);
            return;
        }
        eprintln!("the files of this test are in {}", self.folder.display());
        for name in ["runtime", "sidecar", "up"] {
            let log = self.read_log(name);
            let lines: Vec<_> = log.lines().collect();
            for line in &lines[lines.len().saturating_sub(30)..] {
                eprintln!("{name} | {line}");
            }
        }
    }
}

/// The sidecar's settings that make it deliver over HTTP, to a service on this port.
pub fn deliver_over_http(service: &str, port: u16) -> [(String, String); 3] {
    let set = |name: &str, value: String| {
        let service = service.to_uppercase();
        (format!("STREAM_SIDECAR__SERVICES__{service}__{name}"), value)
    };
    [
        set("DELIVER", "http".to_owned()),
        set("DELIVERY_URL", format!("http://127.0.0.1:{port}/{service}/deliveries")),
        set("DELIVERY_SECRET", DELIVERY_SECRET.to_owned()),
    ]
}

fn answer(mut response: ureq::http::Response<ureq::Body>) -> Answer {
    let header = |name: &str| {
        let value = response.headers().get(name)?;
        Some(value.to_str().unwrap().to_owned())
    };
    Answer {
        status: response.status().as_u16(),
        content_type: header("content-type").unwrap_or_default(),
        location: header("location"),
        etag: header("etag"),
        www_authenticate: header("www-authenticate"),
        allow: header("allow"),
        retry_after: header("retry-after"),
        text: response.body_mut().read_to_string().unwrap(),
    }
}
