//! Properties that must hold.

use std::collections::HashMap;

use protocol::Delivery;
use stream_sidecar::entry::EntryId;
use stream_sidecar::lane::{Action, Cause, ChannelAction, ChannelEvent, Event, LogEvent};

use crate::broker::Fate;
use crate::node::limits;
use crate::simulation::Simulation;

/// The unanswered deliveries of a lane, by its events and actions.
#[derive(Default)]
pub(crate) struct Outstanding(HashMap<String, Vec<String>>);

impl Outstanding {
    pub(crate) fn hear(&mut self, event: &Event) {
        if let Event::Channel(ChannelEvent::Receipt(receipt)) = event {
            self.0.remove(&receipt.delivery);
        }
    }

    /// No entry is in two deliveries of one lane at a time, and the window is kept.
    pub(crate) fn act(&mut self, action: &Action) -> Result<(), String> {
        match action {
            Action::Log(LogEvent::Blamed { delivery, .. }) => {
                self.0.remove(delivery);
            }
            Action::Log(
                LogEvent::Ready { .. } | LogEvent::SubscriberGone { .. } | LogEvent::Stalled | LogEvent::TwoApps,
            )
            | Action::Log(LogEvent::Released { .. }) => self.0.clear(),
            Action::Channel(ChannelAction::Publish { delivery, payload }) => {
                let message: Delivery<'_> = serde_json::from_str(payload).map_err(|err| err.to_string())?;
                if message.entries.is_empty() {
                    return Ok(());
                }
                let entries: Vec<String> = message.entries.iter().map(|entry| entry.entry.to_string()).collect();
                if let Some(twice) = entries
                    .iter()
                    .find(|entry| self.0.values().flatten().any(|other| other == *entry))
                {
                    return Err(format!("{twice} is delivered while it is in flight"));
                }
                self.0.insert(delivery.clone(), entries);
                if self.0.len() > limits().window_deliveries {
                    return Err("more deliveries in flight than the window has".into());
                }
            }
            _ => {}
        }
        Ok(())
    }
}

/// A handler that hangs costs one delivery its attempt.
pub(crate) fn check_stall(actions: &[Action]) -> Result<(), String> {
    let stalled = actions.contains(&Action::Log(LogEvent::Stalled));
    let blamed = actions
        .iter()
        .filter(|action| matches!(action, Action::Log(LogEvent::Blamed { .. })));
    match blamed.count() {
        count if stalled && count != 1 => Err(format!("{count} deliveries are blamed for a stall")),
        _ => Ok(()),
    }
}

impl Simulation {
    /// A lane decides to deliver only entries whose leases it certainly has, even right after a pause.
    pub(crate) fn check_ownership(&self, node: usize, payload: &str) -> Result<(), String> {
        let delivery: Delivery<'_> = serde_json::from_str(payload).map_err(|err| err.to_string())?;
        for entry in &delivery.entries {
            let id: EntryId = entry.entry.parse().unwrap();
            if let Some(pending) = self.broker.pending.get(&id)
                && pending.owner != self.nodes[node].name
                && !self.broker.deleted.contains(&id)
            {
                return Err(format!("node{node} delivers {id}, which is {}'s", pending.owner));
            }
        }
        Ok(())
    }

    /// Properties of every delivery, when it is published.
    pub(crate) fn check_delivery(&self, node: usize, life: u64, payload: &str) -> Result<(), String> {
        let delivery: Delivery<'_> = serde_json::from_str(payload).map_err(|err| err.to_string())?;
        let attempt = delivery.entries.iter().map(|entry| entry.attempt).max().unwrap_or(1);
        if delivery.entries.len() > limits().batch_cap(attempt) {
            return Err(format!(
                "{} entries in a delivery at attempt {attempt}",
                delivery.entries.len()
            ));
        }
        let poisoned = self.broker.entries.values().any(|fate| *fate == Fate::Poison);
        for entry in &delivery.entries {
            let id: EntryId = entry.entry.parse().unwrap();
            if entry.attempt > 1 && !self.hangs && !poisoned && self.broker.entries[&id] == Fate::Good {
                return Err(format!(
                    "{id} has spent an attempt through no fault of its own or a neighbour's"
                ));
            }
            let Some(pending) = self.broker.pending.get(&id) else {
                continue;
            };
            // The delivery of a latecomer is stale; the peer's claim and the fenced scripts take care of it.
            if self.nodes[node].life != life || self.leases_may_end {
                continue;
            }
            if pending.owner != self.nodes[node].name {
                return Err(format!(
                    "{id} delivered by node{node} although it is {}'s",
                    pending.owner
                ));
            }
            if pending.attempt == entry.attempt && self.now < pending.due {
                return Err(format!(
                    "{id} delivered {} us before it was due",
                    pending.due - self.now
                ));
            }
        }
        Ok(())
    }

    /// Properties at the end.
    pub(crate) fn check_ends(&self) -> Result<(), String> {
        let balance: u64 = self.effects.applied.keys().map(|id| id.ms).sum();
        if self.effects.balance != balance {
            return Err(format!(
                "an effect is not there exactly once: {} instead of {balance}",
                self.effects.balance
            ));
        }
        for (id, fate) in &self.broker.entries {
            let dead: Vec<Cause> = self
                .broker
                .dead
                .iter()
                .filter(|(dead, _)| dead == id)
                .map(|(_, cause)| *cause)
                .collect();
            let effect = self.effects.applied.contains_key(id);
            let right = match fate {
                Fate::Good => effect && dead.is_empty(),
                Fate::DoneAt(attempt) if *attempt <= limits().attempts_max => {
                    (effect && dead.is_empty()) || (self.hangs && dead == [Cause::Unanswered])
                }
                Fate::DoneAt(_) => dead == [Cause::Exhausted] || dead == [Cause::Unanswered],
                Fate::Reject => dead == [Cause::Rejected],
                Fate::Poison => dead == [Cause::Unanswered],
                Fate::NotText => dead == [Cause::NotText],
                Fate::Deleted => {
                    (effect && dead.is_empty()) || dead == [Cause::Deleted] || self.broker.deleted.contains(id)
                }
            };
            let settled = self.broker.acknowledged.contains(id) || self.broker.deleted.contains(id);
            if !right || !settled {
                return Err(format!(
                    "{id} is {fate:?}, but: effect {effect}, dead letters {dead:?}, settled {settled}"
                ));
            }
        }
        Ok(())
    }
}
