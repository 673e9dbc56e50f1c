//! Trimming streams, and removing consumers that are gone for good.

use std::sync::LazyLock;

use delivery::WAITING_CONSUMER;
use redis::{RedisResult, Script};

use crate::config::Limits;
use crate::entry::EntryId;
use crate::redis::Connection;

static TRIM: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("scripts/trim.lua")));
static REMOVE_CONSUMERS: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("scripts/remove_consumers.lua")));

/// Entries removed per run of the script: Redis serves nobody else meanwhile.
const PAGE: u64 = 20_000;

/// What a pass over a stream did and found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Trimmed {
    /// Entries removed.
    pub removed: u64,
    /// The group that keeps most of the stream from being trimmed; empty if there is none, or one is lacking.
    pub holder: String,
    /// The age of the entry behind which it keeps it, in milliseconds.
    pub holding_ms: u64,
}

/// Trims a stream behind the oldest entry that any of its groups has not acknowledged, provided that all required
/// groups exist.
///
/// # Errors
///
/// Redis is away, or refused.
pub async fn trim(link: &Connection, stream: &str, required: &[String], limits: &Limits) -> RedisResult<Trimmed> {
    let mut trimmed = Trimmed::default();
    loop {
        let mut script = TRIM.key(stream);
        script
            .arg(limits.history_ms_min)
            .arg(limits.history_entries_min)
            .arg(PAGE);
        script.arg(required);
        let (removed, holder, held_at, now_ms): (u64, String, String, u64) = link.run(&script).await?;
        trimmed.removed += removed;
        trimmed.holder = holder;
        // A group that was never given anything holds the stream back at 0-0, which says nothing about an age.
        let held_ms = held_at.parse().map_or(0, |id: EntryId| id.ms);
        trimmed.holding_ms = if held_ms == 0 {
            0
        } else {
            now_ms.saturating_sub(held_ms)
        };
        // Nodes hold a hundred entries: a page that brought less than half was the last.
        if removed < PAGE / 2 {
            return Ok(trimmed);
        }
    }
}

/// Removes consumers that have nothing pending and have been idle for long, except those to keep; answers with their
/// names.
///
/// # Errors
///
/// Redis is away, or refused; or the group does not exist.
pub async fn remove_consumers(
    link: &Connection,
    stream: &str,
    group: &str,
    keep: &[String],
    idle_ms: u64,
) -> RedisResult<Vec<String>> {
    let mut script = REMOVE_CONSUMERS.key(stream);
    script.arg(group).arg(idle_ms).arg(WAITING_CONSUMER).arg(keep);
    link.run(&script).await
}
