//! Each user of `deploy/redis/users.acl` is refused the commands, keys and channels that it does not need.

use redis::ErrorKind;

use crate::Test;
use crate::harness::System;
use crate::runtime::Runtime;
use crate::stored::stored_order;

pub const TESTS: &[Test] = &[
    ("each user of Redis is refused what it does not need", refused),
    ("Redis with users has everything again after a restart", restarted),
];

fn refused(runtime: Runtime) {
    let system = System::start(Runtime {
        secured: true,
        ..runtime
    });
    system.stock("cup", 1);
    let order = system.order(&[("cup", 1)]);
    assert_eq!(system.end_of(&order), "fulfilled");

    let everybody = [
        "FLUSHALL",
        "CONFIG GET maxmemory",
        "KEYS *",
        "SCRIPT FLUSH",
        "ACL LIST",
        "SHUTDOWN",
        "CLIENT KILL TYPE normal",
        "SAVE",
        "XADD elsewhere * data 1",
        "MONITOR",
        "EVAL return(redis.call('KEYS','*')) 0",
    ];
    let own: [(&str, &[&str]); 3] = [
        (
            "store",
            &[
                "SELECT 1",
                "GET stock:cup",
                "GET allocation:x",
                "XADD order-fulfilled * data {}",
                "XREADGROUP GROUP payment-group me STREAMS order-placed >",
                "XACK order-placed payment-group 1-1",
                "XTRIM order-placed MAXLEN 0",
                "PUBLISH warehouse.1.local {}",
                "PUBLISH receipts.warehouse.1.local {}",
                "DEL order-placed-elsewhere",
            ],
        ),
        (
            "warehouse",
            &[
                "GET order:x",
                "XADD order-placed * data {}",
                "XREADGROUP GROUP warehouse-group me STREAMS order-completed >",
                "PUBLISH store.0.local {}",
                "PUBLISH receipts.store.0.local {}",
            ],
        ),
        (
            "sidecar",
            &[
                "GET order:x",
                "HSET stock:cup on_hand 9",
                "GET product:cup",
                "DEL order:x",
            ],
        ),
    ];
    for (user, its_own) in own {
        let url = system.redis_url_as(user);
        let mut connection = redis::Client::open(url).unwrap().get_connection().unwrap();
        let mut run = |command: &str| {
            let mut words = command.split(' ');
            let mut built = redis::cmd(words.next().unwrap());
            for word in words {
                built.arg(word);
            }
            built.query::<redis::Value>(&mut connection)
        };
        run("PING").unwrap();
        for command in everybody.iter().chain(its_own) {
            let error = run(command).expect_err(&format!("{user} may {command}"));
            let refused = ["permission", "can't run this command"];
            let error = error.to_string();
            assert!(
                refused.iter().any(|words| error.contains(words)),
                "{user}: {command}: {error}"
            );
        }
    }
    for url in [
        system.redis_url_as("store").replace("store:", "store:x"),
        "redis://".to_owned() + system.redis_url_as("store").rsplit('@').next().unwrap(),
    ] {
        let error = redis::Client::open(url)
            .unwrap()
            .get_connection()
            .and_then(|mut connection| redis::cmd("PING").query::<()>(&mut connection))
            .expect_err("nobody comes in without a password");
        let is_refused = error.kind() == ErrorKind::AuthenticationFailed || error.to_string().contains("NOAUTH");
        assert!(is_refused, "{error}");
    }
}

fn restarted(runtime: Runtime) {
    let mut system = System::start(Runtime {
        secured: true,
        ..runtime
    });
    system.stock("cup", 5);
    let order = system.order(&[("cup", 2)]);
    assert_eq!(system.end_of(&order), "fulfilled");
    system.stop_redis();
    system.start_redis();
    // Redis reads its file as a user too, and drops the commands that this user may not run.
    assert_eq!(stored_order(&system, &order)["status"], "fulfilled");
    let allocation: String = system.warehouse_redis(&["GET", &format!("allocation:{order}")]);
    assert!(allocation.contains(r#""outcome":"fulfilled""#), "{allocation}");
    assert_eq!(system.outcomes_told(), (1, 0));
}
