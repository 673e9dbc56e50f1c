//! The pending entries list: looking up what is pending, taking it over, and renewing leases.

use std::sync::LazyLock;

use redis::{RedisResult, Script, Value};

use super::entries::body;
use super::{Connection, Consumer};
use crate::config::Limits;
use crate::entry::{Entry, EntryId};
use crate::lane::ClaimFrom;

static CLAIM: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("scripts/claim.lua")));
static RENEW: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("scripts/renew.lua")));

/// Entries per run of a script that renews leases: Redis serves nobody else meanwhile.
const RENEW_PAGE: usize = 256;

/// A pending entry as XPENDING has it: id, consumer, idle milliseconds, delivery counter.
type Pending = (EntryId, Value, u64, Value);

/// A page of what is pending on our own name, behind an entry.
pub async fn look_up_own(
    connection: &Connection,
    consumer: &Consumer,
    after: Option<EntryId>,
    count: usize,
) -> RedisResult<Vec<EntryId>> {
    let start = after.map_or("-".to_owned(), |after| format!("({after}"));
    let mut command = redis::cmd("XPENDING");
    command.arg(&consumer.stream).arg(&consumer.group);
    command.arg(start).arg("+").arg(count).arg(&consumer.name);
    let found: Vec<Pending> = connection.query(&command).await?;
    Ok(found.into_iter().map(|(id, ..)| id).collect())
}

/// A page of the entries that have been idle for the lease, whoever holds them, each with its idle milliseconds.
pub async fn look_up_due(
    connection: &Connection,
    consumer: &Consumer,
    count: usize,
    limits: &Limits,
) -> RedisResult<Vec<(EntryId, u64)>> {
    let mut command = redis::cmd("XPENDING");
    command.arg(&consumer.stream).arg(&consumer.group);
    command.arg("IDLE").arg(limits.lease_ms).arg("-").arg("+").arg(count);
    let found: Vec<Pending> = connection.query(&command).await?;
    Ok(found.into_iter().map(|(id, _, idle_ms, _)| (id, idle_ms)).collect())
}

/// Takes entries over, with their bodies, without touching their attempts.
pub async fn claim(
    connection: &Connection,
    consumer: &Consumer,
    ids: &[EntryId],
    from: ClaimFrom,
    limits: &Limits,
) -> RedisResult<Vec<Entry>> {
    let (owner, idle_ms_min) = match from {
        ClaimFrom::Ourselves => (consumer.name.as_str(), 0),
        ClaimFrom::Anybody => ("", limits.lease_ms),
    };
    let mut script = CLAIM.key(&consumer.stream);
    script
        .arg(&consumer.group)
        .arg(&consumer.name)
        .arg(owner)
        .arg(idle_ms_min);
    script.arg(limits.read_bytes_max).arg(limits.entry_bytes_max).arg(ids);
    let claimed: Vec<(EntryId, u32, Value)> = connection.run(&script).await?;
    let entry = |(id, attempt, value)| {
        let body = body(value, limits)?;
        Ok(Entry { id, attempt, body })
    };
    claimed.into_iter().map(entry).collect()
}

/// Renews leases; answers with the entries that are no longer ours.
pub async fn renew(connection: &Connection, consumer: &Consumer, ids: &[EntryId]) -> RedisResult<Vec<EntryId>> {
    let mut lost = Vec::new();
    for page in ids.chunks(RENEW_PAGE) {
        let mut script = RENEW.key(&consumer.stream);
        script.arg(&consumer.group).arg(&consumer.name).arg(page);
        lost.extend(connection.run::<Vec<EntryId>>(&script).await?);
    }
    Ok(lost)
}
