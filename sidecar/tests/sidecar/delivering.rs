//! Deliveries: their contents, their time and their size.

use crate::component::{all_done, empty};
use crate::harness::{Rig, Sidecar, eventually};

#[tokio::test]
async fn entries_are_delivered_whole_in_order_and_acknowledged() {
    let mut rig = Rig::new().await;
    let (component, _sidecar) = rig.ready(&[]).await;
    let ids = rig.append(0..50).await;
    let quoted: String = rig
        .redis("XADD work * n 50 text \"quotes\"\\and\u{1}ünïcode empty ")
        .await;
    rig.until_settled().await;
    assert_eq!(component.numbers(), (0..=50).collect::<Vec<_>>());
    let seen = component.seen();
    let entries: Vec<_> = seen.iter().flat_map(|delivery| &delivery.entries).collect();
    assert!(
        entries
            .iter()
            .zip(&ids)
            .all(|(entry, id)| entry.entry == *id && entry.attempt == 1)
    );
    let last = entries.last().unwrap();
    assert_eq!(last.entry, quoted);
    assert_eq!(last.fields.get("text"), Some("\"quotes\"\\and\u{1}ünïcode"));
    assert_eq!(last.fields.get("empty"), Some(""));
    assert!(
        seen.iter()
            .all(|delivery| delivery.stream == "work" && delivery.group == "crew")
    );
}

#[tokio::test]
async fn what_was_appended_before_the_first_start_is_delivered() {
    let mut rig = Rig::new().await;
    rig.append(0..3).await;
    let (component, _sidecar) = rig.ready(&[]).await;
    rig.until_settled().await;
    assert_eq!(component.numbers(), [0, 1, 2]);
}

#[tokio::test]
async fn the_group_exists_before_anybody_subscribes() {
    let mut rig = Rig::new().await;
    let sidecar = rig.sidecar(&[]);
    eventually("the group is created", async || rig.pending().await == 0).await;
    sidecar.until_not_ready("nobody subscribes").await;
    assert_eq!(sidecar.get("/healthz").await.0, 200);
}

#[tokio::test]
async fn nothing_is_delivered_before_the_handshake_is_answered() {
    let mut rig = Rig::new().await;
    let component = rig.component().await;
    component.on_delivery(|_| None);
    let sidecar = rig.sidecar(&[]);
    sidecar.until_not_ready("has not answered the handshake").await;
    rig.append(0..5).await;
    // Several handshakes later nothing has been read.
    sidecar.until_not_ready("has not answered the handshake").await;
    assert_eq!(rig.pending().await, 0);
    assert!(component.seen().is_empty());
    component.on_delivery(|delivery| Some(all_done(delivery)));
    rig.until_settled().await;
    assert_eq!(component.attempts(0), [1]);
}

#[tokio::test]
async fn two_apps_on_a_channel_stop_the_lane_until_one_is_gone() {
    let mut rig = Rig::new().await;
    let (component, sidecar) = rig.ready(&[]).await;
    let second = rig.component().await;
    sidecar.until_not_ready("two apps answer").await;
    rig.append(0..3).await;
    drop(second);
    rig.until_settled().await;
    assert_eq!(component.numbers(), [0, 1, 2]);
    sidecar.until_ready().await;
}

#[tokio::test]
async fn a_silent_second_subscriber_does_no_harm() {
    let mut rig = Rig::new().await;
    let onlooker = rig.component().await;
    onlooker.on_delivery(|_| None);
    let (component, _sidecar) = rig.ready(&[]).await;
    rig.append(0..10).await;
    rig.until_settled().await;
    assert_eq!(component.numbers().len(), 10);
    // The app is gone, and the second subscriber answers nothing: no attempt is spent.
    drop(component);
    rig.append(10..13).await;
    drop(onlooker);
    let component = rig.component().await;
    rig.until_settled().await;
    assert_eq!(component.attempts(10), [1]);
}

#[tokio::test]
async fn batches_and_window_are_bounded() {
    let mut rig = Rig::new().await;
    let component = rig.component().await;
    rig.append(0..1000).await;
    let limits = [("LIMITS__BATCH_MAX", "64"), ("LIMITS__WINDOW_DELIVERIES", "3")];
    component.on_delivery(|delivery| delivery.entries.is_empty().then(|| empty(delivery)));
    let sidecar = rig.sidecar(
        &[
            &limits[..],
            &[("LIMITS__ANSWER_MS", "60000"), ("LIMITS__PROBE_MS", "60000")],
        ]
        .concat(),
    );
    sidecar.until_ready().await;
    eventually("the window is full", async || component.seen().len() == 3).await;
    // Memory is bounded too: pending are the window and at most two batches behind it.
    assert!(rig.pending().await <= 64 * 5, "{}", rig.pending().await);
    let first: Vec<_> = component.seen();
    assert_eq!(first.iter().map(|delivery| delivery.entries.len()).max(), Some(64));
    drop(component);
    let component = rig.component().await;
    rig.until_settled().await;
    let seen = component.seen();
    assert!(seen.iter().all(|delivery| delivery.entries.len() <= 64));
    let mut numbers = component.numbers();
    numbers.sort_unstable();
    assert_eq!(numbers, (0..1000).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_flood_on_one_stream_does_not_starve_another() {
    let mut rig = Rig::new().await;
    let component = rig.component().await;
    let config = format!(
        "{}[routes.calm]\nstream = \"calm\"\nfrom = \"app\"\nto = \"app\"\ngroup = \"crew\"\n",
        crate::harness::CONFIG
    );
    rig.append(0..5000).await;
    let _: String = rig.redis("XADD calm * n 0").await;
    let sidecar = Sidecar::start(&rig, &config, &[("LIMITS__BATCH_MAX", "64")]);
    sidecar.until_ready().await;
    rig.until_settled().await;
    let seen = component.seen();
    let calm = seen.iter().position(|delivery| delivery.stream == "calm").unwrap();
    assert!(calm < 20, "delivered as number {calm} of {}", seen.len());
}
