//! Entries in memory that wait for their delivery.

use std::collections::{HashSet, VecDeque};

use protocol::Fields;
use serde::Serialize;

use super::action::Time;
use super::context::Context;
use super::ms;
use crate::entry::EntryId;

/// An entry that this lane holds, waiting for its delivery or in flight. As JSON it is a [`protocol::Entry`].
#[derive(Serialize)]
pub(super) struct HeldEntry {
    #[serde(rename = "entry")]
    pub(super) id: EntryId,
    pub(super) attempt: u32,
    pub(super) fields: Fields<'static>,
    /// Its part of a message.
    #[serde(skip)]
    pub(super) bytes: usize,
    /// When we asked for it, or for the last renewal of its lease: the lease began then or later.
    #[serde(skip)]
    pub(super) leased_at: Time,
    /// A renewal found that a peer has it: we must not deliver it again.
    #[serde(skip)]
    pub(super) lost: bool,
}

impl HeldEntry {
    /// The lease has not been renewed for long, and the entry may be a peer's by now: it waits for its renewal.
    fn is_stale(&self, context: &Context) -> bool {
        context.now >= self.leased_at + ms(context.limits.lease_ms) * 2 / 3
    }
}

#[derive(Default)]
pub(super) struct Queue {
    entries: VecDeque<HeldEntry>,
    bytes: usize,
}

impl Queue {
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &HeldEntry> {
        self.entries.iter()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut HeldEntry> {
        self.entries.iter_mut()
    }

    pub(super) fn push_back(&mut self, held: HeldEntry) {
        self.bytes += held.bytes;
        self.entries.push_back(held);
    }

    pub(super) fn push_front(&mut self, held: HeldEntry) {
        self.bytes += held.bytes;
        self.entries.push_front(held);
    }

    pub(super) fn take(&mut self, count: usize) -> Vec<HeldEntry> {
        let taken: Vec<HeldEntry> = self.entries.drain(..count).collect();
        self.bytes -= taken.iter().map(|held| held.bytes).sum::<usize>();
        taken
    }

    pub(super) fn remove(&mut self, ids: &HashSet<EntryId>) {
        if ids.is_empty() {
            return;
        }
        self.entries.retain(|held| !ids.contains(&held.id));
        self.bytes = self.entries.iter().map(|held| held.bytes).sum();
    }

    /// The number of entries from the front that make the next delivery, given the room in the window; true if that is
    /// all that fits into one.
    pub(super) fn fitting(&self, context: &Context, room_bytes: usize) -> (usize, bool) {
        let limits = &context.limits;
        let bytes_max = limits.batch_bytes_max.min(room_bytes);
        let mut cap = limits.batch_max;
        let mut bytes = 0;
        for (count, held) in self.entries.iter().enumerate() {
            if held.is_stale(context) {
                return (count, false);
            }
            // The most tried entry decides how many may share its fate.
            cap = cap.min(limits.batch_cap(held.attempt));
            if count >= cap {
                return (count, true);
            }
            bytes += held.bytes;
            let alone_in_window = count == 0 && bytes <= room_bytes;
            if bytes > bytes_max && !alone_in_window {
                return (count, true);
            }
        }
        (self.entries.len(), self.entries.len() >= cap)
    }
}
