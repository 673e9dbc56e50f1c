//! A Redis that has lost data, or was replaced by another one.

use std::time::{Duration, Instant};

use crate::component::{Component, all_done};
use crate::harness::{CONFIG, Redis, Rig, Sidecar, eventually};
use crate::proxy::Proxy;

#[tokio::test]
async fn streams_and_groups_that_vanish_under_load_are_created_anew() {
    let mut rig = Rig::new().await;
    let (component, sidecar) = rig.ready(&[]).await;
    component.forget();
    for round in 0..12 {
        rig.append(0..300).await;
        match round % 3 {
            0 => drop(rig.redis::<i64>("DEL work").await),
            1 => drop(rig.redis::<i64>("XGROUP DESTROY work crew").await),
            _ => drop(rig.redis::<String>("FLUSHALL").await),
        }
        rig.append(300..400).await;
        rig.until_settled().await;
        sidecar.until_ready().await;
    }
    rig.assert_calm(&sidecar).await;
    assert!(rig.dead().await.is_empty());
    let warnings = sidecar.log().matches("WARN").count();
    assert!(warnings < 60, "{warnings} warnings");
}

/// A primary behind a proxy with a replica, and a sidecar that reaches them through it.
struct Pair {
    sidecar: Sidecar,
    rig: Rig,
    replica: Redis,
    proxy: Proxy,
}

impl Pair {
    async fn start() -> Self {
        let mut rig = Rig::new().await;
        let replica = rig.redis.beside();
        let mut connection = replica.connect().await;
        let follow = ["127.0.0.1".to_owned(), rig.redis.port.to_string()];
        let _: () = redis::cmd("REPLICAOF")
            .arg(&follow)
            .query_async(&mut connection)
            .await
            .unwrap();
        let proxy = Proxy::start(rig.redis.port);
        let config = CONFIG.replace("6379", &proxy.port.to_string());
        let component = rig.component().await;
        let sidecar = Sidecar::start(&rig, &config, &[("LIMITS__REDIS_MS", "1000")]);
        sidecar.until_ready().await;
        rig.append(0..100).await;
        rig.until_settled().await;
        eventually("the replica has it all", async || {
            let length: redis::RedisResult<usize> = redis::cmd("XLEN").arg("work").query_async(&mut connection).await;
            rig.redis::<usize>("WAIT 1 100").await == 1 && length == Ok(100)
        })
        .await;
        drop(component);
        Self {
            rig,
            replica,
            proxy,
            sidecar,
        }
    }

    /// Detaches the replica: writes to the primary after this are lost.
    async fn promote(&self) {
        let mut connection = self.replica.connect().await;
        let command = redis::cmd("REPLICAOF").arg("NO").arg("ONE").take();
        let _: () = command.query_async(&mut connection).await.unwrap();
    }

    /// Appends entries 200 to 250 to the new primary, and waits until they are settled.
    async fn check(mut self) {
        let component = Component::subscribe(self.replica.port, "app.0.one").await;
        std::mem::swap(&mut self.rig.redis, &mut self.replica);
        self.rig.connection = self.rig.redis.connect().await;
        self.rig.append(200..250).await;
        self.rig.until_settled().await;
        self.sidecar.until_ready().await;
        let numbers = component.numbers();
        assert!((200..250).all(|number| numbers.contains(&number)), "{numbers:?}");
        assert!((200..250).all(|number| component.attempts(number).iter().all(|attempt| *attempt == 1)));
        assert!(self.rig.dead().await.is_empty());
        self.rig.assert_calm(&self.sidecar).await;
        let warnings = self.sidecar.log().matches("WARN").count();
        assert!(warnings < 60, "{warnings} warnings");
    }
}

#[tokio::test]
async fn an_older_replica_that_is_promoted_is_taken_as_it_is() {
    let mut pair = Pair::start().await;
    pair.promote().await;
    // Acknowledged on the primary; the replica knows nothing of it.
    let component = pair.rig.component().await;
    pair.rig.append(100..200).await;
    pair.rig.until_settled().await;
    component.on_delivery(|delivery| delivery.entries.is_empty().then(|| all_done(delivery)));
    pair.rig.append(200..210).await;
    eventually("something is in flight", async || component.numbers().contains(&200)).await;
    pair.proxy.lead_to(pair.replica.port);
    pair.rig.redis.kill();
    pair.proxy.cut();
    drop(component);
    pair.check().await;
}

#[tokio::test]
async fn a_primary_that_is_demoted_and_lives_on_is_left() {
    let mut pair = Pair::start().await;
    pair.promote().await;
    pair.proxy.lead_to(pair.replica.port);
    // No connection is cut: the old ones lead to a Redis that answers but takes no writes. Nobody listens on port 1.
    let _: () = pair.rig.redis("REPLICAOF 127.0.0.1 1").await;
    pair.check().await;
}

#[tokio::test]
async fn an_empty_redis_in_the_place_of_the_one_that_was_there_is_taken_as_it_is() {
    let mut pair = Pair::start().await;
    let mut empty = pair.rig.redis.beside();
    drop(empty.connect().await);
    std::mem::swap(&mut pair.replica, &mut empty);
    pair.proxy.lead_to(pair.replica.port);
    pair.rig.redis.kill();
    pair.proxy.cut();
    pair.check().await;
}

#[tokio::test]
async fn a_sidecar_that_is_stopped_for_longer_than_the_lease_under_load_loses_and_doubles_nothing() {
    let mut rig = Rig::new().await;
    let (first, one) = rig.ready(&[]).await;
    let second = Component::subscribe(rig.redis.port, "app.0.two").await;
    let two = rig.sidecar(&[("INSTANCE", "two")]);
    two.until_ready().await;
    let start = Instant::now();
    let mut appended = 0;
    let mut stopped = false;
    // The lease is 1.5 s; stopped after 1 s, for 3.5 s.
    while start.elapsed() < Duration::from_millis(5_500) {
        rig.append(appended..appended + 20).await;
        appended += 20;
        let should_stop = (1_000..4_500).contains(&start.elapsed().as_millis());
        if should_stop != stopped {
            stopped = should_stop;
            one.signal(if stopped { "STOP" } else { "CONT" });
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    rig.until_settled().await;
    let seen = [first.seen(), second.seen()].concat();
    let entries: Vec<_> = seen.iter().flat_map(|delivery| &delivery.entries).collect();
    assert!(entries.iter().all(|entry| entry.attempt == 1));
    let mut numbers = [first.numbers(), second.numbers()].concat();
    let deliveries = numbers.len();
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers, (0..appended).collect::<Vec<_>>());
    // Only entries that the stopped sidecar held were delivered twice, if any.
    assert!(deliveries - appended <= 200, "{} twice", deliveries - appended);
    assert!(rig.dead().await.is_empty());
    one.until_ready().await;
    two.until_ready().await;
}
