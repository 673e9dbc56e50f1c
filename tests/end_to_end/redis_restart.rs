//! Redis stopped and started again: everything recovers by itself under the supervisor.

use std::process::Command;

use crate::Test;
use crate::harness::System;
use crate::process::{Process, binary, eventually, project};
use crate::runtime::Runtime;

pub const TESTS: &[Test] = &[("Redis is stopped and started again", stopped_and_started)];

fn stopped_and_started(runtime: Runtime) {
    let mut system = System::with_redis(runtime);
    let supervisor = supervise(&system);
    // While it starts, an app that ends is a start that failed.
    eventually("everything runs", || {
        system.read_log("up").contains("Everything runs").then_some(())
    });
    system.stock("cup", 20);
    let before: Vec<_> = (0..10).map(|_| system.order(&[("cup", 1)])).collect();

    system.stop_redis();
    let answer = system.try_get("/store/healthz");
    assert!(
        !matches!(answer, Ok(answer) if answer.status == 200),
        "healthy without Redis"
    );
    system.start_redis();
    system.wait_for_health();
    system.wait_for_sidecar();

    let after: Vec<_> = (0..10).map(|_| system.order(&[("cup", 1)])).collect();
    for order in before.iter().chain(&after) {
        assert_eq!(system.end_of(order), "fulfilled");
    }
    assert_eq!(system.stock_of("cup"), (0, 20, 20));
    system.assert_no_dead_letters();
    drop(supervisor);
}

/// `devhost up` on this test's Redis.
pub fn supervise(system: &System) -> Process {
    let mut command = Command::new(binary("devhost"));
    command
        .arg("up")
        .args(["--runtime", system.kind().name()])
        .args(["--listen", &system.listen()])
        .args(["--redis-url", &system.redis_url()])
        .arg("--data-dir")
        .arg(system.folder().join("up"))
        .envs(system.sidecar_settings())
        .current_dir(project());
    Process::start(&mut command, &system.folder().join("up.log"))
}
