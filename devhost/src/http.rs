//! HTTP client for the running app and the sidecar's admin port.

use std::borrow::Cow;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE};
use hyper::{Request, StatusCode};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use tokio::time::timeout;

/// Environment variable with the app's API token; the app reads the same one.
pub(crate) const TOKEN_VARIABLE: &str = "SPIN_VARIABLE_API_TOKEN";

/// Time for a request and its whole answer.
const REQUEST_MS: u64 = 5_000;

/// A client of one server, with the API token if the environment sets one.
#[derive(Clone)]
pub(crate) struct Client {
    /// The loopback address for a listener on all interfaces.
    pub(crate) address: SocketAddr,
    token: Option<String>,
    connections: legacy::Client<HttpConnector, Full<Bytes>>,
}

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) body: Bytes,
}

impl Client {
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self {
            address: reachable(address),
            token: std::env::var(TOKEN_VARIABLE).ok().filter(|token| !token.is_empty()),
            connections: legacy::Client::builder(TokioExecutor::new()).build_http(),
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Result<Answer> {
        self.send(Request::get(self.url(path)).body(Full::default())?).await
    }

    /// Posts JSON, under an idempotency key if there is one.
    pub(crate) async fn post(&self, path: &str, key: Option<&str>, body: &Value) -> Result<Answer> {
        let mut request = Request::post(self.url(path)).header(CONTENT_TYPE, "application/json");
        if let Some(token) = &self.token {
            request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        self.send(request.body(Full::from(body.to_string()))?).await
    }

    /// Fails, with the reason, unless a path answers 200.
    pub(crate) async fn check_ready(&self, path: &str) -> Result<()> {
        let answer = self.get(path).await?;
        ensure!(
            answer.status == StatusCode::OK,
            "{path} answers {}: {}",
            answer.status,
            answer.text()
        );
        Ok(())
    }

    /// True if the app wants no token. Asks without one, on a path that takes no POST.
    pub(crate) async fn is_open(&self) -> Result<bool> {
        let request = Request::post(self.url("/store/healthz")).body(Full::default())?;
        Ok(self.send(request).await?.status != StatusCode::UNAUTHORIZED)
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    async fn send(&self, request: Request<Full<Bytes>>) -> Result<Answer> {
        let url = request.uri().to_string();
        let exchange = async {
            let response = self.connections.request(request).await?;
            let status = response.status();
            let body = response.into_body().collect().await?.to_bytes();
            anyhow::Ok(Answer { status, body })
        };
        timeout(Duration::from_millis(REQUEST_MS), exchange)
            .await
            .with_context(|| format!("no answer from {url} within {REQUEST_MS} ms"))?
            .with_context(|| format!("no answer from {url}"))
    }
}

impl Answer {
    pub(crate) fn text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(self.body.trim_ascii())
    }

    pub(crate) fn json(&self) -> serde_json::Result<Value> {
        serde_json::from_slice(&self.body)
    }
}

fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        match address {
            SocketAddr::V4(_) => address.set_ip(Ipv4Addr::LOCALHOST.into()),
            SocketAddr::V6(_) => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        }
    }
    address
}
