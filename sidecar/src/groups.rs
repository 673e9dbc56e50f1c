//! Consumer groups and the names in them.

use redis::RedisResult;

use crate::link::Link;

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
pub const PARKING: &str = delivery::WAITING_CONSUMER;

/// Creates the group at 0, so that what was appended before is delivered too, and its stream if need be. Says whether
/// it did not exist.
///
/// # Errors
///
/// Redis is away, or refused.
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
        Err(err) => Err(err),
    }
}
