//! POSTing deliveries to a component, whose responses are the receipts. They go one after the other, as Spin hands a
//! channel's messages to a component, so that the lane may conclude from an answer what became of those before it.

use std::collections::VecDeque;
use std::pin::Pin;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::header::CONTENT_TYPE;
use hyper::{Request, StatusCode, Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use protocol::{BODY_BYTES_MAX, Receipt, SIGNATURE_HEADER, TIMESTAMP_HEADER, sign};
use serde::Deserialize;
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::complaint::Complaint;
use crate::config::Service;
use crate::deliver::Outgoing;
use crate::driver::Input;
use crate::lane::Event;

/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(3);
/// An idle connection is closed after this long, before most servers and gateways do.
const IDLE: Duration = Duration::from_secs(20);
/// A request is given up so long after the lane has stopped waiting for it, so that it is the lane that decides.
const AFTER_THE_LANE: Duration = Duration::from_millis(500);
/// So much of an error's body is shown.
const EXCERPT_CHARS_MAX: usize = 300;

/// Where a component takes deliveries.
pub struct Endpoint {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    url: Uri,
    secret: String,
    /// How long an answer may take.
    answer: Duration,
}

/// What became of a message.
enum Outcome {
    Receipt(Receipt),
    /// The handler failed on it, as far as one can tell: there will be no receipt.
    Failed(String),
    /// Something answered, and it was no receipt.
    Refused(String),
    /// Nobody answered, or not in time.
    Unreachable(String),
}

struct Message {
    delivery: String,
    payload: String,
}

type Posting<'a> = Pin<Box<dyn Future<Output = (String, Outcome)> + 'a>>;

impl Endpoint {
    /// The endpoint of a service whose settings are checked; a delivery may go unanswered for `answer_ms`.
    ///
    /// # Errors
    ///
    /// The URL is none, or the system has no certificates to trust.
    pub fn new(service: &Service, answer_ms: u64) -> anyhow::Result<Self> {
        let url: Uri = service.delivery_url.as_deref().unwrap_or_default().parse()?;
        let mut connector = HttpConnector::new();
        connector.enforce_http(false);
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(CONNECT));
        let builder = HttpsConnectorBuilder::new();
        let builder = match url.scheme_str() {
            Some("https") => builder
                .with_native_roots()
                .context("the system's certificates cannot be read")?,
            // Never used: without TLS there is nothing to trust.
            _ => builder.with_tls_config(
                rustls::ClientConfig::builder()
                    .with_root_certificates(rustls::RootCertStore::empty())
                    .with_no_client_auth(),
            ),
        };
        let connector = builder.https_or_http().enable_http1().wrap_connector(connector);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .build(connector);
        Ok(Self {
            client,
            url,
            secret: service.delivery_secret.clone().unwrap_or_default(),
            answer: Duration::from_millis(answer_ms) + AFTER_THE_LANE,
        })
    }

    async fn post(&self, Message { delivery, payload }: Message) -> (String, Outcome) {
        let limit = self.answer;
        let outcome = match timeout(limit, self.exchange(&delivery, payload)).await {
            Ok(outcome) => outcome,
            Err(_) => Outcome::Unreachable(format!("no answer within {} ms", limit.as_millis())),
        };
        (delivery, outcome)
    }

    async fn exchange(&self, delivery: &str, payload: String) -> Outcome {
        // Signed when it is sent: it may have waited for those before it.
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_secs();
        let request = Request::post(&self.url)
            .header(CONTENT_TYPE, "application/json")
            .header(TIMESTAMP_HEADER, now)
            .header(SIGNATURE_HEADER, sign(&self.secret, now, payload.as_bytes()))
            .body(Full::from(payload));
        let request = match request {
            Ok(request) => request,
            Err(err) => return Outcome::Unreachable(err.to_string()),
        };
        let response = match self.client.request(request).await {
            Ok(response) => response,
            Err(err) => return Outcome::Unreachable(format!("delivery_url cannot be reached: {}", whole(&err))),
        };
        let status = response.status();
        let body = match Limited::new(response.into_body(), BODY_BYTES_MAX).collect().await {
            Ok(body) => body.to_bytes(),
            Err(err) => return Outcome::Unreachable(format!("the answer broke off, or is too large: {err}")),
        };
        judge(delivery, status, &body)
    }
}

/// What an answer means.
fn judge(delivery: &str, status: StatusCode, body: &[u8]) -> Outcome {
    match status {
        StatusCode::OK => match serde_json::from_slice::<Receipt>(body) {
            Ok(receipt) if receipt.delivery == delivery => Outcome::Receipt(receipt),
            Ok(_) => Outcome::Refused("the answer is the receipt of another delivery".into()),
            Err(err) => Outcome::Refused(format!("the answer is no receipt: {err}")),
        },
        // A component that traps gives this.
        StatusCode::INTERNAL_SERVER_ERROR => Outcome::Failed(told(status, body)),
        // A gateway that reaches no component.
        StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT => {
            Outcome::Unreachable(told(status, body))
        }
        _ => Outcome::Refused(told(status, body)),
    }
}

/// An answer in words: the detail of a problem, if it is one.
fn told(status: StatusCode, body: &[u8]) -> String {
    #[derive(Deserialize)]
    struct Problem {
        detail: String,
    }
    let text = match serde_json::from_slice::<Problem>(body) {
        Ok(problem) => problem.detail,
        Err(_) => String::from_utf8_lossy(body).into_owned(),
    };
    let excerpt: String = text.chars().take(EXCERPT_CHARS_MAX).collect();
    match excerpt.trim() {
        "" => format!("it answers {status}"),
        excerpt => format!("it answers {status}: {excerpt}"),
    }
}

/// An error with its causes: the client's own says no more than that connecting failed.
fn whole(err: &dyn std::error::Error) -> String {
    let mut text = err.to_string();
    let mut source = err.source();
    while let Some(err) = source {
        text = format!("{text}: {err}");
        source = err.source();
    }
    text
}

/// What became of the message on its way; never anything while there is none.
async fn finish(posting: &mut Option<Posting<'_>>) -> (String, Outcome) {
    match posting {
        Some(posting) => posting.await,
        None => std::future::pending().await,
    }
}

/// Posts for one lane, until it is gone.
pub async fn post_for(endpoint: Endpoint, mut outgoing: mpsc::UnboundedReceiver<Outgoing>, lane: mpsc::Sender<Input>) {
    let mut complaint = Complaint::new(endpoint.url.to_string());
    let mut waiting: VecDeque<Message> = VecDeque::new();
    let mut posting: Option<Posting<'_>> = None;
    // The lane is gone only while everything stops.
    let report = async |event| {
        let _ = lane.send(Input::Event(event)).await;
    };
    report(Event::ReceiptsReady).await;
    loop {
        if posting.is_none()
            && let Some(message) = waiting.pop_front()
        {
            posting = Some(Box::pin(endpoint.post(message)));
        }
        let (delivery, outcome) = tokio::select! {
            next = outgoing.recv() => match next {
                Some(Outgoing::Message { delivery, payload }) => {
                    waiting.push_back(Message { delivery, payload });
                    continue;
                }
                // Whether somebody is there, only a handshake tells.
                Some(Outgoing::CountSubscribers { ask }) => {
                    report(Event::Subscribers { ask, count: 1, clients: None }).await;
                    continue;
                }
                None => return,
            },
            done = finish(&mut posting) => done,
        };
        posting = None;
        match outcome {
            Outcome::Receipt(receipt) => {
                complaint.works();
                report(Event::Published { delivery, receivers: 1 }).await;
                report(Event::Receipt(receipt)).await;
            }
            Outcome::Failed(reason) => {
                complaint.happened(&reason);
                report(Event::HandlerFailed { delivery, reason }).await;
            }
            Outcome::Refused(reason) => {
                complaint.happened(&reason);
                report(Event::Refused { delivery, reason }).await;
            }
            Outcome::Unreachable(reason) => {
                complaint.happened(&reason);
                // The lane begins anew: what waits here, it takes as not delivered.
                waiting.clear();
                report(Event::PublishFailed { reason }).await;
            }
        }
    }
}
