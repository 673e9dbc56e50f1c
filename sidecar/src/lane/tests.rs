use delivery::{Delivery, Fields, Receipt, Refusal};

use super::*;
use crate::decide::Cause;
use crate::entry::{Arrived, Body, EntryId};

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
                    let actions = self.lane.step(self.now, Event::Settled { route, ticket });
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

    fn count(&mut self, count: u64) {
        let ask = self.lane_ask();
        self.step(Event::Subscribers {
            ask,
            count,
            clients: Some(vec![7]),
        });
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
    let entry = |entry: delivery::Entry<'_>| delivery::Entry {
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

#[test]
fn a_single_entry_is_delivered_at_once() {
    let mut bench = Bench::ready(limits());
    bench.read(1);
    let deliveries = bench.deliveries();
    assert_eq!(deliveries.len(), 1);
    let delivery = &deliveries[0];
    assert_eq!(
        (&*delivery.stream, &*delivery.group, &*delivery.receipts),
        ("work", "crew", "receipts")
    );
    assert_eq!((&*delivery.entries[0].entry, delivery.entries[0].attempt), ("1-0", 1));
    bench.receipt(&delivery.clone(), |_| {});
    assert_eq!(bench.settled.pop().unwrap().done, ["1-0"]);
}

#[test]
fn while_the_component_has_work_at_hand_batches_fill_up() {
    let mut bench = Bench::ready(limits());
    bench.read(1);
    bench.read(1);
    bench.read(3);
    bench.read(3);
    let first = bench.deliveries();
    assert_eq!(
        first.iter().map(|delivery| delivery.entries.len()).collect::<Vec<_>>(),
        [1, 1]
    );
    // Eight more make a full batch, which goes although two are in flight; a receipt frees the rest.
    bench.read(4);
    assert_eq!(bench.sizes(), [8]);
    bench.receipt(&first[0], |_| {});
    assert_eq!(bench.sizes(), [0_usize; 0]);
    bench.receipt(&first[1], |_| {});
    assert_eq!(bench.sizes(), [2]);
}

#[test]
fn the_window_bounds_deliveries_and_bytes() {
    let mut bench = Bench::ready(limits());
    bench.read(80);
    assert_eq!(bench.sizes(), [8, 8, 8, 8]);
    let small = Limits {
        entry_bytes_max: 1_000,
        batch_bytes_max: 500,
        window_bytes: 1_000,
        ..limits()
    };
    let mut bench = Bench::ready(small);
    bench.read(80);
    let sizes = bench.sizes();
    assert_eq!(sizes[0], 5, "as many as fit into batch_bytes_max");
    assert!(bench.lane.window.bytes <= 1_000);
}

#[test]
fn what_failed_before_is_not_mixed_with_what_is_new_and_comes_in_small_batches() {
    let mut bench = Bench::ready(Limits {
        batch_max: 512,
        ..Limits::default()
    });
    let first = bench.entry(2);
    let again: Vec<Arrived> = (0..100).map(|_| bench.entry(2)).collect();
    let third: Vec<Arrived> = (0..20).map(|_| bench.entry(3)).collect();
    bench.lane.routes[0].errand = true;
    bench.step(Event::Claimed {
        route: 0,
        entries: std::iter::once(first).chain(again).chain(third).collect(),
    });
    bench.read(3);
    let deliveries = bench.deliveries();
    let shape = |delivery: &Delivery<'_>| {
        let attempts = delivery.entries.iter().map(|entry| entry.attempt);
        (
            attempts.clone().min().unwrap(),
            attempts.max().unwrap(),
            delivery.entries.len(),
        )
    };
    assert_eq!(shape(&deliveries[0]), (2, 2, 64));
    for delivery in &deliveries {
        let (min, max, len) = shape(delivery);
        assert!(
            len <= bench.lane.limits.batch_cap(max) && (min > 1 || max == 1),
            "{min} {max} {len}"
        );
    }
}

#[test]
fn each_outcome_settles_its_own_way() {
    let mut bench = Bench::ready(limits());
    bench.read(4);
    let delivery = bench.deliveries().remove(0);
    bench.receipt(&delivery, |receipt| {
        let refusal = |entry: &str| Refusal {
            entry: entry.into(),
            reason: format!("about {entry}"),
        };
        receipt.done = vec!["1-0".into()];
        receipt.retry = vec![refusal("2-0"), refusal("1-0")];
        receipt.reject = vec![refusal("3-0")];
    });
    let settlement = bench.settled.pop().unwrap();
    assert_eq!(settlement.done, ["1-0"]);
    let parked: Vec<_> = settlement
        .parked
        .iter()
        .map(|parked| (&*parked.entry, parked.attempt, parked.next_attempt))
        .collect();
    assert_eq!(
        parked,
        [("2-0", 1, 2), ("4-0", 1, 2)],
        "what is not named is unanswered"
    );
    assert!(
        settlement
            .parked
            .iter()
            .all(|parked| (200..=250).contains(&parked.due_ms))
    );
    assert_eq!(settlement.dead.len(), 1);
    assert_eq!(
        (&*settlement.dead[0].entry, settlement.dead[0].cause),
        ("3-0", Cause::Rejected)
    );
    assert_eq!(settlement.dead[0].reason, "about 3-0");
}

#[test]
fn a_late_done_is_acknowledged_and_not_delivered_again() {
    let mut bench = Bench::ready(limits());
    bench.read(2);
    let delivery = bench.deliveries().remove(0);
    bench.count(0);
    bench.receipt(&delivery, |receipt| {
        receipt.retry = vec![Refusal {
            entry: "1-0".into(),
            reason: String::new(),
        }]
    });
    assert_eq!(
        bench.settled.pop().unwrap(),
        Settlement {
            done: vec!["1-0".into(), "2-0".into()],
            ..Settlement::default()
        }
    );
    bench.count(1);
    bench.answer_greeting();
    assert_eq!(bench.sizes(), [0_usize; 0]);
}

#[test]
fn only_what_a_later_answer_has_overtaken_is_blamed_and_only_while_the_subscriber_was_there() {
    let mut bench = Bench::ready(limits());
    bench.read(24);
    let deliveries = bench.deliveries();
    assert_eq!(deliveries.len(), 3);
    bench.receipt(&deliveries[1], |_| {});
    assert_eq!(bench.settled.pop().unwrap().done.len(), 8);
    assert!(
        bench.settled.is_empty(),
        "not before the subscriber is known to have been there"
    );
    bench.count(1);
    let blamed = bench.settled.pop().unwrap();
    assert_eq!(blamed.parked.len(), 8);
    assert_eq!((&*blamed.parked[0].entry, blamed.parked[0].next_attempt), ("1-0", 2));
    bench.receipt(&deliveries[2], |_| {});
    bench.count(1);
    assert_eq!(bench.settled.len(), 1);

    let mut bench = Bench::ready(limits());
    bench.read(24);
    let deliveries = bench.deliveries();
    bench.receipt(&deliveries[1], |_| {});
    bench.settled.clear();
    let ask = bench.lane_ask();
    bench.step(Event::Subscribers {
        ask,
        count: 1,
        clients: Some(vec![8]),
    });
    bench.answer_greeting();
    assert!(bench.settled.is_empty(), "another subscriber: free of charge");
    let again = bench.deliveries();
    let attempts = again
        .iter()
        .flat_map(|delivery| &delivery.entries)
        .map(|entry| entry.attempt);
    assert_eq!(attempts.collect::<Vec<_>>(), [1; 16]);
}

#[test]
fn an_overdue_delivery_is_blamed_alone_and_stalls_the_lane() {
    let mut bench = Bench::ready(limits());
    bench.read(24);
    bench.deliveries();
    let probe_ms = bench.lane.limits.probe_ms;
    bench.after_ms(probe_ms);
    assert!(
        bench.published.last().is_some_and(|probe| probe.entries.is_empty()),
        "a probe"
    );
    bench.after_ms(bench.lane.limits.answer_ms - probe_ms);
    bench.count(1);
    assert_eq!(bench.settled.len(), 1);
    assert_eq!(bench.settled[0].parked.len(), 8);
    let report = bench.lane.report();
    assert!(report.stalled.is_some());
    assert_eq!(report.in_flight_deliveries, 0);
    bench.published.retain(|delivery| delivery.entries.is_empty());
    bench.answer_greeting();
    assert!(bench.lane.report().stalled.is_none());
    assert_eq!(bench.sizes(), [8, 8]);
}

#[test]
fn an_answered_probe_blames_what_was_dropped_before_it() {
    let mut bench = Bench::ready(limits());
    bench.read(1);
    bench.deliveries();
    bench.after_ms(bench.lane.limits.probe_ms);
    let probe = bench.published.pop().unwrap();
    bench.receipt(&probe, |_| {});
    bench.count(1);
    assert_eq!(bench.settled[0].parked.len(), 1);
}

#[test]
fn two_answers_to_one_handshake_stop_the_lane() {
    let mut bench = Bench::new(limits());
    bench.step(Event::Prepared {
        route: 0,
        created: true,
    });
    bench.step(Event::ReceiptsReady);
    bench.count(2);
    let greeting = bench.published.pop().unwrap();
    bench.step(Event::Published {
        delivery: greeting.delivery.to_string(),
        receivers: 2,
    });
    bench.receipt(&greeting, |_| {});
    assert_eq!(
        bench.lane.report().not_ready,
        ["the subscriber has not answered the handshake"]
    );
    bench.receipt(&greeting, |_| {});
    assert_eq!(bench.lane.report().not_ready, ["two apps answer on the channel"]);
    bench.after_ms(60_000);
    assert!(bench.deliveries().is_empty());
    bench.count(1);
    bench.answer_greeting();
    assert!(bench.lane.report().not_ready.is_empty());
}

#[test]
fn unavailable_pauses_longer_each_time_and_spends_no_attempt() {
    let mut bench = Bench::ready(limits());
    bench.read(8);
    let mut pauses = Vec::new();
    for _ in 0..4 {
        let delivery = bench.deliveries().remove(0);
        assert!(delivery.entries.iter().all(|entry| entry.attempt == 1));
        bench.receipt(&delivery, |receipt| {
            receipt.done.clear();
            receipt.unavailable = Some("full".into());
        });
        let until = bench.lane.window.paused_until;
        pauses.push((until - bench.now).as_millis());
        assert!(bench.sizes().is_empty());
        bench.now = until;
        bench.step(Event::Tick);
    }
    assert!(bench.settled.is_empty());
    assert!(pauses.windows(2).all(|pair| pair[0] * 2 < pair[1]), "{pauses:?}");
    let delivery = bench.deliveries().remove(0);
    bench.receipt(&delivery, |_| {});
    assert!(!bench.lane.report().unavailable);
}

#[test]
fn leases_are_renewed_and_what_a_peer_has_taken_is_dropped() {
    let mut bench = Bench::ready(Limits {
        answer_ms: 100_000,
        probe_ms: 100_000,
        window_deliveries: 1,
        ..limits()
    });
    bench.read(16);
    bench.deliveries();
    bench.others.clear();
    for _ in 0..3 {
        bench.after_ms(5_000);
        bench.count(1);
    }
    let renewals = |others: &[Action]| -> Vec<usize> {
        let ids = |action: &Action| match action {
            Action::Renew { ids, .. } => Some(ids.len()),
            _ => None,
        };
        others.iter().filter_map(ids).collect()
    };
    assert_eq!(renewals(&bench.others), [16]);
    let lost = (9..=12).map(|ms| EntryId { ms, seq: 0 }).collect();
    bench.step(Event::Renewed { route: 0, lost });
    assert_eq!(bench.lane.report().routes[0].buffered, 4);
}

#[test]
fn after_a_long_sleep_nothing_is_published_before_its_lease_is_renewed() {
    let mut bench = Bench::ready(Limits {
        window_deliveries: 1,
        ..limits()
    });
    bench.read(16);
    let delivery = bench.deliveries().remove(0);
    bench.now += Duration::from_millis(60_000);
    bench.receipt(&delivery, |_| {});
    assert!(bench.deliveries().is_empty());
    bench.step(Event::Renewed { route: 0, lost: vec![] });
    assert_eq!(bench.sizes(), [8]);
}

#[test]
fn what_cannot_be_delivered_is_buried_and_a_replay_for_others_acknowledged() {
    let mut bench = Bench::ready(limits());
    let id = |ms| EntryId { ms, seq: 0 };
    let fields = Fields(vec![("replay_group".into(), "others".into())]);
    bench.step(Event::Read {
        route: 0,
        entries: vec![
            Arrived {
                id: id(1),
                attempt: 1,
                body: Body::NotText { field: "blob".into() },
            },
            Arrived {
                id: id(2),
                attempt: 1,
                body: Body::TooLarge { bytes: 5_000_000 },
            },
            Arrived {
                id: id(3),
                attempt: 1,
                body: Body::Deleted,
            },
            Arrived {
                id: id(4),
                attempt: 1,
                body: Body::Text { fields, bytes: 100 },
            },
        ],
    });
    let settlement = bench.settled.pop().unwrap();
    let causes: Vec<Cause> = settlement.dead.iter().map(|dead| dead.cause).collect();
    assert_eq!(causes, [Cause::NotText, Cause::TooLarge, Cause::Deleted]);
    assert_eq!(settlement.done, ["4-0"]);
}

#[test]
fn reads_grow_while_entries_are_small_and_shrink_at_once() {
    let mut route = Route::new(String::new(), String::new());
    let limits = Limits::default();
    let mut counts = vec![route.read_count];
    for (entries, bytes) in [
        (8, 800),
        (32, 3_200),
        (128, 12_800),
        (512, 51_200),
        (512, 512 * 100_000),
        (0, 0),
        (10, 1_000),
    ] {
        route.size_next_read(entries, bytes, &limits);
        counts.push(route.read_count);
    }
    assert_eq!(counts, [8, 32, 128, 512, 512, 10, 10, 40]);
}

#[test]
fn a_stop_waits_for_what_is_in_flight_and_parks_the_rest() {
    let mut bench = Bench::ready(Limits {
        window_deliveries: 1,
        ..limits()
    });
    bench.read(16);
    let delivery = bench.deliveries().remove(0);
    bench.others.clear();
    bench.step(Event::Drain);
    let parked = bench.settled.pop().unwrap().parked;
    assert_eq!(parked.len(), 8);
    assert!(
        parked
            .iter()
            .all(|parked| parked.due_ms == 0 && parked.attempt == 1 && parked.next_attempt == 1)
    );
    assert!(!bench.others.contains(&Action::Drained));
    bench.step(Event::Read {
        route: 0,
        entries: vec![],
    });
    bench.receipt(&delivery, |_| {});
    assert!(bench.others.contains(&Action::Drained));
}
