//! When new entries of a route's stream are read.

use std::time::Duration;

use super::action::{Read, Time};
use super::context::Context;
use super::reconnect_after;
use crate::config::Limits;
use crate::entry::{Body, Entry};

/// A lane that follows others looks by itself this often, in case the one before it cannot read.
const LOOK_EVERY: Duration = Duration::from_secs(1);

#[derive(Default)]
pub(super) struct Reading {
    under_way: bool,
    /// When the last read was asked for.
    asked_at: Time,
    /// No read before: a moment after one that brought little, or the wait after a failure.
    read_at: Time,
    failures: u32,
    /// There may be more than the lanes before this one can take.
    more_waiting: bool,
    /// When a lane that follows others looks by itself.
    look_at: Time,
}

impl Reading {
    pub(super) fn is_under_way(&self) -> bool {
        self.under_way
    }

    pub(super) fn has_failed(&self) -> bool {
        self.failures > 0
    }

    pub(super) fn asked_at(&self) -> Time {
        self.asked_at
    }

    pub(super) fn more_waiting(&mut self) {
        self.more_waiting = true;
    }

    /// Takes note of a read that ended. Says whether it brought more than one delivery's worth, as far as one can tell.
    pub(super) fn done(&mut self, context: &Context, entries: &[Entry]) -> bool {
        let full = fill_a_delivery(entries, &context.limits);
        self.under_way = false;
        self.failures = 0;
        self.more_waiting |= full;
        self.look_at = context.now + LOOK_EVERY;
        if !full && !entries.is_empty() {
            // Under a steady trickle, one read a moment later brings several entries for the price of one.
            self.read_at = context.after_ms(context.limits.linger_ms);
        }
        full
    }

    pub(super) fn failed(&mut self, context: &mut Context) {
        self.under_way = false;
        self.failures = self.failures.saturating_add(1);
        self.read_at = context.now + reconnect_after(context, self.failures);
    }

    /// Begins a read, unless it is too early for one.
    pub(super) fn advance(&mut self, context: &mut Context) -> Option<Read> {
        if self.under_way || !context.reached(self.read_at) {
            return None;
        }
        if context.follows && !self.more_waiting && !context.reached(self.look_at) {
            return None;
        }
        self.under_way = true;
        self.more_waiting = false;
        self.asked_at = context.now;
        Some(Read {
            count: context.limits.batch_max,
            wait: !context.follows,
        })
    }
}

/// As much was read as fits into one delivery, or as one read may bring: there may be more behind it.
fn fill_a_delivery(entries: &[Entry], limits: &Limits) -> bool {
    let bytes = |entry: &Entry| match entry.body {
        Body::Text { bytes, .. } => bytes,
        _ => 0,
    };
    let bytes_max = limits.batch_bytes_max.min(limits.read_bytes_max);
    entries.len() >= limits.batch_max || entries.iter().map(bytes).sum::<usize>() >= bytes_max
}
