//! A Redis that is slow, paused, full or behind a bad network.

use std::process::Command;

use crate::component::all_done;
use crate::harness::{CONFIG, Rig, Sidecar, eventually};
use crate::proxy::Proxy;

#[tokio::test]
async fn cut_and_half_open_connections_are_replaced() {
    let mut rig = Rig::new().await;
    let proxy = Proxy::start(rig.redis.port);
    let component = rig.component().await;
    let config = CONFIG.replace("6379", &proxy.port.to_string());
    let sidecar = Sidecar::start(&rig, &config, &[("LIMITS__REDIS_MS", "500")]);
    sidecar.until_ready().await;
    for round in 0..4_usize {
        rig.append(round * 100..round * 100 + 50).await;
        if round % 2 == 0 {
            proxy.cut()
        } else {
            proxy.silence()
        }
        rig.append(round * 100 + 50..round * 100 + 100).await;
        rig.until_settled().await;
        sidecar.until_ready().await;
    }
    let seen = component.seen();
    assert!(
        seen.iter()
            .flat_map(|delivery| &delivery.entries)
            .all(|entry| entry.attempt == 1)
    );
    let mut numbers = component.numbers();
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers.len(), 400);
    assert!(rig.dead().await.is_empty());
}

#[tokio::test]
async fn a_paused_redis_costs_no_attempt() {
    let mut rig = Rig::new().await;
    let (component, sidecar) = rig.ready(&[("LIMITS__REDIS_MS", "300")]).await;
    rig.append(0..50).await;
    let pause = |signal: &str| {
        let status = Command::new("kill")
            .args(["-s", signal, &rig.redis.id().to_string()])
            .status()
            .unwrap();
        assert!(status.success());
    };
    pause("STOP");
    sidecar.until_not_ready("").await;
    pause("CONT");
    rig.append(50..100).await;
    rig.until_settled().await;
    let _: String = rig.redis("CLIENT PAUSE 1000 ALL").await;
    sidecar.until_not_ready("").await;
    rig.append(100..150).await;
    rig.until_settled().await;
    assert!(
        component
            .seen()
            .iter()
            .flat_map(|delivery| &delivery.entries)
            .all(|entry| entry.attempt == 1)
    );
    assert!(rig.dead().await.is_empty());
    sidecar.until_ready().await;
}

#[tokio::test]
async fn a_runtime_that_is_back_before_anybody_counted_costs_no_attempt() {
    let mut rig = Rig::new().await;
    let (mut component, _sidecar) = rig.ready(&[("LIMITS__SUBSCRIBER_MS", "300")]).await;
    for round in 0..6 {
        component.on_delivery(|delivery| delivery.entries.is_empty().then(|| all_done(delivery)));
        let before = component.seen().len();
        rig.append(round..round + 1).await;
        eventually("it is in flight", async || component.seen().len() > before).await;
        drop(component);
        component = rig.component().await;
        rig.until_settled().await;
        assert_eq!(component.attempts(round), [1]);
    }
    assert!(rig.dead().await.is_empty());
}

#[tokio::test]
async fn a_full_redis_keeps_what_cannot_be_dead_lettered_until_there_is_room() {
    let mut rig = Rig::new().await;
    let (component, sidecar) = rig.ready(&[]).await;
    component.on_delivery(|delivery| Some(crate::component::sorted(delivery, |n| if n == 1 { 'x' } else { 'd' })));
    component.hang(true);
    rig.append(0..3).await;
    eventually("they are in flight", async || rig.pending().await == 3).await;
    let _: String = rig.redis("CONFIG SET maxmemory 1mb").await;
    component.hang(false);
    sidecar.until_logged("OOM").await;
    sidecar
        .until_not_ready("Redis refuses to have written down what became of entries")
        .await;
    rig.assert_calm(&sidecar).await;
    let _: String = rig.redis("CONFIG SET maxmemory 0").await;
    rig.until_settled().await;
    let dead = rig.dead().await;
    assert_eq!(dead.len(), 1);
    assert_eq!(
        (dead[0]["dead_cause"].as_str(), dead[0]["n"].as_str()),
        ("rejected", "1")
    );
}

#[tokio::test]
async fn a_sidecar_that_starts_on_a_full_redis_goes_on_where_the_group_is_there() {
    let mut rig = Rig::new().await;
    let _: () = rig.redis("XGROUP CREATE work crew 0 MKSTREAM").await;
    rig.append(0..3).await;
    let _: String = rig.redis("CONFIG SET maxmemory 1").await;
    let (component, _sidecar) = rig.ready(&[]).await;
    rig.until_settled().await;
    assert_eq!(component.numbers(), [0, 1, 2]);
}

#[tokio::test]
async fn a_sidecar_that_starts_on_a_full_redis_says_that_the_group_is_lacking() {
    let mut rig = Rig::new().await;
    rig.append(0..3).await;
    let component = rig.component().await;
    let _: String = rig.redis("CONFIG SET maxmemory 1").await;
    let sidecar = rig.sidecar(&[]);
    let message = "work for crew at redis://127.0.0.1";
    sidecar.until_logged(message).await;
    sidecar.until_logged("Redis refuses to create it").await;
    sidecar.until_logged("used memory > 'maxmemory'").await;
    sidecar.until_not_ready("has not been found or created").await;
    rig.assert_calm(&sidecar).await;
    assert_eq!(sidecar.log().matches("Redis refuses to create it").count(), 1);
    let _: String = rig.redis("CONFIG SET maxmemory 0").await;
    sidecar.until_ready().await;
    rig.until_settled().await;
    assert_eq!(component.numbers(), [0, 1, 2]);
}

#[tokio::test]
async fn tls_with_a_certificate_authority_of_ones_own() {
    let rig = Rig::new().await;
    let openssl = |arguments: &str| {
        let status = Command::new("openssl")
            .args(arguments.split(' '))
            .current_dir(&rig.directory)
            .output();
        status.is_ok_and(|output| output.status.success())
    };
    let made = openssl("req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.crt -days 2 -subj /CN=ca")
        && openssl(
            "req -newkey rsa:2048 -nodes -keyout redis.key -out redis.csr -subj /CN=localhost -addext subjectAltName=DNS:localhost",
        )
        && openssl("x509 -req -in redis.csr -CA ca.crt -CAkey ca.key -out redis.crt -days 2 -copy_extensions copy");
    if !made {
        eprintln!("skipped: openssl is not installed");
        return;
    }
    let port = crate::port::free_port();
    let file = |name: &str| rig.directory.join(name).display().to_string();
    let mut redis = Command::new("redis-server")
        .args([
            "--port",
            "0",
            "--tls-port",
            &port.to_string(),
            "--tls-auth-clients",
            "no",
        ])
        .args([
            "--tls-cert-file",
            &file("redis.crt"),
            "--tls-key-file",
            &file("redis.key"),
        ])
        .args(["--tls-ca-cert-file", &file("ca.crt"), "--save", ""])
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let config = CONFIG.replace(
        "redis://127.0.0.1:6379\"",
        &format!("rediss://localhost:{port}\"\nca_file = \"{}\"", file("ca.crt")),
    );
    let sidecar = Sidecar::start(&rig, &config, &[]);
    sidecar.until_not_ready("nobody subscribes").await;
    assert!(
        !sidecar.log().contains("WARN") || sidecar.log().contains("Connection refused"),
        "{}",
        sidecar.log()
    );
    // A certificate of another authority is not trusted.
    let distrusting = config
        .lines()
        .filter(|line| !line.starts_with("ca_file"))
        .collect::<Vec<_>>()
        .join("\n");
    let other = Sidecar::start(&rig, &distrusting, &[("INSTANCE", "two")]);
    other.until_logged("certificate").await;
    redis.kill().unwrap();
    redis.wait().unwrap();
}
