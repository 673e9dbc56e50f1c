//! The example word-count runs as its README says: another stream, another component, the same sidecar.

use std::process::Command;

use nix::sys::signal::Signal;

use crate::Test;
use crate::harness::System;
use crate::port::free_port;
use crate::process::{Process, binary, eventually, project};
use crate::runtime::Runtime;

pub const TESTS: &[Test] = &[("the example counts every text once", counts_once)];

fn counts_once(runtime: Runtime) {
    let system = System::with_redis(runtime);
    let example = project().join("examples/word-count");
    let log = |name: &str| system.folder().join(format!("{name}.log"));
    let host = system.redis_url().replace("redis://", "");
    let app = || {
        let mut command = runtime.command(&example.join("spin.toml"), None, &system.folder().join("logs"));
        command.env("SPIN_VARIABLE_REDIS_HOST", &host).current_dir(project());
        Process::start(&mut command, &log("runtime"))
    };
    let mut command = Command::new(binary("stream-sidecar"));
    command.arg("run").arg("--config").arg(example.join("sidecar.toml"));
    let settings = [
        ("SERVICES__WORD_COUNT__REDIS_URL", system.redis_url()),
        ("ADMIN__LISTEN", format!("127.0.0.1:{}", free_port())),
        ("LIMITS__BACKOFF_MS_MIN", "20".to_owned()),
    ];
    command.envs(settings.map(|(name, value)| (format!("STREAM_SIDECAR__{name}"), value)));
    let text = |text: &str| system.store_redis::<String>(&["XADD", "texts", "*", "text", text]);
    let count = |word: &str| system.store_redis::<Option<u64>>(&["HGET", "words", word]);

    // Before anything else runs.
    let first = text("to be or not to be");
    let running = (app(), Process::start(&mut command, &log("sidecar")));
    eventually("the words are counted", || (count("be") == Some(2)).then_some(()));
    // An entry that is retried twice, one that can never work, and one that was counted before.
    text("be it later");
    let _: String = system.store_redis(&["XADD", "texts", "*", "txet", "be"]);
    system.wait_until_handled("texts", "counters");
    eventually("what was put off is counted", || (count("be") == Some(3)).then_some(()));
    system.wait_until_handled("texts", "counters");
    let dead = system.store_dead_letters("texts");
    assert_eq!(dead.len(), 1, "{dead:?}");
    assert!(dead[0].contains(&("dead_reason".to_owned(), "it has no field `text`".to_owned())));
    // The group is set back: everything is delivered again, and nothing is counted again.
    let _: String = system.store_redis(&["XGROUP", "SETID", "texts", "counters", "0"]);
    text("be");
    eventually("it is counted", || (count("be") == Some(4)).then_some(()));
    system.wait_until_handled("texts", "counters");
    assert_eq!((count("to"), count("be"), count("later")), (Some(2), Some(4), Some(1)));
    let counted: bool = system.store_redis(&["SISMEMBER", "counted", &first]);
    assert!(counted);
    // Redis refuses writes when the entry arrives: the component reports it, and no attempt is spent.
    running.0.signal(Signal::SIGSTOP);
    text("full");
    eventually("it is in flight", || {
        let pending: Vec<redis::Value> = system.store_redis(&["XPENDING", "texts", "counters", "-", "+", "10"]);
        (pending.len() == 1).then_some(())
    });
    let _: String = system.store_redis(&["CONFIG", "SET", "maxmemory", "1"]);
    running.0.signal(Signal::SIGCONT);
    eventually("it is reported", || {
        let log = system.read_log("sidecar");
        log.contains("the component is unavailable").then_some(())
    });
    let _: String = system.store_redis(&["CONFIG", "SET", "maxmemory", "0"]);
    eventually("it is counted", || (count("full") == Some(1)).then_some(()));
    // The entry that can never work was delivered a second time above; there are no dead letters since.
    assert_eq!(system.store_dead_letters("texts").len(), 2);
    drop(running);
}
