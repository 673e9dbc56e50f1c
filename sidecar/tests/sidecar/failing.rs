//! Receipts of every kind, and missing ones.

use std::collections::HashMap;

use protocol::Receipt;

use crate::component::{all_done, empty, number, sorted};
use crate::harness::{Rig, eventually};

#[tokio::test]
async fn retry_spends_an_attempt_and_comes_again_after_a_backoff() {
    let mut rig = Rig::new().await;
    let (component, _sidecar) = rig.ready(&[]).await;
    component.on_delivery(|delivery| {
        let attempt = delivery.entries.first().map_or(0, |entry| entry.attempt);
        Some(sorted(delivery, |n| if n == 1 && attempt < 4 { 'r' } else { 'd' }))
    });
    rig.append(0..3).await;
    rig.until_settled().await;
    assert_eq!(component.attempts(1), [1, 2, 3, 4]);
    assert_eq!(component.attempts(0), [1]);
    assert!(rig.dead().await.is_empty());
}

#[tokio::test]
async fn used_up_retries_and_rejects_become_dead_letters_beside_what_is_done() {
    let mut rig = Rig::new().await;
    let (component, _sidecar) = rig.ready(&[]).await;
    component.on_delivery(|delivery| Some(sorted(delivery, |n| ['d', 'r', 'x'][n % 3])));
    let ids = rig.append(0..6).await;
    rig.until_settled().await;
    let mut dead: HashMap<String, _> = HashMap::new();
    for letter in rig.dead().await {
        dead.insert(letter["n"].clone(), letter);
    }
    assert_eq!(dead.len(), 4);
    for (number, cause, attempts) in [("1", "exhausted", "5"), ("2", "rejected", "1"), ("4", "exhausted", "5")] {
        let letter = &dead[number];
        assert_eq!(letter["dead_cause"], cause);
        assert_eq!(letter["dead_reason"], format!("told so for {number}"));
        assert_eq!(letter["dead_attempts"], attempts);
        assert_eq!(letter["dead_entry"], ids[number.parse::<usize>().unwrap()]);
        assert_eq!(letter["dead_group"], "crew");
        assert!(letter["dead_at"].ends_with('Z'));
    }
    // The entries themselves stay where they are.
    assert_eq!(rig.redis::<usize>("XLEN work").await, 6);
}

#[tokio::test]
async fn unavailable_pauses_the_lane_and_spends_no_attempt() {
    let mut rig = Rig::new().await;
    let (component, sidecar) = rig.ready(&[]).await;
    let mut left = 12;
    component.on_delivery(move |delivery| {
        if delivery.entries.is_empty() || left == 0 {
            return Some(all_done(delivery));
        }
        left -= 1;
        // Entries that were done before the failure stay done.
        let done = delivery.entries.iter().filter(|entry| number(&entry.fields) == 0);
        let done = done.map(|entry| entry.entry.to_string()).collect();
        Some(Receipt {
            done,
            unavailable: Some("its Redis is full".into()),
            ..empty(delivery)
        })
    });
    rig.append(0..20).await;
    rig.until_settled().await;
    assert!(component.attempts(19).len() > 5, "{:?}", component.attempts(19));
    assert!(component.attempts(19).iter().all(|attempt| *attempt == 1));
    assert_eq!(component.attempts(0).len(), 1);
    assert!(rig.dead().await.is_empty());
    sidecar.until_logged("its Redis is full").await;
}

#[tokio::test]
async fn a_poison_entry_is_alone_by_its_fourth_attempt_and_its_neighbours_are_done() {
    let mut rig = Rig::new().await;
    let (component, _sidecar) = rig.ready(&[]).await;
    // Like a handler that traps: the message is dropped, and the next one is handled.
    component.on_delivery(|delivery| {
        let poisoned = delivery.entries.iter().any(|entry| number(&entry.fields) == 300);
        (!poisoned).then(|| all_done(delivery))
    });
    rig.append(0..512).await;
    rig.until_settled().await;
    let seen = component.seen();
    let with_poison = seen
        .iter()
        .filter(|delivery| delivery.entries.iter().any(|entry| number(&entry.fields) == 300));
    let sizes: Vec<(u32, usize)> = with_poison
        .map(|delivery| (delivery.entries[0].attempt, delivery.entries.len()))
        .collect();
    assert_eq!(
        sizes.iter().map(|(attempt, _)| *attempt).collect::<Vec<_>>(),
        [1, 2, 3, 4, 5]
    );
    assert!(
        sizes[1].1 <= 64 && sizes[2].1 <= 8 && sizes[3].1 == 1 && sizes[4].1 == 1,
        "{sizes:?}"
    );
    let dead = rig.dead().await;
    assert_eq!(dead.len(), 1);
    assert_eq!(
        (dead[0]["dead_cause"].as_str(), dead[0]["n"].as_str()),
        ("unanswered", "300")
    );
}

#[tokio::test]
async fn a_handler_that_hangs_blames_one_delivery_and_stalls_the_lane() {
    let mut rig = Rig::new().await;
    let (component, sidecar) = rig.ready(&[("LIMITS__BATCH_MAX", "8")]).await;
    component.hang(true);
    rig.append(0..32).await;
    sidecar.until_logged("the lane has stalled").await;
    sidecar.until_not_ready("has not answered the handshake").await;
    component.hang(false);
    rig.until_settled().await;
    assert!(rig.dead().await.is_empty());
    let blamed = (0..32).filter(|n| component.attempts(*n).contains(&2)).count();
    assert!(blamed <= 8, "{blamed} entries have spent an attempt");
    sidecar.until_ready().await;
}

#[tokio::test]
async fn an_entry_that_the_receipt_does_not_name_counts_as_unanswered() {
    let mut rig = Rig::new().await;
    let (component, _sidecar) = rig.ready(&[]).await;
    component.on_delivery(|delivery| Some(sorted(delivery, |n| if n == 1 { '-' } else { 'd' })));
    rig.append(0..3).await;
    rig.until_settled().await;
    let dead = rig.dead().await;
    assert_eq!(dead.len(), 1);
    assert_eq!(
        (dead[0]["dead_cause"].as_str(), dead[0]["n"].as_str()),
        ("unanswered", "1")
    );
}

#[tokio::test]
async fn a_late_done_is_acknowledged() {
    let mut rig = Rig::new().await;
    let (component, sidecar) = rig
        .ready(&[("LIMITS__BACKOFF_MS_MIN", "1400"), ("LIMITS__BACKOFF_MS_MAX", "1400")])
        .await;
    component.on_delivery(|delivery| delivery.entries.is_empty().then(|| all_done(delivery)));
    rig.append(0..1).await;
    sidecar.until_logged("an attempt is spent").await;
    let delivery = component.seen().remove(0);
    let receipt = serde_json::to_string(&all_done(&delivery)).unwrap();
    let _: i64 = rig.redis(&format!("PUBLISH {} {receipt}", delivery.receipts)).await;
    rig.until_settled().await;
    assert_eq!(component.attempts(0), [1]);
}

#[tokio::test]
async fn a_retry_that_waits_is_neither_lost_nor_hastened_by_a_restart() {
    let mut rig = Rig::new().await;
    let wait = [("LIMITS__BACKOFF_MS_MIN", "1500"), ("LIMITS__BACKOFF_MS_MAX", "1500")];
    let (component, mut sidecar) = rig.ready(&wait).await;
    component.on_delivery(|delivery| {
        let attempt = delivery.entries.first().map_or(2, |entry| entry.attempt);
        Some(sorted(delivery, |_| if attempt == 1 { 'r' } else { 'd' }))
    });
    rig.append(0..1).await;
    sidecar.until_logged("will be tried again").await;
    let failed = std::time::Instant::now();
    let parked = "XPENDING work crew - + 1 ~waiting";
    eventually("the entry is parked", async || {
        rig.redis::<Vec<redis::Value>>(parked).await.len() == 1
    })
    .await;
    sidecar.kill();
    let _sidecar = rig.sidecar(&wait);
    rig.until_settled().await;
    assert_eq!(component.attempts(0), [1, 2]);
    assert!(failed.elapsed().as_millis() >= 1150, "after {:?}", failed.elapsed());
}
