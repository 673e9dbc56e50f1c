//! Consumer groups and the names in them.

use std::collections::HashMap;

use redis::{ErrorKind, RedisError, RedisResult, Value};

use crate::link::{Fault, Link, fault};

/// One stream, read for one group under one name.
#[derive(Debug, Clone)]
pub struct Place {
    /// The stream's key.
    pub stream: String,
    /// The group.
    pub group: String,
    /// Our name in it: the instance's.
    pub consumer: String,
}

/// The consumer that has what nobody holds: entries that wait out a backoff, or were let go of. What is pending on an
/// instance's own name was in its hands, so that after a crash it can have that back at once, and nothing that waits
/// is hastened. No instance can have this name.
pub const PARKING: &str = protocol::WAITING_CONSUMER;

/// Creates the group at 0, so that what was appended before is delivered too, and its stream if need be. Says whether
/// it did not exist.
///
/// A Redis that is full, or that does not permit it, refuses to create a group even where there is one: it is enough
/// that there is one.
///
/// # Errors
///
/// Redis is away, or refused and the group does not exist.
pub async fn prepare(link: &Link, place: &Place) -> RedisResult<bool> {
    let mut create = redis::cmd("XGROUP");
    create
        .arg("CREATE")
        .arg(&place.stream)
        .arg(&place.group)
        .arg("0")
        .arg("MKSTREAM");
    match link.query::<()>(&create).await {
        Ok(()) => Ok(true),
        Err(err) if err.code() == Some("BUSYGROUP") => Ok(false),
        Err(err) if fault(&err) == Fault::Refused => {
            if exists(link, place).await {
                return Ok(false);
            }
            let what = "the group does not exist, and Redis refuses to create it";
            Err(RedisError::from((ErrorKind::Client, what, err.to_string())))
        }
        Err(err) => Err(err),
    }
}

async fn exists(link: &Link, place: &Place) -> bool {
    let groups = redis::cmd("XINFO").arg("GROUPS").arg(&place.stream).take();
    let groups: Vec<HashMap<String, Value>> = link.query(&groups).await.unwrap_or_default();
    let name = Value::BulkString(place.group.clone().into_bytes());
    groups.iter().any(|group| group.get("name") == Some(&name))
}
