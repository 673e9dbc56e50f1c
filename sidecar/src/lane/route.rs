//! A route: one stream, read for one group, with the entries of it that the lane holds.

use std::collections::{HashMap, HashSet};

use super::RouteName;
use super::action::{Action, DeadLetter, LogEvent, Parked, RouteIndex, Settlement, StreamAction, Time};
use super::context::Context;
use super::leases::Leases;
use super::outcome::{AfterFailure, Cause, Failure, Outcome, after_failure};
use super::queue::{HeldEntry, Queue};
use super::reading::Reading;
use super::recovery::{Recovery, is_due};
use super::report::{RouteCounters, RouteReport};
use crate::entry::{Body, Entry, EntryId};

#[derive(Default)]
pub(super) struct Route {
    index: RouteIndex,
    name: RouteName,
    /// Entries at their first attempt. They are never mixed with those that failed before.
    fresh: Queue,
    /// Entries that have failed before.
    again: Queue,
    reading: Reading,
    recovery: Recovery,
    leases: Leases,
    /// Settlements on their way to Redis, by id.
    settling: HashMap<u64, Settling>,
    /// Redis refused the last settlement.
    refused: bool,
    counters: RouteCounters,
}

/// A settlement on its way to Redis.
struct Settling {
    since: Time,
    /// Its entries: a look-up may still see them pending.
    ids: Vec<EntryId>,
    /// Those of them that become dead letters, to be counted and logged once they have.
    dead: Vec<DeadLetter>,
}

impl Route {
    pub(super) fn new(index: RouteIndex, name: RouteName) -> Self {
        Self {
            index,
            name,
            ..Self::default()
        }
    }

    pub(super) fn index(&self) -> RouteIndex {
        self.index
    }

    pub(super) fn stream(&self) -> &str {
        &self.name.stream
    }

    pub(super) fn group(&self) -> &str {
        &self.name.group
    }

    pub(super) fn queue(&mut self, again: bool) -> &mut Queue {
        if again { &mut self.again } else { &mut self.fresh }
    }

    /// Number of entries that wait for their delivery.
    pub(super) fn buffered(&self) -> usize {
        self.fresh.len() + self.again.len()
    }

    /// Something is under way in Redis.
    pub(super) fn is_busy(&self) -> bool {
        self.reading.is_under_way() || self.recovery.is_busy() || !self.settling.is_empty()
    }

    pub(super) fn report(&self) -> RouteReport {
        RouteReport {
            name: self.name.clone(),
            buffered: self.buffered(),
            counters: self.counters.clone(),
        }
    }

    /// Why nothing flows on this route, as far as it is its own fault.
    pub(super) fn not_ready(&self) -> impl Iterator<Item = String> {
        let RouteName { stream, group, .. } = &self.name;
        let unread = if !self.recovery.is_prepared() {
            Some(format!(
                "the group of {stream} for {group} has not been found or created"
            ))
        } else if self.reading.has_failed() || self.recovery.has_failed() {
            Some(format!("{stream} for {group} cannot be read"))
        } else {
            None
        };
        let refused = self
            .refused
            .then(|| format!("Redis refuses to have written down what became of entries of {stream} for {group}"));
        unread.into_iter().chain(refused)
    }

    pub(super) fn count_delivered(&mut self, entries: &[HeldEntry]) {
        self.counters.delivered += entries.len() as u64;
        for held in entries {
            self.counters.attempts.add(f64::from(held.attempt), 1);
        }
    }

    fn act(&self, context: &mut Context, action: Option<StreamAction>) {
        if let Some(action) = action {
            context.act(Action::Stream(self.index, action));
        }
    }

    pub(super) fn prepared(&mut self, context: &mut Context, created: bool) {
        self.recovery.prepared();
        if created {
            context.log(LogEvent::GroupCreated { route: self.index });
        }
    }

    pub(super) fn more_waiting(&mut self) {
        self.reading.more_waiting();
    }

    pub(super) fn read(&mut self, context: &mut Context, entries: Vec<Entry>) {
        self.counters.read += entries.len() as u64;
        if self.reading.done(context, &entries) {
            context.act(Action::MoreWaiting(self.index));
        }
        self.take_in(context, entries, self.reading.asked_at());
    }

    pub(super) fn read_failed(&mut self, context: &mut Context, group_missing: bool) {
        self.reading.failed(context);
        self.recovery.start_over(group_missing);
    }

    /// A page of what is pending on our own name was found, some of which may be in flight.
    pub(super) fn own(&mut self, context: &mut Context, ids: Vec<EntryId>, in_flight: impl Iterator<Item = EntryId>) {
        let last = ids.last().copied();
        let ids = self.without_held(ids, in_flight);
        let claim = self.recovery.own(context, last, ids);
        self.act(context, claim);
    }

    /// Entries were found due, each idle for so many milliseconds.
    pub(super) fn due(
        &mut self,
        context: &mut Context,
        entries: Vec<(EntryId, u64)>,
        in_flight: impl Iterator<Item = EntryId>,
    ) {
        let due = entries
            .into_iter()
            .filter(|(_, idle_ms)| is_due(*idle_ms, &context.limits));
        let ids = self.without_held(due.map(|(id, _)| id).collect(), in_flight);
        let claim = self.recovery.due(context, ids);
        self.act(context, claim);
    }

    fn without_held(&self, ids: Vec<EntryId>, in_flight: impl Iterator<Item = EntryId>) -> Vec<EntryId> {
        if ids.is_empty() {
            return ids;
        }
        let mut held: HashSet<EntryId> = self.fresh.iter().chain(self.again.iter()).map(|held| held.id).collect();
        held.extend(in_flight);
        held.extend(self.settling.values().flat_map(|settling| &settling.ids));
        ids.into_iter().filter(|id| !held.contains(id)).collect()
    }

    pub(super) fn claimed(&mut self, context: &mut Context, entries: Vec<Entry>) {
        self.recovery.claimed(context, &entries);
        self.counters.claimed += entries.len() as u64;
        if !entries.is_empty() {
            let (route, entries) = (self.index, entries.len());
            context.log(LogEvent::TakenOver { route, entries });
        }
        self.take_in(context, entries, self.recovery.claimed_at());
    }

    pub(super) fn recovery_failed(&mut self, context: &mut Context, group_missing: bool) {
        self.recovery.failed(context, group_missing);
    }

    pub(super) fn scan_now(&mut self, now: Time) {
        self.recovery.scan_now(now);
    }

    /// Queues entries that have just become ours, or settles them at once if they cannot be delivered. Their leases
    /// began when Redis gave them to us, at some time since we asked: the answer may have waited for us, if this
    /// process was stopped meanwhile.
    fn take_in(&mut self, context: &mut Context, entries: Vec<Entry>, asked_at: Time) {
        let mut settlement = Settlement::default();
        for entry in entries {
            let Entry { id, attempt, body, .. } = entry;
            // A replay is meant for one group; for the others it is done as it is, whatever is in it.
            if entry.replay_group.is_some_and(|group| group != self.group()) {
                self.counters.done += 1;
                settlement.done.push(id);
                continue;
            }
            let (cause, reason) = match body {
                Body::Text { fields, bytes } => {
                    self.queue(attempt > 1).push_back(HeldEntry {
                        id,
                        attempt,
                        fields,
                        bytes,
                        leased_at: asked_at,
                        lost: false,
                    });
                    continue;
                }
                Body::NotText { field } => (Cause::NotText, format!("the field `{field}` is not UTF-8 text")),
                Body::TooLarge { bytes } => {
                    let entry_bytes_max = context.limits.entry_bytes_max;
                    let reason = format!(
                        "{bytes} bytes; entry_bytes_max is {entry_bytes_max}. The entry itself stays in the stream \
                         until it is trimmed"
                    );
                    (Cause::TooLarge, reason)
                }
                Body::Deleted => {
                    let reason = "was pending, but had been deleted from the stream";
                    (Cause::Deleted, reason.to_owned())
                }
            };
            settlement.dead.push(DeadLetter {
                id,
                attempts: attempt,
                cause,
                reason,
            });
        }
        self.settle(context, settlement);
    }

    /// Settles a delivery, given an outcome for each of its entries.
    pub(super) fn conclude(
        &mut self,
        context: &mut Context,
        entries: Vec<HeldEntry>,
        outcomes: impl IntoIterator<Item = Outcome>,
    ) {
        let alone = entries.len() == 1;
        let mut settlement = Settlement::default();
        let mut requeued = Vec::new();
        for (held, outcome) in entries.into_iter().zip(outcomes) {
            let (failure, reason) = match outcome {
                Outcome::Done => {
                    self.counters.done += 1;
                    settlement.done.push(held.id);
                    continue;
                }
                Outcome::Requeue => {
                    requeued.push(held);
                    continue;
                }
                Outcome::Reject(reason) => {
                    settlement.dead.push(DeadLetter {
                        id: held.id,
                        attempts: held.attempt,
                        cause: Cause::Rejected,
                        reason,
                    });
                    continue;
                }
                Outcome::Retry(reason) => (Failure::Retry, reason),
                Outcome::Unanswered(reason) => (Failure::Unanswered, reason.to_owned()),
            };
            let HeldEntry { id, attempt, .. } = held;
            match after_failure(failure, attempt, alone, &context.limits, context.rng.f64()) {
                AfterFailure::DeadLetter(cause) => {
                    settlement.dead.push(DeadLetter {
                        id,
                        attempts: attempt,
                        cause,
                        reason,
                    });
                }
                AfterFailure::Retry { backoff_ms } => {
                    self.counters.retried += 1;
                    self.recovery.remember_due(context.after_ms(backoff_ms));
                    settlement.parked.push(Parked {
                        id,
                        attempt,
                        next_attempt: attempt + 1,
                        due_ms: backoff_ms,
                    });
                    if failure == Failure::Retry {
                        let route = self.index;
                        context.log(LogEvent::Retrying {
                            route,
                            id,
                            attempt,
                            reason,
                            backoff_ms,
                        });
                    }
                }
            }
        }
        self.requeue(requeued);
        self.settle(context, settlement);
    }

    /// Acknowledges entries whose effect is in place, wherever they are by now.
    pub(super) fn acknowledge(&mut self, context: &mut Context, done: Vec<EntryId>) {
        let ids = done.iter().copied().collect();
        self.fresh.remove(&ids);
        self.again.remove(&ids);
        let settlement = Settlement {
            done,
            ..Settlement::default()
        };
        self.settle(context, settlement);
    }

    fn settle(&mut self, context: &mut Context, settlement: Settlement) {
        let ids = settlement.ids();
        if ids.is_empty() {
            return;
        }
        let id = context.next_settlement();
        let settling = Settling {
            since: context.now,
            ids,
            dead: settlement.dead.clone(),
        };
        self.settling.insert(id, settling);
        self.act(context, Some(StreamAction::Settle { id, settlement }));
    }

    pub(super) fn settled(&mut self, context: &mut Context, id: u64, refused: bool, written: &[EntryId]) {
        self.refused = refused;
        let Some(Settling { since, dead, .. }) = self.settling.remove(&id) else {
            return;
        };
        let took = context.now.saturating_sub(since);
        self.counters.settle_seconds.add(took.as_secs_f64(), 1);
        for dead in dead.into_iter().filter(|dead| written.contains(&dead.id)) {
            self.counters.count_dead(dead.cause);
            let route = self.index;
            context.log(LogEvent::DeadLettered { route, dead });
        }
    }

    /// Puts entries back in front of their queue, to be delivered again without spending an attempt.
    pub(super) fn requeue(&mut self, entries: Vec<HeldEntry>) {
        self.counters.requeued += entries.len() as u64;
        for held in entries.into_iter().rev().filter(|held| !held.lost) {
            self.queue(held.attempt > 1).push_front(held);
        }
    }

    /// Lets go of all that waits for its delivery, so that any sidecar may take it at once.
    pub(super) fn release(&mut self, context: &mut Context) {
        let mut held = self.fresh.take(self.fresh.len());
        held.extend(self.again.take(self.again.len()));
        let parked = held.into_iter().filter(|held| !held.lost).map(|held| Parked {
            id: held.id,
            attempt: held.attempt,
            next_attempt: held.attempt,
            due_ms: 0,
        });
        let settlement = Settlement {
            parked: parked.collect(),
            ..Settlement::default()
        };
        if !settlement.parked.is_empty() {
            let (route, entries) = (self.index, settlement.parked.len());
            context.log(LogEvent::Released { route, entries });
        }
        self.settle(context, settlement);
    }

    /// Leases were renewed, except of entries that are no longer ours.
    pub(super) fn renewed<'a>(
        &'a mut self,
        context: &mut Context,
        lost: Vec<EntryId>,
        in_flight: impl Iterator<Item = &'a mut HeldEntry>,
    ) {
        let lost = lost.into_iter().collect();
        let before = self.buffered();
        self.fresh.remove(&lost);
        self.again.remove(&lost);
        let entries = before - self.buffered();
        let queued = self.fresh.iter_mut().chain(self.again.iter_mut());
        self.leases.renewed(&lost, in_flight.chain(queued));
        if entries > 0 {
            context.log(LogEvent::Lost {
                route: self.index,
                entries,
            });
        }
    }

    pub(super) fn renew_failed(&mut self) {
        self.leases.renew_failed();
    }

    /// Does what is due, given whether the lane may deliver, and what of the route is in flight.
    pub(super) fn advance<'a>(
        &'a mut self,
        context: &mut Context,
        may_deliver: bool,
        in_flight: impl Iterator<Item = &'a HeldEntry>,
    ) {
        let limits = &context.limits;
        let bytes = self.fresh.bytes() + self.again.bytes();
        let has_room = self.buffered() < limits.batch_max && bytes < limits.read_bytes_max;
        let may_take = may_deliver && has_room;
        let action = self.recovery.advance(context, self.reading.is_under_way(), may_take);
        self.act(context, action);
        if may_take
            && self.recovery.is_complete()
            && let Some(read) = self.reading.advance(context)
        {
            context.act(Action::Read(self.index, read));
        }
        let held = in_flight.chain(self.fresh.iter()).chain(self.again.iter());
        let action = self.leases.advance(context, held);
        self.act(context, action);
    }
}
