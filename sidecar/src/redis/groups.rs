//! Consumer groups and the consumers in them.

use std::collections::HashMap;

use redis::{ErrorKind, RedisError, RedisResult, Value};

use super::{Connection, Fault, fault};

/// This sidecar as it reads one stream for one group.
#[derive(Debug, Clone)]
pub struct Consumer {
    pub stream: String,
    pub group: String,
    /// The instance's name, with the lane.
    pub name: String,
}

/// Creates the group at 0, so that what was appended before is delivered too, and its stream if need be. Says whether
/// it did not exist.
///
/// A Redis that is full, or that does not permit it, refuses to create a group even where there is one: it is enough
/// that there is one.
pub async fn prepare(connection: &Connection, consumer: &Consumer) -> RedisResult<bool> {
    let mut create = redis::cmd("XGROUP");
    create.arg("CREATE").arg(&consumer.stream).arg(&consumer.group);
    create.arg("0").arg("MKSTREAM");
    match connection.query::<()>(&create).await {
        Ok(()) => Ok(true),
        Err(err) if err.code() == Some("BUSYGROUP") => Ok(false),
        Err(err) if fault(&err) == Fault::Refused => {
            if exists(connection, consumer).await {
                return Ok(false);
            }
            let what = "the group does not exist, and Redis refuses to create it";
            Err(RedisError::from((ErrorKind::Client, what, err.to_string())))
        }
        Err(err) => Err(err),
    }
}

async fn exists(connection: &Connection, consumer: &Consumer) -> bool {
    let groups = redis::cmd("XINFO").arg("GROUPS").arg(&consumer.stream).take();
    let groups: Vec<HashMap<String, Value>> = connection.query(&groups).await.unwrap_or_default();
    let name = Value::BulkString(consumer.group.clone().into_bytes());
    groups.iter().any(|group| group.get("name") == Some(&name))
}
