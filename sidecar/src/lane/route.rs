use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet, VecDeque};
use std::time::Duration;

use serde::{Serialize, Serializer};

use super::counters::RouteCounters;
use super::message::Time;
use crate::config::Limits;
use crate::entry::EntryId;

/// An entry in memory, ready to be delivered or in flight.
pub(super) struct Held {
    pub(super) id: EntryId,
    pub(super) entry: protocol::Entry<'static>,
    /// What it takes of a message.
    pub(super) bytes: usize,
    /// When we asked for it, or for the last renewal of its lease.
    pub(super) since: Time,
    /// A renewal found that it is somebody else's: it must not be delivered again by us.
    pub(super) lost: bool,
}

/// In a message, an entry looks as the delivery protocol has it.
impl Serialize for Held {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.entry.serialize(serializer)
    }
}

/// Entries in memory that wait for their delivery.
#[derive(Default)]
pub(super) struct Queue {
    pub(super) entries: VecDeque<Held>,
    pub(super) bytes: usize,
}

impl Queue {
    pub(super) fn push_back(&mut self, held: Held) {
        self.bytes += held.bytes;
        self.entries.push_back(held);
    }

    pub(super) fn push_front(&mut self, held: Held) {
        self.bytes += held.bytes;
        self.entries.push_front(held);
    }

    pub(super) fn pop_front(&mut self) -> Option<Held> {
        let held = self.entries.pop_front()?;
        self.bytes -= held.bytes;
        Some(held)
    }

    pub(super) fn remove_all(&mut self, ids: &HashSet<EntryId>) {
        self.entries.retain(|held| !ids.contains(&held.id));
        self.bytes = self.entries.iter().map(|held| held.bytes).sum();
    }
}

/// How far the look at our own pending entries has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Recovery {
    /// To go on behind this entry.
    From(Option<EntryId>),
    Complete,
}

/// One stream, read for one group: what is held of it, and what is under way.
pub(super) struct Route {
    pub(super) stream: String,
    pub(super) group: String,
    /// Entries at their first attempt. They are never mixed with those that failed before.
    pub(super) fresh: Queue,
    /// Entries that have failed before.
    pub(super) again: Queue,
    /// The group exists.
    pub(super) prepared: bool,
    pub(super) recovery: Recovery,
    pub(super) reading: bool,
    /// More may be there than the lanes before this one can take.
    pub(super) called: bool,
    /// When a lane that follows others looks by itself.
    pub(super) look_at: Time,
    pub(super) read_asked_at: Time,
    pub(super) read_at: Time,
    pub(super) read_failures: u32,
    /// A preparation, look-up or claim is under way; there is one at a time.
    pub(super) errand: bool,
    pub(super) errand_at: Time,
    pub(super) errand_failures: u32,
    pub(super) claiming: Vec<EntryId>,
    pub(super) claim_asked_at: Time,
    pub(super) scan_at: Time,
    /// When the entries that this sidecar has let go of are due.
    pub(super) due: BinaryHeap<Reverse<Time>>,
    pub(super) renewing: Option<(Time, Vec<EntryId>)>,
    pub(super) renew_at: Time,
    /// What is being written down, and since when.
    pub(super) settling: HashMap<u64, (Time, Vec<EntryId>)>,
    /// Redis refused the last settlement.
    pub(super) refused: bool,
    pub(super) counters: RouteCounters,
}

/// How many due times are remembered; beyond it the periodic scan finds them.
const DUE_MAX: usize = 4096;

impl Route {
    pub(super) fn new(stream: String, group: String) -> Self {
        Self {
            stream,
            group,
            fresh: Queue::default(),
            again: Queue::default(),
            prepared: false,
            recovery: Recovery::From(None),
            reading: false,
            called: false,
            look_at: Time::ZERO,
            read_asked_at: Time::ZERO,
            read_at: Time::ZERO,
            read_failures: 0,
            errand: false,
            errand_at: Time::ZERO,
            errand_failures: 0,
            claiming: Vec::new(),
            claim_asked_at: Time::ZERO,
            scan_at: Time::ZERO,
            due: BinaryHeap::new(),
            renewing: None,
            renew_at: Time::ZERO,
            settling: HashMap::new(),
            refused: false,
            counters: RouteCounters::default(),
        }
    }

    pub(super) fn buffered(&self) -> usize {
        self.fresh.entries.len() + self.again.entries.len()
    }

    pub(super) fn buffered_bytes(&self) -> usize {
        self.fresh.bytes + self.again.bytes
    }

    /// Whether more may be brought into memory.
    pub(super) fn has_room(&self, limits: &Limits) -> bool {
        self.buffered() < limits.batch_max && self.buffered_bytes() < limits.read_bytes_max
    }

    /// Queues an entry behind the others.
    pub(super) fn push_back(&mut self, held: Held) {
        if held.entry.attempt > 1 {
            self.again.push_back(held);
        } else {
            self.fresh.push_back(held);
        }
    }

    /// Queues an entry before the others: it was there already.
    pub(super) fn push_front(&mut self, held: Held) {
        if held.entry.attempt > 1 {
            self.again.push_front(held);
        } else {
            self.fresh.push_front(held);
        }
    }

    /// Remembers that an entry let go of is due at this time.
    pub(super) fn remember_due(&mut self, at: Time) {
        if self.due.len() < DUE_MAX {
            self.due.push(Reverse(at));
        }
    }

    /// When to look for due entries next.
    pub(super) fn next_scan(&self) -> Time {
        /// Redis counts an entry's idle time from when it wrote it, slightly later than we did.
        const SLACK: Duration = Duration::from_millis(5);
        match self.due.peek() {
            Some(Reverse(at)) => self.scan_at.min(*at + SLACK),
            None => self.scan_at,
        }
    }
}
