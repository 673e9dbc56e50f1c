//! Content and time of deliveries; leases; the stop.

use super::*;

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
    assert_eq!(bench.settled.pop().unwrap().done, [id(1)]);
}

#[test]
fn while_the_component_has_work_at_hand_batches_fill_up() {
    let mut bench = Bench::ready(limits());
    bench.read(1);
    bench.read(3);
    bench.read(3);
    let first = bench.deliveries();
    assert_eq!(
        first.iter().map(|delivery| delivery.entries.len()).collect::<Vec<_>>(),
        [1]
    );
    // Four more make a full batch, which goes although another is unanswered; a receipt frees the rest.
    bench.read(4);
    let second = bench.deliveries();
    assert_eq!(
        second.iter().map(|delivery| delivery.entries.len()).collect::<Vec<_>>(),
        [8]
    );
    bench.receipt(&first[0], |_| {});
    assert_eq!(bench.sizes(), [0_usize; 0]);
    bench.receipt(&second[0], |_| {});
    assert_eq!(bench.sizes(), [2]);
}

#[test]
fn a_small_batch_gets_its_turn_although_full_ones_wait() {
    let mut bench = Bench::ready(Limits {
        batch_max: 16,
        ..limits()
    });
    bench.read(160);
    let full = bench.deliveries();
    let again = bench.entry(2);
    bench.stream(StreamEvent::Claimed(vec![again]));
    for (answered, delivery) in full.iter().enumerate() {
        assert_eq!(bench.sizes(), [0_usize; 0], "after {answered} of {}", full.len());
        bench.receipt(delivery, |_| {});
    }
    assert_eq!(bench.sizes(), [1, 16, 16, 16]);
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
    assert!(bench.lane.report().in_flight_bytes <= 1_000);
}

#[test]
fn what_failed_before_is_not_mixed_with_what_is_new_and_comes_in_small_batches() {
    let mut bench = Bench::ready(Limits {
        batch_max: 512,
        ..Limits::default()
    });
    let first = bench.entry(2);
    let again: Vec<Entry> = (0..100).map(|_| bench.entry(2)).collect();
    let third: Vec<Entry> = (0..20).map(|_| bench.entry(3)).collect();
    bench.stream(StreamEvent::Claimed(
        std::iter::once(first).chain(again).chain(third).collect(),
    ));
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
            len <= bench.limits().batch_cap(max) && (min > 1 || max == 1),
            "{min} {max} {len}"
        );
    }
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
            Action::Stream(_, StreamAction::Renew { ids }) => Some(ids.len()),
            _ => None,
        };
        others.iter().filter_map(ids).collect()
    };
    assert_eq!(renewals(&bench.others), [16]);
    let lost = (9..=12).map(id).collect();
    bench.stream(StreamEvent::Renewed { lost });
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
    bench.stream(StreamEvent::Renewed { lost: vec![] });
    assert_eq!(bench.sizes(), [8]);
}

#[test]
fn what_cannot_be_delivered_is_dead_lettered_and_a_replay_for_others_acknowledged() {
    let mut bench = Bench::ready(limits());
    let text = || Body::Text {
        fields: Fields(vec![("replay_group".into(), "a producer's own".into())]),
        bytes: 100,
    };
    let entry = |ms, group: &str, body| Entry {
        id: id(ms),
        attempt: 1,
        replay_group: (!group.is_empty()).then(|| group.to_owned()),
        body,
    };
    let blob = || Body::NotText { field: "blob".into() };
    bench.stream(StreamEvent::Read(vec![
        entry(1, "", blob()),
        entry(2, "crew", Body::TooLarge { bytes: 5_000_000 }),
        entry(3, "", Body::Deleted),
        entry(4, "others", text()),
        entry(5, "others", blob()),
        entry(6, "others", Body::TooLarge { bytes: 5_000_000 }),
        entry(7, "", text()),
        entry(8, "crew", text()),
    ]));
    let settlement = bench.settled.pop().unwrap();
    let causes: Vec<Cause> = settlement.dead.iter().map(|dead| dead.cause).collect();
    assert_eq!(causes, [Cause::NotText, Cause::TooLarge, Cause::Deleted]);
    assert_eq!(settlement.done, [id(4), id(5), id(6)]);
    assert_eq!(bench.sizes(), [2]);
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
    bench.stream(StreamEvent::Read(vec![]));
    bench.receipt(&delivery, |_| {});
    assert!(bench.others.contains(&Action::Drained));
}
