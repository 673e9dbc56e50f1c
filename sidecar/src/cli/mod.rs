//! What people type: looking at routes and at dead letters. Talks to Redis itself; the sidecar need not run.

pub mod health;
mod dead;
mod select;
mod status;
mod table;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;

pub use dead::DeadCommand;
pub use status::StatusArguments;

use crate::config::Config;
use crate::redis::Connection;

/// A link to the database of a service.
fn link_to(config: &Config, service: &str) -> anyhow::Result<Arc<Connection>> {
    let settings = &config.services[service];
    let timeout = Duration::from_millis(config.limits.redis_ms);
    let link =
        Connection::new(settings, timeout).with_context(|| format!("services.{service}.redis_url cannot be used"))?;
    Ok(Arc::new(link))
}
