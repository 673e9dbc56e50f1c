//! What lanes have to say, as log messages: rate-limited by kind, with the names of streams and groups.

use std::collections::HashMap;
use std::mem::{Discriminant, discriminant};

use crate::complaint::Throttle;
use crate::config::LaneName;
use crate::lane::{Notice, RouteIndex};

/// Writes one lane's notices to the log.
pub struct Notices {
    lane: LaneName,
    channel: String,
    /// Stream and group of each route.
    routes: Vec<(String, String)>,
    throttles: HashMap<Discriminant<Notice>, Throttle>,
}

impl Notices {
    /// For a lane.
    pub fn new(lane: LaneName, channel: String, routes: Vec<(String, String)>) -> Self {
        Self {
            lane,
            channel,
            routes,
            throttles: HashMap::new(),
        }
    }

    /// Writes a notice, unless too many of its kind came lately.
    pub fn tell(&mut self, notice: Notice) {
        let throttle = self.throttles.entry(discriminant(&notice)).or_default();
        let Some(withheld) = throttle.pass() else {
            return;
        };
        self.write(notice);
        if withheld > 0 {
            tracing::warn!(
                service = self.lane.service,
                lane = self.lane.lane,
                "{withheld} messages of this kind were withheld before"
            );
        }
    }

    fn place(&self, route: RouteIndex) -> (&str, &str) {
        self.routes
            .get(route)
            .map_or(("", ""), |(stream, group)| (stream, group))
    }

    fn write(&self, notice: Notice) {
        let LaneName { service, lane } = &self.lane;
        let channel = self.channel.as_str();
        match notice {
            Notice::Ready { receivers } => {
                tracing::info!(service, lane, channel, receivers, "the component answers: delivering");
            }
            Notice::SubscriberGone { entries } => {
                tracing::warn!(
                    service,
                    lane,
                    channel,
                    entries,
                    "nobody is there: what was in flight will be delivered again"
                );
            }
            Notice::SubscriberChanged => {
                tracing::info!(service, lane, channel, "the subscribers changed: a new handshake");
            }
            Notice::TwoApps => {
                tracing::error!(
                    service,
                    lane,
                    channel,
                    "two apps answer on this channel: nothing is delivered until one of them is gone, or has an instance's name of its own"
                );
            }
            Notice::Unavailable { reason, pause_ms } => {
                tracing::warn!(service, lane, reason, pause_ms, "the component is unavailable: pausing");
            }
            Notice::Stalled => {
                tracing::error!(
                    service,
                    lane,
                    channel,
                    "a delivery was not answered in time: the lane has stalled"
                );
            }
            Notice::LateReceipt { delivery, done } => {
                tracing::info!(
                    service,
                    lane,
                    delivery,
                    done,
                    "a late receipt: acknowledged what it reports as done"
                );
            }
            Notice::OddReceipt { delivery, what } => {
                tracing::warn!(service, lane, delivery, "an odd receipt: {what}; that part is ignored");
            }
            notice => self.write_of_route(notice),
        }
    }

    fn write_of_route(&self, notice: Notice) {
        match notice {
            Notice::Blamed {
                delivery,
                route,
                first,
                entries,
            } => {
                let (stream, group) = self.place(route);
                tracing::warn!(
                    stream,
                    group,
                    delivery,
                    first,
                    entries,
                    "a delivery was not answered: an attempt is spent"
                );
            }
            Notice::DeadLettered {
                route,
                entry,
                cause,
                reason,
            } => {
                let (stream, group) = self.place(route);
                tracing::warn!(stream, group, entry, %cause, reason, "dead letter");
            }
            Notice::Retrying {
                route,
                entry,
                attempt,
                reason,
                backoff_ms,
            } => {
                let (stream, group) = self.place(route);
                tracing::info!(stream, group, entry, attempt, reason, backoff_ms, "will be tried again");
            }
            Notice::GroupCreated { route } => {
                let (stream, group) = self.place(route);
                tracing::info!(stream, group, "the group did not exist: created at 0");
            }
            Notice::TakenOver { route, entries } => {
                let (stream, group) = self.place(route);
                tracing::debug!(stream, group, entries, "took over what was due");
            }
            Notice::Lost { route, entries } => {
                let (stream, group) = self.place(route);
                tracing::warn!(
                    stream,
                    group,
                    entries,
                    "another sidecar has taken over what was held too long"
                );
            }
            Notice::Released { route, entries } => {
                let (stream, group) = self.place(route);
                tracing::info!(stream, group, entries, "let go of what was held");
            }
            _ => {}
        }
    }
}
