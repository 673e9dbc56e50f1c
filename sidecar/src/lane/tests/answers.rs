//! Receipts, handshakes, and the lack of them.

use super::*;

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
    assert_eq!(settlement.done, [id(1)]);
    let parked: Vec<_> = settlement
        .parked
        .iter()
        .map(|parked| (parked.id, parked.attempt, parked.next_attempt))
        .collect();
    assert_eq!(
        parked,
        [(id(2), 1, 2), (id(4), 1, 2)],
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
        (settlement.dead[0].id, settlement.dead[0].cause),
        (id(3), Cause::Rejected)
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
            done: vec![id(1), id(2)],
            ..Settlement::default()
        }
    );
    bench.count(1);
    bench.answer_handshake();
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
    assert_eq!((blamed.parked[0].id, blamed.parked[0].next_attempt), (id(1), 2));
    bench.receipt(&deliveries[2], |_| {});
    bench.count(1);
    assert_eq!(bench.settled.len(), 1);

    let mut bench = Bench::ready(limits());
    bench.read(24);
    let deliveries = bench.deliveries();
    bench.receipt(&deliveries[1], |_| {});
    bench.settled.clear();
    bench.count_clients(1, vec![8]);
    bench.answer_handshake();
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
    let probe_ms = bench.limits().probe_ms;
    bench.after_ms(probe_ms);
    assert!(
        bench.published.last().is_some_and(|probe| probe.entries.is_empty()),
        "a probe"
    );
    bench.after_ms(bench.limits().answer_ms - probe_ms);
    bench.count(1);
    assert_eq!(bench.settled.len(), 1);
    assert_eq!(bench.settled[0].parked.len(), 8);
    let report = bench.lane.report();
    assert!(report.stalled.is_some());
    assert_eq!(report.in_flight_deliveries, 0);
    bench.published.retain(|delivery| delivery.entries.is_empty());
    bench.answer_handshake();
    assert!(bench.lane.report().stalled.is_none());
    assert_eq!(bench.sizes(), [8, 8]);
}

#[test]
fn an_answered_probe_blames_what_was_dropped_before_it() {
    let mut bench = Bench::ready(limits());
    bench.read(1);
    bench.deliveries();
    bench.after_ms(bench.limits().probe_ms);
    let probe = bench.published.pop().unwrap();
    bench.receipt(&probe, |_| {});
    bench.count(1);
    assert_eq!(bench.settled[0].parked.len(), 1);
}

#[test]
fn two_answers_to_one_handshake_stop_the_lane() {
    let mut bench = Bench::new(limits());
    bench.stream(StreamEvent::Prepared { created: true });
    bench.channel(ChannelEvent::ReceiptsReady);
    bench.count(2);
    let handshake = bench.published.pop().unwrap();
    bench.channel(ChannelEvent::Published {
        delivery: handshake.delivery.to_string(),
        receivers: 2,
    });
    bench.receipt(&handshake, |_| {});
    assert_eq!(
        bench.lane.report().not_ready,
        ["the subscriber has not answered the handshake"]
    );
    bench.receipt(&handshake, |_| {});
    assert_eq!(bench.lane.report().not_ready, ["two apps answer on the channel"]);
    bench.after_ms(60_000);
    assert!(bench.deliveries().is_empty());
    bench.count(1);
    bench.answer_handshake();
    assert_eq!(bench.lane.report().not_ready, ["two apps answer on the channel"]);
    bench.after_ms(bench.limits().handshake_ms);
    assert!(bench.lane.report().not_ready.is_empty());
}

#[test]
fn one_app_that_answers_twice_is_asked_again_and_delivered_to() {
    let mut bench = Bench::ready(limits());
    bench.read(1);
    bench.deliveries();
    bench.after_ms(bench.limits().probe_ms);
    let probe = bench.published.pop().unwrap();
    // Its first answer went out, but it was not told so.
    bench.receipt(&probe, |_| {});
    bench.receipt(&probe, |_| {});
    assert_eq!(bench.lane.report().not_ready, ["two apps answer on the channel"]);
    bench.after_ms(bench.limits().handshake_ms * 2);
    bench.answer_handshake();
    bench.after_ms(bench.limits().handshake_ms);
    assert!(bench.lane.report().not_ready.is_empty());
    let again = bench.deliveries().remove(0);
    assert_eq!(again.entries[0].attempt, 1);
}

#[test]
fn counts_of_subscribers_do_not_pile_up_while_redis_is_silent() {
    let mut bench = Bench::ready(limits());
    let counts = |bench: &Bench| {
        let is_count = |action: &&Action| matches!(action, Action::Channel(ChannelAction::CountSubscribers { .. }));
        bench.others.iter().filter(is_count).count()
    };
    bench.after_ms(bench.limits().subscriber_ms);
    let before = counts(&bench);
    for _ in 0..3_600 {
        bench.after_ms(1_000);
    }
    assert_eq!(counts(&bench), before);
    bench.count(1);
    assert_eq!(counts(&bench), before + 1);
}

#[test]
fn a_handler_that_hangs_is_reported_however_often_others_come_and_go() {
    let mut bench = Bench::ready(limits());
    // Somebody else's subscription ends: a handshake, which is not answered.
    for other in 0..10 {
        bench.count_clients(1, vec![100 + other]);
        bench.after_ms(bench.limits().answer_ms / 10);
    }
    assert!(bench.lane.report().stalled.is_some());
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
        let pause = |action: &Action| match action {
            Action::Log(LogEvent::Unavailable { pause_ms, .. }) => Some(*pause_ms),
            _ => None,
        };
        let pause_ms = bench.others.iter().rev().find_map(pause).unwrap();
        pauses.push(pause_ms);
        assert!(bench.sizes().is_empty());
        bench.after_ms(pause_ms);
    }
    assert!(bench.settled.is_empty());
    assert!(pauses.windows(2).all(|pair| pair[0] * 2 < pair[1]), "{pauses:?}");
    let not_ready = ["the component reports itself unavailable"];
    assert_eq!(bench.lane.report().not_ready, not_ready);
    let delivery = bench.deliveries().remove(0);
    bench.receipt(&delivery, |_| {});
    assert!(!bench.lane.report().unavailable);
}

#[test]
fn a_lane_that_has_nothing_to_do_does_not_stay_unavailable() {
    let mut bench = Bench::ready(limits());
    bench.read(1);
    let delivery = bench.deliveries().remove(0);
    bench.receipt(&delivery, |receipt| {
        receipt.done.clear();
        receipt.unavailable = Some("full".into());
    });
    assert!(bench.lane.report().unavailable);
    // A peer has it done; its late receipt reaches us.
    bench.receipt(&delivery, |_| {});
    bench.after_ms(bench.limits().backoff_ms_max);
    assert!(bench.lane.report().not_ready.is_empty());
}

/// Streams of two databases may have the same names, and an entry of one the id of one of the other.
#[test]
fn a_late_receipt_that_two_routes_may_mean_acknowledges_nothing() {
    let route = |from: &str| RouteName {
        from: from.into(),
        stream: "work".into(),
        group: "crew".into(),
    };
    for (routes, settled) in [(vec![route("a")], 1), (vec![route("a"), route("b")], 0)] {
        let mut bench = Bench::with_routes(limits(), routes);
        bench.channel(ChannelEvent::Receipt(Receipt {
            delivery: "earlier".into(),
            stream: "work".into(),
            group: "crew".into(),
            done: vec!["7-0".into()],
            ..Receipt::default()
        }));
        assert_eq!(bench.settled.len(), settled);
        assert_eq!(bench.lane.report().counters.odd_receipts, 1 - settled as u64);
    }
}

#[test]
fn a_dead_letter_is_counted_and_logged_when_it_was_written() {
    let mut bench = Bench::ready(limits());
    for (refuses, counted) in [(true, 0), (false, 1)] {
        bench.refuses = refuses;
        bench.others.clear();
        bench.read(1);
        let delivery = bench.deliveries().remove(0);
        bench.receipt(&delivery, |receipt| {
            receipt.reject = vec![Refusal {
                entry: receipt.done.remove(0),
                reason: String::new(),
            }];
        });
        let count = bench.lane.report().routes[0].counters.dead[Cause::Rejected as usize];
        assert_eq!(count, counted);
        let is_logged = |action: &&Action| matches!(action, Action::Log(LogEvent::DeadLettered { .. }));
        assert_eq!(bench.others.iter().filter(is_logged).count() as u64, counted);
    }
}
