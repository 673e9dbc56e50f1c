//! A small HTTP client: one request, one connection.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long a request may take.
const REQUEST_MS: u64 = 5_000;

/// Sends a request, with a JSON body if there is one, and reads the whole answer.
pub(crate) async fn request(
    address: SocketAddr,
    method: Method,
    path: &str,
    body: Option<&Value>,
) -> Result<(StatusCode, Bytes)> {
    timeout(
        Duration::from_millis(REQUEST_MS),
        exchange(reachable(address), method, path, body),
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
) -> Result<(StatusCode, Bytes)> {
    let stream = TcpStream::connect(address).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // The connection's own error reaches the request as well.
    tokio::spawn(connection);
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header(HOST, address.to_string());
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
