//! Input that does not fit the protocol: it harms nothing beside it.

use crate::component::{all_done, empty};
use crate::harness::Rig;

#[tokio::test]
async fn what_is_not_text_is_a_dead_letter_byte_for_byte() {
    let mut rig = Rig::new().await;
    let (component, _sidecar) = rig.ready(&[]).await;
    rig.append(0..1).await;
    let blob: &[u8] = &[0, 0xff, 0xfe, b'\n'];
    let mut add = redis::cmd("XADD");
    add.arg("work").arg("*").arg("n").arg("1").arg("blob").arg(blob);
    add.exec_async(&mut rig.connection).await.unwrap();
    rig.append(2..3).await;
    rig.until_settled().await;
    assert_eq!(component.numbers(), [0, 2]);
    let dead: Vec<(String, std::collections::HashMap<String, Vec<u8>>)> = rig.redis("XRANGE work.dead - +").await;
    assert_eq!(dead.len(), 1);
    assert_eq!(dead[0].1["dead_cause"], b"not-text");
    assert_eq!(dead[0].1["dead_reason"], b"the field `blob` is not UTF-8 text");
    assert_eq!(dead[0].1["blob"], blob);
}

#[tokio::test]
async fn a_large_entry_is_a_dead_letter_by_reference() {
    let mut rig = Rig::new().await;
    let (component, _sidecar) = rig.ready(&[]).await;
    let mut add = redis::cmd("XADD");
    add.arg("work")
        .arg("*")
        .arg("n")
        .arg("0")
        .arg("data")
        .arg("x".repeat(5 * 1024 * 1024));
    let id: String = add.query_async(&mut rig.connection).await.unwrap();
    rig.append(1..3).await;
    rig.until_settled().await;
    assert_eq!(component.numbers(), [1, 2]);
    let dead = rig.dead().await;
    assert_eq!(dead.len(), 1);
    assert_eq!(dead[0]["dead_cause"], "too-large");
    assert_eq!(dead[0]["dead_entry"], id);
    assert!(dead[0]["dead_reason"].contains("52429"), "{}", dead[0]["dead_reason"]);
    assert!(!dead[0].contains_key("data"));
    assert_eq!(rig.redis::<usize>("XLEN work").await, 3);
}

#[tokio::test]
async fn an_entry_just_below_the_limit_is_delivered() {
    let mut rig = Rig::new().await;
    let (component, _sidecar) = rig.ready(&[]).await;
    let mut add = redis::cmd("XADD");
    add.arg("work")
        .arg("*")
        .arg("n")
        .arg("0")
        .arg("data")
        .arg("x".repeat(1024 * 1024 - 200));
    for _ in 0..8 {
        add.exec_async(&mut rig.connection).await.unwrap();
    }
    rig.until_settled().await;
    assert_eq!(component.numbers().len(), 8);
    assert!(rig.dead().await.is_empty());
}

#[tokio::test]
async fn a_pending_entry_that_was_deleted_is_a_dead_letter() {
    let mut rig = Rig::new().await;
    let _: () = rig.redis("XGROUP CREATE work crew 0 MKSTREAM").await;
    let ids = rig.append(0..2).await;
    // Another consumer read them and died.
    let _: redis::Value = rig.redis("XREADGROUP GROUP crew somebody STREAMS work >").await;
    let _: i64 = rig.redis(&format!("XDEL work {}", ids[0])).await;
    let (component, _sidecar) = rig.ready(&[]).await;
    rig.until_settled().await;
    assert_eq!(component.numbers(), [1]);
    let dead = rig.dead().await;
    assert_eq!(dead.len(), 1);
    assert_eq!(
        (dead[0]["dead_cause"].as_str(), &dead[0]["dead_entry"]),
        ("deleted", &ids[0])
    );
}

#[tokio::test]
async fn odd_receipts_are_ignored() {
    let mut rig = Rig::new().await;
    let (component, sidecar) = rig.ready(&[]).await;
    for receipt in [
        "no-json",
        "{}",
        r#"{"delivery":"x","stream":"work","group":"crew","done":["nonsense","1-1"]}"#,
        r#"{"delivery":"x","stream":"other","group":"crew","done":["1-1"]}"#,
        r#"{"delivery":"x","stream":"work","group":"crew","retry":[{"entry":"1-1","reason":"r"}],"unavailable":"no"}"#,
    ] {
        let _: i64 = rig.redis(&format!("PUBLISH receipts.app.0.one {receipt}")).await;
    }
    sidecar.until_logged("ignored what is no receipt").await;
    component.on_delivery(|delivery| {
        let mut receipt = all_done(delivery);
        receipt.done.push("99-99".into());
        Some(receipt)
    });
    rig.append(0..3).await;
    rig.until_settled().await;
    assert_eq!(component.numbers(), [0, 1, 2]);
    sidecar
        .until_logged("it names 1 entries that its delivery does not have")
        .await;
    component.on_delivery(|delivery| Some(empty(delivery)));
    assert!(rig.dead().await.is_empty());
    sidecar.until_ready().await;
}

#[tokio::test]
async fn a_flood_of_nonsense_on_the_receipts_channel_is_told_a_few_times() {
    let mut rig = Rig::new().await;
    let (component, sidecar) = rig.ready(&[]).await;
    let mut pipeline = redis::pipe();
    for number in 0..5_000_usize {
        // Each is wrong in another way; every second one is not even text.
        let mut nonsense = vec![b' '; number];
        nonsense.push(if number % 2 == 0 { b'?' } else { 0xff });
        pipeline.cmd("PUBLISH").arg("receipts.app.0.one").arg(nonsense).ignore();
    }
    pipeline.exec_async(&mut rig.connection).await.unwrap();
    rig.append(0..3).await;
    rig.until_settled().await;
    assert_eq!(component.numbers(), [0, 1, 2]);
    let told = sidecar.log().matches("ignored what is no receipt").count();
    assert!((1..=40).contains(&told), "told {told} times");
}

#[tokio::test]
async fn a_replay_for_another_group_is_acknowledged_undelivered() {
    let mut rig = Rig::new().await;
    let (component, _sidecar) = rig.ready(&[]).await;
    let _: String = rig.redis("XADD work * n 0 replay_group others replay_of 1-1").await;
    let _: String = rig.redis("XADD work * n 1 replay_group crew replay_of 1-1").await;
    rig.until_settled().await;
    assert_eq!(component.numbers(), [1]);
}
