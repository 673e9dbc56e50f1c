//! Periodic work beside the lanes: trimming streams, and removing consumers that are gone for good.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use protocol::WAITING_CONSUMER;
use redis::{RedisResult, Script};

use crate::config::Limits;
use crate::logging::ErrorLog;
use crate::redis::Connection;

static TRIM: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("redis/scripts/trim.lua")));
static REMOVE_CONSUMERS: LazyLock<Script> =
    LazyLock::new(|| Script::new(include_str!("redis/scripts/remove_consumers.lua")));

/// Entries removed per run of the script: Redis serves nobody else meanwhile.
const PAGE_ENTRIES: u64 = 20_000;

/// A stream that the sidecar reads.
pub struct MaintainedStream {
    pub connection: Arc<Connection>,
    /// The service in whose database it is.
    pub service: String,
    pub stream: String,
    /// Without all of these groups the stream is not trimmed.
    pub required_groups: Vec<String>,
    /// The groups that the sidecar reads for, each with the sidecar's own consumers, which stay however long they are
    /// idle.
    pub groups: Vec<(String, Vec<String>)>,
}

/// The results of trimming a stream.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TrimStatus {
    /// Entries removed, of all passes.
    pub removed: u64,
    /// The group that kept most of the stream from being trimmed in the last pass; empty if none did, or if a required
    /// group does not exist.
    pub holder: String,
    /// The age of the oldest entry that it has not acknowledged, if its id tells one.
    pub holding_ms: Option<u64>,
    /// There are ids from the future, which tell no age.
    pub from_future: bool,
}

/// A service, and a stream in its database.
pub type StreamName = (String, String);

/// The trim status of each stream, shared with the metrics.
#[derive(Default)]
pub struct TrimStatuses(Mutex<BTreeMap<StreamName, TrimStatus>>);

impl TrimStatuses {
    pub fn by_stream(&self) -> BTreeMap<StreamName, TrimStatus> {
        self.lock().clone()
    }

    fn add(&self, stream: StreamName, pass: TrimStatus) {
        let mut streams = self.lock();
        let status = streams.entry(stream).or_default();
        let removed = status.removed + pass.removed;
        *status = TrimStatus { removed, ..pass };
    }

    /// A panic cannot leave the map half changed, so a poisoned lock is as good as any.
    fn lock(&self) -> MutexGuard<'_, BTreeMap<StreamName, TrimStatus>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Maintains the streams every `trim_ms`, for ever.
pub async fn maintain(streams: Vec<MaintainedStream>, limits: Limits, statuses: Arc<TrimStatuses>) {
    let with_logs = |stream: MaintainedStream| {
        let place = format!("{} at {}", stream.stream, stream.connection.address());
        let failing = ErrorLog::new(format!("trimming {place}"));
        let holding = ErrorLog::new(format!("{place} cannot be trimmed"));
        (stream, failing, holding, false)
    };
    let mut streams: Vec<_> = streams.into_iter().map(with_logs).collect();
    loop {
        tokio::time::sleep(Duration::from_millis(limits.trim_ms)).await;
        for (stream, failing, holding, told) in &mut streams {
            match stream.pass(&limits).await {
                Ok(pass) => {
                    failing.recovered();
                    if pass.from_future && !*told {
                        tracing::warn!(
                            "{} has ids from the future, chosen by a producer: their age is unknown, and what is \
                             acknowledged is trimmed down to history_entries_min",
                            stream.stream
                        );
                    }
                    *told = pass.from_future;
                    if pass.holding_ms > Some(limits.holding_ms_max) {
                        holding.failed(&format!("the group {} has not acknowledged an old entry", pass.holder));
                    }
                    statuses.add((stream.service.clone(), stream.stream.clone()), pass);
                }
                Err(err) => failing.failed(&err),
            }
        }
    }
}

impl MaintainedStream {
    async fn pass(&self, limits: &Limits) -> RedisResult<TrimStatus> {
        let stream = &self.stream;
        let pass = self.trim(limits).await?;
        if pass.removed > 0 {
            tracing::debug!(stream, removed = pass.removed, "trimmed");
        }
        for (group, own_consumers) in &self.groups {
            let mut script = REMOVE_CONSUMERS.key(stream);
            script.arg(group).arg(limits.consumer_idle_ms);
            script.arg(WAITING_CONSUMER).arg(own_consumers);
            let removed: Vec<String> = self.connection.run(&script).await?;
            if !removed.is_empty() {
                tracing::info!(stream, group, "removed idle consumers: {}", removed.join(", "));
            }
        }
        Ok(pass)
    }

    /// Trims behind the oldest entry that any group has not acknowledged, provided that all required groups exist.
    async fn trim(&self, limits: &Limits) -> RedisResult<TrimStatus> {
        let mut script = TRIM.key(&self.stream);
        script.arg(limits.history_ms_min).arg(limits.history_entries_min);
        script.arg(PAGE_ENTRIES).arg(&self.required_groups);
        let mut total = 0;
        loop {
            let (removed, holder, holding_ms, from_future): (u64, String, Option<u64>, bool) =
                self.connection.run(&script).await?;
            total += removed;
            // Nodes hold a hundred entries: a page that brought less than half was the last.
            if removed < PAGE_ENTRIES / 2 {
                return Ok(TrimStatus {
                    removed: total,
                    holder,
                    holding_ms,
                    from_future,
                });
            }
        }
    }
}
