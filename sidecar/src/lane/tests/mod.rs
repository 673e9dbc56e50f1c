use protocol::{Delivery, Fields, Receipt, Refusal};

use super::*;
use crate::entry::{Body, Entry};

mod answers;
mod deliveries;
mod models;

/// A lane with one route, whose actions are checked one step at a time.
struct Bench {
    lane: Lane,
    now: Time,
    /// Messages published, handshakes included.
    published: Vec<Delivery<'static>>,
    settled: Vec<Settlement>,
    others: Vec<Action>,
    entries: u64,
    /// Redis refuses settlements.
    refuses: bool,
}

impl Bench {
    fn new(limits: Limits) -> Self {
        let route = RouteName {
            from: "app".into(),
            stream: "work".into(),
            group: "crew".into(),
        };
        Self::with_routes(limits, vec![route])
    }

    fn with_routes(limits: Limits, routes: Vec<RouteName>) -> Self {
        let lane = Lane::new(LaneSetup {
            receipts: "receipts".into(),
            follows: false,
            routes,
            limits,
            started_unix_ms: 1_764_000_000_000,
            seed: 1,
        });
        Self {
            lane,
            now: Time::ZERO,
            published: vec![],
            settled: vec![],
            others: vec![],
            entries: 0,
            refuses: false,
        }
    }

    fn step(&mut self, event: Event) {
        for action in self.lane.step(self.now, event) {
            match action {
                Action::Channel(ChannelAction::Publish { payload, .. }) => {
                    let delivery: Delivery<'_> = serde_json::from_str(&payload).unwrap();
                    self.published.push(owned(delivery));
                }
                Action::Stream(route, StreamAction::Settle { id, settlement }) => {
                    let settled = StreamEvent::Settled {
                        id,
                        refused: self.refuses,
                        dead: match self.refuses {
                            true => vec![],
                            false => settlement.dead.iter().map(|dead| dead.id).collect(),
                        },
                    };
                    self.settled.push(settlement);
                    let actions = self.lane.step(self.now, Event::Stream(route, settled));
                    let is_logged = |action: &Action| matches!(action, Action::Log(LogEvent::DeadLettered { .. }));
                    assert!(
                        actions.iter().all(is_logged) || self.lane.context.is_draining(),
                        "{actions:?}"
                    );
                    self.others.extend(actions);
                }
                other => self.others.push(other),
            }
        }
    }

    fn stream(&mut self, event: StreamEvent) {
        self.step(Event::Stream(0, event));
    }

    fn channel(&mut self, event: ChannelEvent) {
        self.step(Event::Channel(event));
    }

    fn limits(&self) -> Limits {
        self.lane.context.limits
    }

    fn after_ms(&mut self, ms: u64) {
        self.now += Duration::from_millis(ms);
        self.step(Event::Tick);
    }

    /// Up to a handshake answered by a single subscriber, and a group that has nothing pending.
    fn ready(limits: Limits) -> Self {
        let mut bench = Self::new(limits);
        bench.stream(StreamEvent::Prepared { created: true });
        bench.channel(ChannelEvent::ReceiptsReady);
        bench.count(1);
        bench.answer_handshake();
        bench.stream(StreamEvent::Own(vec![]));
        bench.stream(StreamEvent::Due(vec![]));
        assert!(
            bench.lane.report().not_ready.is_empty(),
            "{:?}",
            bench.lane.report().not_ready
        );
        bench
    }

    fn answer_handshake(&mut self) {
        let handshake = self.published.last().unwrap().clone();
        assert!(handshake.entries.is_empty());
        let delivery = handshake.delivery.to_string();
        self.channel(ChannelEvent::Published { delivery, receivers: 1 });
        self.receipt(&handshake, |_| {});
    }

    /// Answers the count that is under way, and the one that is asked for meanwhile.
    fn count(&mut self, count: u64) {
        self.count_clients(count, vec![7]);
    }

    fn count_clients(&mut self, count: u64, clients: Vec<u64>) {
        loop {
            let count_id = self.last_count();
            self.channel(ChannelEvent::Subscribers {
                count_id,
                count,
                clients: Some(clients.clone()),
            });
            if self.last_count() == count_id {
                return;
            }
        }
    }

    fn last_count(&self) -> u64 {
        let actions = self.others.iter().rev();
        let count = |action: &Action| match action {
            Action::Channel(ChannelAction::CountSubscribers { count_id }) => Some(*count_id),
            _ => None,
        };
        actions.filter_map(count).next().unwrap_or(0)
    }

    /// New entries arrive, at their first attempt.
    fn read(&mut self, count: u64) {
        let entries = (0..count).map(|_| self.entry(1)).collect();
        self.stream(StreamEvent::Read(entries));
    }

    fn entry(&mut self, attempt: u32) -> Entry {
        self.entries += 1;
        let fields = Fields(vec![("n".into(), self.entries.to_string().into())]);
        Entry {
            id: id(self.entries),
            attempt,
            replay_group: None,
            body: Body::Text { fields, bytes: 100 },
        }
    }

    fn receipt(&mut self, delivery: &Delivery<'_>, change: impl FnOnce(&mut Receipt)) {
        let mut receipt = Receipt {
            delivery: delivery.delivery.to_string(),
            stream: delivery.stream.to_string(),
            group: delivery.group.to_string(),
            done: delivery.entries.iter().map(|entry| entry.entry.to_string()).collect(),
            ..Receipt::default()
        };
        change(&mut receipt);
        self.channel(ChannelEvent::Receipt(receipt));
    }

    /// The deliveries with entries published since the last call.
    fn deliveries(&mut self) -> Vec<Delivery<'static>> {
        let published = std::mem::take(&mut self.published);
        published
            .into_iter()
            .filter(|delivery| !delivery.entries.is_empty())
            .collect()
    }

    fn sizes(&mut self) -> Vec<usize> {
        self.deliveries()
            .iter()
            .map(|delivery| delivery.entries.len())
            .collect()
    }
}

fn id(ms: u64) -> EntryId {
    EntryId { ms, seq: 0 }
}

fn owned(delivery: Delivery<'_>) -> Delivery<'static> {
    let string = |text: std::borrow::Cow<'_, str>| text.into_owned().into();
    let entry = |entry: protocol::Entry<'_>| protocol::Entry {
        entry: string(entry.entry),
        attempt: entry.attempt,
        fields: Fields(
            entry
                .fields
                .0
                .into_iter()
                .map(|(name, value)| (string(name), string(value)))
                .collect(),
        ),
    };
    Delivery {
        delivery: string(delivery.delivery),
        stream: string(delivery.stream),
        group: string(delivery.group),
        receipts: string(delivery.receipts),
        entries: delivery.entries.into_iter().map(entry).collect(),
    }
}

fn limits() -> Limits {
    Limits {
        batch_max: 8,
        window_deliveries: 4,
        ..Limits::default()
    }
}
