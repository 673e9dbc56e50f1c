//! Shared by the parts of a lane: its settings, and the step under way.

use serde::Serialize;

use super::action::{Action, ChannelAction, LogEvent, Time};
use super::queue::HeldEntry;
use super::report::LaneCounters;
use super::{Draining, LaneSetup, ms};
use crate::config::Limits;

pub(super) struct Context {
    pub(super) limits: Limits,
    /// Other lanes to the same component come before this one.
    pub(super) follows: bool,
    pub(super) draining: Draining,
    pub(super) counters: LaneCounters,
    pub(super) rng: fastrand::Rng,
    /// The time of the step under way.
    pub(super) now: Time,
    /// When the lane wants to be woken if nothing happens before.
    wake: Option<Time>,
    /// Decided in the step so far.
    actions: Vec<Action>,
    receipts: String,
    started_unix_ms: u64,
    /// Counts messages, handshakes and probes included.
    published: u64,
    settlements: u64,
}

/// A message on the lane's channel.
pub(super) struct Message {
    pub(super) id: String,
    /// Its number among all messages of the lane: a later one has a higher number.
    pub(super) number: u64,
    pub(super) bytes: usize,
}

/// The message as [`protocol::Delivery`] has it, without moving the entries into one.
#[derive(Serialize)]
struct Payload<'a> {
    delivery: &'a str,
    stream: &'a str,
    group: &'a str,
    receipts: &'a str,
    entries: &'a [HeldEntry],
}

impl Context {
    pub(super) fn new(setup: &LaneSetup) -> Self {
        Self {
            limits: setup.limits,
            follows: setup.follows,
            draining: Draining::No,
            counters: LaneCounters::default(),
            rng: fastrand::Rng::with_seed(setup.seed),
            now: Time::ZERO,
            wake: None,
            actions: Vec::new(),
            receipts: setup.receipts.clone(),
            started_unix_ms: setup.started_unix_ms,
            published: 0,
            settlements: 0,
        }
    }

    pub(super) fn begin_step(&mut self, now: Time) {
        self.now = self.now.max(now);
        self.wake = None;
    }

    pub(super) fn end_step(&mut self) -> Vec<Action> {
        std::mem::take(&mut self.actions)
    }

    pub(super) fn wake(&self) -> Option<Time> {
        self.wake
    }

    pub(super) fn is_draining(&self) -> bool {
        self.draining != Draining::No
    }

    pub(super) fn act(&mut self, action: Action) {
        self.actions.push(action);
    }

    pub(super) fn log(&mut self, event: LogEvent) {
        self.act(Action::Log(event));
    }

    /// Has the lane woken at this time, which must lie ahead, unless something else asks for earlier.
    pub(super) fn wake_at(&mut self, at: Time) {
        debug_assert!(at > self.now, "a lane must not ask to be woken in the past");
        self.wake = Some(self.wake.map_or(at, |wake| wake.min(at)));
    }

    /// It is that time already; if not, the lane will be woken then.
    pub(super) fn reached(&mut self, at: Time) -> bool {
        if self.now < at {
            self.wake_at(at);
        }
        self.now >= at
    }

    pub(super) fn after_ms(&self, wait_ms: u64) -> Time {
        self.now + ms(wait_ms)
    }

    pub(super) fn next_settlement(&mut self) -> u64 {
        self.settlements += 1;
        self.settlements
    }

    /// Publishes a delivery; without entries it is a handshake or a probe.
    pub(super) fn publish(&mut self, stream: &str, group: &str, entries: &[HeldEntry]) -> Message {
        let unix_ms = self.started_unix_ms + self.now.as_millis() as u64;
        let id = ulid::Ulid::from_parts(unix_ms, self.rng.u128(..)).to_string();
        let payload = Payload {
            delivery: &id,
            stream,
            group,
            receipts: &self.receipts,
            entries,
        };
        let entries_bytes: usize = entries.iter().map(|held| held.bytes).sum();
        let mut json = Vec::with_capacity(entries_bytes + 256);
        // Serialising strings and numbers into memory cannot fail, and serde_json writes UTF-8 only.
        let _ = serde_json::to_writer(&mut json, &payload);
        let payload = String::from_utf8(json).unwrap_or_default();
        self.published += 1;
        let message = Message {
            id: id.clone(),
            number: self.published,
            bytes: payload.len(),
        };
        self.act(Action::Channel(ChannelAction::Publish { delivery: id, payload }));
        message
    }
}
