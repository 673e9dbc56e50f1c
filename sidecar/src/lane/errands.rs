//! What a route does on its own account: prepare its group, take over what was left, read, look for what is due, and
//! renew its leases.

use std::cmp::Reverse;
use std::collections::HashSet;
use std::time::Duration;

use super::message::{Action, ClaimFrom, Notice, RouteIndex, Settlement, Time};
use super::receipts::renew_after;
use super::route::{Held, Recovery};
use super::{Draining, Lane, ms};
use crate::decide::{self, Decision, backoff_ms};
use crate::entry::{Arrived, Body, EntryId};

/// Entries per look-up and claim: small enough that no script holds Redis up.
const PAGE: usize = 128;
/// How often a lane that follows others looks by itself.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Leases renewed at a time, for the same reason.
const RENEW_MAX: usize = 1024;
/// The wait after a first failure to reach Redis.
const RECONNECT_MS_MIN: u64 = 50;

impl Lane {
    pub(super) fn prepared(&mut self, route: RouteIndex, created: bool) {
        let place = &mut self.routes[route];
        place.errand = false;
        place.errand_failures = 0;
        place.prepared = true;
        if created {
            self.say(Notice::GroupCreated { route });
        }
    }

    pub(super) fn read(&mut self, route: RouteIndex, entries: Vec<Arrived>) {
        let full = decide::fill_a_delivery(&entries, &self.limits);
        let place = &mut self.routes[route];
        place.reading = false;
        place.read_failures = 0;
        place.counters.read += entries.len() as u64;
        place.called |= full;
        place.look_at = self.now + LOOK_EVERY;
        if !full && !entries.is_empty() {
            // Under a steady trickle, one read a moment later brings several entries for the price of one.
            place.read_at = self.now + ms(self.limits.linger_ms);
        }
        if full {
            self.act(Action::Call { route });
        }
        let since = self.routes[route].read_asked_at;
        self.take_in(route, entries, since);
    }

    pub(super) fn read_failed(&mut self, route: RouteIndex, group_missing: bool) {
        let place = &mut self.routes[route];
        place.reading = false;
        place.read_failures = place.read_failures.saturating_add(1);
        // The reply may have been lost on its way: what it brought is ours, and nobody remembers it.
        place.recovery = Recovery::From(None);
        if group_missing {
            place.prepared = false;
        }
        let failures = place.read_failures;
        self.routes[route].read_at = self.now + self.reconnect_after(failures);
    }

    pub(super) fn own(&mut self, route: RouteIndex, ids: Vec<EntryId>) {
        self.errand_done(route);
        self.routes[route].recovery = match ids.last() {
            Some(last) => Recovery::From(Some(*last)),
            None => Recovery::Complete,
        };
        let ids = self.without_held(route, ids);
        self.claim(route, ids, ClaimFrom::Ourselves);
    }

    pub(super) fn due(&mut self, route: RouteIndex, entries: Vec<(EntryId, u64)>) {
        self.errand_done(route);
        let is_due = |idle_ms: u64| decide::pending(idle_ms, &self.limits) == Decision::Deliver;
        let ids = entries
            .iter()
            .filter(|(_, idle_ms)| is_due(*idle_ms))
            .map(|(id, _)| *id)
            .collect();
        let ids = self.without_held(route, ids);
        if ids.len() >= PAGE {
            // There is more where this came from.
            self.routes[route].scan_at = self.now;
        }
        self.claim(route, ids, ClaimFrom::Anybody);
    }

    fn claim(&mut self, route: RouteIndex, ids: Vec<EntryId>, from: ClaimFrom) {
        if ids.is_empty() || self.draining != Draining::No {
            return;
        }
        self.routes[route].errand = true;
        self.routes[route].claiming.clone_from(&ids);
        self.routes[route].claim_asked_at = self.now;
        self.act(Action::Claim { route, ids, from });
    }

    pub(super) fn claimed(&mut self, route: RouteIndex, entries: Vec<Arrived>) {
        self.errand_done(route);
        let asked = std::mem::take(&mut self.routes[route].claiming);
        let place = &mut self.routes[route];
        place.counters.claimed += entries.len() as u64;
        // A claim stops early when the entries are large: the rest is looked up again.
        let last = entries.last().map(|arrived| arrived.id);
        if last.is_some() && last < asked.last().copied() {
            place.scan_at = self.now;
            if let Recovery::From(_) = place.recovery {
                place.recovery = Recovery::From(last);
            }
        }
        if !entries.is_empty() {
            let entries = entries.len();
            self.say(Notice::TakenOver { route, entries });
        }
        let since = self.routes[route].claim_asked_at;
        self.take_in(route, entries, since);
    }

    pub(super) fn errand_failed(&mut self, route: RouteIndex, group_missing: bool) {
        let place = &mut self.routes[route];
        place.errand = false;
        place.claiming.clear();
        if group_missing {
            place.prepared = false;
        }
        place.recovery = Recovery::From(None);
        place.errand_failures = place.errand_failures.saturating_add(1);
        let failures = place.errand_failures;
        self.routes[route].errand_at = self.now + self.reconnect_after(failures);
    }

    fn errand_done(&mut self, route: RouteIndex) {
        self.routes[route].errand = false;
        self.routes[route].errand_failures = 0;
    }

    fn reconnect_after(&mut self, failures: u32) -> Duration {
        ms(backoff_ms(failures, RECONNECT_MS_MIN, self.limits.reconnect_ms_max, self.rng.f64()).max(1))
    }

    /// Queues entries that have just become ours, or settles them at once if they cannot be delivered. Their leases
    /// began when Redis gave them to us, at some time since we asked: the answer may have waited for us, if this
    /// process was stopped meanwhile.
    fn take_in(&mut self, route: RouteIndex, entries: Vec<Arrived>, since: Time) {
        let mut settlement = Settlement::default();
        let mut settled = Vec::new();
        for arrived in entries {
            let id = arrived.id;
            match decide::arrived(&arrived.body, &self.limits) {
                Decision::DeadLetter(cause, reason) => {
                    self.bury_entry(route, &mut settlement, id.to_string(), arrived.attempt, cause, reason);
                    settled.push(id);
                }
                Decision::Deliver | Decision::Wait => {
                    let Body::Text { fields, bytes } = arrived.body else {
                        continue;
                    };
                    let place = &mut self.routes[route];
                    // A replay is meant for one group; for the others it is done as it is.
                    if fields.get("replay_group").is_some_and(|group| group != place.group) {
                        place.counters.done += 1;
                        settlement.done.push(id.to_string());
                        settled.push(id);
                        continue;
                    }
                    place.push_back(Held {
                        id,
                        entry: protocol::Entry {
                            entry: id.to_string().into(),
                            attempt: arrived.attempt,
                            fields,
                        },
                        bytes,
                        since,
                        lost: false,
                    });
                }
            }
        }
        self.settle(route, settlement, settled);
        if self.draining != Draining::No {
            self.release(route);
        }
    }

    /// Only what is not in our hands already. What is being written down is: a look-up may still see it pending.
    fn without_held(&self, route: RouteIndex, ids: Vec<EntryId>) -> Vec<EntryId> {
        if ids.is_empty() {
            return ids;
        }
        let place = &self.routes[route];
        let queued = place.fresh.entries.iter().chain(&place.again.entries);
        let in_flight = self.window.in_flight.iter().filter(|one| one.route == route);
        let mut held: HashSet<EntryId> = queued.map(|held| held.id).collect();
        held.extend(in_flight.flat_map(|one| &one.entries).map(|held| held.id));
        held.extend(place.settling.values().flat_map(|(_, ids)| ids));
        ids.into_iter().filter(|id| !held.contains(id)).collect()
    }

    pub(super) fn advance_errands(&mut self, route: RouteIndex) {
        if self.routes[route].errand || self.draining != Draining::No {
            return;
        }
        let errand_at = self.routes[route].errand_at;
        if self.now < errand_at {
            self.wake_at(errand_at);
            return;
        }
        if !self.routes[route].prepared {
            self.routes[route].errand = true;
            self.act(Action::Prepare { route });
            return;
        }
        if !self.may_deliver() || !self.routes[route].has_room(&self.limits) {
            return;
        }
        // While a read is under way, what it brings is pending without being held: only between reads is it certain
        // that what is pending on our name and not in our hands is nobody's.
        if let Recovery::From(after) = self.routes[route].recovery {
            if !self.routes[route].reading {
                self.routes[route].errand = true;
                self.act(Action::LookUpOwn {
                    route,
                    after,
                    count: PAGE,
                });
            }
            return;
        }
        let scan_at = self.routes[route].next_scan();
        if self.now < scan_at {
            self.wake_at(scan_at);
            return;
        }
        let now = self.now;
        let place = &mut self.routes[route];
        while place.due.peek().is_some_and(|Reverse(at)| *at <= now) {
            place.due.pop();
        }
        place.scan_at = now + ms(self.limits.scan_ms);
        place.errand = true;
        self.act(Action::LookUpDue { route, count: PAGE });
    }

    pub(super) fn advance_reading(&mut self, route: RouteIndex) {
        let place = &self.routes[route];
        if place.reading || !place.prepared || place.recovery != Recovery::Complete || place.errand_failures > 0 {
            return;
        }
        if !place.has_room(&self.limits) || !self.may_deliver() {
            return;
        }
        let read_at = self.routes[route].read_at;
        if self.now < read_at {
            self.wake_at(read_at);
            return;
        }
        let place = &self.routes[route];
        if self.follows && !place.called && self.now < place.look_at {
            let look_at = place.look_at;
            self.wake_at(look_at);
            return;
        }
        let place = &mut self.routes[route];
        place.reading = true;
        place.called = false;
        place.read_asked_at = self.now;
        let count = self.limits.batch_max;
        let wait = !self.follows;
        self.act(Action::Read { route, count, wait });
    }

    /// Renews the leases of all that is held, well before they end.
    pub(super) fn advance_leases(&mut self, route: RouteIndex) {
        let queued = self.routes[route].buffered() > 0;
        let in_flight = self.window.in_flight.iter().any(|one| one.route == route);
        if self.routes[route].renewing.is_some() || !(queued || in_flight) {
            return;
        }
        let renew_at = self.routes[route].renew_at;
        if self.now < renew_at {
            self.wake_at(renew_at);
            return;
        }
        let next = self.now + renew_after(self.limits.lease_ms) / 2;
        self.routes[route].renew_at = next;
        self.wake_at(next);
        let now = self.now;
        let old = |held: &&Held| now >= held.since + renew_after(self.limits.lease_ms);
        let place = &self.routes[route];
        let in_flight = self.window.in_flight.iter().filter(|one| one.route == route);
        let ids: Vec<EntryId> = in_flight
            .flat_map(|one| &one.entries)
            .chain(&place.fresh.entries)
            .chain(&place.again.entries)
            .filter(|held| !held.lost)
            .filter(old)
            .map(|held| held.id)
            .take(RENEW_MAX)
            .collect();
        if ids.is_empty() {
            return;
        }
        if ids.len() == RENEW_MAX {
            // The rest follows as soon as these are done.
            self.routes[route].renew_at = now + ms(1);
        }
        self.routes[route].renewing = Some((now, ids.clone()));
        self.act(Action::Renew { route, ids });
    }

    pub(super) fn renewed(&mut self, route: RouteIndex, lost: Vec<EntryId>) {
        let Some((at, asked)) = self.routes[route].renewing.take() else {
            return;
        };
        let lost: HashSet<EntryId> = lost.into_iter().collect();
        let asked: HashSet<EntryId> = asked.into_iter().collect();
        let place = &mut self.routes[route];
        let before = place.buffered();
        if !lost.is_empty() {
            place.fresh.remove_all(&lost);
            place.again.remove_all(&lost);
        }
        let entries = before - place.buffered();
        let queued = place.fresh.entries.iter_mut().chain(&mut place.again.entries);
        let in_flight = self.window.in_flight.iter_mut().filter(|one| one.route == route);
        for held in in_flight.flat_map(|one| &mut one.entries).chain(queued) {
            if lost.contains(&held.id) {
                held.lost = true;
            } else if asked.contains(&held.id) {
                held.since = at;
            }
        }
        if entries > 0 {
            self.say(Notice::Lost { route, entries });
        }
    }
}
