//! The leases of the entries that a route holds: their owner renews them well before they end.

use std::collections::HashSet;

use super::action::{StreamAction, Time};
use super::context::Context;
use super::ms;
use super::queue::HeldEntry;
use crate::entry::EntryId;

/// Leases renewed at a time: small enough that no script holds Redis up.
const RENEW_MAX: usize = 1024;

#[derive(Default)]
pub(super) struct Leases {
    /// The renewal under way: when it was asked for, and of which entries.
    renewing: Option<(Time, Vec<EntryId>)>,
    /// When to look for leases to renew.
    renew_at: Time,
}

impl Leases {
    /// Renews the leases that are old enough, given all that the route holds.
    pub(super) fn advance<'a>(
        &mut self,
        context: &mut Context,
        held: impl Iterator<Item = &'a HeldEntry>,
    ) -> Option<StreamAction> {
        let mut held = held.peekable();
        if self.renewing.is_some() || held.peek().is_none() || !context.reached(self.renew_at) {
            return None;
        }
        let renew_after = ms(context.limits.lease_ms) / 3;
        self.renew_at = context.now + renew_after / 2;
        context.wake_at(self.renew_at);
        let ids: Vec<EntryId> = held
            .filter(|held| !held.lost && context.now >= held.leased_at + renew_after)
            .map(|held| held.id)
            .take(RENEW_MAX)
            .collect();
        if ids.is_empty() {
            return None;
        }
        if ids.len() == RENEW_MAX {
            // The rest follows as soon as these are done.
            self.renew_at = context.after_ms(1);
        }
        self.renewing = Some((context.now, ids.clone()));
        Some(StreamAction::Renew { ids })
    }

    /// The renewal under way was answered, given all that the route holds.
    pub(super) fn renewed<'a>(&mut self, lost: &HashSet<EntryId>, held: impl Iterator<Item = &'a mut HeldEntry>) {
        let Some((asked_at, asked)) = self.renewing.take() else {
            return;
        };
        let asked: HashSet<EntryId> = asked.into_iter().collect();
        for held in held {
            if lost.contains(&held.id) {
                held.lost = true;
            } else if asked.contains(&held.id) {
                held.leased_at = asked_at;
            }
        }
    }

    pub(super) fn renew_failed(&mut self) {
        self.renewing = None;
    }
}
