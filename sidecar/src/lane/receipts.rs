//! What a receipt changes, and what the lack of one does.

use std::collections::HashSet;
use std::time::Duration;

use protocol::{Receipt, Refusal};

use super::message::{DeadLetter, Notice, Parked, RouteIndex, Settlement};
use super::route::Held;
use super::window::InFlight;
use super::{Lane, ms};
use crate::decide::{self, AfterFailure, Cause, Failure};
use crate::entry::EntryId;

/// What a receipt says of one entry of its delivery.
enum Outcome {
    Unnamed,
    Done,
    Retry(String),
    Reject(String),
}

impl Lane {
    pub(super) fn receipt(&mut self, receipt: Receipt) {
        if let Some(number) = self.greeting_answered(&receipt.delivery) {
            self.window.answered = self.window.answered.max(number);
            return;
        }
        let in_flight = &self.window.in_flight;
        match in_flight.iter().position(|one| one.id == receipt.delivery) {
            Some(position) => {
                if let Some(one) = self.window.remove(position, self.now) {
                    self.window.answered = self.window.answered.max(one.number);
                    self.current(one, receipt);
                }
            }
            None => self.late(receipt),
        }
    }

    /// A receipt for a delivery in flight: it settles each of its entries.
    fn current(&mut self, one: InFlight, mut receipt: Receipt) {
        let took = self.now.saturating_sub(one.published_at);
        self.counters.answer_seconds.add(took.as_secs_f64(), 1);
        let unavailable = receipt.unavailable.take();
        let outcomes = self.outcomes(&one, receipt);
        let alone = one.entries.len() == 1;
        let mut verdict = Verdict::default();
        let mut free = Vec::new();
        for (held, outcome) in one.entries.into_iter().zip(outcomes) {
            match outcome {
                Outcome::Done => {
                    self.routes[one.route].counters.done += 1;
                    verdict.ids.push(held.id);
                    verdict.settlement.done.push(held.entry.entry.into_owned());
                }
                Outcome::Retry(reason) => self.fail(one.route, &mut verdict, held, Failure::Retry, alone, reason),
                Outcome::Reject(reason) => self.bury(one.route, &mut verdict, held, Cause::Rejected, reason),
                Outcome::Unnamed if unavailable.is_some() => free.push(held),
                Outcome::Unnamed => {
                    let reason = "the receipt does not name it".to_owned();
                    self.fail(one.route, &mut verdict, held, Failure::Unanswered, alone, reason);
                }
            }
        }
        self.free(one.route, free);
        match unavailable {
            Some(reason) => self.pause(reason),
            None => self.recovered(),
        }
        self.settle(one.route, verdict.settlement, verdict.ids);
    }

    /// Matches the names in a receipt with the delivery's entries. Components answer in order, so that a look at the
    /// next entry mostly suffices.
    fn outcomes(&mut self, one: &InFlight, receipt: Receipt) -> Vec<Outcome> {
        let mut outcomes: Vec<Outcome> = one.entries.iter().map(|_| Outcome::Unnamed).collect();
        let mut foreign = 0;
        let mut next = 0;
        let mut find = |entry: &str| {
            let is_it = |held: &Held| held.entry.entry == entry;
            let position = match one.entries.get(next) {
                Some(held) if is_it(held) => Some(next),
                _ => one.entries.iter().position(is_it),
            };
            if let Some(position) = position {
                next = position + 1;
            }
            position
        };
        // In this order: an effect that is in place is not undone by what else a receipt says.
        for entry in &receipt.done {
            match find(entry) {
                Some(position) => outcomes[position] = Outcome::Done,
                None => foreign += 1,
            }
        }
        let refusals = |refusals: Vec<Refusal>, outcome: fn(String) -> Outcome| {
            refusals
                .into_iter()
                .map(move |refusal| (refusal.entry, outcome(refusal.reason)))
        };
        let rejects = refusals(receipt.reject, Outcome::Reject);
        let retries = refusals(receipt.retry, Outcome::Retry);
        for (entry, outcome) in rejects.chain(retries) {
            match find(&entry) {
                Some(position) if matches!(outcomes[position], Outcome::Unnamed) => outcomes[position] = outcome,
                Some(_) => {}
                None => foreign += 1,
            }
        }
        if foreign > 0 {
            self.odd(
                receipt.delivery,
                format!("it names {foreign} entries that its delivery does not have"),
            );
        }
        outcomes
    }

    /// A receipt that came too late, or from an earlier life: what is done is done.
    fn late(&mut self, receipt: Receipt) {
        let place = |route: &super::Route| route.stream == receipt.stream && route.group == receipt.group;
        let Some(route) = self.routes.iter().position(place) else {
            // Answers to old handshakes name no stream and no entry.
            if !receipt.done.is_empty() {
                self.odd(
                    receipt.delivery,
                    "it names a stream and a group that are not this lane's".into(),
                );
            }
            return;
        };
        let ids: Vec<EntryId> = receipt.done.iter().filter_map(|entry| entry.parse().ok()).collect();
        if ids.len() < receipt.done.len() {
            self.odd(
                receipt.delivery.clone(),
                "it names entries by what is no entry id".into(),
            );
        }
        self.counters.late_receipts += 1;
        self.say(Notice::LateReceipt {
            delivery: receipt.delivery,
            done: ids.len(),
        });
        let set: HashSet<EntryId> = ids.iter().copied().collect();
        self.routes[route].fresh.remove_all(&set);
        self.routes[route].again.remove_all(&set);
        let settlement = Settlement {
            done: ids.iter().map(EntryId::to_string).collect(),
            ..Settlement::default()
        };
        self.settle(route, settlement, ids);
    }

    fn odd(&mut self, delivery: String, what: String) {
        self.counters.odd_receipts += 1;
        self.say(Notice::OddReceipt { delivery, what });
    }

    /// Blames what deserves it, now that the subscriber is known to have been there throughout: deliveries that a
    /// later answer has overtaken, since a lane is handled in order; or else the oldest, if it is overdue.
    pub(super) fn blame(&mut self) {
        let mut blamed = false;
        while let Some(oldest) = self.window.in_flight.front()
            && oldest.number < self.window.answered
        {
            blamed = true;
            self.blame_oldest("no answer, although a later delivery was answered");
        }
        if !blamed && self.oldest_is_overdue() {
            self.blame_oldest("no answer in time");
            // What waited behind it is innocent, and nothing more is sent to a handler that hangs.
            self.free_in_flight();
            self.counters.stalls += 1;
            self.presence.stalled = true;
            self.say(Notice::Stalled);
            self.greet();
        }
    }

    fn blame_oldest(&mut self, reason: &str) {
        let Some(one) = self.window.remove(0, self.now) else {
            return;
        };
        let first = one.entries.first().map(|held| held.entry.entry.to_string());
        self.say(Notice::Blamed {
            delivery: one.id,
            route: one.route,
            first: first.unwrap_or_default(),
            entries: one.entries.len(),
        });
        let alone = one.entries.len() == 1;
        let mut verdict = Verdict::default();
        for held in one.entries {
            self.fail(
                one.route,
                &mut verdict,
                held,
                Failure::Unanswered,
                alone,
                reason.to_owned(),
            );
        }
        self.settle(one.route, verdict.settlement, verdict.ids);
    }

    fn fail(
        &mut self,
        route: RouteIndex,
        verdict: &mut Verdict,
        held: Held,
        failure: Failure,
        alone: bool,
        reason: String,
    ) {
        let attempt = held.entry.attempt;
        match decide::after_failure(failure, attempt, alone, &self.limits, self.rng.f64()) {
            AfterFailure::DeadLetter(cause) => self.bury(route, verdict, held, cause, reason),
            AfterFailure::Retry { backoff_ms } => {
                self.routes[route].counters.retried += 1;
                self.routes[route].remember_due(self.now + Duration::from_millis(backoff_ms));
                let entry = held.entry.entry.into_owned();
                if failure == Failure::Retry {
                    self.say(Notice::Retrying {
                        route,
                        entry: entry.clone(),
                        attempt,
                        reason,
                        backoff_ms,
                    });
                }
                verdict.ids.push(held.id);
                verdict.settlement.parked.push(Parked {
                    entry,
                    attempt,
                    next_attempt: attempt + 1,
                    due_ms: backoff_ms,
                });
            }
        }
    }

    fn bury(&mut self, route: RouteIndex, verdict: &mut Verdict, held: Held, cause: Cause, reason: String) {
        self.bury_entry(
            route,
            &mut verdict.settlement,
            held.entry.entry.into_owned(),
            held.entry.attempt,
            cause,
            reason,
        );
        verdict.ids.push(held.id);
    }

    /// Has an entry moved to the dead letters.
    pub(super) fn bury_entry(
        &mut self,
        route: RouteIndex,
        settlement: &mut Settlement,
        entry: String,
        attempts: u32,
        cause: Cause,
        reason: String,
    ) {
        self.routes[route].counters.count_dead(cause);
        self.say(Notice::DeadLettered {
            route,
            entry: entry.clone(),
            cause,
            reason: reason.clone(),
        });
        settlement.dead.push(DeadLetter {
            entry,
            attempts,
            cause,
            reason,
        });
    }

    /// Lets go of all that waits in a route's queues, so that any sidecar may take it at once.
    pub(super) fn release(&mut self, route: RouteIndex) {
        let place = &mut self.routes[route];
        let held = place.fresh.entries.drain(..).chain(place.again.entries.drain(..));
        let mut verdict = Verdict::default();
        for held in held.filter(|held| !held.lost) {
            verdict.ids.push(held.id);
            verdict.settlement.parked.push(Parked {
                attempt: held.entry.attempt,
                next_attempt: held.entry.attempt,
                entry: held.entry.entry.into_owned(),
                due_ms: 0,
            });
        }
        place.fresh.bytes = 0;
        place.again.bytes = 0;
        if verdict.ids.is_empty() {
            return;
        }
        let entries = verdict.ids.len();
        self.say(Notice::Released { route, entries });
        self.settle(route, verdict.settlement, verdict.ids);
    }

    /// Lets go of everything when nobody has answered on the channel for long.
    pub(super) fn release_if_abandoned(&mut self) {
        if self.holds_any() && !self.is_ready() && self.should_release() {
            self.free_in_flight();
            for route in 0..self.routes.len() {
                self.release(route);
            }
        }
    }
}

/// What is gathered while the entries of a delivery are gone through.
#[derive(Default)]
struct Verdict {
    settlement: Settlement,
    ids: Vec<EntryId>,
}

/// How long a lease lasts before its owner renews it.
pub(super) fn renew_after(lease_ms: u64) -> Duration {
    ms(lease_ms) / 3
}
