//! Operation: probes, metrics, trimming, status, dead letters, configuration.

use crate::component::{all_done, empty, number, sorted};
use crate::harness::{CONFIG, Rig, eventually};

#[tokio::test]
async fn metrics_tell_what_waits_and_what_happened() {
    let mut rig = Rig::new().await;
    let (component, sidecar) = rig.ready(&[]).await;
    component.on_delivery(|delivery| Some(sorted(delivery, |n| ['d', 'd', 'x'][n % 3])));
    rig.append(0..9).await;
    rig.until_settled().await;
    eventually("the metrics tell it", async || {
        let (status, page) = sidecar.get("/metrics").await;
        assert_eq!(status, 200);
        let route = "{stream=\"work\",group=\"crew\",from=\"app\"}";
        let of_lane = "{stream=\"work\",group=\"crew\",lane=\"1\",from=\"app\"}";
        let lines = [
            format!("stream_sidecar_lag{route} 0"),
            format!("stream_sidecar_pending{route} 0"),
            format!("stream_sidecar_done_entries_total{of_lane} 6"),
            "stream_sidecar_dead_lettered_total{stream=\"work\",group=\"crew\",lane=\"1\",from=\"app\",cause=\"rejected\"} 3"
                .to_owned(),
            "stream_sidecar_dead_letters{stream=\"work\",from=\"app\"} 3".to_owned(),
            "stream_sidecar_ready{service=\"app\",lane=\"1\"} 1".to_owned(),
            format!("stream_sidecar_settle_seconds_count{of_lane}"),
            "stream_sidecar_answer_seconds_bucket{service=\"app\",lane=\"1\",le=\"0.0005\"}".to_owned(),
            "stream_sidecar_batch_entries_sum{service=\"app\",lane=\"1\"} 9".to_owned(),
        ];
        lines.iter().all(|line| page.contains(line.as_str()))
    })
    .await;
    // Redis does not know a group's lag once an unread entry was deleted: one beyond all that the sidecar may hold.
    component.hang(true);
    let ids = rig.append(0..3_000).await;
    let _: i64 = rig.redis(&format!("XDEL work {}", ids[2_999])).await;
    let (_, page) = sidecar.get("/metrics").await;
    assert!(!page.contains("stream_sidecar_lag{"), "{page}");
}

/// A full Redis takes no dead letter, and the entry comes again and again.
#[tokio::test]
async fn a_dead_letter_that_cannot_be_written_is_not_counted() {
    let mut rig = Rig::new().await;
    let (component, sidecar) = rig.ready(&[]).await;
    component.on_delivery(|delivery| Some(sorted(delivery, |_| 'x')));
    component.hang(true);
    rig.append(0..1).await;
    eventually("it is pending", async || rig.pending().await == 1).await;
    let _: () = rig.redis("CONFIG SET maxmemory 1").await;
    component.hang(false);
    eventually("it comes again", async || component.attempts(0).len() >= 3).await;
    let series =
        "stream_sidecar_dead_lettered_total{stream=\"work\",group=\"crew\",lane=\"1\",from=\"app\",cause=\"rejected\"}";
    let page = sidecar.get("/metrics").await.1;
    assert!(page.contains(&format!("{series} 0\n")), "{page}");
    let _: () = rig.redis("CONFIG SET maxmemory 0").await;
    rig.until_settled().await;
    assert_eq!(rig.dead().await.len(), 1);
    eventually("it is counted", async || {
        sidecar.get("/metrics").await.1.contains(&format!("{series} 1\n"))
    })
    .await;
}

#[tokio::test]
async fn silent_clients_of_the_admin_port_take_no_descriptors() {
    let mut rig = Rig::new().await;
    let (_component, sidecar) = rig.ready(&[]).await;
    let descriptors = || {
        let folder = format!("/proc/{}/fd", sidecar.id());
        std::fs::read_dir(folder).unwrap().count()
    };
    let before = descriptors();
    let mut silent = Vec::new();
    for _ in 0..200 {
        silent.push(tokio::net::TcpStream::connect(sidecar.address()).await.unwrap());
    }
    let taken = || descriptors().saturating_sub(before);
    eventually("the bound is reached", async || taken() >= 60).await;
    // Whoever is silent is sent away, so a probe gets its turn, and no more are let in meanwhile.
    eventually("a probe is answered", async || {
        assert!(taken() <= 64, "{} descriptors are taken", taken());
        sidecar.get("/healthz").await.0 == 200
    })
    .await;
    assert!(taken() <= 64, "{} descriptors are taken", taken());
    rig.append(0..3).await;
    rig.until_settled().await;
    drop(silent);
}

#[tokio::test]
async fn a_lane_that_stalls_answers_503_with_the_reason() {
    let mut rig = Rig::new().await;
    let (component, sidecar) = rig.ready(&[("LIMITS__RELEASE_MS", "300")]).await;
    assert_eq!(sidecar.get("/lanes/app").await, (200, "ok\n".into()));
    assert_eq!(sidecar.get("/lanes/nobody").await.0, 404);
    component.hang(true);
    rig.append(0..1).await;
    eventually("the lane stalls", async || {
        sidecar.get("/lanes/app").await == (503, "app: a delivery was not answered for 1000 ms\n".into())
    })
    .await;
    component.hang(false);
    eventually("it recovers", async || sidecar.get("/lanes/app").await.0 == 200).await;
    drop(component);
    eventually("nobody subscribes", async || {
        sidecar.get("/lanes/app").await == (503, "app: nobody subscribes to the channel\n".into())
    })
    .await;
}

#[tokio::test]
async fn streams_are_trimmed_behind_every_group_and_never_without_a_required_one() {
    let mut rig = Rig::new().await;
    let trim = [
        ("LIMITS__TRIM_MS", "50"),
        ("LIMITS__HISTORY_MS_MIN", "0"),
        ("LIMITS__HISTORY_ENTRIES_MIN", "500"),
    ];
    let lacking = [
        &trim[..],
        &[
            ("STREAMS__WORK__FROM", "app"),
            ("STREAMS__WORK__REQUIRED_GROUPS", "audit"),
        ],
    ]
    .concat();
    rig.append(0..3000).await;
    let (_component, mut sidecar) = rig.ready(&lacking).await;
    rig.until_settled().await;
    let passes = "stream_sidecar_trimmed_total{stream=\"work\",from=\"app\"} 0";
    eventually("a pass over the stream is over", async || {
        sidecar.get("/metrics").await.1.contains(passes)
    })
    .await;
    assert_eq!(
        rig.redis::<usize>("XLEN work").await,
        3000,
        "the group `audit` does not exist"
    );
    // The group exists, and has not acknowledged its first entries.
    let _: () = rig.redis("XGROUP CREATE work audit 0").await;
    let first: redis::Value = rig.redis("XREADGROUP GROUP audit a COUNT 1000 STREAMS work >").await;
    assert_ne!(first, redis::Value::Nil);
    let _: redis::Value = rig.redis("XREADGROUP GROUP audit a COUNT 2000 STREAMS work >").await;
    let ids: Vec<(String, redis::Value)> = rig.redis("XRANGE work - + COUNT 1001").await;
    for (id, _) in &ids[..1000] {
        let _: i64 = rig.redis(&format!("XACK work audit {id}")).await;
    }
    let mut length = 3000;
    eventually("it is trimmed up to the pending entry", async || {
        length = rig.redis::<usize>("XLEN work").await;
        length <= 2100
    })
    .await;
    assert!(length >= 2000, "{length}");
    let (_, page) = sidecar.get("/metrics").await;
    assert!(
        page.contains("stream_sidecar_holding_seconds{stream=\"work\",group=\"audit\",from=\"app\"}"),
        "{page}"
    );
    let rest: Vec<(String, redis::Value)> = rig.redis("XRANGE work - +").await;
    for (id, _) in rest {
        let _: i64 = rig.redis(&format!("XACK work audit {id}")).await;
    }
    eventually("it is trimmed down to the history", async || {
        length = rig.redis::<usize>("XLEN work").await;
        length <= 600
    })
    .await;
    assert!(length >= 500, "{length}");
    sidecar.kill();
}

/// A producer that takes microseconds for milliseconds.
#[tokio::test]
async fn a_stream_with_ids_from_the_future_is_trimmed_and_its_ages_are_unknown() {
    let mut rig = Rig::new().await;
    let trim = [
        ("LIMITS__TRIM_MS", "50"),
        ("LIMITS__HISTORY_MS_MIN", "3600000"),
        ("LIMITS__HISTORY_ENTRIES_MIN", "500"),
    ];
    let (component, sidecar) = rig.ready(&trim).await;
    let _: String = rig.redis("XADD work 1795443979434000-0 n 0").await;
    rig.append(1..3000).await;
    rig.until_settled().await;
    eventually("it is trimmed down to the history", async || {
        rig.redis::<usize>("XLEN work").await <= 600
    })
    .await;
    assert!(rig.redis::<usize>("XLEN work").await >= 500);
    component.hang(true);
    rig.append(3000..3001).await;
    eventually("it is pending", async || rig.pending().await == 1).await;
    eventually("another pass is over", async || {
        let page = sidecar.get("/metrics").await.1;
        let is_known = |name: &str| page.contains(&format!("\nstream_sidecar_{name}{{"));
        is_known("pending") && !is_known("oldest_pending_seconds") && !is_known("holding_seconds")
    })
    .await;
    assert!(!sidecar.command(&rig, &["status"]).contains(" 0s "));
    assert_eq!(
        sidecar.log().matches("ids from the future").count(),
        1,
        "{}",
        sidecar.log()
    );
}

#[tokio::test]
async fn idle_consumers_are_removed_unless_something_is_pending_on_them() {
    let mut rig = Rig::new().await;
    let _: () = rig.redis("XGROUP CREATE work crew 0 MKSTREAM").await;
    let _: i64 = rig.redis("XGROUP CREATECONSUMER work crew gone").await;
    let _: i64 = rig.redis("XGROUP CREATECONSUMER work crew busy").await;
    rig.append(0..1).await;
    let _: redis::Value = rig.redis("XREADGROUP GROUP crew busy STREAMS work >").await;
    let limits = [
        ("LIMITS__TRIM_MS", "50"),
        ("LIMITS__CONSUMER_IDLE_MS", "100"),
        ("LIMITS__LEASE_MS", "60000"),
    ];
    let (_component, sidecar) = rig.ready(&limits).await;
    sidecar.until_logged("removed idle consumers: gone").await;
    assert_eq!(rig.pending().await, 1, "what is pending on the other is still there");
}

#[tokio::test]
async fn dead_letters_are_listed_shown_replayed_and_dropped() {
    let mut rig = Rig::new().await;
    let (component, sidecar) = rig.ready(&[]).await;
    component.on_delivery(|delivery| Some(sorted(delivery, |n| if n < 4 { 'x' } else { 'd' })));
    let ids = rig.append(0..5).await;
    rig.until_settled().await;
    let list = sidecar.command(&rig, &["dead", "list", "--cause", "rejected"]);
    assert_eq!(list.matches("told so for").count(), 4, "{list}");
    let json = sidecar.command(&rig, &["dead", "list", "--reason", "for 2", "--json"]);
    let letter: serde_json::Value = serde_json::from_str(json.trim()).unwrap();
    assert_eq!(letter["entry"], ids[2]);
    assert_eq!(letter["fields"], serde_json::json!([["n", "2"]]));
    let shown = sidecar.command(&rig, &["dead", "show", &ids[2]]);
    assert!(
        shown.contains("reason    told so for 2") && shown.contains("n = 2"),
        "{shown}"
    );

    let refused = sidecar.try_command(&rig, &["dead", "replay"]);
    assert!(refused.1.contains("--all") && refused.0 == 1, "{refused:?}");
    let dry = sidecar.command(&rig, &["dead", "replay", "--all", "--dry-run"]);
    assert_eq!(dry, "would be to replay: 4 dead letters (4 rejected) in work of app\n");
    assert_eq!(rig.dead().await.len(), 4);

    component.on_delivery(|delivery| Some(all_done(delivery)));
    let replayed = sidecar.command(&rig, &["dead", "replay", "--id", &ids[1], "--id", &ids[2]]);
    assert!(replayed.ends_with("replayed 2\n"), "{replayed}");
    rig.until_settled().await;
    assert_eq!(component.attempts(1), [1, 1]);
    let seen = component.seen();
    let again = seen
        .iter()
        .flat_map(|delivery| &delivery.entries)
        .rfind(|entry| number(&entry.fields) == 1)
        .unwrap();
    assert_eq!(again.fields.get("replay_of"), Some(ids[1].as_str()));
    assert_eq!(again.fields.get("replay_group"), Some("crew"));
    for change in ["replay", "drop"] {
        let (code, said) = sidecar.try_command(&rig, &["dead", change, "--id", &ids[1]]);
        assert!(code == 1 && said.contains("no dead letters"), "{code} {said}");
    }

    let dropped = sidecar.command(
        &rig,
        &["dead", "drop", "--newer-than", "1h", "--stream", "work", "--json"],
    );
    assert_eq!(dropped.trim(), r#"{"dropped":2,"dry_run":false,"selected":2}"#);
    assert!(rig.dead().await.is_empty());
}

/// Escape sequences, carriage returns, C1 controls and changes of direction are shown and not obeyed.
#[tokio::test]
async fn what_others_wrote_cannot_speak_to_the_terminal() {
    const HOSTILE: &str = "a\u{1b}]0;owned\u{7}b\rc\nd\u{9b}31me\u{202e}f";
    const ESCAPED: &str = "a\\u{1b}]0;owned\\u{7}b\\rc\\nd\\u{9b}31me\\u{202e}f";
    let mut rig = Rig::new().await;
    let component = rig.component().await;
    component.on_delivery(|delivery| {
        let mut receipt = sorted(delivery, |_| 'x');
        for refusal in &mut receipt.reject {
            refusal.reason = format!("why {HOSTILE}");
        }
        Some(receipt)
    });
    let config = format!(
        "{CONFIG}[routes.other]\nstream = {stream}\nfrom = \"app\"\nto = \"app\"\ngroup = {stream}\n",
        stream = "\"s-a\\u001b]0;owned\\u0007b\\rc\\nd\\u009b31me\\u202ef\""
    );
    let sidecar = crate::harness::Sidecar::start(&rig, &config, &[]);
    sidecar.until_ready().await;
    let mut add = redis::cmd("XADD");
    add.arg("work").arg("*").arg("n").arg("0");
    add.arg(format!("name {HOSTILE}")).arg(format!("value {HOSTILE}"));
    let id: String = add.query_async(&mut rig.connection).await.unwrap();
    rig.until_settled().await;
    let is_safe = |text: &str| !text.contains(|c: char| (c.is_control() && c != '\n') || c == '\u{202e}');

    let shown = sidecar.command(&rig, &["dead", "show", &id]);
    assert!(is_safe(&shown), "{shown:?}");
    for line in [
        format!("  reason    why {ESCAPED}\n"),
        format!("    name {ESCAPED} = value {ESCAPED}\n"),
    ] {
        assert!(shown.contains(&line), "{shown}");
    }
    for (command, expected) in [
        (&["dead", "list"][..], format!("why {ESCAPED}\n")),
        (&["status"], format!("s-{ESCAPED}")),
        (
            &["--log-format", "human", "dead", "show", HOSTILE],
            "no such dead letter".to_owned(),
        ),
        (
            &["--log-format", "human", "dead", "list", "--stream", HOSTILE],
            ESCAPED.to_owned(),
        ),
    ] {
        let (_, said) = sidecar.try_command(&rig, command);
        assert!(is_safe(&said) && said.contains(&expected), "{command:?}: {said:?}");
    }
    let json = sidecar.command(&rig, &["dead", "list", "--json"]);
    let letter: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(
        letter["fields"][1],
        serde_json::json!([format!("name {HOSTILE}"), format!("value {HOSTILE}")])
    );
}

/// The services `app` and `more` have a stream of the same name in two databases.
#[tokio::test]
async fn streams_of_one_name_in_two_databases_are_told_apart() {
    let mut rig = Rig::new().await;
    let component = rig.component().await;
    component.on_delivery(|delivery| Some(sorted(delivery, |_| 'x')));
    let config = format!(
        "{CONFIG}[services.more]\nredis_url = \"redis://127.0.0.1:6379\"\ndatabase = 1\n\
         [routes.more]\nstream = \"work\"\nfrom = \"more\"\nto = \"app\"\ngroup = \"crew\"\n"
    );
    let sidecar = crate::harness::Sidecar::start(&rig, &config, &[("LIMITS__TRIM_MS", "50")]);
    sidecar.until_ready().await;
    rig.append(0..1).await;
    rig.until_settled().await;
    let _: () = rig.redis("SELECT 1").await;
    rig.append(1..3).await;
    rig.until_settled().await;

    let page = sidecar.get("/metrics").await.1;
    let series = page.lines().filter(|line| !line.starts_with('#'));
    let series: Vec<&str> = series.filter_map(|line| Some(line.rsplit_once(' ')?.0)).collect();
    let different: std::collections::BTreeSet<&&str> = series.iter().collect();
    assert_eq!(different.len(), series.len(), "{page}");
    for (from, count) in [("app", 1), ("more", 2)] {
        assert!(page.contains(&format!(
            "stream_sidecar_dead_letters{{stream=\"work\",from=\"{from}\"}} {count}\n"
        )));
    }
    let (code, said) = sidecar.try_command(&rig, &["dead", "drop", "--stream", "work"]);
    assert!(
        code == 1 && said.contains("app and more") && said.contains("--from"),
        "{code} {said}"
    );
    let listed = sidecar.command(&rig, &["dead", "list", "--stream", "work", "--from", "more", "--json"]);
    assert_eq!(listed.matches(r#""from":"more""#).count(), 2, "{listed}");
    let said = sidecar.command(&rig, &["dead", "drop", "--from", "more"]);
    assert!(said.ends_with("dropped 2\n"), "{said}");
    assert!(rig.dead().await.is_empty());
    let _: () = rig.redis("SELECT 0").await;
    assert_eq!(rig.dead().await.len(), 1);
}

#[tokio::test]
async fn letters_that_no_sidecar_wrote_stay_as_they_are() {
    let mut rig = Rig::new().await;
    let (component, sidecar) = rig.ready(&[]).await;
    component.on_delivery(|delivery| Some(sorted(delivery, |_| 'x')));
    rig.append(0..1).await;
    rig.until_settled().await;
    for fields in [1, 7] {
        let mut add = redis::cmd("XADD");
        add.arg("work.dead").arg("*");
        for number in 0..fields {
            add.arg(format!("field-{number}")).arg("value");
        }
        add.exec_async(&mut rig.connection).await.unwrap();
    }
    component.on_delivery(|delivery| Some(all_done(delivery)));
    let replayed = sidecar.command(&rig, &["dead", "replay", "--all", "--json"]);
    assert_eq!(
        replayed.trim(),
        r#"{"dry_run":false,"gone":0,"lost":2,"replayed":1,"selected":3}"#
    );
    rig.until_settled().await;
    let fields: Vec<_> = rig.dead().await.iter().map(|letter| letter.len()).collect();
    assert_eq!(fields, [1, 7]);
}

#[tokio::test]
async fn without_the_right_to_take_away_nothing_is_copied() {
    let mut rig = Rig::new().await;
    let (component, sidecar) = rig.ready(&[]).await;
    component.on_delivery(|delivery| Some(sorted(delivery, |_| 'x')));
    let _: String = rig.redis("ACL SETUSER default -xack").await;
    rig.append(0..1).await;
    sidecar.until_logged("may not run XACK").await;
    assert!(rig.dead().await.is_empty());
    let _: String = rig.redis("ACL SETUSER default +xack").await;
    rig.until_settled().await;
    assert_eq!(rig.dead().await.len(), 1);

    let length: u64 = rig.redis("XLEN work").await;
    let _: String = rig.redis("ACL SETUSER default -xdel").await;
    let (code, said) = sidecar.try_command(&rig, &["dead", "replay", "--all"]);
    assert!(code == 1 && said.contains("may not run XDEL"), "{code} {said}");
    assert_eq!(rig.redis::<u64>("XLEN work").await, length);
    assert_eq!(rig.dead().await.len(), 1);
}

#[tokio::test]
async fn a_replay_by_reference_takes_the_entry_from_its_stream() {
    let mut rig = Rig::new().await;
    let (component, mut sidecar) = rig.ready(&[("LIMITS__ENTRY_BYTES_MAX", "1000")]).await;
    let mut add = redis::cmd("XADD");
    add.arg("work")
        .arg("*")
        .arg("n")
        .arg("0")
        .arg("data")
        .arg("x".repeat(2000));
    add.exec_async(&mut rig.connection).await.unwrap();
    rig.until_settled().await;
    sidecar.kill();
    let sidecar = rig.sidecar(&[]);
    sidecar.command(&rig, &["dead", "replay", "--cause", "too-large"]);
    rig.until_settled().await;
    assert_eq!(component.seen()[0].entries[0].fields.get("data").unwrap().len(), 2000);
}

#[tokio::test]
async fn status_shows_each_route() {
    let mut rig = Rig::new().await;
    let (component, sidecar) = rig.ready(&[]).await;
    component.on_delivery(|delivery| Some(empty(delivery)));
    component.hang(true);
    rig.append(0..3).await;
    eventually("it is pending", async || rig.pending().await == 3).await;
    let table = sidecar.command(&rig, &["status"]);
    let row: Vec<&str> = table.lines().nth(1).unwrap().split_whitespace().collect();
    assert_eq!(
        &row[..10],
        ["work", "work", "app", "crew", "app", "1", "3", "0", "3", "0"],
        "{table}"
    );
    let json: serde_json::Value = serde_json::from_str(&sidecar.command(&rig, &["status", "--json"])).unwrap();
    assert_eq!(json["pending"], 3);
}

#[tokio::test]
async fn a_pipe_that_closes_ends_commands_quietly() {
    let mut rig = Rig::new().await;
    let (component, sidecar) = rig.ready(&[]).await;
    component.on_delivery(|delivery| Some(sorted(delivery, |_| 'x')));
    rig.append(0..3).await;
    rig.until_settled().await;
    for command in [
        "status",
        "status --json",
        "status --watch",
        "dead list",
        "dead list --json",
        "config check",
        "config show",
        // Done, though nobody reads of it.
        "dead drop --all",
    ] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let words: Vec<&str> = command.split(' ').collect();
        let output = sidecar.prepare(&rig, &words).stdout(writer).output().unwrap();
        assert!(
            output.status.success() && output.stderr.is_empty(),
            "{command}: {output:?}"
        );
    }
    assert!(rig.dead().await.is_empty());
}

#[tokio::test]
async fn without_a_log_to_write_to_entries_flow() {
    let mut rig = Rig::new().await;
    let (component, sidecar) = rig.ready(&[]).await;
    component.on_delivery(|delivery| Some(sorted(delivery, |_| 'x')));
    let (reader, writer) = std::io::pipe().unwrap();
    let variables = [
        ("STREAM_SIDECAR__INSTANCE", "two"),
        ("STREAM_SIDECAR__ADMIN__LISTEN", ""),
    ];
    let mut second = sidecar
        .prepare(&rig, &["run"])
        .envs(variables)
        .stderr(writer)
        .spawn()
        .unwrap();
    drop(reader);
    // Each dead letter is logged, by whichever of the two has it.
    let second_component = crate::component::Component::subscribe(rig.redis.port, "app.0.two").await;
    second_component.on_delivery(|delivery| Some(sorted(delivery, |_| 'x')));
    for number in 0..200 {
        rig.append(number..number + 1).await;
    }
    rig.until_settled().await;
    eventually("the second one delivers", async || {
        rig.append(0..10).await;
        !second_component.seen().is_empty()
    })
    .await;
    rig.until_settled().await;
    assert!(second.try_wait().unwrap().is_none(), "it has ended");
    second.kill().unwrap();
    second.wait().unwrap();
}

#[tokio::test]
async fn the_configuration_is_checked_and_shown_with_its_defaults() {
    let rig = Rig::new().await;
    let config = CONFIG.replace("redis://127", "redis://default:hunter2@127");
    let sidecar = crate::harness::Sidecar::start(&rig, &config, &[]);
    assert_eq!(
        sidecar.command(&rig, &["config", "check"]),
        "the configuration is good: 1 routes\n"
    );
    let shown = sidecar.command(&rig, &["config", "show"]);
    assert!(
        shown.contains("redis://default:***@127") && !shown.contains("hunter2"),
        "{shown}"
    );
    assert!(
        shown.contains("lease_ms = 1500") && shown.contains("window_deliveries = 4"),
        "{shown}"
    );
}

/// The least rights of a sidecar's Redis user; docs/sidecar.md shows the same.
const ACL: &str = "ACL SETUSER sidecar on >secret resetkeys resetchannels ~work ~work.dead ~stream-sidecar:lock:* \
    &app.0.one &receipts.app.0.one -@all +xgroup|create +xgroup|delconsumer +xreadgroup +xpending +xrange +xclaim +xack \
    +xadd +xdel +xlen +xtrim +xinfo|groups +xinfo|consumers +type +time +get +set +pttl +del +publish +subscribe \
    +unsubscribe +ping +pubsub|numsub +client|list +select +evalsha +eval +script|load";

#[tokio::test]
async fn the_least_rights_are_enough() {
    let mut rig = Rig::new().await;
    let words = ACL.split_whitespace().collect::<Vec<_>>().join(" ");
    let _: () = rig.redis(&words).await;
    let config = CONFIG.replace("redis://127", "redis://sidecar:secret@127");
    let component = rig.component().await;
    component.on_delivery(|delivery| Some(sorted(delivery, |n| ['d', 'r', 'x'][n % 3])));
    let limits = [("LIMITS__TRIM_MS", "50"), ("LIMITS__CONSUMER_IDLE_MS", "100")];
    let mut sidecar = crate::harness::Sidecar::start(&rig, &config, &limits);
    sidecar.until_ready().await;
    rig.append(0..30).await;
    rig.until_settled().await;
    sidecar.command(&rig, &["status"]);
    sidecar.command(&rig, &["dead", "replay", "--cause", "rejected"]);
    sidecar.command(&rig, &["dead", "drop", "--all"]);
    rig.until_settled().await;
    let (_, page) = sidecar.get("/metrics").await;
    assert!(page.contains("stream_sidecar_lag{"), "{page}");
    sidecar.signal("TERM");
    assert_eq!(sidecar.exit_code().await, 0);
    assert!(!sidecar.log().contains("NOPERM"), "{}", sidecar.log());
    assert!(!sidecar.log().contains("not permitted"), "{}", sidecar.log());
}

#[tokio::test]
async fn a_wrong_password_is_told_once_and_a_right_one_is_taken() {
    let mut rig = Rig::new().await;
    let _: () = rig.redis("ACL SETUSER worker on >right ~* &* +@all").await;
    let config = CONFIG.replace("redis://127", "redis://worker:wrong@127");
    let component = rig.component().await;
    let sidecar = crate::harness::Sidecar::start(&rig, &config, &[]);
    sidecar.until_logged("Password authentication failed").await;
    sidecar.until_not_ready("").await;
    let _: () = rig.redis("ACL SETUSER worker resetpass >wrong").await;
    sidecar.until_ready().await;
    rig.append(0..3).await;
    rig.until_settled().await;
    assert_eq!(component.numbers(), [0, 1, 2]);
    assert!(sidecar.log().matches("WARN").count() < 12, "{}", sidecar.log());
}

#[tokio::test]
async fn a_password_that_is_changed_later_is_told_and_costs_nothing() {
    let mut rig = Rig::new().await;
    let _: () = rig.redis("ACL SETUSER worker on >right ~* &* +@all").await;
    let config = CONFIG.replace("redis://127", "redis://worker:right@127");
    let component = rig.component().await;
    let sidecar = crate::harness::Sidecar::start(&rig, &config, &[]);
    sidecar.until_ready().await;
    component.hang(true);
    rig.append(0..3).await;
    eventually("they are in flight", async || rig.pending().await == 3).await;
    let _: () = rig.redis("ACL SETUSER worker resetpass >other").await;
    let _: i64 = rig.redis("CLIENT KILL USER worker").await;
    component.hang(false);
    sidecar.until_logged("Password authentication failed").await;
    sidecar.until_not_ready("").await;
    rig.append(3..6).await;
    rig.assert_calm(&sidecar).await;
    let _: () = rig.redis("ACL SETUSER worker resetpass >right").await;
    sidecar.until_ready().await;
    rig.until_settled().await;
    assert!((0..6).all(|number| component.attempts(number).iter().all(|attempt| *attempt == 1)));
    assert!(component.numbers().contains(&5));
    assert!(rig.dead().await.is_empty());
    assert!(sidecar.log().matches("WARN").count() < 30, "{}", sidecar.log());
}
