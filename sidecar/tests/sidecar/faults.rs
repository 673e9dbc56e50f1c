//! Sidecar, component or Redis killed, stopped or damaged.

use crate::component::all_done;
use crate::harness::{CONFIG, Rig, Sidecar, eventually};

#[tokio::test]
async fn restarts_of_the_sidecar_spend_no_attempt_and_lose_nothing() {
    let mut rig = Rig::new().await;
    let component = rig.component().await;
    component.on_delivery(|delivery| delivery.entries.is_empty().then(|| all_done(delivery)));
    rig.append(0..100).await;
    for life in 0..6 {
        let before = component.seen().len();
        let mut sidecar = rig.sidecar(&[("LIMITS__PROBE_MS", "1000")]);
        eventually("entries are delivered", async || component.seen().len() > before).await;
        assert!(
            component
                .seen()
                .iter()
                .flat_map(|delivery| &delivery.entries)
                .all(|entry| entry.attempt == 1),
            "{life}"
        );
        sidecar.kill();
    }
    component.on_delivery(|delivery| Some(all_done(delivery)));
    let _sidecar = rig.sidecar(&[]);
    rig.until_settled().await;
    assert!(
        component
            .seen()
            .iter()
            .flat_map(|delivery| &delivery.entries)
            .all(|entry| entry.attempt == 1)
    );
    assert!(rig.dead().await.is_empty());
}

#[tokio::test]
async fn a_restart_of_the_component_spends_no_attempt() {
    let mut rig = Rig::new().await;
    let (component, sidecar) = rig.ready(&[]).await;
    for _ in 0..4 {
        // It receives a delivery and dies of another cause.
        let victim = rig.component().await;
        drop(victim);
    }
    component.on_delivery(|delivery| delivery.entries.is_empty().then(|| all_done(delivery)));
    rig.append(0..10).await;
    eventually("something is in flight", async || !component.seen().is_empty()).await;
    drop(component);
    let component = rig.component().await;
    rig.until_settled().await;
    assert_eq!(component.attempts(0), [1]);
    sidecar.until_ready().await;
}

#[tokio::test]
async fn what_a_dead_consumer_left_is_taken_over_when_its_lease_ends() {
    let mut rig = Rig::new().await;
    let _: () = rig.redis("XGROUP CREATE work crew 0 MKSTREAM").await;
    rig.append(0..300).await;
    let _: redis::Value = rig
        .redis("XREADGROUP GROUP crew somebody COUNT 200 STREAMS work >")
        .await;
    let (component, _sidecar) = rig.ready(&[]).await;
    rig.until_settled().await;
    let mut numbers = component.numbers();
    numbers.sort_unstable();
    assert_eq!(numbers, (0..300).collect::<Vec<_>>());
    assert_eq!(component.attempts(0), [1]);
}

#[tokio::test]
async fn two_sidecars_share_a_group_without_sharing_entries() {
    let mut rig = Rig::new().await;
    let (first, _one) = rig.ready(&[]).await;
    let second = crate::component::Component::subscribe(rig.redis.port, "app.0.two").await;
    let two = rig.sidecar(&[("INSTANCE", "two")]);
    two.until_ready().await;
    for hundred in 0..30 {
        rig.append(hundred * 100..hundred * 100 + 100).await;
    }
    rig.until_settled().await;
    let mut numbers = [first.numbers(), second.numbers()].concat();
    numbers.sort_unstable();
    assert_eq!(numbers, (0..3000).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_sidecar_that_was_stopped_and_wakes_up_harms_nothing() {
    let mut rig = Rig::new().await;
    let (first, one) = rig.ready(&[]).await;
    first.on_delivery(|delivery| delivery.entries.is_empty().then(|| all_done(delivery)));
    rig.append(0..50).await;
    eventually("something is in flight", async || !first.seen().is_empty()).await;
    one.signal("STOP");
    let second = crate::component::Component::subscribe(rig.redis.port, "app.0.two").await;
    second.on_delivery(|delivery| delivery.entries.is_empty().then(|| all_done(delivery)));
    let two = rig.sidecar(&[
        ("INSTANCE", "two"),
        ("LIMITS__ANSWER_MS", "60000"),
        ("LIMITS__PROBE_MS", "60000"),
        // It answers nothing, and some of the entries may reach it in batches of one.
        ("LIMITS__WINDOW_DELIVERIES", "50"),
    ]);
    two.until_ready().await;
    eventually("the other has taken it over", async || {
        let pending: Vec<(String, String, u64, u32)> = rig.redis("XPENDING work crew - + 100").await;
        pending.len() == 50 && pending.iter().all(|(_, consumer, _, _)| consumer == "two")
    })
    .await;
    one.signal("CONT");
    one.until_logged("an attempt is spent").await;
    // The second sidecar still holds at their first attempt the entries that the first would retry.
    let pending: Vec<(String, String, u64, u32)> = rig.redis("XPENDING work crew - + 100").await;
    assert!(
        pending
            .iter()
            .all(|(_, consumer, _, count)| consumer == "two" && *count == 1),
        "{pending:?}"
    );
    drop(two);
}

#[tokio::test]
async fn redis_may_stop_and_start() {
    let mut rig = Rig::new().await;
    let (component, sidecar) = rig.ready(&[]).await;
    rig.append(0..200).await;
    rig.until_settled().await;
    rig.redis.kill();
    sidecar.until_not_ready("").await;
    rig.redis.restart();
    rig.connection = rig.redis.connect().await;
    drop(component);
    let component = rig.component().await;
    rig.append(200..400).await;
    rig.until_settled().await;
    assert!(component.numbers().len() >= 200);
    assert!(rig.dead().await.is_empty());
    sidecar.until_ready().await;
    let warnings = sidecar.log().lines().filter(|line| line.contains("WARN")).count();
    assert!(warnings < 30, "{warnings} warnings");
}

#[tokio::test]
async fn a_lost_group_is_created_anew_at_0() {
    let mut rig = Rig::new().await;
    let (component, sidecar) = rig.ready(&[]).await;
    let _: String = rig.redis("FLUSHALL").await;
    rig.append(0..10).await;
    rig.until_settled().await;
    assert_eq!(component.numbers().len(), 10);
    let _: i64 = rig.redis("XGROUP DESTROY work crew").await;
    rig.append(10..20).await;
    sidecar.until_logged("created at 0").await;
    rig.until_settled().await;
    assert!(component.numbers().contains(&19));
}

#[tokio::test]
async fn a_wrong_type_at_a_stream_is_told_once_while_other_routes_go_on() {
    let mut rig = Rig::new().await;
    let component = rig.component().await;
    let config =
        format!("{CONFIG}[routes.broken]\nstream = \"broken\"\nfrom = \"app\"\nto = \"app\"\ngroup = \"crew\"\n");
    let _: String = rig.redis("SET broken hello").await;
    let sidecar = Sidecar::start(&rig, &config, &[]);
    sidecar.until_not_ready("broken for crew").await;
    rig.append(0..10).await;
    rig.until_settled().await;
    assert_eq!(component.numbers().len(), 10);
    assert_eq!(sidecar.log().matches("WRONGTYPE").count(), 1);
    let _: i64 = rig.redis("DEL broken").await;
    let _: String = rig.redis("XADD broken * n 77").await;
    eventually("the route recovers", async || component.numbers().contains(&77)).await;
    sidecar.until_ready().await;
}

#[tokio::test]
async fn one_name_is_one_living_sidecar() {
    let rig = Rig::new().await;
    let (_component, first) = rig.ready(&[]).await;
    let mut second = rig.sidecar(&[]);
    assert_eq!(second.exit_code().await, 1);
    let log = second.log();
    assert!(log.contains("another sidecar has this instance's name"), "{log}");
    assert!(log.contains(&format!("process {} on", first.id())), "{log}");
    first.until_ready().await;
}
