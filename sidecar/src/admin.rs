//! The HTTP listener: probes and metrics.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures_util::future::join_all;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use crate::config::LaneName;
use crate::driver::Input;
use crate::inspect::group_state;
use crate::janitor::Ledger;
use crate::lane::Report;
use crate::metrics::{Snapshot, render};
use crate::redis::Connection;

/// What the listener can be asked about.
pub struct Subjects {
    /// The lanes.
    pub lanes: Vec<LaneHandle>,
    /// Each route's stream and group, and where they are.
    pub groups: Vec<(Arc<Connection>, String, String)>,
    /// What the janitor has done.
    pub ledger: Arc<Ledger>,
}

/// A lane, to be asked how it is.
#[derive(Clone)]
pub struct LaneHandle {
    /// Which it is.
    pub name: LaneName,
    /// Where to ask.
    pub lane: mpsc::Sender<Input>,
}

/// A lane answers within microseconds, once it is driven; one that waits for the instance's name does not.
const ANSWER_WITHIN: Duration = Duration::from_millis(500);
/// Why a lane does not say how it is.
const NAMELESS: &str = "waiting for the instance's name: Redis is not where redis_url says, or another sidecar has it; \
     the log says which";
/// What Redis does not say within this time is left out.
const INSPECT_WITHIN: Duration = Duration::from_secs(2);

impl LaneHandle {
    /// How the lane is; nothing if it does not say.
    async fn report(&self) -> Option<Report> {
        let (answer, report) = oneshot::channel();
        let asking = async {
            self.lane.send(Input::Ask(answer)).await.ok()?;
            report.await.ok()
        };
        timeout(ANSWER_WITHIN, asking).await.ok().flatten()
    }
}

/// Answers until it is dropped.
pub async fn serve(listener: TcpListener, subjects: Subjects) {
    let router = Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/lanes", get(lanes))
        .route("/lanes/{service}", get(lanes_of))
        .route("/metrics", get(metrics))
        .with_state(Arc::new(subjects));
    if let Err(err) = axum::serve(listener, router).await {
        tracing::error!("the HTTP listener failed: {err}");
    }
}

/// The process is alive and answers.
async fn healthz() -> &'static str {
    "ok\n"
}

/// 200 when everything that is configured can flow; otherwise 503, and why not, a reason per line.
async fn readyz(State(subjects): State<Arc<Subjects>>) -> Response {
    let mut reasons = String::new();
    for (name, report) in reports(&subjects.lanes).await {
        let not_ready = match report {
            Some(report) => report.not_ready,
            None => vec![NAMELESS.to_owned()],
        };
        for reason in not_ready {
            reasons.push_str(&format!("{name}: {reason}\n"));
        }
    }
    well_without(reasons, "ready\n")
}

fn well_without(reasons: String, well: &'static str) -> Response {
    if reasons.is_empty() {
        well.into_response()
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, reasons).into_response()
    }
}

/// For a runtime that runs all services: 503 when it should be restarted, and why, a reason per line.
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
async fn stalled<'a>(lanes: impl IntoIterator<Item = &'a LaneHandle>) -> Response {
    let mut reasons = String::new();
    for (name, report) in reports(lanes).await {
        if let Some(reason) = report.and_then(|report| report.stalled) {
            reasons.push_str(&format!("{name}: {reason}\n"));
        }
    }
    well_without(reasons, "ok\n")
}

/// How the lanes are, all asked at once.
async fn reports<'a>(lanes: impl IntoIterator<Item = &'a LaneHandle>) -> Vec<(LaneName, Option<Report>)> {
    let asked = lanes
        .into_iter()
        .map(async |lane| (lane.name.clone(), lane.report().await));
    join_all(asked).await
}

async fn metrics(State(subjects): State<Arc<Subjects>>) -> Response {
    let lanes = reports(&subjects.lanes).await;
    let asked = subjects.groups.iter().map(async |(link, stream, group)| {
        let state = timeout(INSPECT_WITHIN, group_state(link, stream, group)).await;
        Some((stream.clone(), group.clone(), state.ok()?.ok()?))
    });
    let groups = join_all(asked).await.into_iter().flatten().collect();
    let trimmed = subjects.ledger.streams();
    let page = render(&Snapshot { lanes, groups, trimmed });
    (
        [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")],
        page,
    )
        .into_response()
}
