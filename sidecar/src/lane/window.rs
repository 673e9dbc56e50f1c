//! The window: which entries go into the next delivery, and when.

use std::collections::VecDeque;

use serde::Serialize;

use super::message::{Action, RouteIndex, Time};
use super::route::{Held, Queue};
use super::{Draining, Lane, ms};
use crate::decide::backoff_ms;

/// A delivery that has not been answered.
pub(super) struct InFlight {
    pub(super) id: String,
    /// Counts all messages of the lane: a later one has a higher number.
    pub(super) number: u64,
    pub(super) route: RouteIndex,
    pub(super) entries: Vec<Held>,
    pub(super) bytes: usize,
    pub(super) published_at: Time,
}

pub(super) struct Window {
    /// Oldest first.
    pub(super) in_flight: VecDeque<InFlight>,
    pub(super) bytes: usize,
    /// Counts messages, handshakes and probes included.
    published: u64,
    /// The highest number that was answered.
    pub(super) answered: u64,
    /// Since when the oldest delivery has been the oldest.
    oldest_since: Time,
    probed: bool,
    /// The lane pauses until then, since the component is unavailable.
    pub(super) paused_until: Time,
    /// How often in a row it was.
    pub(super) unavailable_streak: u32,
    /// Whose turn it is: twice the route, plus one for what failed before.
    turn: usize,
}

/// The message as [`protocol::Delivery`] has it, without moving the entries into one.
#[derive(Serialize)]
struct Message<'a> {
    delivery: &'a str,
    stream: &'a str,
    group: &'a str,
    receipts: &'a str,
    entries: &'a [Held],
}

impl Message<'_> {
    fn to_json(&self, bytes: usize) -> String {
        let mut json = Vec::with_capacity(bytes + 256);
        // Serialising texts and numbers into memory cannot fail, and serde_json writes UTF-8 only.
        let _ = serde_json::to_writer(&mut json, self);
        String::from_utf8(json).unwrap_or_default()
    }
}

impl Window {
    pub(super) fn new() -> Self {
        Self {
            in_flight: VecDeque::new(),
            bytes: 0,
            published: 0,
            answered: 0,
            oldest_since: Time::ZERO,
            probed: false,
            paused_until: Time::ZERO,
            unavailable_streak: 0,
            turn: 0,
        }
    }

    pub(super) fn remove(&mut self, position: usize, now: Time) -> Option<InFlight> {
        let removed = self.in_flight.remove(position)?;
        self.bytes -= removed.bytes;
        if position == 0 {
            self.oldest_since = now;
            self.probed = false;
        }
        Some(removed)
    }
}

impl Lane {
    /// Publishes an empty delivery: a handshake or a probe.
    pub(super) fn publish_empty(&mut self) -> String {
        let id = self.new_id();
        self.window.published += 1;
        self.counters.handshakes += 1;
        let message = Message {
            delivery: &id,
            stream: "",
            group: "",
            receipts: &self.receipts,
            entries: &[],
        };
        let payload = message.to_json(0);
        self.act(Action::Publish {
            delivery: id.clone(),
            payload,
        });
        id
    }

    /// Whether nothing but the component's own readiness is in the way of new deliveries.
    pub(super) fn may_deliver(&mut self) -> bool {
        if !self.is_ready() || self.draining != Draining::No {
            return false;
        }
        if self.now < self.window.paused_until {
            let until = self.window.paused_until;
            self.wake_at(until);
            return false;
        }
        true
    }

    /// Publishes what waits, as far as the window allows. The routes take turns.
    pub(super) fn advance_window(&mut self) {
        if !self.may_deliver() {
            return;
        }
        let allowed = match self.window.unavailable_streak {
            0 => self.limits.window_deliveries,
            // The component has not recovered for sure: one delivery will tell.
            _ => 1,
        };
        while self.window.in_flight.len() < allowed {
            let Some((route, entries)) = self.next_batch() else {
                break;
            };
            self.publish(route, entries);
        }
    }

    /// The next batch by turn: of one route, and either of entries never tried or of entries that failed before.
    ///
    /// The component handles one delivery after the other. Behind one that is unanswered, a further one would only wait:
    /// unless it is full, what comes meanwhile had better go with it, for each delivery costs the component the same
    /// again. Nobody goes ahead of it, or else full ones would always be there before it.
    fn next_batch(&mut self) -> Option<(RouteIndex, Vec<Held>)> {
        let busy = !self.window.in_flight.is_empty();
        let turns = self.routes.len() * 2;
        let room = self.limits.window_bytes.saturating_sub(self.window.bytes);
        for step in 0..turns {
            let turn = (self.window.turn + step) % turns;
            let route = &self.routes[turn / 2];
            let queue = if turn.is_multiple_of(2) {
                &route.fresh
            } else {
                &route.again
            };
            let (count, full) = self.fitting(queue, room);
            if count == 0 {
                continue;
            }
            if busy && !full {
                return None;
            }
            self.window.turn = (turn + 1) % turns;
            let route = &mut self.routes[turn / 2];
            let queue = if turn.is_multiple_of(2) {
                &mut route.fresh
            } else {
                &mut route.again
            };
            let entries = std::iter::from_fn(|| queue.pop_front()).take(count).collect();
            return Some((turn / 2, entries));
        }
        None
    }

    /// How many entries from a queue's front make the next delivery, and whether that is all that fits into one.
    fn fitting(&self, queue: &Queue, room: usize) -> (usize, bool) {
        let bytes_max = self.limits.batch_bytes_max.min(room);
        let mut cap = self.limits.batch_max;
        let mut bytes = 0;
        for (count, held) in queue.entries.iter().enumerate() {
            if self.is_stale(held) {
                return (count, false);
            }
            // The most tried entry decides how many may share its fate.
            cap = cap.min(self.limits.batch_cap(held.entry.attempt));
            if count >= cap {
                return (count, true);
            }
            bytes += held.bytes;
            let alone_in_window = count == 0 && bytes <= room;
            if bytes > bytes_max && !alone_in_window {
                return (count, true);
            }
        }
        let count = queue.entries.len();
        (count, count >= cap)
    }

    /// An entry whose lease has not been renewed for long may be a peer's by now: it waits for its renewal.
    fn is_stale(&self, held: &Held) -> bool {
        self.now >= held.since + ms(self.limits.lease_ms) * 2 / 3
    }

    fn publish(&mut self, route: RouteIndex, entries: Vec<Held>) {
        let id = self.new_id();
        self.window.published += 1;
        let estimate = entries.iter().map(|held| held.bytes).sum();
        let message = Message {
            delivery: &id,
            stream: &self.routes[route].stream,
            group: &self.routes[route].group,
            receipts: &self.receipts,
            entries: &entries,
        };
        let payload = message.to_json(estimate);
        self.counters.deliveries += 1;
        self.counters.batch.add(entries.len() as f64, 1);
        let counters = &mut self.routes[route].counters;
        counters.delivered += entries.len() as u64;
        for held in &entries {
            counters.attempts.add(f64::from(held.entry.attempt), 1);
        }
        if self.window.in_flight.is_empty() {
            self.window.oldest_since = self.now;
            self.window.probed = false;
        }
        self.window.bytes += payload.len();
        self.window.in_flight.push_back(InFlight {
            id: id.clone(),
            number: self.window.published,
            route,
            entries,
            bytes: payload.len(),
            published_at: self.now,
        });
        self.act(Action::Publish { delivery: id, payload });
    }

    /// The component cannot work: the lane pauses, longer each time in a row.
    pub(super) fn pause(&mut self, reason: String) {
        self.counters.unavailable += 1;
        if self.now < self.window.paused_until {
            // A delivery from before the pause: it says nothing new.
            return;
        }
        self.window.unavailable_streak += 1;
        let (min, max) = (self.limits.backoff_ms_min, self.limits.backoff_ms_max);
        let pause_ms = backoff_ms(self.window.unavailable_streak, min, max, self.rng.f64());
        self.window.paused_until = self.now + ms(pause_ms);
        self.say(super::Notice::Unavailable { reason, pause_ms });
    }

    /// Puts everything in flight back in front of its queue, free of charge; answers with how many entries that are.
    pub(super) fn free_in_flight(&mut self) -> usize {
        let mut freed = 0;
        while let Some(one) = self.window.in_flight.pop_back() {
            freed += one.entries.len();
            self.free(one.route, one.entries);
        }
        self.window.bytes = 0;
        freed
    }

    /// Puts entries back in front of their queue, to be delivered again without spending an attempt.
    pub(super) fn free(&mut self, route: RouteIndex, entries: Vec<Held>) {
        let route = &mut self.routes[route];
        route.counters.freed += entries.len() as u64;
        for held in entries.into_iter().rev().filter(|held| !held.lost) {
            route.push_front(held);
        }
    }

    /// Watches the oldest delivery: probes behind it, and has it blamed when it deserves it.
    pub(super) fn advance_answers(&mut self) {
        if !self.is_ready() {
            return;
        }
        let Some(oldest) = self.window.in_flight.front() else {
            return;
        };
        let overtaken = oldest.number < self.window.answered;
        let probe_at = self.window.oldest_since + ms(self.limits.probe_ms);
        let blame_at = self.window.oldest_since + ms(self.limits.answer_ms);
        if overtaken || self.now >= blame_at {
            self.verify_presence();
        } else if self.now >= probe_at && !self.window.probed {
            self.window.probed = true;
            self.send_probe();
            self.wake_at(blame_at);
        } else {
            self.wake_at(if self.window.probed { blame_at } else { probe_at });
        }
    }

    /// Whether the oldest delivery has been the oldest for longer than any handler may take.
    pub(super) fn oldest_is_overdue(&self) -> bool {
        !self.window.in_flight.is_empty() && self.now >= self.window.oldest_since + ms(self.limits.answer_ms)
    }

    /// The number of the last message.
    pub(super) fn published_number(&self) -> u64 {
        self.window.published
    }

    /// The component works: the window is as wide as ever.
    pub(super) fn recovered(&mut self) {
        self.window.unavailable_streak = 0;
    }
}
