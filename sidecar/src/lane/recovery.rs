//! Recovery of what is pending in a route's group: entries that an earlier life left on our own name, and entries that
//! are due whoever left them. Prepares the group, looks up what is pending, and claims it, one after the other.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use super::action::{ClaimFrom, StreamAction, Time};
use super::context::Context;
use super::reconnect_after;
use crate::config::Limits;
use crate::entry::{Entry, EntryId};

/// Entries per look-up and claim: small enough that no script holds Redis up.
const PAGE: usize = 128;
/// Due times that are remembered; beyond it the periodic scan finds them.
const DUE_MAX: usize = 4096;

#[derive(Default)]
pub(super) struct Recovery {
    /// The group exists.
    prepared: bool,
    /// All that was pending on our own name has been looked up; until then, the look-up goes on behind this entry.
    own_complete: bool,
    own_after: Option<EntryId>,
    /// A preparation, look-up or claim is under way; there is one at a time.
    busy: bool,
    failures: u32,
    retry_at: Time,
    /// Entries of the claim under way, and when it was asked for.
    claiming: Vec<EntryId>,
    claimed_at: Time,
    /// When to look for due entries.
    scan_at: Time,
    /// When the entries that this sidecar has parked are due.
    due: BinaryHeap<Reverse<Time>>,
}

impl Recovery {
    pub(super) fn is_prepared(&self) -> bool {
        self.prepared
    }

    pub(super) fn is_busy(&self) -> bool {
        self.busy
    }

    pub(super) fn has_failed(&self) -> bool {
        self.failures > 0
    }

    /// New entries are read only once nothing is pending on our own name that is not held.
    pub(super) fn is_complete(&self) -> bool {
        self.prepared && self.own_complete && !self.has_failed()
    }

    /// When the entries under way were asked for.
    pub(super) fn claimed_at(&self) -> Time {
        self.claimed_at
    }

    pub(super) fn prepared(&mut self) {
        self.done();
        self.prepared = true;
    }

    fn done(&mut self) {
        self.busy = false;
        self.failures = 0;
    }

    /// A page was found, up to `last`, of which `ids` are not held.
    pub(super) fn own(&mut self, context: &Context, last: Option<EntryId>, ids: Vec<EntryId>) -> Option<StreamAction> {
        self.done();
        self.own_complete = last.is_none();
        self.own_after = last;
        self.claim(context, ids, ClaimFrom::Ourselves)
    }

    /// Due entries that are not held.
    pub(super) fn due(&mut self, context: &Context, ids: Vec<EntryId>) -> Option<StreamAction> {
        self.done();
        if ids.len() >= PAGE {
            // There is more where this came from.
            self.scan_at = context.now;
        }
        self.claim(context, ids, ClaimFrom::Anybody)
    }

    fn claim(&mut self, context: &Context, ids: Vec<EntryId>, from: ClaimFrom) -> Option<StreamAction> {
        if ids.is_empty() || context.is_draining() {
            return None;
        }
        self.busy = true;
        self.claiming.clone_from(&ids);
        self.claimed_at = context.now;
        Some(StreamAction::Claim { ids, from })
    }

    pub(super) fn claimed(&mut self, context: &Context, entries: &[Entry]) {
        self.done();
        let asked = std::mem::take(&mut self.claiming);
        // A claim stops early when the entries are large: the rest is looked up again.
        let last = entries.last().map(|entry| entry.id);
        if last.is_some() && last < asked.last().copied() {
            self.scan_at = context.now;
            self.own_after = last;
        }
    }

    pub(super) fn failed(&mut self, context: &mut Context, group_missing: bool) {
        self.busy = false;
        self.claiming.clear();
        self.start_over(group_missing);
        self.failures = self.failures.saturating_add(1);
        self.retry_at = context.now + reconnect_after(context, self.failures);
    }

    /// A reply may have been lost on its way: what it brought is ours, and nobody remembers it.
    pub(super) fn start_over(&mut self, group_missing: bool) {
        self.own_complete = false;
        self.own_after = None;
        self.prepared &= !group_missing;
    }

    /// Remembers that a parked entry is due at this time.
    pub(super) fn remember_due(&mut self, at: Time) {
        if self.due.len() < DUE_MAX {
            self.due.push(Reverse(at));
        }
    }

    pub(super) fn scan_now(&mut self, now: Time) {
        self.scan_at = now;
    }

    fn next_scan(&self) -> Time {
        /// Redis counts an entry's idle time from when it wrote it, slightly later than we did.
        const SLACK: Duration = Duration::from_millis(5);
        match self.due.peek() {
            Some(Reverse(at)) => self.scan_at.min(*at + SLACK),
            None => self.scan_at,
        }
    }

    /// The next thing to do, given that a read is under way and that entries may be taken in.
    pub(super) fn advance(&mut self, context: &mut Context, reading: bool, may_take: bool) -> Option<StreamAction> {
        if self.busy || context.is_draining() || !context.reached(self.retry_at) {
            return None;
        }
        if !self.prepared {
            self.busy = true;
            return Some(StreamAction::Prepare);
        }
        if !may_take {
            return None;
        }
        // While a read is under way, what it brings is pending without being held: only between reads is it certain
        // that what is pending on our name and not held is nobody's.
        if !self.own_complete {
            if reading {
                return None;
            }
            self.busy = true;
            let after = self.own_after;
            return Some(StreamAction::LookUpOwn { after, count: PAGE });
        }
        if !context.reached(self.next_scan()) {
            return None;
        }
        while self.due.peek().is_some_and(|Reverse(at)| *at <= context.now) {
            self.due.pop();
        }
        self.scan_at = context.after_ms(context.limits.scan_ms);
        self.busy = true;
        Some(StreamAction::LookUpDue { count: PAGE })
    }
}

/// A pending entry that is due may be claimed from anybody.
pub(super) fn is_due(idle_ms: u64, limits: &Limits) -> bool {
    idle_ms >= limits.lease_ms
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn due_means_idle_for_the_lease() {
        let limits = Limits::default();
        assert!(!is_due(29_999, &limits));
        assert!(is_due(30_000, &limits));
    }
}
