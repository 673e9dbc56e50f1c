//! The HTTP listener for probes.

use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};

use crate::config::Limits;
use crate::driver::Input;
use crate::lane::Report;

/// A lane, to be asked how it is.
#[derive(Clone)]
pub struct LaneHandle {
    /// The service that it delivers to.
    pub service: String,
    /// Where to ask.
    pub lane: mpsc::Sender<Input>,
    /// The limits.
    pub limits: Limits,
}

/// A lane answers within microseconds, once it is driven; one that waits for the instance's name does not.
const ANSWER_WITHIN: Duration = Duration::from_millis(500);

impl LaneHandle {
    /// How the lane is; nothing if it does not say.
    pub async fn report(&self) -> Option<Report> {
        let (answer, report) = oneshot::channel();
        let asking = async {
            self.lane.send(Input::Ask(answer)).await.ok()?;
            report.await.ok()
        };
        tokio::time::timeout(ANSWER_WITHIN, asking).await.ok().flatten()
    }
}

/// Answers probes until it is dropped.
pub async fn serve(listener: TcpListener, lanes: Vec<LaneHandle>) {
    let router = Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .with_state(lanes);
    if let Err(err) = axum::serve(listener, router).await {
        tracing::error!("the HTTP listener failed: {err}");
    }
}

/// The process is alive, and its lanes take events.
async fn healthz() -> &'static str {
    "ok\n"
}

/// 200 when everything that is configured can flow; otherwise 503, and why not, a reason per line.
async fn readyz(State(lanes): State<Vec<LaneHandle>>) -> Response {
    let mut reasons = String::new();
    for lane in lanes {
        let not_ready = match lane.report().await {
            Some(report) => report.not_ready,
            None => vec!["waiting for the instance's name".to_owned()],
        };
        for reason in not_ready {
            reasons.push_str(&format!("{}: {reason}\n", lane.service));
        }
    }
    if reasons.is_empty() {
        "ready\n".into_response()
    } else {
        let plain = [(header::CONTENT_TYPE, "text/plain; charset=utf-8")];
        (StatusCode::SERVICE_UNAVAILABLE, plain, reasons).into_response()
    }
}
