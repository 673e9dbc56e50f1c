//! A lane: one component's channel, and the routes that lead to it, as a pure state machine.
//!
//! [`Lane::step`] takes what has happened and the time, and answers with what is to be done. It has no clock, no
//! connection and no randomness but its seed's, so that a simulation can drive it through anything. It keeps nothing
//! that Redis does not keep: after a crash, an entry's attempts and due time are in the pending entries list.

mod action;
mod context;
mod handshake;
mod subscribers;
mod route;
mod reading;
mod recovery;
mod leases;
mod queue;
mod window;
mod outcome;
mod report;

#[cfg(test)]
mod tests;

use std::time::Duration;

use protocol::Receipt;

pub use action::{
    Action, ChannelAction, ChannelEvent, ClaimFrom, DeadLetter, Event, LogEvent, Parked, Read, RouteIndex, Settlement,
    StreamAction, StreamEvent, Time,
};
pub use outcome::Cause;
pub use report::{Histogram, LaneCounters, Report, RouteCounters, RouteReport};

use crate::backoff::{RECONNECT_MS_MIN, backoff_ms};
use crate::config::Limits;
use crate::entry::EntryId;
use context::Context;
use handshake::Handshake;
use outcome::{Outcome, outcomes};
use route::Route;
use window::{InFlight, Overdue, Window};

/// Everything that a lane is made from.
#[derive(Debug, Clone)]
pub struct LaneSetup {
    /// The channel on which the component's receipts are expected; empty where the response is the receipt.
    pub receipts: String,
    /// Other lanes to the same component come before this one. What fits into one delivery is theirs, in one delivery:
    /// two of half the size cost nearly twice as much. This one reads when the lane before it has found as much as
    /// fits, and for as long as it does so itself; and now and then, in case that one cannot read.
    pub follows: bool,
    pub routes: Vec<RouteName>,
    pub limits: Limits,
    /// Ids of deliveries carry the time, counted from this.
    pub started_unix_ms: u64,
    /// Source of jitter and of the random part of ids.
    pub seed: u64,
}

/// The names of a route. A stream of one name may be in the databases of several services.
#[derive(Debug, Clone, Default)]
pub struct RouteName {
    /// The service in whose database the stream is.
    pub from: String,
    pub stream: String,
    pub group: String,
}

/// One component's channel and the routes that share it.
pub struct Lane {
    context: Context,
    handshake: Handshake,
    window: Window,
    routes: Vec<Route>,
}

/// Progress of the stop.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Draining {
    No,
    /// Waiting for what is in flight.
    Yes,
    /// Not waiting any more.
    GraceOver,
    Complete,
}

impl Lane {
    /// A lane that has done nothing yet; the first [`Event`] sets it going.
    pub fn new(setup: LaneSetup) -> Self {
        let context = Context::new(&setup);
        let routes = setup.routes.into_iter().enumerate();
        Self {
            context,
            handshake: Handshake::default(),
            window: Window::default(),
            routes: routes.map(|(index, name)| Route::new(index, name)).collect(),
        }
    }

    /// Takes an event in and answers with what is to be done, in this order. `now` never goes back.
    pub fn step(&mut self, now: Time, event: Event) -> Vec<Action> {
        self.context.begin_step(now);
        match event {
            Event::Tick => {}
            Event::Stream(route, event) => self.stream_event(route, event),
            Event::Channel(event) => self.channel_event(event),
            Event::MoreWaiting(route) => self.routes[route].more_waiting(),
            Event::Drain => self.drain(),
            Event::GraceOver => {
                if self.context.draining != Draining::Complete {
                    self.context.draining = Draining::GraceOver;
                }
            }
        }
        if self.handshake.advance(&mut self.context) {
            self.became_ready();
        }
        self.advance_window();
        let may_deliver = self.may_deliver();
        for route in &mut self.routes {
            let in_flight = self.window.entries(route.index());
            route.advance(&mut self.context, may_deliver, in_flight);
        }
        self.advance_drain();
        self.context.end_step()
    }

    /// When to call [`Lane::step`] with [`Event::Tick`], if nothing else happens before.
    pub fn wake(&self) -> Option<Time> {
        self.context.wake()
    }

    pub fn report(&self) -> Report {
        let mut not_ready: Vec<String> = self.handshake.not_ready().into_iter().collect();
        if self.is_unavailable() {
            not_ready.push("the component reports itself unavailable".into());
        }
        not_ready.extend(self.routes.iter().flat_map(Route::not_ready));
        if self.context.is_draining() {
            not_ready.push("the sidecar is stopping".into());
        }
        Report {
            not_ready,
            stalled: self.handshake.stalled(&self.context),
            in_flight_deliveries: self.window.in_flight().count(),
            in_flight_entries: self.window.in_flight().map(|one| one.entries.len()).sum(),
            in_flight_bytes: self.window.bytes(),
            unavailable: self.is_unavailable(),
            counters: self.context.counters.clone(),
            routes: self.routes.iter().map(Route::report).collect(),
        }
    }

    /// The component has reported itself unavailable, and something waits for it to recover: with nothing at hand there
    /// is no telling, and nothing is in the way of what comes.
    fn is_unavailable(&self) -> bool {
        let waits = self.holds_any() || self.window.is_paused(self.context.now);
        self.window.is_unavailable() && waits
    }

    fn holds_any(&self) -> bool {
        !self.window.is_empty() || self.routes.iter().any(|route| route.buffered() > 0)
    }

    fn stream_event(&mut self, index: RouteIndex, event: StreamEvent) {
        let context = &mut self.context;
        let route = &mut self.routes[index];
        match event {
            StreamEvent::Prepared { created } => route.prepared(context, created),
            StreamEvent::Read(entries) => route.read(context, entries),
            StreamEvent::ReadFailed { group_missing } => route.read_failed(context, group_missing),
            StreamEvent::Own(ids) => route.own(context, ids, self.window.ids(index)),
            StreamEvent::Due(entries) => route.due(context, entries, self.window.ids(index)),
            StreamEvent::Claimed(entries) => route.claimed(context, entries),
            StreamEvent::Failed { group_missing } => route.recovery_failed(context, group_missing),
            StreamEvent::Renewed { lost } => route.renewed(context, lost, self.window.entries_mut(index)),
            StreamEvent::RenewFailed => route.renew_failed(),
            StreamEvent::Settled { id, refused, dead } => route.settled(context, id, refused, &dead),
        }
        if self.context.is_draining() {
            self.routes[index].release(&mut self.context);
        }
    }

    fn channel_event(&mut self, event: ChannelEvent) {
        let context = &mut self.context;
        match event {
            ChannelEvent::Published { receivers: 0, .. } => self.subscriber_gone(),
            ChannelEvent::Published { delivery, receivers } => {
                if self.window.contains(&delivery) || self.handshake.is_probe(&delivery) {
                    self.handshake.published(context, &delivery, receivers);
                }
            }
            ChannelEvent::PublishFailed { reason } => self.publish_failed(reason),
            // A handler that fails on a handshake is none. What else it failed on, the handshake behind that tells.
            ChannelEvent::HandlerFailed { delivery, reason } => {
                if self.handshake.is_probe(&delivery) {
                    self.publish_failed(reason);
                }
            }
            // A subscriber that answers like this handles nothing, and that is no fault of an entry.
            ChannelEvent::Refused { delivery, reason } if self.handshake.is_probe(&delivery) => {
                self.publish_failed(reason);
            }
            ChannelEvent::Refused { delivery, reason } => self.receipt(Receipt {
                delivery,
                unavailable: Some(reason),
                ..Receipt::default()
            }),
            ChannelEvent::Subscribers { count: 0, .. } => {
                self.handshake.nobody_counted();
                self.subscriber_gone();
            }
            ChannelEvent::Subscribers {
                count_id,
                count,
                clients,
            } => {
                if self.handshake.counted(context, count_id, count, clients) {
                    self.blame();
                }
            }
            ChannelEvent::SubscribersUnknown => {
                self.handshake.count_failed();
                self.subscriber_gone();
            }
            ChannelEvent::Receipt(receipt) => self.receipt(receipt),
            ChannelEvent::ReceiptsInterrupted => {
                self.handshake.receipts_interrupted();
                self.subscriber_gone();
            }
            ChannelEvent::ReceiptsReady => self.handshake.receipts_ready(context),
        }
    }

    /// A message may not have arrived: as if nobody were there, until a handshake says otherwise.
    fn publish_failed(&mut self, reason: String) {
        self.subscriber_gone();
        self.handshake.publish_failed(reason);
    }

    /// Nobody is there: what is in flight is delivered again, free of charge.
    fn subscriber_gone(&mut self) {
        if let Some(was_ready) = self.handshake.subscriber_gone(&self.context) {
            let entries = self.requeue_in_flight();
            if was_ready || entries > 0 {
                self.context.log(LogEvent::SubscriberGone { entries });
            }
        }
    }

    fn became_ready(&mut self) {
        // Whatever was published before the handshake and is still unanswered went to a subscriber that is gone.
        self.requeue_in_flight();
        for route in &mut self.routes {
            route.scan_now(self.context.now);
        }
    }

    /// Puts everything in flight back in front of its queue, free of charge; answers with the number of entries.
    fn requeue_in_flight(&mut self) -> usize {
        let mut requeued = 0;
        while let Some(one) = self.window.take_newest() {
            requeued += one.entries.len();
            self.routes[one.route].requeue(one.entries);
        }
        requeued
    }

    fn receipt(&mut self, receipt: Receipt) {
        if let Some(answer) = self.handshake.answered(&mut self.context, &receipt.delivery) {
            if answer.by_two {
                self.requeue_in_flight();
            }
            self.window.answered(answer.number);
            return;
        }
        match self.window.take_answered(&mut self.context, &receipt.delivery) {
            Some(delivery) => self.answered(delivery, receipt),
            None => self.late_receipt(receipt),
        }
    }

    /// A receipt for a delivery in flight decides about each of its entries.
    fn answered(&mut self, one: InFlight, mut receipt: Receipt) {
        let unavailable = receipt.unavailable.take();
        let unnamed = match unavailable {
            Some(_) => Outcome::Requeue,
            None => Outcome::Unanswered("the receipt does not name it"),
        };
        let (outcomes, foreign) = outcomes(&one.entries, receipt, &unnamed);
        if foreign > 0 {
            self.odd_receipt(
                one.id,
                format!("it names {foreign} entries that its delivery does not have"),
            );
        }
        self.routes[one.route].conclude(&mut self.context, one.entries, outcomes);
        match unavailable {
            Some(reason) => self.window.pause(&mut self.context, reason),
            None => self.window.recovered(),
        }
    }

    /// A receipt that came too late, or from an earlier life: what is done is done.
    fn late_receipt(&mut self, receipt: Receipt) {
        let is_meant = |route: &&mut Route| route.stream() == receipt.stream && route.group() == receipt.group;
        let mut meant = self.routes.iter_mut().filter(is_meant);
        let (Some(route), None) = (meant.next(), meant.next()) else {
            // Answers to old handshakes name no stream and no entry. Where streams of two databases have the same names,
            // an acknowledgement might hit an entry that nobody has handled; without it, one is handled again.
            if !receipt.done.is_empty() {
                let what = "it names a stream and a group that are not this lane's, or two of its routes'";
                self.odd_receipt(receipt.delivery, what.into());
            }
            return;
        };
        let ids: Vec<EntryId> = receipt.done.iter().filter_map(|entry| entry.parse().ok()).collect();
        let odd = ids.len() < receipt.done.len();
        self.context.counters.late_receipts += 1;
        self.context.log(LogEvent::LateReceipt {
            delivery: receipt.delivery.clone(),
            done: ids.len(),
        });
        route.acknowledge(&mut self.context, ids);
        if odd {
            self.odd_receipt(receipt.delivery, "it names entries by what is no entry id".into());
        }
    }

    fn odd_receipt(&mut self, delivery: String, what: String) {
        self.context.counters.odd_receipts += 1;
        self.context.log(LogEvent::OddReceipt { delivery, what });
    }

    /// Blames what deserves it, now that the subscriber is known to have been there throughout: deliveries that a
    /// later answer has overtaken, since a lane is handled in order; or else the oldest, if it is overdue.
    fn blame(&mut self) {
        let mut overtaken = false;
        while let Some(one) = self.window.take_overtaken(self.context.now) {
            overtaken = true;
            self.blame_delivery(one, "no answer, although a later delivery was answered");
        }
        if !overtaken && let Some(one) = self.window.take_overdue(&self.context) {
            self.blame_delivery(one, "no answer in time");
            // Deliveries behind it are innocent, and nothing more is sent to a handler that hangs.
            self.requeue_in_flight();
            self.handshake.stall(&mut self.context);
        }
    }

    fn blame_delivery(&mut self, one: InFlight, reason: &'static str) {
        if let Some(first) = one.entries.first() {
            self.context.log(LogEvent::Blamed {
                delivery: one.id,
                route: one.route,
                first: first.id,
                entries: one.entries.len(),
            });
        }
        let outcomes = std::iter::repeat(Outcome::Unanswered(reason));
        self.routes[one.route].conclude(&mut self.context, one.entries, outcomes);
    }

    /// Nothing but the component's own readiness is in the way of new deliveries.
    fn may_deliver(&mut self) -> bool {
        self.handshake.is_ready() && !self.context.is_draining() && self.window.pause_is_over(&mut self.context)
    }

    fn advance_window(&mut self) {
        if self.handshake.is_ready() {
            match self.window.advance(&mut self.context) {
                Overdue::No => {}
                Overdue::Probe => self.handshake.send_probe(&mut self.context),
                Overdue::Blame => self.handshake.verify(&mut self.context),
            }
        }
        if self.may_deliver() {
            self.window.fill(&mut self.context, &mut self.routes);
        }
    }

    /// Begins the stop: no more reading, what is in flight is waited for, and the rest is let go of.
    fn drain(&mut self) {
        if !self.context.is_draining() {
            self.context.draining = Draining::Yes;
            self.release();
        }
    }

    fn release(&mut self) {
        for route in &mut self.routes {
            route.release(&mut self.context);
        }
    }

    fn advance_drain(&mut self) {
        match self.context.draining {
            Draining::No => {
                // When nobody has answered on the channel for long, a peer may do better.
                if self.holds_any() && self.handshake.is_abandoned(&mut self.context) {
                    self.requeue_in_flight();
                    self.release();
                }
                return;
            }
            Draining::Complete => return,
            Draining::Yes => {}
            Draining::GraceOver => {
                self.requeue_in_flight();
            }
        }
        // Deliveries come back when their subscriber goes, and a read may still bring entries.
        self.release();
        if self.window.is_empty() && !self.routes.iter().any(Route::is_busy) {
            self.context.draining = Draining::Complete;
            self.context.act(Action::Drained);
        }
    }
}

/// A limit in milliseconds as a time.
fn ms(limit: u64) -> Duration {
    Duration::from_millis(limit)
}

/// The wait after this many failures in a row to reach Redis.
fn reconnect_after(context: &mut Context, failures: u32) -> Duration {
    let jitter = context.rng.f64();
    ms(backoff_ms(failures, RECONNECT_MS_MIN, context.limits.reconnect_ms_max, jitter).max(1))
}
