//! The window: deliveries that are not answered yet, and which entries make the next one.

use std::collections::VecDeque;

use super::action::{LogEvent, RouteIndex, Time};
use super::context::Context;
use super::ms;
use super::queue::HeldEntry;
use super::route::Route;
use crate::backoff::backoff_ms;
use crate::entry::EntryId;

/// A delivery that has not been answered.
pub(super) struct InFlight {
    pub(super) id: String,
    pub(super) route: RouteIndex,
    pub(super) entries: Vec<HeldEntry>,
    /// Its number among all messages of the lane.
    number: u64,
    bytes: usize,
    published_at: Time,
}

#[derive(Default)]
pub(super) struct Window {
    /// Oldest first.
    in_flight: VecDeque<InFlight>,
    bytes: usize,
    /// The highest number of a message that was answered. The component handles messages in order: whatever is older
    /// and unanswered will not be answered.
    answered: u64,
    /// Since when the oldest delivery has been the oldest.
    oldest_since: Time,
    /// A probe was sent behind it.
    probed: bool,
    /// The lane pauses until then, since the component is unavailable.
    paused_until: Time,
    /// Times in a row that the component was unavailable.
    unavailable_streak: u32,
    /// The queue that comes next: twice the route, plus one for entries that failed before.
    turn: usize,
}

/// The consequence of the age of the oldest delivery.
pub(super) enum Overdue {
    No,
    /// A probe behind it, to learn whether it was dropped.
    Probe,
    /// The blame, if the subscriber was there throughout.
    Blame,
}

impl Window {
    pub(super) fn in_flight(&self) -> impl Iterator<Item = &InFlight> {
        self.in_flight.iter()
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn is_empty(&self) -> bool {
        self.in_flight.is_empty()
    }

    pub(super) fn contains(&self, delivery: &str) -> bool {
        self.in_flight.iter().any(|one| one.id == delivery)
    }

    /// The entries of a route that are in flight.
    pub(super) fn entries(&self, route: RouteIndex) -> impl Iterator<Item = &HeldEntry> {
        let of_route = self.in_flight.iter().filter(move |one| one.route == route);
        of_route.flat_map(|one| &one.entries)
    }

    pub(super) fn ids(&self, route: RouteIndex) -> impl Iterator<Item = EntryId> {
        self.entries(route).map(|held| held.id)
    }

    pub(super) fn entries_mut(&mut self, route: RouteIndex) -> impl Iterator<Item = &mut HeldEntry> {
        let of_route = self.in_flight.iter_mut().filter(move |one| one.route == route);
        of_route.flat_map(|one| &mut one.entries)
    }

    /// The component has not recovered for sure since it reported itself unavailable.
    pub(super) fn is_unavailable(&self) -> bool {
        self.unavailable_streak > 0
    }

    pub(super) fn is_paused(&self, now: Time) -> bool {
        now < self.paused_until
    }

    /// There is no pause, or it is over; if not, the lane will be woken then.
    pub(super) fn pause_is_over(&self, context: &mut Context) -> bool {
        context.reached(self.paused_until)
    }

    /// The component cannot work: the lane pauses, longer each time in a row.
    pub(super) fn pause(&mut self, context: &mut Context, reason: String) {
        context.counters.unavailable += 1;
        if self.is_paused(context.now) {
            // A delivery from before the pause: it says nothing new.
            return;
        }
        self.unavailable_streak += 1;
        let (min, max) = (context.limits.backoff_ms_min, context.limits.backoff_ms_max);
        let pause_ms = backoff_ms(self.unavailable_streak, min, max, context.rng.f64());
        self.paused_until = context.after_ms(pause_ms);
        context.log(LogEvent::Unavailable { reason, pause_ms });
    }

    /// The component works: the window is as wide as ever.
    pub(super) fn recovered(&mut self) {
        self.unavailable_streak = 0;
    }

    /// Publishes what waits, as far as the window allows. The routes take turns.
    pub(super) fn fill(&mut self, context: &mut Context, routes: &mut [Route]) {
        let deliveries_max = match self.unavailable_streak {
            0 => context.limits.window_deliveries,
            // The component has not recovered for sure: one delivery will tell.
            _ => 1,
        };
        while self.in_flight.len() < deliveries_max
            && let Some((route, entries)) = self.next_batch(context, routes)
        {
            self.publish(context, &mut routes[route], entries);
        }
    }

    /// The next batch by turn: of one route, and either of entries never tried or of entries that failed before.
    ///
    /// The component handles one delivery after the other. Behind one that is unanswered, a further one would only wait:
    /// unless it is full, what comes meanwhile had better go with it, for each delivery costs the component the same
    /// again. Nobody goes ahead of it, or else full ones would always be there before it.
    fn next_batch(&mut self, context: &Context, routes: &mut [Route]) -> Option<(RouteIndex, Vec<HeldEntry>)> {
        let busy = !self.in_flight.is_empty();
        let turns = routes.len() * 2;
        let room_bytes = context.limits.window_bytes.saturating_sub(self.bytes);
        for step in 0..turns {
            let turn = (self.turn + step) % turns;
            let queue = routes[turn / 2].queue(turn % 2 == 1);
            let (count, full) = queue.fitting(context, room_bytes);
            if count == 0 {
                continue;
            }
            if busy && !full {
                return None;
            }
            self.turn = (turn + 1) % turns;
            return Some((turn / 2, queue.take(count)));
        }
        None
    }

    fn publish(&mut self, context: &mut Context, route: &mut Route, entries: Vec<HeldEntry>) {
        let message = context.publish(route.stream(), route.group(), &entries);
        context.counters.deliveries += 1;
        context.counters.batch.add(entries.len() as f64, 1);
        route.count_delivered(&entries);
        if self.in_flight.is_empty() {
            self.new_oldest(context.now);
        }
        self.bytes += message.bytes;
        self.in_flight.push_back(InFlight {
            id: message.id,
            route: route.index(),
            entries,
            number: message.number,
            bytes: message.bytes,
            published_at: context.now,
        });
    }

    fn new_oldest(&mut self, now: Time) {
        self.oldest_since = now;
        self.probed = false;
    }

    fn remove(&mut self, position: usize, now: Time) -> Option<InFlight> {
        let removed = self.in_flight.remove(position)?;
        self.bytes -= removed.bytes;
        if position == 0 {
            self.new_oldest(now);
        }
        Some(removed)
    }

    /// Takes out the delivery that a receipt answers, if it is in flight.
    pub(super) fn take_answered(&mut self, context: &mut Context, delivery: &str) -> Option<InFlight> {
        let position = self.in_flight.iter().position(|one| one.id == delivery)?;
        let one = self.remove(position, context.now)?;
        self.answered(one.number);
        let took = context.now.saturating_sub(one.published_at);
        context.counters.answer_seconds.add(took.as_secs_f64(), 1);
        Some(one)
    }

    /// The message of this number was answered.
    pub(super) fn answered(&mut self, number: u64) {
        self.answered = self.answered.max(number);
    }

    fn is_overtaken(&self) -> bool {
        self.in_flight
            .front()
            .is_some_and(|oldest| oldest.number < self.answered)
    }

    /// Takes out the oldest delivery, if a later message was answered.
    pub(super) fn take_overtaken(&mut self, now: Time) -> Option<InFlight> {
        if self.is_overtaken() { self.remove(0, now) } else { None }
    }

    /// Takes out the oldest delivery, if it has been the oldest for longer than any handler may take.
    pub(super) fn take_overdue(&mut self, context: &Context) -> Option<InFlight> {
        let overdue = context.now >= self.oldest_since + ms(context.limits.answer_ms);
        if overdue { self.remove(0, context.now) } else { None }
    }

    /// Takes out a delivery, the newest first.
    pub(super) fn take_newest(&mut self) -> Option<InFlight> {
        let one = self.in_flight.pop_back()?;
        self.bytes -= one.bytes;
        Some(one)
    }

    /// Watches the oldest delivery.
    pub(super) fn advance(&mut self, context: &mut Context) -> Overdue {
        if self.in_flight.is_empty() {
            return Overdue::No;
        }
        let probe_at = self.oldest_since + ms(context.limits.probe_ms);
        let blame_at = self.oldest_since + ms(context.limits.answer_ms);
        if self.is_overtaken() || context.now >= blame_at {
            return Overdue::Blame;
        }
        if !self.probed && context.reached(probe_at) {
            self.probed = true;
            context.wake_at(blame_at);
            return Overdue::Probe;
        }
        if self.probed {
            context.wake_at(blame_at);
        }
        Overdue::No
    }
}
