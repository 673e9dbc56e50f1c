//! Writing down what became of entries: acknowledged, or let go of.

use std::sync::LazyLock;

use redis::{RedisResult, Script};

use crate::groups::{PARKING, Place};
use crate::lane::Parked;
use crate::link::Link;

static PARK: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("scripts/park.lua")));

/// Entries per run of the script: Redis serves nobody else meanwhile.
const PAGE: usize = 256;

/// Acknowledges entries, whoever's they are: their effect is in place.
///
/// # Errors
///
/// Redis is away, or refused.
pub async fn acknowledge(link: &Link, place: &Place, entries: &[String]) -> RedisResult<()> {
    if entries.is_empty() {
        return Ok(());
    }
    let mut command = redis::Cmd::with_capacity(3 + entries.len(), 24 * entries.len() + 64);
    command.arg("XACK").arg(&place.stream).arg(&place.group).arg(entries);
    link.query(&command).await
}

/// Lets go of entries that are still ours.
///
/// # Errors
///
/// Redis is away, or refused; or the group does not exist.
pub async fn park(link: &Link, place: &Place, entries: &[Parked], lease_ms: u64) -> RedisResult<()> {
    for page in entries.chunks(PAGE) {
        let mut script = PARK.key(&place.stream);
        script.arg(&place.group).arg(&place.consumer).arg(PARKING);
        for parked in page {
            // Due means idle for the lease: what is due later has been idle for less.
            let idle_ms = lease_ms.saturating_sub(parked.due_ms);
            script
                .arg(&parked.entry)
                .arg(parked.attempt)
                .arg(parked.next_attempt)
                .arg(idle_ms);
        }
        link.run::<()>(&script).await?;
    }
    Ok(())
}
