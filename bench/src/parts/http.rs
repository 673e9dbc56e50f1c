//! HTTP: placing and showing orders on 32 kept-alive connections, by `wrk`, with nothing else going on. Beside them the
//! cheapest request that asks Redis anything, the health check: the cost of the runtime itself.

use std::fmt;

use anyhow::{Result, ensure};
use redis::Commands;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Plan, Row, run_interleaved};
use crate::client::http_client;
use crate::folder::Folder;
use crate::native::NativeStore;
use crate::peers;
use crate::shop::{order_body, place_order};
use crate::system::{App, Fsync, Redis, Runtime, STORE};
use crate::wrk::{self, Load, Requests};

/// Connections, which one thread of `wrk` drives.
const CONNECTIONS: usize = 32;

#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Contender {
    App { runtime: Runtime },
    Native,
    Fastapi { workers: u8 },
}

impl fmt::Display for Contender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::App { runtime } => write!(f, "this project on {runtime}"),
            Self::Native => f.write_str("native Rust server"),
            Self::Fastapi { workers: 1 } => f.write_str("FastAPI + uvicorn"),
            Self::Fastapi { workers } => write!(f, "FastAPI + uvicorn, {workers} workers"),
        }
    }
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Run {
    pub(crate) post: Load,
    pub(crate) get: Load,
    /// FastAPI's asks Redis nothing, so it is not measured.
    pub(crate) health: Option<Load>,
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |load: &Load| format!("{:.0}/s, p99 {:.1} ms", load.per_s(), load.p99_ms);
        write!(f, "POST {}; GET {}", text(&self.post), text(&self.get))
    }
}

/// Picks a run's load of one kind of request.
pub(crate) type LoadOf = fn(&Run) -> Option<&Load>;

pub(crate) const REQUESTS: [(&str, LoadOf); 3] = [
    ("POST", |run| Some(&run.post)),
    ("GET", |run| Some(&run.get)),
    ("health check", |run| run.health.as_ref()),
];

impl Row<Contender, Run> {
    /// A figure of every run's load of one kind.
    pub(crate) fn figures(&self, load: LoadOf, figure: fn(&Load) -> f64) -> Vec<f64> {
        self.runs.iter().filter_map(load).map(figure).collect()
    }
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Http {
    pub(crate) rows: Vec<Row<Contender, Run>>,
}

pub(crate) fn measure(plan: &Plan) -> Result<Http> {
    let apps = plan.runtimes.iter().map(|runtime| Contender::App { runtime: *runtime });
    let contenders = apps.chain([
        Contender::Native,
        Contender::Fastapi { workers: 1 },
        Contender::Fastapi { workers: 2 },
    ]);
    let seconds = plan.either(10, 1);
    let mut expected = None;
    let rows = run_interleaved("HTTP", contenders, plan.runs(), |contender| {
        run_once(*contender, &plan.stocked, seconds, &mut expected)
    })?;
    Ok(Http { rows })
}

fn run_once(contender: Contender, stocked: &Folder, seconds: u64, expected: &mut Option<Value>) -> Result<Run> {
    let redis = Redis::start(Fsync::Everysec, Some(stocked.path()))?;
    match contender {
        Contender::App { runtime } => {
            let app = App::start(runtime, &redis)?;
            run_store(&redis, &app.address, seconds, expected)
        }
        Contender::Native => {
            let store = NativeStore::start(&redis)?;
            run_store(&redis, &store.address, seconds, expected)
        }
        Contender::Fastapi { workers } => {
            let (_peer, address) = peers::http_service(&redis, workers)?;
            let (post, get) = load_orders(&address, "/orders", seconds)?;
            Ok(Run {
                post,
                get,
                health: None,
            })
        }
    }
}

/// Runs a store, the component or the native one, and checks that all of them do the same.
fn run_store(redis: &Redis, address: &str, seconds: u64, expected: &mut Option<Value>) -> Result<Run> {
    let traces = traces(redis, address)?;
    let expected = expected.get_or_insert_with(|| traces.clone());
    ensure!(
        traces == *expected,
        "the stores differ: {traces:#} instead of {expected:#}"
    );
    let (post, get) = load_orders(address, "/store/orders", seconds)?;
    let health = Requests::getting(&["/store/healthz".to_owned()])?;
    let health = load(&health, &format!("http://{address}/store/healthz"), seconds)?;
    Ok(Run {
        post,
        get,
        health: Some(health),
    })
}

fn load_orders(address: &str, path: &str, seconds: u64) -> Result<(Load, Load)> {
    let client = http_client();
    let url = format!("http://{address}{path}");
    let paths: Result<Vec<String>> = (0..wrk::ORDERS)
        .map(|number| Ok(format!("{path}/{}", place_order(&client, &url, number)?)))
        .collect();
    let posted = load(&Requests::placing()?, &url, seconds)?;
    Ok((posted, load(&Requests::getting(&paths?)?, &url, seconds)?))
}

fn load(requests: &Requests, url: &str, seconds: u64) -> Result<Load> {
    // The first second is for what compiles, connects and fills caches.
    requests.send(url, CONNECTIONS, 1)?;
    requests.send(url, CONNECTIONS, seconds)
}

/// An order placed twice under one idempotency key and shown: its answers, and all that it left in Redis, with the ids
/// and times of this run replaced by words.
fn traces(redis: &Redis, address: &str) -> Result<Value> {
    let client = http_client();
    let url = format!("http://{address}/store/orders");
    let body = order_body(0);
    let place = || -> Result<[String; 5]> {
        let mut answer = client.post(&url).header("idempotency-key", "traces").send(&body)?;
        let headers = ["location", "content-type", "cache-control"].map(|name| answer.headers().get(name).cloned());
        let [location, kind, cache] =
            headers.map(|value| value.and_then(|value| Some(value.to_str().ok()?.to_owned())));
        let (status, body) = (answer.status().to_string(), answer.body_mut().read_to_string()?);
        Ok([location, kind, cache, Some(status), Some(body)].map(Option::unwrap_or_default))
    };
    let answers = [place()?, place()?];
    let order_id = answers[0][0].rsplit('/').next().unwrap_or_default();
    ensure!(!order_id.is_empty(), "the answer to a placed order has no location");
    let shown = client
        .get(format!("{url}/{order_id}"))
        .call()?
        .body_mut()
        .read_to_string()?;

    let mut store = redis.connect(STORE)?;
    let stored: String = store.get(format!("order:{order_id}"))?;
    let lists: Vec<Vec<(String, f64)>> = ["orders", "orders:status:pending", "orders:customer:ada"]
        .iter()
        .map(|list| store.zrange_withscores(*list, 0, -1))
        .collect::<Result<_, _>>()?;
    let events: Vec<(String, Vec<String>)> = store.xrevrange_all("order-placed")?;
    let events: Vec<_> = events.into_iter().map(|(_, fields)| fields).collect();
    let record_key = "idem:POST:/store/orders:traces";
    let mut record: Vec<(String, String)> = store.hgetall(record_key)?;
    record.sort();
    let has_ttl = store.ttl::<_, i64>(record_key)? > 0;

    let traces = json!([answers, shown, stored, lists, events, record, has_ttl]).to_string();
    let order: Value = serde_json::from_str(&stored)?;
    let text = |value: &Value| value.as_str().unwrap_or("none").to_owned();
    let traces = traces
        .replace(order_id, "ORDER")
        .replace(&text(&order["history"][0]["event_id"]), "EVENT")
        .replace(&text(&order["created_at"]), "TIME");
    Ok(serde_json::from_str(&traces)?)
}
