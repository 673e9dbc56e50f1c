//! Many entries at once, and one at a time.

use std::time::{Duration, Instant};

use crate::component::{all_done, number};
use crate::harness::{Rig, cost};

/// Number of waiting entries; more with SIDECAR_LOAD_ENTRIES, for measuring.
fn entries() -> usize {
    std::env::var("SIDECAR_LOAD_ENTRIES").map_or(50_000, |count| count.parse().unwrap())
}

fn event(pipeline: &mut redis::Pipeline, number: usize) {
    pipeline.cmd("XADD").arg("work").arg("*").arg("n").arg(number);
    pipeline
        .arg("id")
        .arg("01KA1B2C3D4E5F6G7H8J9K0M1N")
        .arg("type")
        .arg("order-completed")
        .arg("v")
        .arg("1");
    pipeline.arg("time").arg("2026-08-01T12:00:00.000Z").arg("data");
    pipeline.arg(r#"{"order_id":"01KA1B2C3D4E5F6G7H8J9K0M1N","lines":[{"line_id":1,"product_id":"p-1","qty":2}]}"#);
    pipeline.ignore();
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_stays_small_however_much_waits() {
    let mut rig = Rig::new().await;
    let count = entries();
    for first in (0..count).step_by(10_000) {
        let mut pipeline = redis::pipe();
        (first..count.min(first + 10_000)).for_each(|number| event(&mut pipeline, number));
        pipeline.exec_async(&mut rig.connection).await.unwrap();
    }
    let component = rig.component().await;
    component.forget();
    component.on_delivery(|delivery| Some(all_done(delivery)));
    let sidecar = rig.sidecar(&[("LIMITS__BATCH_MAX", "512"), ("LIMITS__TRIM_MS", "0")]);
    sidecar.until_ready().await;
    let start = Instant::now();
    rig.until_settled_within(Duration::from_secs(120)).await;
    let took = start.elapsed();
    let (resident, cpu) = cost(sidecar.id());
    println!(
        "{count} entries in {took:?}: {:.0}/s; the sidecar took {cpu:?} and at most {resident} KiB",
        count as f64 / took.as_secs_f64()
    );
    assert!(resident < 30 * 1024, "{resident} KiB");
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_stays_small_however_large_entries_are() {
    let mut rig = Rig::new().await;
    let mut pipeline = redis::pipe();
    (0..5_000).for_each(|number| event(&mut pipeline, number));
    pipeline.exec_async(&mut rig.connection).await.unwrap();
    // Large entries that are delivered and others that are too large, without a warning before them.
    for number in 0..300 {
        let bytes = if number % 3 == 0 { 3_000_000 } else { 900_000 };
        let mut add = redis::cmd("XADD");
        add.arg("work")
            .arg("*")
            .arg("n")
            .arg(number)
            .arg("data")
            .arg("x".repeat(bytes));
        add.exec_async(&mut rig.connection).await.unwrap();
    }
    let component = rig.component().await;
    component.forget();
    let sidecar = rig.sidecar(&[("LIMITS__ANSWER_MS", "10000"), ("LIMITS__PROBE_MS", "10000")]);
    sidecar.until_ready().await;
    rig.until_settled_within(Duration::from_secs(60)).await;
    let (resident, _) = cost(sidecar.id());
    println!("300 large entries behind 5,000 small ones: at most {resident} KiB");
    assert!(resident < 60 * 1024, "{resident} KiB");
    assert_eq!(rig.redis::<usize>("XLEN work.dead").await, 100);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_steady_stream_costs_little_and_an_idle_lane_hands_on_at_once() {
    let mut rig = Rig::new().await;
    let component = rig.component().await;
    component.forget();
    let (arrived, mut arrivals) = tokio::sync::mpsc::unbounded_channel();
    component.on_delivery(move |delivery| {
        for entry in &delivery.entries {
            let _ = arrived.send((number(&entry.fields), Instant::now()));
        }
        Some(all_done(delivery))
    });
    let sidecar = rig.sidecar(&[("LIMITS__TRIM_MS", "0")]);
    sidecar.until_ready().await;
    let mut waits = Vec::new();
    for number in 0..100 {
        let start = Instant::now();
        let mut pipeline = redis::pipe();
        event(&mut pipeline, number);
        pipeline.exec_async(&mut rig.connection).await.unwrap();
        let (seen, at) = arrivals.recv().await.unwrap();
        assert_eq!(seen, number);
        waits.push(at.duration_since(start));
        tokio::time::sleep(Duration::from_millis(4)).await;
    }
    waits.sort_unstable();
    println!("an idle lane hands on within {:?}, at worst {:?}", waits[50], waits[99]);
    // A generous limit, since other tests run beside this one.
    assert!(waits[50] < Duration::from_millis(25), "{waits:?}");

    let seconds = 3;
    let (_, before) = cost(sidecar.id());
    let deliveries = component.count();
    let start = Instant::now();
    for tick in 0..seconds * 500 {
        let mut pipeline = redis::pipe();
        (0..40).for_each(|number| event(&mut pipeline, number));
        pipeline.exec_async(&mut rig.connection).await.unwrap();
        let next = start + Duration::from_millis(tick * 2);
        tokio::time::sleep_until(next.into()).await;
    }
    rig.until_settled().await;
    let took = start.elapsed().as_secs_f64();
    let (_, after) = cost(sidecar.id());
    println!(
        "{:.0} entries/s cost {:.2} of a core, in {} deliveries",
        (seconds * 500 * 40) as f64 / took,
        (after - before).as_secs_f64() / took,
        component.count() - deliveries
    );
}
