//! A consumer in a group: prepares the group, reads new entries, looks up and claims pending ones, and renews leases.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use redis::{ErrorKind, RedisError, RedisResult, Script, Value};

use super::{Connection, Fault, fault};
use crate::config::Limits;
use crate::entry::{Body, Entry, EntryId};
use crate::lane::ClaimFrom;

static READ: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("scripts/read.lua")));
static CLAIM: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("scripts/claim.lua")));
static RENEW: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("scripts/renew.lua")));

/// Entries per run of a script that renews leases: Redis serves nobody else meanwhile.
const RENEW_PAGE: usize = 256;

/// This sidecar as it reads one stream for one group.
#[derive(Clone)]
pub struct Consumer {
    pub stream: String,
    pub group: String,
    /// The instance's name, with the lane.
    pub name: String,
    pub connection: Arc<Connection>,
    pub limits: Limits,
}

/// Longest wait for a new entry. It bounds how long a stop waits for a read; and it is short beside the lease, since the
/// age of an entry's lease counts from the beginning of the read.
pub fn block_ms(limits: &Limits) -> u64 {
    (limits.lease_ms / 6).clamp(1, 1_000)
}

/// An entry in a reply: its fields as a flat list, or what a script answers instead.
type RawEntry = (EntryId, Value);
/// A pending entry as XPENDING has it: id, consumer, idle milliseconds, delivery counter.
type Pending = (EntryId, Value, u64, Value);

impl Consumer {
    /// Creates the group at 0, so that what was appended before is delivered too, and its stream if need be. True if it
    /// did not exist.
    ///
    /// A Redis that is full, or that does not permit it, refuses to create a group even where there is one: it is
    /// enough that there is one.
    pub async fn prepare(&self) -> RedisResult<bool> {
        let mut create = redis::cmd("XGROUP");
        create.arg("CREATE").arg(&self.stream).arg(&self.group);
        create.arg("0").arg("MKSTREAM");
        match self.connection.query::<()>(&create).await {
            Ok(()) => Ok(true),
            Err(err) if err.code() == Some("BUSYGROUP") => Ok(false),
            Err(err) if fault(&err) == Fault::Refused => {
                if self.group_exists().await {
                    return Ok(false);
                }
                let what = "the group does not exist, and Redis refuses to create it";
                Err(RedisError::from((ErrorKind::Client, what, err.to_string())))
            }
            Err(err) => Err(err),
        }
    }

    async fn group_exists(&self) -> bool {
        let groups = redis::cmd("XINFO").arg("GROUPS").arg(&self.stream).take();
        let groups: Vec<HashMap<String, Value>> = self.connection.query(&groups).await.unwrap_or_default();
        let name = Value::BulkString(self.group.clone().into_bytes());
        groups.iter().any(|group| group.get("name") == Some(&name))
    }

    /// Reads at most `count` new entries, and hardly more bytes than `read_bytes_max`.
    pub async fn read(&self, count: usize) -> RedisResult<Vec<Entry>> {
        let mut script = READ.key(&self.stream);
        script.arg(&self.group).arg(&self.name).arg(count);
        script.arg(self.limits.read_bytes_max).arg(self.limits.entry_bytes_max);
        self.new_entries(self.connection.run(&script).await?)
    }

    /// Waits a while for a new entry, and for one only: nobody knows how large it will be. The connection must be the
    /// reader's own.
    pub async fn wait(&self) -> RedisResult<Vec<Entry>> {
        let mut command = redis::cmd("XREADGROUP");
        command.arg("GROUP").arg(&self.group).arg(&self.name);
        command.arg("COUNT").arg(1).arg("BLOCK").arg(block_ms(&self.limits));
        command.arg("STREAMS").arg(&self.stream).arg(">");
        // By stream; nil if the wait was in vain.
        let reply: Option<[(Value, Vec<RawEntry>); 1]> = self.connection.query(&command).await?;
        reply.map_or(Ok(Vec::new()), |[(_, entries)]| self.new_entries(entries))
    }

    fn new_entries(&self, entries: Vec<RawEntry>) -> RedisResult<Vec<Entry>> {
        let entry = |(id, body)| self.entry(id, 1, body);
        entries.into_iter().map(entry).collect()
    }

    /// `body` is the list of its fields; or, if it is too large to be fetched, its size and its last values, shortened;
    /// or anything else if it does not exist.
    fn entry(&self, id: EntryId, attempt: u32, body: Value) -> RedisResult<Entry> {
        let Value::Array(mut values) = body else {
            let (replay_group, body) = (None, Body::Deleted);
            return Ok(Entry {
                id,
                attempt,
                replay_group,
                body,
            });
        };
        let size = match values.first() {
            Some(Value::Int(size)) => Some(usize::try_from(*size).unwrap_or(usize::MAX)),
            _ => None,
        };
        if size.is_some() {
            values.remove(0);
        }
        let raw: Vec<(Vec<u8>, Vec<u8>)> = redis::from_redis_value(Value::Array(values))?;
        // The mark of a replay has three fields.
        let last = &raw[raw.len().saturating_sub(3)..];
        let last: Vec<&[u8]> = last.iter().flat_map(|(name, value)| [&name[..], &value[..]]).collect();
        let group = protocol::replay_group(&self.stream, id, &last);
        Ok(Entry {
            id,
            attempt,
            replay_group: group.map(|group| String::from_utf8_lossy(group).into_owned()),
            body: match size {
                Some(bytes) => Body::TooLarge { bytes },
                None => Body::from_raw(raw, self.limits.entry_bytes_max),
            },
        })
    }

    /// A page of what is pending on our own name, behind an entry.
    pub async fn look_up_own(&self, after: Option<EntryId>, count: usize) -> RedisResult<Vec<EntryId>> {
        let start = after.map_or("-".to_owned(), |after| format!("({after}"));
        let mut command = redis::cmd("XPENDING");
        command.arg(&self.stream).arg(&self.group);
        command.arg(start).arg("+").arg(count).arg(&self.name);
        let found: Vec<Pending> = self.connection.query(&command).await?;
        Ok(found.into_iter().map(|(id, ..)| id).collect())
    }

    /// A page of the entries that have been idle for the lease, whoever holds them, each with its idle milliseconds.
    pub async fn look_up_due(&self, count: usize) -> RedisResult<Vec<(EntryId, u64)>> {
        let mut command = redis::cmd("XPENDING");
        command.arg(&self.stream).arg(&self.group);
        command
            .arg("IDLE")
            .arg(self.limits.lease_ms)
            .arg("-")
            .arg("+")
            .arg(count);
        let found: Vec<Pending> = self.connection.query(&command).await?;
        Ok(found.into_iter().map(|(id, _, idle_ms, _)| (id, idle_ms)).collect())
    }

    /// Takes entries over, with their bodies, without touching their attempts.
    pub async fn claim(&self, ids: &[EntryId], from: ClaimFrom) -> RedisResult<Vec<Entry>> {
        let (owner, idle_ms_min) = match from {
            ClaimFrom::Ourselves => (self.name.as_str(), 0),
            ClaimFrom::Anybody => ("", self.limits.lease_ms),
        };
        let mut script = CLAIM.key(&self.stream);
        script.arg(&self.group).arg(&self.name).arg(owner).arg(idle_ms_min);
        script
            .arg(self.limits.read_bytes_max)
            .arg(self.limits.entry_bytes_max)
            .arg(ids);
        let claimed: Vec<(EntryId, u32, Value)> = self.connection.run(&script).await?;
        let entry = |(id, attempt, body)| self.entry(id, attempt, body);
        claimed.into_iter().map(entry).collect()
    }

    /// Renews leases; answers with the entries that are no longer ours.
    pub async fn renew(&self, ids: &[EntryId]) -> RedisResult<Vec<EntryId>> {
        let mut lost = Vec::new();
        for page in ids.chunks(RENEW_PAGE) {
            let mut script = RENEW.key(&self.stream);
            script.arg(&self.group).arg(&self.name).arg(page);
            lost.extend(self.connection.run::<Vec<EntryId>>(&script).await?);
        }
        Ok(lost)
    }
}
