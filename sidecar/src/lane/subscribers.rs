//! The subscribers of a lane's channel, counted again and again.

use super::action::{Action, ChannelAction, Time};
use super::context::Context;

#[derive(Default)]
pub(super) struct Subscribers {
    /// Their number when they were last counted.
    counted: Option<u64>,
    /// The pub/sub connections of that Redis when the handshake began: one that is gone may have been the component's.
    clients: Option<Vec<u64>>,
    count_at: Time,
    last_count: u64,
    /// A count is under way. There is one at a time, so that they do not pile up while Redis is silent.
    counting: bool,
    /// A blame waits for this count, which must find the subscribers unchanged.
    verifying: Option<u64>,
}

/// A count compared with the one before it.
pub(super) enum Counted {
    Same,
    Changed,
    /// The same, which a blame has waited to hear.
    Verified,
}

impl Subscribers {
    pub(super) fn forget(&mut self) {
        self.counted = None;
        self.clients = None;
    }

    pub(super) fn count_now(&mut self, now: Time) {
        self.count_at = now;
    }

    fn count(&mut self, context: &mut Context) {
        self.last_count += 1;
        self.counting = true;
        self.count_at = context.after_ms(context.limits.subscriber_ms);
        let count_id = self.last_count;
        context.act(Action::Channel(ChannelAction::CountSubscribers { count_id }));
    }

    /// Starts a count that shows whether the subscribers are still the same.
    pub(super) fn verify(&mut self, context: &mut Context) {
        if self.verifying.is_some() {
            return;
        }
        // One that is under way may have looked too early.
        self.verifying = Some(self.last_count + 1);
        self.count_at = context.now;
        if !self.counting {
            self.count(context);
        }
    }

    pub(super) fn stop_verifying(&mut self) {
        self.verifying = None;
    }

    pub(super) fn count_failed(&mut self) {
        self.counting = false;
    }

    pub(super) fn compare(&mut self, count_id: u64, count: u64, clients: Option<Vec<u64>>) -> Counted {
        self.counting = false;
        let vanished = match (&self.clients, &clients) {
            (Some(before), Some(now)) => before.iter().any(|id| !now.contains(id)),
            _ => false,
        };
        let changed = vanished || self.counted.is_some_and(|counted| counted != count);
        self.counted = Some(count);
        if changed || self.clients.is_none() {
            self.clients = clients;
        }
        if changed {
            return Counted::Changed;
        }
        if self.verifying.is_some_and(|verifying| count_id >= verifying) {
            self.verifying = None;
            return Counted::Verified;
        }
        Counted::Same
    }

    pub(super) fn advance(&mut self, context: &mut Context) {
        if self.counting || (context.is_draining() && self.verifying.is_none()) {
            return;
        }
        if context.now >= self.count_at {
            self.count(context);
        }
        context.wake_at(self.count_at);
    }
}
