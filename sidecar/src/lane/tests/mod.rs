use protocol::{Delivery, Fields, Receipt, Refusal};

use super::*;
use crate::decide::Cause;
use crate::entry::{Arrived, Body, EntryId};

mod answers;
mod deliveries;
mod models;

/// A lane with one route, whose actions are looked at one step at a time.
struct Bench {
    lane: Lane,
    now: Time,
    /// What was published, handshakes included.
    published: Vec<Delivery<'static>>,
    settled: Vec<Settlement>,
    others: Vec<Action>,
    entries: u64,
}

impl Bench {
    fn new(limits: Limits) -> Self {
        let lane = Lane::new(LaneSetup {
            receipts: "receipts".into(),
            follows: false,
            routes: vec![("work".into(), "crew".into())],
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
        }
    }

    fn step(&mut self, event: Event) {
        for action in self.lane.step(self.now, event) {
            match action {
                Action::Publish { payload, .. } => {
                    let delivery: Delivery<'_> = serde_json::from_str(&payload).unwrap();
                    self.published.push(owned(delivery));
                }
                Action::Settle {
                    ticket,
                    settlement,
                    route,
                } => {
                    self.settled.push(settlement);
                    let actions = self.lane.step(
                        self.now,
                        Event::Settled {
                            route,
                            ticket,
                            refused: false,
                        },
                    );
                    assert!(actions.is_empty() || self.lane.draining != Draining::No, "{actions:?}");
                    self.others.extend(actions);
                }
                other => self.others.push(other),
            }
        }
    }

    fn after_ms(&mut self, ms: u64) {
        self.now += Duration::from_millis(ms);
        self.step(Event::Tick);
    }

    /// Up to a handshake answered by a single subscriber, and a group that has nothing pending.
    fn ready(limits: Limits) -> Self {
        let mut bench = Self::new(limits);
        bench.step(Event::Prepared {
            route: 0,
            created: true,
        });
        bench.step(Event::ReceiptsReady);
        bench.count(1);
        bench.answer_greeting();
        bench.step(Event::Own { route: 0, ids: vec![] });
        bench.step(Event::Due {
            route: 0,
            entries: vec![],
        });
        assert!(
            bench.lane.report().not_ready.is_empty(),
            "{:?}",
            bench.lane.report().not_ready
        );
        bench
    }

    fn answer_greeting(&mut self) {
        let greeting = self.published.last().unwrap().clone();
        assert!(greeting.entries.is_empty());
        let delivery = greeting.delivery.to_string();
        self.step(Event::Published { delivery, receivers: 1 });
        self.receipt(&greeting, |_| {});
    }

    /// Answers the count that is under way, and the one that is asked for meanwhile.
    fn count(&mut self, count: u64) {
        self.count_clients(count, vec![7]);
    }

    fn count_clients(&mut self, count: u64, clients: Vec<u64>) {
        loop {
            let ask = self.lane_ask();
            self.step(Event::Subscribers {
                ask,
                count,
                clients: Some(clients.clone()),
            });
            if self.lane_ask() == ask {
                return;
            }
        }
    }

    fn lane_ask(&self) -> u64 {
        let asks = self.others.iter().rev();
        let ask = |action: &Action| match action {
            Action::CountSubscribers { ask } => Some(*ask),
            _ => None,
        };
        asks.filter_map(ask).next().unwrap_or(0)
    }

    /// New entries arrive, at their first attempt.
    fn read(&mut self, count: u64) {
        let arrived = (0..count).map(|_| self.entry(1)).collect();
        self.step(Event::Read {
            route: 0,
            entries: arrived,
        });
    }

    fn entry(&mut self, attempt: u32) -> Arrived {
        self.entries += 1;
        let fields = Fields(vec![("n".into(), self.entries.to_string().into())]);
        Arrived {
            id: EntryId {
                ms: self.entries,
                seq: 0,
            },
            attempt,
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
        self.step(Event::Receipt(receipt));
    }

    /// What was published with entries since the last look.
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

fn owned(delivery: Delivery<'_>) -> Delivery<'static> {
    let text = |text: std::borrow::Cow<'_, str>| text.into_owned().into();
    let entry = |entry: protocol::Entry<'_>| protocol::Entry {
        entry: text(entry.entry),
        attempt: entry.attempt,
        fields: Fields(
            entry
                .fields
                .0
                .into_iter()
                .map(|(name, value)| (text(name), text(value)))
                .collect(),
        ),
    };
    Delivery {
        delivery: text(delivery.delivery),
        stream: text(delivery.stream),
        group: text(delivery.group),
        receipts: text(delivery.receipts),
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
