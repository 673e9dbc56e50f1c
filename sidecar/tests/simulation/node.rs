//! A sidecar: its lane, and the tasks between it and Redis, each of which does one thing after the other.

use std::collections::VecDeque;
use std::time::Duration;

use crate::checks::Outstanding;
use stream_sidecar::config::Limits;
use stream_sidecar::lane::{Action, Event, Lane, LaneSetup, RouteName};

/// The tasks of a lane with one route.
pub(crate) const READER: usize = 0;
pub(crate) const WORKER: usize = 1;
pub(crate) const PUBLISHER: usize = 2;

#[derive(Default)]
pub(crate) struct Task {
    pub(crate) waiting: VecDeque<Action>,
    pub(crate) busy: bool,
}

pub(crate) struct Node {
    pub(crate) name: String,
    pub(crate) lane: Option<Lane>,
    /// Number of its starts: events of an earlier life are dropped.
    pub(crate) life: u64,
    pub(crate) started_at: i64,
    pub(crate) paused_until: i64,
    pub(crate) tasks: [Task; 3],
    /// True while the subscription to receipts is up.
    pub(crate) listening: bool,
    /// The time of its next wake-up.
    pub(crate) wake_at: Option<i64>,
    pub(crate) outstanding: Outstanding,
    /// Receipts arrive in order.
    pub(crate) last_receipt_at: i64,
}

/// Short limits, of a few simulated seconds.
pub(crate) fn limits() -> Limits {
    Limits {
        lease_ms: 3_000,
        answer_ms: 1_000,
        probe_ms: 100,
        handshake_ms: 100,
        subscriber_ms: 100,
        batch_max: 64,
        window_deliveries: 3,
        backoff_ms_min: 20,
        backoff_ms_max: 500,
        release_ms: 800,
        scan_ms: 200,
        reconnect_ms_max: 200,
        ..Limits::default()
    }
}

impl Node {
    pub(crate) fn new(index: usize) -> Self {
        Self {
            name: format!("node{index}"),
            lane: None,
            life: 0,
            started_at: 0,
            paused_until: 0,
            tasks: Default::default(),
            listening: false,
            wake_at: None,
            outstanding: Outstanding::default(),
            last_receipt_at: 0,
        }
    }

    pub(crate) fn start(&mut self, now: i64, seed: u64, follows: bool) {
        self.life += 1;
        self.started_at = now;
        self.tasks = Default::default();
        self.listening = false;
        self.wake_at = None;
        self.outstanding = Outstanding::default();
        self.lane = Some(Lane::new(LaneSetup {
            receipts: "receipts".into(),
            follows,
            routes: vec![RouteName {
                from: "app".into(),
                stream: "work".into(),
                group: "crew".into(),
            }],
            limits: limits(),
            started_unix_ms: 1_764_000_000_000 + (now / 1000) as u64,
            seed,
        }));
    }

    pub(crate) fn step(&mut self, now: i64, event: Event) -> Vec<Action> {
        let since = Duration::from_micros((now - self.started_at) as u64);
        self.lane.as_mut().map_or_else(Vec::new, |lane| lane.step(since, event))
    }

    /// The time at which its lane wants to be woken.
    pub(crate) fn wake(&self) -> Option<i64> {
        let wake = self.lane.as_ref()?.wake()?;
        Some(self.started_at + wake.as_micros() as i64)
    }
}
