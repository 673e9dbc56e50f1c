//! A lane: one component's channel, and the routes that lead to it, as a pure state machine.
//!
//! [`Lane::step`] takes what has happened and the time, and answers with what is to be done. It has no clock, no
//! connection and no randomness but its seed's, so that a simulation can drive it through anything. It keeps nothing
//! that Redis does not keep: after a crash, an entry's attempts and due time are in the pending entries list.

mod counters;
mod drain;
mod errands;
mod message;
mod presence;
mod receipts;
mod route;
mod window;

#[cfg(test)]
mod tests;

use std::time::Duration;

pub use counters::{Histogram, LaneCounters, RouteCounters};
pub use message::{Action, ClaimFrom, DeadLetter, Event, Notice, Parked, RouteIndex, Settlement, Time};

use crate::config::Limits;
use presence::{Presence, State};
use route::Route;
use window::Window;

/// What a lane is made from.
#[derive(Debug, Clone)]
pub struct LaneSetup {
    /// The channel on which the component's receipts are expected; empty where the response is the receipt.
    pub receipts: String,
    /// Whether other lanes to the same component come before this one. What fits into one delivery is theirs, in one
    /// delivery: two of half the size cost nearly twice as much. This one reads when the lane before it has found as
    /// much as fits, and for as long as it does so itself; and now and then, in case that one cannot read.
    pub follows: bool,
    /// Stream and group of each route.
    pub routes: Vec<(String, String)>,
    /// The limits.
    pub limits: Limits,
    /// The Unix time at which the sidecar started, in milliseconds: ids of deliveries carry the time.
    pub started_unix_ms: u64,
    /// Where jitter, and the random part of ids, come from.
    pub seed: u64,
}

/// One component's channel and the routes that share it.
pub struct Lane {
    receipts: String,
    follows: bool,
    limits: Limits,
    routes: Vec<Route>,
    presence: Presence,
    window: Window,
    draining: Draining,
    /// Settlements, to be told apart.
    tickets: u64,
    started_unix_ms: u64,
    rng: fastrand::Rng,
    counters: LaneCounters,
    now: Time,
    wake: Option<Time>,
    actions: Vec<Action>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Draining {
    No,
    /// Waiting for what is in flight.
    Yes,
    /// Not waiting any more.
    GraceOver,
    Complete,
}

/// How a lane is, for people and probes.
#[derive(Debug, Clone)]
pub struct Report {
    /// Why nothing is being delivered; empty if nothing is in the way.
    pub not_ready: Vec<String>,
    /// Why the runtime should be restarted, if it should.
    pub stalled: Option<String>,
    /// Unanswered deliveries.
    pub in_flight_deliveries: usize,
    /// Unanswered entries.
    pub in_flight_entries: usize,
    /// Bytes of unanswered deliveries.
    pub in_flight_bytes: usize,
    /// Whether the component has reported itself unavailable and not recovered since.
    pub unavailable: bool,
    /// What the lane has done.
    pub counters: LaneCounters,
    /// Its routes, in the order that it was made with.
    pub routes: Vec<RouteReport>,
}

/// How a route is.
#[derive(Debug, Clone)]
pub struct RouteReport {
    /// Its stream.
    pub stream: String,
    /// Its group.
    pub group: String,
    /// Entries in memory that wait for their delivery.
    pub buffered: usize,
    /// What the route has done.
    pub counters: RouteCounters,
}

impl Lane {
    /// A lane that has done nothing yet; the first [`Event`] sets it going.
    pub fn new(setup: LaneSetup) -> Self {
        let routes = setup.routes.into_iter();
        Self {
            receipts: setup.receipts,
            follows: setup.follows,
            limits: setup.limits,
            routes: routes.map(|(stream, group)| Route::new(stream, group)).collect(),
            presence: Presence::new(),
            window: Window::new(),
            draining: Draining::No,
            tickets: 0,
            started_unix_ms: setup.started_unix_ms,
            rng: fastrand::Rng::with_seed(setup.seed),
            counters: LaneCounters::default(),
            now: Time::ZERO,
            wake: None,
            actions: Vec::new(),
        }
    }

    /// Takes an event in and answers with what is to be done, in this order. `now` never goes back.
    pub fn step(&mut self, now: Time, event: Event) -> Vec<Action> {
        self.now = self.now.max(now);
        self.wake = None;
        match event {
            Event::Tick => {}
            Event::Prepared { route, created } => self.prepared(route, created),
            Event::Read { route, entries } => self.read(route, entries),
            Event::Called { route } => self.routes[route].called = true,
            Event::ReadFailed { route, group_missing } => self.read_failed(route, group_missing),
            Event::Own { route, ids } => self.own(route, ids),
            Event::Due { route, entries } => self.due(route, entries),
            Event::Claimed { route, entries } => self.claimed(route, entries),
            Event::ErrandFailed { route, group_missing } => self.errand_failed(route, group_missing),
            Event::Renewed { route, lost } => self.renewed(route, lost),
            Event::RenewFailed { route } => self.routes[route].renewing = None,
            Event::Settled { route, ticket, refused } => self.settled(route, ticket, refused),
            Event::Published { delivery, receivers } => self.published(&delivery, receivers),
            Event::PublishFailed { reason } => self.publish_failed(reason),
            Event::HandlerFailed { delivery, reason } => self.handler_failed(&delivery, reason),
            Event::Refused { delivery, reason } => self.refused(delivery, reason),
            Event::Subscribers { ask, count, clients } => self.subscribers(ask, count, clients),
            Event::SubscribersUnknown { .. } => self.subscribers_unknown(),
            Event::Receipt(receipt) => self.receipt(receipt),
            Event::ReceiptsInterrupted => self.receipts_interrupted(),
            Event::ReceiptsReady => self.receipts_ready(),
            Event::Drain => self.drain(),
            Event::GraceOver => self.draining = self.draining.grace_over(),
        }
        self.advance_presence();
        self.advance_answers();
        self.advance_window();
        for route in 0..self.routes.len() {
            self.advance_errands(route);
            self.advance_reading(route);
            self.advance_leases(route);
        }
        self.advance_drain();
        std::mem::take(&mut self.actions)
    }

    /// When to call [`Lane::step`] with [`Event::Tick`], if nothing else happens before.
    pub fn wake(&self) -> Option<Time> {
        self.wake
    }

    /// How the lane is.
    pub fn report(&self) -> Report {
        let mut not_ready = Vec::new();
        if let Some(reason) = self.presence.not_ready() {
            not_ready.push(reason);
        }
        if self.is_unavailable() {
            not_ready.push("the component reports itself unavailable".into());
        }
        for route in &self.routes {
            let place = format!("{} for {}", route.stream, route.group);
            if !route.prepared {
                not_ready.push(format!("the group of {place} has not been found or created"));
            } else if route.read_failures > 0 || route.errand_failures > 0 {
                not_ready.push(format!("{place} cannot be read"));
            }
            if route.refused {
                not_ready.push(format!(
                    "Redis refuses to have written down what became of entries of {place}"
                ));
            }
        }
        if self.draining != Draining::No {
            not_ready.push("the sidecar is stopping".into());
        }
        Report {
            not_ready,
            stalled: self.stalled(),
            in_flight_deliveries: self.window.in_flight.len(),
            in_flight_entries: self.window.in_flight.iter().map(|one| one.entries.len()).sum(),
            in_flight_bytes: self.window.bytes,
            unavailable: self.is_unavailable(),
            counters: self.counters.clone(),
            routes: self
                .routes
                .iter()
                .map(|route| RouteReport {
                    stream: route.stream.clone(),
                    group: route.group.clone(),
                    buffered: route.buffered(),
                    counters: route.counters.clone(),
                })
                .collect(),
        }
    }

    fn act(&mut self, action: Action) {
        self.actions.push(action);
    }

    fn say(&mut self, notice: Notice) {
        self.actions.push(Action::Say(notice));
    }

    /// Asks to be woken at this time, which must lie ahead, unless something else asks for earlier.
    fn wake_at(&mut self, at: Time) {
        debug_assert!(at > self.now, "a lane must not ask to be woken in the past");
        self.wake = Some(self.wake.map_or(at, |wake| wake.min(at)));
    }

    /// Whether the component has reported itself unavailable, and something waits for it to recover: with nothing at
    /// hand there is no telling, and nothing is in the way of what comes.
    fn is_unavailable(&self) -> bool {
        let waits = self.holds_any() || self.now < self.window.paused_until;
        self.window.unavailable_streak > 0 && waits
    }

    fn holds_any(&self) -> bool {
        !self.window.in_flight.is_empty() || self.routes.iter().any(|route| route.buffered() > 0)
    }

    fn is_ready(&self) -> bool {
        self.presence.state == State::Ready
    }

    /// A message's id.
    fn new_id(&mut self) -> String {
        let unix_ms = self.started_unix_ms + self.now.as_millis() as u64;
        ulid::Ulid::from_parts(unix_ms, self.rng.u128(..)).to_string()
    }

    /// Has entries of a route written down as settled.
    fn settle(&mut self, route: RouteIndex, settlement: Settlement, ids: Vec<crate::entry::EntryId>) {
        if settlement.is_empty() {
            return;
        }
        self.tickets += 1;
        let ticket = self.tickets;
        self.routes[route].settling.insert(ticket, (self.now, ids));
        self.act(Action::Settle {
            route,
            ticket,
            settlement,
        });
    }

    fn settled(&mut self, route: RouteIndex, ticket: u64, refused: bool) {
        let route = &mut self.routes[route];
        route.refused = refused;
        if let Some((since, _)) = route.settling.remove(&ticket) {
            let took = self.now.saturating_sub(since);
            route.counters.settle_seconds.add(took.as_secs_f64(), 1);
        }
    }
}

/// A limit in milliseconds as a time.
fn ms(limit: u64) -> Duration {
    Duration::from_millis(limit)
}
