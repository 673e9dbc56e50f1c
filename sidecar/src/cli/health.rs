//! `stream-sidecar health`: whether the sidecar on this host is alive, or ready, for platforms whose health check is a command.

use std::time::Duration;

use anyhow::{Context, ensure};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::Uri;
use hyper::body::Bytes;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use tokio::time::timeout;

use crate::config::Config;

/// How long the answer may take.
const ANSWER: Duration = Duration::from_secs(3);

/// So much of the answer is read.
const BODY_BYTES_MAX: usize = 64 * 1024;

/// Asks the listener of this configuration.
///
/// # Errors
///
/// It is turned off, or does not answer well.
pub async fn check(config: &Config, ready: bool) -> anyhow::Result<()> {
    let listen = &config.admin.listen;
    ensure!(!listen.is_empty(), "admin.listen is empty: there is nobody to ask");
    // What listens on all addresses listens on the loopback one.
    let address = listen.replace("0.0.0.0:", "127.0.0.1:").replace("[::]:", "[::1]:");
    let uri: Uri = format!("http://{address}{}", if ready { "/readyz" } else { "/healthz" }).parse()?;
    let client = Client::builder(TokioExecutor::new()).build_http::<Empty<Bytes>>();
    let response = timeout(ANSWER, client.get(uri))
        .await
        .with_context(|| format!("no answer from {address} within {} s", ANSWER.as_secs()))?
        .with_context(|| format!("no answer from {address}"))?;
    let status = response.status();
    let body = Limited::new(response.into_body(), BODY_BYTES_MAX).collect().await;
    let text = body.map(|body| String::from_utf8_lossy(&body.to_bytes()).into_owned());
    ensure!(
        status.is_success(),
        "{address} answers {status}: {}",
        text.unwrap_or_default().trim()
    );
    Ok(())
}
