//! The benchmark's own HTTP client.

use std::time::Duration;

use anyhow::Result;
use serde_json::Value;
use ureq::Body;
use ureq::http::Response;

/// Longer than any answer should take.
const TIMEOUT: Duration = Duration::from_secs(30);

/// A client that keeps its connection, for one thread.
pub(crate) fn http_client() -> ureq::Agent {
    let config = ureq::Agent::config_builder().timeout_global(Some(TIMEOUT));
    config.build().new_agent()
}

pub(crate) fn get_json(client: &ureq::Agent, url: &str) -> Result<Value> {
    read_json(client.get(url).call()?)
}

pub(crate) fn read_json(mut answer: Response<Body>) -> Result<Value> {
    Ok(serde_json::from_str(&answer.body_mut().read_to_string()?)?)
}

/// True when a `GET` succeeds.
pub(crate) fn answers(url: &str) -> bool {
    http_client().get(url).call().is_ok()
}
