//! A small HTTP client: one request, one connection.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderName};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// What the token of the app is read from, by the app and by whoever asks it.
pub(crate) const TOKEN_VARIABLE: &str = "SPIN_VARIABLE_API_TOKEN";

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// How long a request may take.
const REQUEST_MS: u64 = 5_000;

/// Sends a request, with a JSON body if there is one, and reads the whole answer.
pub(crate) async fn request(
    address: SocketAddr,
    method: Method,
    path: &str,
    body: Option<&Value>,
) -> Result<(StatusCode, Bytes)> {
    request_once(address, method, path, None, body).await
}

/// The same under an idempotency key, if there is one.
pub(crate) async fn request_once(
    address: SocketAddr,
    method: Method,
    path: &str,
    key: Option<&str>,
    body: Option<&Value>,
) -> Result<(StatusCode, Bytes)> {
    let token = api_token().filter(|_| method != Method::GET);
    let authorization = token.map(|token| (AUTHORIZATION, format!("Bearer {token}")));
    let key = key.map(|key| (IDEMPOTENCY_KEY, key.to_owned()));
    let headers = authorization.into_iter().chain(key).collect();
    timeout(
        Duration::from_millis(REQUEST_MS),
        exchange(reachable(address), method, path, body, headers),
    )
    .await
    .with_context(|| format!("no answer on {path} within {REQUEST_MS} ms"))?
}

/// Fails, with the reason, unless a path answers 200.
pub(crate) async fn ready(address: SocketAddr, path: &str) -> Result<()> {
    let (status, body) = request(address, Method::GET, path, None).await?;
    ensure!(
        status == StatusCode::OK,
        "{path} answers {status}: {}",
        String::from_utf8_lossy(&body).trim()
    );
    Ok(())
}

/// The token that the app wants of whoever changes something, where the environment sets one.
fn api_token() -> Option<String> {
    let token = std::env::var(TOKEN_VARIABLE).ok()?;
    (!token.is_empty()).then_some(token)
}

/// Whether the app lets everybody change something: asked without a token, by a request that changes nothing.
pub(crate) async fn is_open(address: SocketAddr) -> Result<bool> {
    let asked = timeout(
        Duration::from_millis(REQUEST_MS),
        exchange(reachable(address), Method::POST, "/store/healthz", None, Vec::new()),
    );
    let (status, _) = asked.await.context("no answer")??;
    Ok(status != StatusCode::UNAUTHORIZED)
}

/// Where a listener can be reached: one on all interfaces, on the loopback one.
pub(crate) fn reachable(address: SocketAddr) -> SocketAddr {
    let mut address = address;
    if address.ip().is_unspecified() {
        match address {
            SocketAddr::V4(_) => address.set_ip(Ipv4Addr::LOCALHOST.into()),
            SocketAddr::V6(_) => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        }
    }
    address
}

async fn exchange(
    address: SocketAddr,
    method: Method,
    path: &str,
    body: Option<&Value>,
    headers: Vec<(HeaderName, String)>,
) -> Result<(StatusCode, Bytes)> {
    let stream = TcpStream::connect(address)
        .await
        .with_context(|| format!("nothing answers at {address}"))?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // The connection's own error reaches the request as well.
    tokio::spawn(connection);
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header(HOST, address.to_string());
    for (name, value) in headers {
        request = request.header(name, value);
    }
    let mut bytes = Bytes::new();
    if let Some(body) = body {
        request = request.header(CONTENT_TYPE, "application/json");
        bytes = body.to_string().into();
    }
    let response = sender.send_request(request.body(Full::new(bytes))?).await?;
    let status = response.status();
    let body = response.into_body().collect().await?.to_bytes();
    Ok((status, body))
}
