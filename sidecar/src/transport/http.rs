//! Delivery over HTTP: POSTed to a component, whose responses are the receipts. One request goes after the other, as
//! Spin hands a channel's messages to a component, so that the lane may conclude from an answer what became of those
//! before it.

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

use crate::config::Service;
use crate::driver::{Input, report};
use crate::lane::{ChannelAction, ChannelEvent, Event};
use crate::logging::ErrorLog;

const CONNECT: Duration = Duration::from_secs(3);
/// An idle connection is closed after this long, before most servers and gateways do.
const IDLE: Duration = Duration::from_secs(20);
/// A request is given up so long after the lane has stopped waiting for it, so that it is the lane that decides.
const AFTER_THE_LANE: Duration = Duration::from_millis(500);
/// Part of an error's body that is logged.
const EXCERPT_CHARS_MAX: usize = 300;

/// The endpoint at which a component takes a lane's deliveries.
pub struct Http {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    url: Uri,
    secret: String,
    answer_within: Duration,
    lane: mpsc::Sender<Input>,
}

/// Why there is no receipt.
enum Failure {
    /// The handler failed on the message, as far as one can tell: there will be no receipt.
    Handler(String),
    /// Something answered, and it was no receipt.
    Refused(String),
    /// Nobody answered, or not in time.
    Unreachable(String),
}

impl Http {
    /// A delivery may go unanswered for `answer_ms`. Fails if the URL is none, or the system has no certificates to
    /// trust.
    pub fn new(service: &Service, answer_ms: u64, lane: mpsc::Sender<Input>) -> anyhow::Result<Self> {
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
            answer_within: Duration::from_millis(answer_ms) + AFTER_THE_LANE,
            lane,
        })
    }

    async fn report(&self, event: ChannelEvent) {
        report(&self.lane, Event::Channel(event)).await;
    }

    /// Posts until the lane is gone.
    pub async fn run(self, actions: mpsc::UnboundedReceiver<ChannelAction>) {
        let (sender, messages) = mpsc::unbounded_channel();
        self.report(ChannelEvent::ReceiptsReady).await;
        tokio::select! {
            () = self.sort(actions, sender) => {}
            () = self.post_in_order(messages) => {}
        }
    }

    /// Answers counts at once, also while a request is under way, and queues messages.
    async fn sort(
        &self,
        mut actions: mpsc::UnboundedReceiver<ChannelAction>,
        messages: mpsc::UnboundedSender<(String, String)>,
    ) {
        while let Some(action) = actions.recv().await {
            match action {
                ChannelAction::Publish { delivery, payload } => drop(messages.send((delivery, payload))),
                ChannelAction::CountSubscribers { count_id } => {
                    // Only a handshake tells whether somebody is there.
                    let (count, clients) = (1, None);
                    let event = ChannelEvent::Subscribers {
                        count_id,
                        count,
                        clients,
                    };
                    self.report(event).await;
                }
            }
        }
    }

    async fn post_in_order(&self, mut messages: mpsc::UnboundedReceiver<(String, String)>) {
        let mut errors = ErrorLog::new(self.url.to_string());
        while let Some((delivery, payload)) = messages.recv().await {
            let (reason, event) = match self.post(&delivery, payload).await {
                Ok(receipt) => {
                    errors.recovered();
                    self.report(ChannelEvent::Published { delivery, receivers: 1 }).await;
                    self.report(ChannelEvent::Receipt(receipt)).await;
                    continue;
                }
                Err(Failure::Handler(reason)) => (reason.clone(), ChannelEvent::HandlerFailed { delivery, reason }),
                Err(Failure::Refused(reason)) => (reason.clone(), ChannelEvent::Refused { delivery, reason }),
                Err(Failure::Unreachable(reason)) => {
                    // The lane begins anew: what waits here, it takes as not delivered.
                    while messages.try_recv().is_ok() {}
                    (reason.clone(), ChannelEvent::PublishFailed { reason })
                }
            };
            errors.failed(&reason);
            self.report(event).await;
        }
    }

    async fn post(&self, delivery: &str, payload: String) -> Result<Receipt, Failure> {
        let limit = self.answer_within;
        let exchange = timeout(limit, self.exchange(payload)).await;
        let late = |_| Failure::Unreachable(format!("no answer within {} ms", limit.as_millis()));
        let (status, body) = exchange.map_err(late)??;
        match status {
            StatusCode::OK => match serde_json::from_slice::<Receipt>(&body) {
                Ok(receipt) if receipt.delivery == delivery => Ok(receipt),
                Ok(_) => Err(Failure::Refused("the answer is the receipt of another delivery".into())),
                Err(err) => Err(Failure::Refused(format!("the answer is no receipt: {err}"))),
            },
            // A component that traps gives this.
            StatusCode::INTERNAL_SERVER_ERROR => Err(Failure::Handler(describe(status, &body))),
            // A gateway that reaches no component.
            StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT => {
                Err(Failure::Unreachable(describe(status, &body)))
            }
            _ => Err(Failure::Refused(describe(status, &body))),
        }
    }

    async fn exchange(&self, payload: String) -> Result<(StatusCode, Bytes), Failure> {
        // Signed when it is sent: it may have waited for those before it.
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_secs();
        let request = Request::post(&self.url)
            .header(CONTENT_TYPE, "application/json")
            .header(TIMESTAMP_HEADER, now)
            .header(SIGNATURE_HEADER, sign(&self.secret, now, payload.as_bytes()))
            .body(Full::from(payload))
            .map_err(|err| Failure::Unreachable(err.to_string()))?;
        let unreachable = |err| Failure::Unreachable(format!("delivery_url cannot be reached: {}", with_causes(&err)));
        let response = self.client.request(request).await.map_err(unreachable)?;
        let status = response.status();
        let broken = |err| Failure::Unreachable(format!("the answer broke off, or is too large: {err}"));
        let body = Limited::new(response.into_body(), BODY_BYTES_MAX)
            .collect()
            .await
            .map_err(broken)?;
        Ok((status, body.to_bytes()))
    }
}

/// An answer for people: the detail of a problem, if it is one.
fn describe(status: StatusCode, body: &[u8]) -> String {
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
fn with_causes(err: &dyn std::error::Error) -> String {
    let mut text = err.to_string();
    let mut source = err.source();
    while let Some(err) = source {
        text = format!("{text}: {err}");
        source = err.source();
    }
    text
}
