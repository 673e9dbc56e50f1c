//! `health`, for platforms whose health check is a command.

use std::time::Duration;

use anyhow::{Context, ensure};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::Uri;
use hyper::body::Bytes;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use tokio::time::timeout;

use crate::config::Config;

const TIMEOUT: Duration = Duration::from_secs(3);
/// The part of the answer that is read.
const BODY_BYTES_MAX: usize = 64 * 1024;

/// Asks the listener of the sidecar that runs with this configuration whether it is alive, or ready.
///
/// # Errors
///
/// The listener is turned off, or does not answer well.
pub async fn check(config: &Config, ready: bool) -> anyhow::Result<()> {
    let listen = &config.admin.listen;
    ensure!(!listen.is_empty(), "admin.listen is empty: there is nobody to ask");
    // A listener on all addresses listens on the loopback one too.
    let address = listen.replace("0.0.0.0:", "127.0.0.1:").replace("[::]:", "[::1]:");
    let uri: Uri = format!("http://{address}{}", if ready { "/readyz" } else { "/healthz" }).parse()?;
    // The same client as for deliveries: `reqwest` would bring some twenty crates for one request.
    let client = Client::builder(TokioExecutor::new()).build_http::<Empty<Bytes>>();
    let response = timeout(TIMEOUT, client.get(uri))
        .await
        .with_context(|| format!("no answer from {address} within {} s", TIMEOUT.as_secs()))?
        .with_context(|| format!("no answer from {address}"))?;
    let status = response.status();
    let body = Limited::new(response.into_body(), BODY_BYTES_MAX).collect().await;
    let body = body.map(|body| body.to_bytes()).unwrap_or_default();
    let reasons = String::from_utf8_lossy(&body);
    ensure!(
        status.is_success(),
        "{address} answers {status}: {}",
        reasons.trim().replace('\n', "; ")
    );
    Ok(())
}
