//! HTTP: placing and showing orders on 32 kept-alive connections, by `wrk`, with nothing else going on. Beside them the
//! cheapest request that asks Redis anything, `GET /store/healthz`: what the runtime itself costs.

use std::fmt;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Plan, say};
use crate::peers;
use crate::shop::order_body;
use crate::system::{App, Folder, Fsync, Redis, Runtime, http_client};
use crate::wrk::{self, Load, Requests};

/// Connections, which one thread of `wrk` drives.
const CONNECTIONS: usize = 32;

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

/// The runs of one contender.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Row {
    pub(crate) contender: Contender,
    pub(crate) post: Vec<Load>,
    pub(crate) get: Vec<Load>,
    /// The project's health check, which sends one `PING`; the peers have none.
    pub(crate) health: Vec<Load>,
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
            health: Vec::new(),
        })
        .collect();
    let seconds = plan.either(10, 1);
    for run in 1..=plan.runs() {
        for row in &mut rows {
            let (post, get, health) = run_once(row.contender, &plan.stocked, seconds)?;
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
            row.health.extend(health);
        }
    }
    Ok(Http { rows })
}

fn run_once(contender: Contender, stocked: &Folder, seconds: u64) -> Result<(Load, Load, Option<Load>)> {
    let redis = Redis::start(Fsync::Everysec, Some(stocked.path()))?;
    match contender {
        Contender::App { runtime } => {
            let app = App::start(runtime, &redis)?;
            let (post, get) = load(&app.address, "/store/orders", seconds)?;
            let url = app.url("/store/healthz");
            let asking = Requests::looking_at(&["/store/healthz".to_owned()])?;
            asking.send(&url, CONNECTIONS, 1)?;
            Ok((post, get, Some(asking.send(&url, CONNECTIONS, seconds)?)))
        }
        Contender::Fastapi { workers } => {
            let (_peer, address) = peers::http_service(&redis, workers)?;
            let (post, get) = load(&address, "/orders", seconds)?;
            Ok((post, get, None))
        }
    }
}

fn load(address: &str, path: &str, seconds: u64) -> Result<(Load, Load)> {
    let client = http_client();
    let mut paths = Vec::with_capacity(wrk::ORDERS);
    for body in (0..wrk::ORDERS).map(order_body) {
        let request = client.post(format!("http://{address}{path}"));
        let mut answer = request.content_type("application/json").send(body)?;
        let order: Value = serde_json::from_str(&answer.body_mut().read_to_string()?)?;
        let id = order["order_id"].as_str().context("an order without an id")?;
        paths.push(format!("{path}/{id}"));
    }
    let url = format!("http://{address}{path}");
    let (placing, looking) = (Requests::placing()?, Requests::looking_at(&paths)?);
    // The first second is for what compiles, connects and fills caches.
    placing.send(&url, CONNECTIONS, 1)?;
    let posted = placing.send(&url, CONNECTIONS, seconds)?;
    looking.send(&url, CONNECTIONS, 1)?;
    Ok((posted, looking.send(&url, CONNECTIONS, seconds)?))
}
