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

/// A renewal that Redis has answered.
pub(super) struct Renewal {
    asked_at: Time,
    asked: HashSet<EntryId>,
    lost: HashSet<EntryId>,
}

impl Renewal {
    pub(super) fn lost(&self) -> &HashSet<EntryId> {
        &self.lost
    }

    pub(super) fn apply(&self, held: &mut HeldEntry) {
        if self.lost.contains(&held.id) {
            held.lost = true;
        } else if self.asked.contains(&held.id) {
            held.leased_at = self.asked_at;
        }
    }
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

    pub(super) fn renewed(&mut self, lost: Vec<EntryId>) -> Option<Renewal> {
        let (asked_at, asked) = self.renewing.take()?;
        Some(Renewal {
            asked_at,
            asked: asked.into_iter().collect(),
            lost: lost.into_iter().collect(),
        })
    }

    pub(super) fn renew_failed(&mut self) {
        self.renewing = None;
    }
}
