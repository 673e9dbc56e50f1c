//! The HTTP listener: probes and metrics.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures_util::future::join_all;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use prometheus_client::encoding::prometheus_text::CONTENT_TYPE;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::config::LaneName;
use crate::driver::Input;
use crate::inspect::route_state;
use crate::lane::{Report, RouteName};
use crate::maintenance::TrimStatuses;
use crate::metrics::{Snapshot, render};
use crate::redis::Connection;

/// Everything that the listener answers about.
pub struct Subjects {
    pub lanes: Vec<LaneHandle>,
    /// Each route, and where its stream is.
    pub groups: Vec<(Arc<Connection>, RouteName)>,
    pub trim_statuses: Arc<TrimStatuses>,
}

/// A lane that can be asked for its report.
#[derive(Clone)]
pub struct LaneHandle {
    pub name: LaneName,
    pub lane: mpsc::Sender<Input>,
}

/// A lane that runs answers within microseconds; one that waits for the instance's name does not answer.
const REPORT_TIMEOUT: Duration = Duration::from_millis(500);
/// The reason that a lane does not answer.
const NAMELESS: &str = "waiting for the instance's name: Redis is not where redis_url says, or another sidecar has it; \
     the log says which";
/// A state that Redis does not tell within this time is left out of the metrics.
const REDIS_TIMEOUT: Duration = Duration::from_secs(2);

impl LaneHandle {
    async fn report(&self) -> Option<Report> {
        let (answer, report) = oneshot::channel();
        let asking = async {
            self.lane.send(Input::Ask(answer)).await.ok()?;
            report.await.ok()
        };
        timeout(REPORT_TIMEOUT, asking).await.ok().flatten()
    }
}

/// Connections at the same time; more wait until one of them ends. Far below the file descriptors that a process may
/// have, so that those for Redis are never taken by clients of this port.
const CONNECTIONS_MAX: usize = 64;
/// How long a client may take for a request's head, and be silent between two requests.
const HEAD_TIMEOUT: Duration = Duration::from_secs(2);
/// The pause after a connection could not be accepted.
const ACCEPT_PAUSE: Duration = Duration::from_secs(1);

/// Serves the listener until it is dropped. Not by axum's own loop, which bounds neither connections nor their silence.
pub async fn serve(listener: TcpListener, subjects: Subjects) {
    let router = Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/lanes", get(lanes))
        .route("/lanes/{service}", get(lanes_of))
        .route("/metrics", get(metrics))
        .with_state(Arc::new(subjects));
    let mut connections = JoinSet::new();
    loop {
        // A client that is silent gives its place back, so this waits a while at most.
        while connections.len() >= CONNECTIONS_MAX {
            connections.join_next().await;
        }
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next() => continue,
        };
        match accepted {
            Ok((stream, _)) => _ = connections.spawn_local(serve_connection(stream, router.clone())),
            Err(err) => {
                tracing::warn!("the HTTP listener cannot accept a connection: {err}");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn serve_connection(stream: TcpStream, router: Router) {
    // An error means that the client went away, was silent for too long, or does not speak HTTP.
    let _ = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router))
        .await;
}

/// 200: the process is alive and answers.
async fn healthz() -> &'static str {
    "ok\n"
}

/// 200 when everything that is configured can flow; otherwise 503, and a reason per line.
async fn readyz(State(subjects): State<Arc<Subjects>>) -> Response {
    let reasons = reports(&subjects.lanes).await.into_iter().flat_map(|(name, report)| {
        let reasons = report.map_or_else(|| vec![NAMELESS.to_owned()], |report| report.not_ready);
        reasons.into_iter().map(move |reason| format!("{name}: {reason}\n"))
    });
    answer(reasons.collect(), "ready\n")
}

fn answer(reasons: String, well: &'static str) -> Response {
    if reasons.is_empty() {
        well.into_response()
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, reasons).into_response()
    }
}

/// For a runtime that runs all services: 503 when it should be restarted, and a reason per line.
async fn lanes(State(subjects): State<Arc<Subjects>>) -> Response {
    stalled(&subjects.lanes).await
}

/// For the runtime of one service: the same of the service's lanes alone.
async fn lanes_of(State(subjects): State<Arc<Subjects>>, Path(service): Path<String>) -> Response {
    let lanes: Vec<_> = subjects
        .lanes
        .iter()
        .filter(|lane| lane.name.service == service)
        .collect();
    if lanes.is_empty() {
        return (StatusCode::NOT_FOUND, "nothing is delivered to this service\n").into_response();
    }
    stalled(lanes).await
}

/// 503 if one of the lanes is stalled; one that merely waits is well.
async fn stalled(lanes: impl IntoIterator<Item = &LaneHandle>) -> Response {
    let reports = reports(lanes).await.into_iter();
    let reasons = reports.filter_map(|(name, report)| Some(format!("{name}: {}\n", report?.stalled?)));
    answer(reasons.collect(), "ok\n")
}

/// The reports of the lanes, all asked at once; none of a lane that does not answer.
async fn reports(lanes: impl IntoIterator<Item = &LaneHandle>) -> Vec<(LaneName, Option<Report>)> {
    let lanes = lanes.into_iter();
    join_all(lanes.map(async |lane| (lane.name.clone(), lane.report().await))).await
}

async fn metrics(State(subjects): State<Arc<Subjects>>) -> impl IntoResponse {
    let states = subjects.groups.iter().map(async |(connection, name)| {
        let state = timeout(REDIS_TIMEOUT, route_state(connection, &name.stream, &name.group)).await;
        Some((name.clone(), state.ok()?.ok()?))
    });
    let snapshot = Snapshot {
        lanes: reports(&subjects.lanes).await,
        groups: join_all(states).await.into_iter().flatten().collect(),
        trimmed: subjects.trim_statuses.by_stream(),
    };
    ([(header::CONTENT_TYPE, CONTENT_TYPE)], render(snapshot))
}
