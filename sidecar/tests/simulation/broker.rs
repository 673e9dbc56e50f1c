//! Redis with one stream and one group: the effects of the sidecar's commands and scripts.

use std::collections::{BTreeMap, BTreeSet};

use protocol::{Fields, WAITING_CONSUMER};
use stream_sidecar::entry::{Body, Entry, EntryId};
use stream_sidecar::lane::{Cause, ClaimFrom, Settlement};

/// An entry's behaviour in a simulation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Good,
    /// Reported as `retry` before this attempt.
    DoneAt(u32),
    Reject,
    /// The handler traps on it, taking the whole batch along.
    Poison,
    NotText,
    /// Removed from the stream at some time.
    Deleted,
}

pub(crate) struct Pending {
    pub(crate) owner: String,
    /// Idle since, in microseconds; may lie before the beginning of the simulation.
    pub(crate) idle_since: i64,
    pub(crate) attempt: u32,
    /// The earliest time of the next delivery, by the last backoff.
    pub(crate) due: i64,
}

#[derive(Default)]
pub(crate) struct Broker {
    pub(crate) entries: BTreeMap<EntryId, Fate>,
    pub(crate) deleted: BTreeSet<EntryId>,
    last_delivered: Option<EntryId>,
    pub(crate) pending: BTreeMap<EntryId, Pending>,
    pub(crate) acknowledged: BTreeSet<EntryId>,
    pub(crate) dead: Vec<(EntryId, Cause)>,
    pub(crate) group_exists: bool,
}

impl Broker {
    pub(crate) fn append(&mut self, fate: Fate) {
        let ms = self.entries.len() as u64 + 1;
        self.entries.insert(EntryId { ms, seq: 0 }, fate);
    }

    pub(crate) fn undelivered(&self) -> usize {
        self.entries
            .keys()
            .filter(|id| Some(**id) > self.last_delivered && self.exists(**id))
            .count()
    }

    fn body(&self, id: EntryId) -> Body {
        match self.entries.get(&id) {
            Some(Fate::NotText) => Body::NotText { field: "blob".into() },
            Some(_) if !self.deleted.contains(&id) => {
                let fields = Fields(vec![("n".into(), id.ms.to_string().into())]);
                Body::Text { fields, bytes: 100 }
            }
            _ => Body::Deleted,
        }
    }

    fn exists(&self, id: EntryId) -> bool {
        self.entries.contains_key(&id) && !self.deleted.contains(&id)
    }

    pub(crate) fn read(&mut self, consumer: &str, count: usize, now: i64) -> Vec<Entry> {
        let new = self
            .entries
            .keys()
            .filter(|id| Some(**id) > self.last_delivered)
            .filter(|id| self.exists(**id));
        let ids: Vec<EntryId> = new.take(count).copied().collect();
        for id in &ids {
            self.last_delivered = Some(*id);
            let pending = Pending {
                owner: consumer.into(),
                idle_since: now,
                attempt: 1,
                due: i64::MIN,
            };
            self.pending.insert(*id, pending);
        }
        ids.into_iter()
            .map(|id| Entry {
                id,
                attempt: 1,
                replay_group: None,
                body: self.body(id),
            })
            .collect()
    }

    pub(crate) fn own(&self, consumer: &str, after: Option<EntryId>, count: usize) -> Vec<EntryId> {
        let own = self
            .pending
            .iter()
            .filter(|(id, pending)| pending.owner == consumer && Some(**id) > after);
        own.map(|(id, _)| *id).take(count).collect()
    }

    pub(crate) fn due(&self, lease_ms: u64, count: usize, now: i64) -> Vec<(EntryId, u64)> {
        let idle = |pending: &Pending| ((now - pending.idle_since) / 1000).max(0) as u64;
        let all = self.pending.iter().map(|(id, pending)| (*id, idle(pending)));
        all.filter(|(_, idle)| *idle >= lease_ms).take(count).collect()
    }

    /// `most` stands for the bytes after which the script stops.
    pub(crate) fn claim(
        &mut self,
        consumer: &str,
        ids: &[EntryId],
        from: ClaimFrom,
        lease_ms: u64,
        most: usize,
        now: i64,
    ) -> Vec<Entry> {
        let mut claimed = Vec::new();
        for id in ids {
            if claimed.len() >= most {
                break;
            }
            let exists = self.exists(*id);
            let Some(pending) = self.pending.get_mut(id) else {
                continue;
            };
            let may = match from {
                ClaimFrom::Ourselves => pending.owner == consumer,
                ClaimFrom::Anybody => now - pending.idle_since >= (lease_ms * 1000) as i64,
            };
            if !may {
                continue;
            }
            let attempt = pending.attempt;
            if exists {
                pending.owner = consumer.into();
                pending.idle_since = now;
            }
            claimed.push(Entry {
                id: *id,
                attempt,
                replay_group: None,
                body: self.body(*id),
            });
        }
        claimed
    }

    pub(crate) fn renew(&mut self, consumer: &str, ids: &[EntryId], now: i64) -> Vec<EntryId> {
        let mut lost = Vec::new();
        for id in ids {
            let exists = self.exists(*id);
            match self.pending.get_mut(id) {
                Some(pending) if pending.owner == consumer => {
                    if exists {
                        pending.idle_since = now;
                    }
                }
                _ => lost.push(*id),
            }
        }
        lost
    }

    pub(crate) fn settle(&mut self, consumer: &str, settlement: &Settlement, lease_ms: u64, now: i64) {
        for id in &settlement.done {
            if self.pending.remove(id).is_some() {
                self.acknowledged.insert(*id);
            }
        }
        for parked in &settlement.parked {
            let id = parked.id;
            let exists = self.exists(id);
            let Some(pending) = self.pending.get_mut(&id) else {
                continue;
            };
            if pending.owner == consumer && pending.attempt == parked.attempt && exists {
                pending.owner = WAITING_CONSUMER.into();
                pending.attempt = parked.next_attempt;
                pending.idle_since = now - (lease_ms.saturating_sub(parked.due_ms) * 1000) as i64;
                if parked.next_attempt > parked.attempt {
                    pending.due = now + (parked.due_ms * 1000) as i64;
                }
            }
        }
        for dead in &settlement.dead {
            let id = dead.id;
            let gone = dead.cause == Cause::Deleted && !self.exists(id);
            let ours = self.pending.get(&id).is_some_and(|pending| pending.owner == consumer);
            if self.pending.contains_key(&id) && (ours || gone) {
                self.pending.remove(&id);
                self.acknowledged.insert(id);
                self.dead.push((id, dead.cause));
            }
        }
    }
}
