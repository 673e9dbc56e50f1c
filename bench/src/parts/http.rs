//! HTTP: placing and showing orders on 32 kept-alive connections, by `wrk`, with nothing else going on.

use std::fmt;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Plan, say};
use crate::peers;
use crate::process::project;
use crate::shop::order_body;
use crate::system::{App, Folder, Fsync, Redis, Runtime, http_client};

/// Connections, which one thread of `wrk` drives.
const CONNECTIONS: usize = 32;
/// Different orders that are placed and shown in turn.
const ORDERS: usize = 1_000;

/// Who answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Contender {
    /// The project.
    App { runtime: Runtime },
    /// FastAPI on uvicorn.
    Fastapi { workers: u8 },
}

impl fmt::Display for Contender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::App { runtime } => write!(f, "this project on {runtime}"),
            Self::Fastapi { workers: 1 } => f.write_str("FastAPI + uvicorn"),
            Self::Fastapi { workers } => write!(f, "FastAPI + uvicorn, {workers} workers"),
        }
    }
}

/// What `wrk` says of one run.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Load {
    pub(crate) requests: f64,
    pub(crate) seconds: f64,
    pub(crate) failed: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p90_ms: f64,
    pub(crate) p99_ms: f64,
}

impl Load {
    /// Requests per second.
    pub(crate) fn per_s(&self) -> f64 {
        self.requests / self.seconds
    }
}

/// The runs of one contender.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Row {
    pub(crate) contender: Contender,
    pub(crate) post: Vec<Load>,
    pub(crate) get: Vec<Load>,
}

/// What was measured.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Http {
    pub(crate) rows: Vec<Row>,
}

/// Measures it.
pub(crate) fn measure(plan: &Plan) -> Result<Http> {
    let app = |runtime: &Runtime| Contender::App { runtime: *runtime };
    let mut contenders: Vec<Contender> = plan.runtimes.iter().map(app).collect();
    contenders.extend([Contender::Fastapi { workers: 1 }, Contender::Fastapi { workers: 2 }]);
    let mut rows: Vec<Row> = contenders
        .into_iter()
        .map(|contender| Row {
            contender,
            post: Vec::new(),
            get: Vec::new(),
        })
        .collect();
    let seconds = plan.either(10, 1);
    for run in 1..=plan.runs() {
        for row in &mut rows {
            let (post, get) = run_once(row.contender, &plan.stocked, seconds)?;
            say(&format!(
                "  HTTP, run {run} of {}: {}: POST {:.0}/s, p99 {:.1} ms; GET {:.0}/s, p99 {:.1} ms",
                plan.runs(),
                row.contender,
                post.per_s(),
                post.p99_ms,
                get.per_s(),
                get.p99_ms
            ));
            row.post.push(post);
            row.get.push(get);
        }
    }
    Ok(Http { rows })
}

fn run_once(contender: Contender, stocked: &Folder, seconds: u64) -> Result<(Load, Load)> {
    let redis = Redis::start(Fsync::Everysec, Some(stocked.path()))?;
    match contender {
        Contender::App { runtime } => {
            let app = App::start(runtime, &redis)?;
            load(&app.address, "/store/orders", seconds)
        }
        Contender::Fastapi { workers } => {
            let (_peer, address) = peers::http_service(&redis, workers)?;
            load(&address, "/orders", seconds)
        }
    }
}

fn load(address: &str, path: &str, seconds: u64) -> Result<(Load, Load)> {
    let folder = Folder::new("wrk")?;
    let bodies: Vec<String> = (0..ORDERS).map(order_body).collect();
    let bodies_file = folder.path().join("bodies");
    std::fs::write(&bodies_file, bodies.join("\n"))?;

    let client = http_client();
    let mut paths = Vec::with_capacity(ORDERS);
    for body in &bodies {
        let request = client.post(format!("http://{address}{path}"));
        let mut answer = request.content_type("application/json").send(body)?;
        let order: Value = serde_json::from_str(&answer.body_mut().read_to_string()?)?;
        let id = order["order_id"].as_str().context("an order without an id")?;
        paths.push(format!("{path}/{id}"));
    }
    let paths_file = folder.path().join("paths");
    std::fs::write(&paths_file, paths.join("\n"))?;

    let url = format!("http://{address}{path}");
    let run = |list: (&str, &std::path::Path), seconds: u64| -> Result<Load> {
        let output = Command::new("wrk")
            .args(["--threads", "1", "--connections", &CONNECTIONS.to_string()])
            .args(["--duration", &format!("{seconds}s"), "--script"])
            .arg(project().join("bench/wrk/orders.lua"))
            .arg(&url)
            .env(list.0, list.1)
            .output()
            .context("cannot run wrk; bench/setup.sh installs it")?;
        let text = String::from_utf8_lossy(&output.stdout);
        let last = text.lines().last().unwrap_or_default();
        let load: Load = serde_json::from_str(last).with_context(|| format!("wrk says {text}"))?;
        ensure!(
            load.failed == 0.0,
            "of {} requests {} failed",
            load.requests,
            load.failed
        );
        Ok(load)
    };
    let (post, get) = (("BODIES", &*bodies_file), ("PATHS", &*paths_file));
    // The first second is for what compiles, connects and fills caches.
    run(post, 1)?;
    let posted = run(post, seconds)?;
    run(get, 1)?;
    Ok((posted, run(get, seconds)?))
}
