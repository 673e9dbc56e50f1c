//! Keeps streams short and groups tidy, beside the lanes.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::config::Limits;
use crate::logging::ErrorLog;
use crate::redis::Connection;
use crate::trim::{Trimmed, remove_consumers, trim};

/// One stream that the sidecar reads.
pub struct Premises {
    /// Where it is.
    pub link: Arc<Connection>,
    /// Its key.
    pub stream: String,
    /// The groups without which it is not trimmed.
    pub required_groups: Vec<String>,
    /// The groups that the sidecar reads it for.
    pub groups: Vec<Membership>,
}

/// A group that the sidecar reads for.
pub struct Membership {
    /// The group.
    pub group: String,
    /// The sidecar's own consumers in it: however long they have been idle, they stay.
    pub consumers: Vec<String>,
}

/// What the janitor has done and found, by stream.
#[derive(Default)]
pub struct Ledger(Mutex<BTreeMap<String, Trimmed>>);

impl Ledger {
    /// Each stream's total of removed entries, and what its last pass found.
    pub fn streams(&self) -> BTreeMap<String, Trimmed> {
        self.lock().clone()
    }

    fn enter(&self, stream: &str, pass: Trimmed) {
        let mut streams = self.lock();
        let entry = streams.entry(stream.to_owned()).or_default();
        let removed = entry.removed + pass.removed;
        *entry = Trimmed { removed, ..pass };
    }

    /// Nothing that holds the lock can panic halfway through a change.
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Trimmed>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Trims and tidies, again and again.
pub async fn keep_tidy(premises: Vec<Premises>, limits: Limits, ledger: Arc<Ledger>) {
    let mut premises: Vec<(Premises, ErrorLog, ErrorLog)> = premises
        .into_iter()
        .map(|one| {
            let place = format!("trimming {} at {}", one.stream, one.link.address());
            let holding = format!("{} at {} cannot be trimmed", one.stream, one.link.address());
            (one, ErrorLog::new(place), ErrorLog::new(holding))
        })
        .collect();
    loop {
        tokio::time::sleep(Duration::from_millis(limits.trim_ms)).await;
        for (one, errors, holding) in &mut premises {
            match pass(one, &limits).await {
                Ok(trimmed) => {
                    errors.recovered();
                    if trimmed.holding_ms > limits.holding_ms_max {
                        holding.failed(&format!(
                            "the group {} has not acknowledged an old entry",
                            trimmed.holder
                        ));
                    }
                    ledger.enter(&one.stream, trimmed);
                }
                Err(err) => errors.failed(&err),
            }
        }
    }
}

async fn pass(one: &Premises, limits: &Limits) -> redis::RedisResult<Trimmed> {
    let trimmed = trim(&one.link, &one.stream, &one.required_groups, limits).await?;
    if trimmed.removed > 0 {
        tracing::debug!(stream = one.stream, removed = trimmed.removed, "trimmed");
    }
    for Membership { group, consumers } in &one.groups {
        let gone = remove_consumers(&one.link, &one.stream, group, consumers, limits.consumer_idle_ms).await?;
        if !gone.is_empty() {
            tracing::info!(
                stream = one.stream,
                group,
                "removed idle consumers: {}",
                gone.join(", ")
            );
        }
    }
    Ok(trimmed)
}
