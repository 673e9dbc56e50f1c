//! Input that does not fit the protocol: it harms nothing beside it.

use crate::component::{all_done, empty};
use crate::harness::{Rig, Sidecar, eventually};

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
    for (number, group) in [(0, "others"), (1, "crew")] {
        // The first one as an earlier version wrote it.
        let marked = format!("XADD work * n {number} replay_of 1-1 replay_group {group}");
        let _: String = rig.redis(&marked).await;
        let _: String = rig.redis(&format!("{marked} replay_stream work")).await;
    }
    rig.until_settled().await;
    assert_eq!(component.numbers(), [1, 1]);
}

#[tokio::test]
async fn a_field_of_a_producer_s_own_makes_no_replay() {
    let mut rig = Rig::new().await;
    let (component, _sidecar) = rig.ready(&[]).await;
    for fields in [
        "n 0 replay_group others",
        "replay_group others n 1",
        "replay_of 1-1 replay_group others n 2",
        // A copy from another stream, with its mark.
        "n 3 replay_of 1-1 replay_group others replay_stream elsewhere",
    ] {
        let _: String = rig.redis(&format!("XADD work * {fields}")).await;
    }
    rig.until_settled().await;
    assert_eq!(component.numbers(), [0, 1, 2, 3]);
}

/// Not all of a letter is text.
fn letters_of(sidecar: &Sidecar, rig: &Rig, group: &str) -> usize {
    let letters = sidecar.command(rig, &["dead", "list", "--json"]);
    letters.matches(&format!(r#""group":"{group}""#)).count()
}

/// One that cannot be delivered either.
#[tokio::test]
async fn a_replay_makes_no_letters_for_other_groups() {
    let mut rig = Rig::new().await;
    let (component, sidecar) = rig.ready(&[("LIMITS__ENTRY_BYTES_MAX", "1000")]).await;
    for (field, value) in [("blob", vec![0xff_u8]), ("data", vec![b'x'; 2_000])] {
        let mut add = redis::cmd("XADD");
        add.arg("work")
            .arg("*")
            .arg("replay_group")
            .arg("mine")
            .arg(field)
            .arg(value);
        add.exec_async(&mut rig.connection).await.unwrap();
    }
    rig.until_settled().await;
    assert_eq!(letters_of(&sidecar, &rig, "crew"), 2);
    // Another group comes, with a sidecar of its own, that reads the replays alone.
    let _: () = rig.redis("XGROUP CREATE work others $").await;
    let config = crate::harness::CONFIG
        .replace("\"crew\"", "\"others\"")
        .replace("\"one\"", "\"two\"");
    let other_component = crate::component::Component::subscribe(rig.redis.port, "app.0.two").await;
    let limits = [("LIMITS__ENTRY_BYTES_MAX", "1000")];
    let others = crate::harness::Sidecar::start(&rig, &config, &limits);
    others.until_ready().await;
    for round in 0..2 {
        sidecar.command(&rig, &["dead", "replay", "--all"]);
        eventually("they are dead letters again, of the one group", async || {
            letters_of(&sidecar, &rig, "crew") == 2
        })
        .await;
        rig.until_settled().await;
        eventually("the other group is through", async || {
            let pending: Vec<redis::Value> = rig.redis("XPENDING work others").await;
            let page = others.get("/metrics").await.1;
            pending[0] == redis::Value::Int(0)
                && page.contains(&format!(
                    "done_entries_total{{stream=\"work\",group=\"others\",lane=\"1\",from=\"app\"}} {}",
                    2 * (round + 1)
                ))
        })
        .await;
        assert_eq!(letters_of(&sidecar, &rig, "others"), 0);
    }
    assert!(component.seen().is_empty() && other_component.seen().is_empty());
}
