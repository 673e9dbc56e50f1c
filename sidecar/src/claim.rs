//! Looking up what is pending, and taking it over.

use std::sync::LazyLock;

use redis::{RedisResult, Script, Value};

use crate::config::Limits;
use crate::entry::{Arrived, Body, EntryId};
use crate::groups::Place;
use crate::lane::ClaimFrom;
use crate::link::Link;
use crate::read::{entry_id, list, odd, raw_fields};

static CLAIM: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("scripts/claim.lua")));
static RENEW: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("scripts/renew.lua")));

/// Entries per run of a script that renews leases: Redis serves nobody else meanwhile.
const RENEW_PAGE: usize = 256;

/// A page of what is pending on our own name, behind an entry.
///
/// # Errors
///
/// Redis is away, or refused; or the group does not exist.
pub async fn look_up_own(
    link: &Link,
    place: &Place,
    after: Option<EntryId>,
    count: usize,
) -> RedisResult<Vec<EntryId>> {
    let start = after.map_or("-".to_owned(), |after| format!("({after}"));
    let mut command = redis::cmd("XPENDING");
    command
        .arg(&place.stream)
        .arg(&place.group)
        .arg(start)
        .arg("+")
        .arg(count)
        .arg(&place.consumer);
    let found = parse_pending(link.query(&command).await?)?;
    Ok(found.into_iter().map(|(id, _)| id).collect())
}

/// What has been idle for the lease, whoever's it is: each with how long.
///
/// # Errors
///
/// Redis is away, or refused; or the group does not exist.
pub async fn look_up_due(link: &Link, place: &Place, lease_ms: u64, count: usize) -> RedisResult<Vec<(EntryId, u64)>> {
    let mut command = redis::cmd("XPENDING");
    command.arg(&place.stream).arg(&place.group);
    command.arg("IDLE").arg(lease_ms).arg("-").arg("+").arg(count);
    parse_pending(link.query(&command).await?)
}

fn parse_pending(reply: Value) -> RedisResult<Vec<(EntryId, u64)>> {
    let mut found = Vec::new();
    for pending in list(reply)? {
        let mut parts = list(pending)?.into_iter();
        let id = entry_id(parts.next())?;
        match parts.nth(1) {
            Some(Value::Int(idle)) => found.push((id, u64::try_from(idle).unwrap_or(0))),
            _ => return Err(odd()),
        }
    }
    Ok(found)
}

/// Takes entries over, with their bodies, without touching their attempts.
///
/// # Errors
///
/// Redis is away, or refused; or the group does not exist.
pub async fn claim(
    link: &Link,
    place: &Place,
    ids: &[EntryId],
    from: ClaimFrom,
    limits: &Limits,
) -> RedisResult<Vec<Arrived>> {
    let (owner, idle_min) = match from {
        ClaimFrom::Ourselves => (place.consumer.as_str(), 0),
        ClaimFrom::Anybody => ("", limits.lease_ms),
    };
    let mut script = CLAIM.key(&place.stream);
    script.arg(&place.group).arg(&place.consumer).arg(owner).arg(idle_min);
    script.arg(limits.read_bytes_max).arg(limits.entry_bytes_max);
    for id in ids {
        script.arg(id.to_string());
    }
    let reply: Value = link.run(&script).await?;
    let mut arrived = Vec::new();
    for entry in list(reply)? {
        let mut parts = list(entry)?.into_iter();
        let id = entry_id(parts.next())?;
        let attempt = match parts.next() {
            Some(Value::Int(attempt)) => u32::try_from(attempt).unwrap_or(u32::MAX),
            _ => return Err(odd()),
        };
        let body = match parts.next() {
            Some(Value::Int(size)) => Body::TooLarge {
                bytes: usize::try_from(size).unwrap_or(usize::MAX),
            },
            Some(Value::Array(fields)) => Body::from_raw(raw_fields(Value::Array(fields))?, limits.entry_bytes_max),
            Some(_) => Body::Deleted,
            None => return Err(odd()),
        };
        arrived.push(Arrived { id, attempt, body });
    }
    Ok(arrived)
}

/// Renews leases; answers with the entries that are no longer ours.
///
/// # Errors
///
/// Redis is away, or refused; or the group does not exist.
pub async fn renew(link: &Link, place: &Place, ids: &[EntryId]) -> RedisResult<Vec<EntryId>> {
    let mut lost = Vec::new();
    for page in ids.chunks(RENEW_PAGE) {
        let mut script = RENEW.key(&place.stream);
        script.arg(&place.group).arg(&place.consumer);
        for id in page {
            script.arg(id.to_string());
        }
        let reply: Value = link.run(&script).await?;
        for id in list(reply)? {
            lost.push(entry_id(Some(id))?);
        }
    }
    Ok(lost)
}
