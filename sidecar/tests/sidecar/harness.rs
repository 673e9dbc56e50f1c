//! A private Redis, a sidecar, and ways to wait for their effects.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use redis::aio::MultiplexedConnection;
use redis::{FromRedisValue, Value};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::component::Component;
use crate::port::free_port;

/// The longest wait for something: far longer than anything in these tests takes.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// One service, `app`, with one stream, `work`, read for the group `crew`.
pub(crate) const CONFIG: &str = r#"
instance = "one"
[admin]
listen = "127.0.0.1:0"
[services.app]
redis_url = "redis://127.0.0.1:6379"
[routes.work]
stream = "work"
from = "app"
to = "app"
group = "crew"
"#;

/// Short limits, for tests that wait for them.
pub(crate) const QUICK: &[(&str, &str)] = &[
    ("LIMITS__LEASE_MS", "1500"),
    ("LIMITS__BACKOFF_MS_MIN", "20"),
    ("LIMITS__BACKOFF_MS_MAX", "200"),
    ("LIMITS__PROBE_MS", "150"),
    ("LIMITS__ANSWER_MS", "1000"),
    ("LIMITS__HANDSHAKE_MS", "200"),
    ("LIMITS__SUBSCRIBER_MS", "100"),
    ("LIMITS__SCAN_MS", "200"),
    ("LIMITS__LOCK_MS", "1000"),
];

/// A directory, a Redis and processes beside them. All are removed when it is dropped.
pub(crate) struct Rig {
    pub(crate) redis: Redis,
    pub(crate) directory: PathBuf,
    pub(crate) connection: MultiplexedConnection,
}

impl Rig {
    pub(crate) async fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!(
            "sidecar-test-{}-{}",
            std::process::id(),
            COUNT.fetch_add(1, Ordering::Relaxed)
        );
        let directory = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&directory).unwrap();
        let redis = Redis::start(&directory, free_port());
        let connection = redis.connect().await;
        Self {
            redis,
            directory,
            connection,
        }
    }

    /// A component on the channel that the sidecar `one` expects it on.
    pub(crate) async fn component(&self) -> Component {
        Component::subscribe(self.redis.port, "app.0.one").await
    }

    /// A sidecar with short limits and these environment variables.
    pub(crate) fn sidecar(&self, variables: &[(&str, &str)]) -> Sidecar {
        Sidecar::start(self, CONFIG, variables)
    }

    /// A component that answers everything with `done`, and a sidecar that is ready.
    pub(crate) async fn ready(&self, variables: &[(&str, &str)]) -> (Component, Sidecar) {
        let component = self.component().await;
        let sidecar = self.sidecar(variables);
        sidecar.until_ready().await;
        (component, sidecar)
    }

    /// Runs a command written as in redis-cli, but without quotes.
    pub(crate) async fn redis<T: FromRedisValue>(&mut self, command: &str) -> T {
        let mut words = command.split(' ');
        let mut built = redis::cmd(words.next().unwrap());
        for word in words {
            built.arg(word);
        }
        built
            .query_async(&mut self.connection)
            .await
            .unwrap_or_else(|err| panic!("{command}: {err}"))
    }

    /// Appends entries `{n: first}`, ... to the stream `work`, and gives their ids.
    pub(crate) async fn append(&mut self, numbers: std::ops::Range<usize>) -> Vec<String> {
        let mut pipeline = redis::pipe();
        for number in numbers {
            pipeline.cmd("XADD").arg("work").arg("*").arg("n").arg(number);
        }
        pipeline.query_async(&mut self.connection).await.unwrap()
    }

    /// Number of pending entries in the group; -1 without the group.
    pub(crate) async fn pending(&mut self) -> i64 {
        let reply = redis::cmd("XPENDING")
            .arg("work")
            .arg("crew")
            .query_async::<Value>(&mut self.connection)
            .await;
        match reply {
            Ok(Value::Array(parts)) => match parts.first() {
                Some(Value::Int(count)) => *count,
                other => panic!("{other:?}"),
            },
            _ => -1,
        }
    }

    /// Waits until every appended entry is acknowledged.
    pub(crate) async fn until_settled(&mut self) {
        self.until_settled_within(DEADLINE).await;
    }

    pub(crate) async fn until_settled_within(&mut self, limit: Duration) {
        let deadline = Instant::now() + limit;
        loop {
            let groups: Vec<std::collections::HashMap<String, Value>> = redis::cmd("XINFO")
                .arg("GROUPS")
                .arg("work")
                .query_async(&mut self.connection)
                .await
                .unwrap_or_default();
            let int = |name: &str| groups.first().and_then(|group| group.get(name)).cloned();
            let settled = int("pending") == Some(Value::Int(0)) && int("lag") == Some(Value::Int(0));
            if settled {
                return;
            }
            assert!(Instant::now() < deadline, "not settled: {groups:?}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Checks that the sidecar sends Redis few commands and uses hardly any processor time, whatever is wrong.
    pub(crate) async fn assert_calm(&mut self, sidecar: &Sidecar) {
        let (_, cpu) = cost(sidecar.id());
        let commands = self.commands().await;
        let start = Instant::now();
        tokio::time::sleep(Duration::from_secs(2)).await;
        let took = start.elapsed().as_secs_f64();
        let rate = (self.commands().await - commands) as f64 / took;
        let (_, after) = cost(sidecar.id());
        let share = (after - cpu).as_secs_f64() / took;
        assert!(
            rate < 150.0 && share < 0.2,
            "{rate:.0} commands/s, {share:.2} of a core\n{}",
            sidecar.log()
        );
    }

    /// Number of commands that Redis has run, those of scripts included.
    async fn commands(&mut self) -> u64 {
        let info: String = self.redis("INFO stats").await;
        let line = info
            .lines()
            .find_map(|line| line.strip_prefix("total_commands_processed:"));
        line.unwrap().parse().unwrap()
    }

    /// The dead letters of `work`: each with its fields.
    pub(crate) async fn dead(&mut self) -> Vec<std::collections::HashMap<String, String>> {
        let entries: Vec<(String, std::collections::HashMap<String, String>)> =
            self.redis("XRANGE work.dead - +").await;
        entries.into_iter().map(|(_, fields)| fields).collect()
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        self.redis.kill();
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

/// Resident memory in KiB, at most so far, and processor time of a process.
pub(crate) fn cost(process: u32) -> (u64, Duration) {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    let resident = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    (resident, Duration::from_millis(ticks * 10))
}

/// Waits until a condition holds, with frequent looks.
pub(crate) async fn eventually(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !is_so().await {
        assert!(Instant::now() < deadline, "never happened: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

pub(crate) struct Redis {
    pub(crate) port: u16,
    directory: PathBuf,
    process: Option<Child>,
}

impl Redis {
    pub(crate) fn start(directory: &Path, port: u16) -> Self {
        let mut redis = Self {
            port,
            directory: directory.to_owned(),
            process: None,
        };
        redis.restart();
        redis
    }

    /// Another, empty one beside it.
    pub(crate) fn beside(&self) -> Self {
        let port = free_port();
        let directory = self.directory.join(port.to_string());
        std::fs::create_dir_all(&directory).unwrap();
        Self::start(&directory, port)
    }

    /// Starts it again with its data.
    pub(crate) fn restart(&mut self) {
        self.kill();
        let log = std::fs::File::create(self.directory.join("redis.log")).unwrap();
        let process = Command::new("redis-server")
            .args(["--bind", "127.0.0.1", "--port", &self.port.to_string(), "--dir"])
            .arg(&self.directory)
            .args(["--appendonly", "yes", "--appendfsync", "always", "--save", ""])
            .stdout(log)
            .spawn()
            .expect("redis-server is installed");
        self.process = Some(process);
    }

    pub(crate) fn id(&self) -> u32 {
        self.process.as_ref().map_or(0, Child::id)
    }

    pub(crate) fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }

    pub(crate) async fn connect(&self) -> MultiplexedConnection {
        let client = redis::Client::open(format!("redis://127.0.0.1:{}", self.port)).unwrap();
        let deadline = Instant::now() + DEADLINE;
        loop {
            let settings = redis::AsyncConnectionConfig::new().set_response_timeout(Some(DEADLINE));
            if let Ok(mut connection) = client.get_multiplexed_async_connection_with_config(&settings).await
                && redis::cmd("PING").query_async::<()>(&mut connection).await.is_ok()
            {
                return connection;
            }
            assert!(Instant::now() < deadline, "Redis does not start");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A sidecar process.
pub(crate) struct Sidecar {
    process: Child,
    config_file: PathBuf,
    address_file: PathBuf,
    log: PathBuf,
}

impl Sidecar {
    pub(crate) fn start(rig: &Rig, config: &str, variables: &[(&str, &str)]) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let config_file = rig.directory.join(format!("sidecar-{number}.toml"));
        let address_file = rig.directory.join(format!("sidecar-{number}.address"));
        let log = rig.directory.join(format!("sidecar-{number}.log"));
        let config = config.replace("6379", &rig.redis.port.to_string());
        std::fs::File::create(&config_file)
            .unwrap()
            .write_all(config.as_bytes())
            .unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_stream-sidecar"));
        command
            .args(["run", "--config"])
            .arg(&config_file)
            .arg("--address-file")
            .arg(&address_file);
        for (name, value) in QUICK.iter().chain(variables) {
            command.env(format!("STREAM_SIDECAR__{name}"), value);
        }
        command
            .env("RUST_LOG", "debug,hyper=info")
            .stderr(std::fs::File::create(&log).unwrap())
            .stdout(Stdio::null());
        Self {
            process: command.spawn().unwrap(),
            config_file,
            address_file,
            log,
        }
    }

    /// A command with this sidecar's configuration.
    pub(crate) fn prepare(&self, rig: &Rig, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_stream-sidecar"));
        command
            .arg("--config")
            .arg(&self.config_file)
            .args(arguments)
            .current_dir(&rig.directory);
        for (name, value) in QUICK {
            command.env(format!("STREAM_SIDECAR__{name}"), value);
        }
        command
    }

    /// Runs a command; answers with its exit code and what it printed.
    pub(crate) fn try_command(&self, rig: &Rig, arguments: &[&str]) -> (i32, String) {
        let output = self.prepare(rig, arguments).output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status.code().unwrap(), String::from_utf8(text).unwrap())
    }

    /// The same for a command that must succeed.
    pub(crate) fn command(&self, rig: &Rig, arguments: &[&str]) -> String {
        let (code, text) = self.try_command(rig, arguments);
        assert_eq!(code, 0, "{arguments:?}: {text}");
        text
    }

    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    /// Sends a signal by its name.
    pub(crate) fn signal(&self, name: &str) {
        let status = Command::new("kill")
            .args(["-s", name, &self.id().to_string()])
            .status()
            .unwrap();
        assert!(status.success());
    }

    pub(crate) fn kill(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }

    /// Waits for its end, and gives its exit code.
    pub(crate) async fn exit_code(&mut self) -> i32 {
        let mut code = None;
        eventually("the sidecar ends", async || {
            code = self
                .process
                .try_wait()
                .unwrap()
                .map(|status| status.code().unwrap_or(-1));
            code.is_some()
        })
        .await;
        code.unwrap()
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Where it listens, once it does.
    pub(crate) fn address(&self) -> String {
        std::fs::read_to_string(&self.address_file).unwrap().trim().to_owned()
    }

    /// Status and body of a GET on its listener; 0 while it does not listen.
    pub(crate) async fn get(&self, path: &str) -> (u16, String) {
        let Ok(address) = std::fs::read_to_string(&self.address_file) else {
            return (0, String::new());
        };
        let Ok(mut stream) = tokio::net::TcpStream::connect(address.trim()).await else {
            return (0, String::new());
        };
        let request = format!("GET {path} HTTP/1.1\r\nhost: sidecar\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).await.unwrap();
        let status = response[9..12].parse().unwrap();
        let body = response.split_once("\r\n\r\n").unwrap().1.to_owned();
        (status, body)
    }

    pub(crate) async fn until_ready(&self) {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let (status, body) = self.get("/readyz").await;
            if status == 200 {
                return;
            }
            assert!(Instant::now() < deadline, "not ready: {status} {body}\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    pub(crate) async fn until_not_ready(&self, reason: &str) {
        eventually(reason, async || {
            let (status, body) = self.get("/readyz").await;
            status == 503 && body.contains(reason)
        })
        .await;
    }

    pub(crate) async fn until_logged(&self, text: &str) {
        eventually(text, async || self.log().contains(text)).await;
    }
}

impl Drop for Sidecar {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the sidecar's log:\n{}", self.log());
        }
        self.kill();
    }
}
