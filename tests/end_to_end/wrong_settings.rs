//! What is set wrongly is told, with the setting to change, and nothing is applied meanwhile.

use serde_json::json;

use crate::Test;
use crate::harness::{System, deliver_over_http};
use crate::port::free_port;
use crate::process::{Process, binary, eventually, project};
use crate::runtime::Runtime;
use crate::shop::order_body;

pub const TESTS: &[Test] = &[
    ("wrong settings: the app says where Redis should be", app),
    ("wrong settings: the sidecar says what it cannot reach", sidecar),
];

fn app(runtime: Runtime) {
    let system = System::with_redis(Runtime {
        secured: true,
        ..runtime
    });
    let nobody = format!("127.0.0.1:{}", free_port());
    for (name, value, reason) in [
        ("HOST", nobody.as_str(), "refused"),
        ("HOST", "nowhere.invalid:6379", "lookup"),
        ("AUTH", "store:wrong@", "authentication failed"),
    ] {
        let listen = format!("127.0.0.1:{}", free_port());
        let manifest = project().join("store-component/spin.toml");
        let mut command = runtime.command(&manifest, Some(&listen), &system.folder().join("logs"));
        let variables = system.runtime_variables().into_iter();
        command
            .envs(variables.filter(|(name, _)| !name.contains("WAREHOUSE")))
            .env(format!("SPIN_VARIABLE_STORE_REDIS_{name}"), value)
            .current_dir(system.folder());
        let _app = Process::start(&mut command, &system.folder().join("runtime.log"));
        let answer = eventually("the app answers", || {
            system.try_get(&format!("http://{listen}/store/healthz")).ok()
        });
        let body = order_body(&[("cup", 1)]).to_string();
        let order = system
            .try_post(&format!("http://{listen}/store/orders"), &[], &body)
            .unwrap();
        for answer in [answer, order] {
            assert_eq!(
                (answer.status, &answer.json()["type"]),
                (503, &json!("storage_unavailable")),
                "{answer:?}"
            );
            assert!(answer.text.contains(reason), "{answer:?} does not say {reason:?}");
            assert!(answer.text.contains("redis_url"), "{answer:?}");
        }
    }
}

fn sidecar(runtime: Runtime) {
    let system = System::with_redis(Runtime {
        secured: true,
        ..runtime
    });
    let nobody = free_port();
    let store_redis = "STREAM_SIDECAR__SERVICES__STORE__REDIS_URL";
    let wrong_redis = |url: String| vec![(store_redis.to_owned(), url)];
    let right = system
        .sidecar_settings()
        .into_iter()
        .find(|(name, _)| name == store_redis);
    let wrong_password = right.unwrap().1.replace("sidecar:", "sidecar:x");
    let delivery = deliver_over_http("store", nobody).to_vec();
    for (settings, ready, log) in [
        (
            wrong_redis(format!("rediss://127.0.0.1:{nobody}")),
            "redis_url",
            "Connection refused",
        ),
        (
            wrong_redis("rediss://nowhere.invalid:6379".to_owned()),
            "redis_url",
            "failed to lookup address",
        ),
        (
            wrong_redis(wrong_password),
            "redis_url",
            "Password authentication failed",
        ),
        (
            delivery,
            "delivery_url cannot be reached",
            "delivery_url cannot be reached",
        ),
    ] {
        let listen = format!("127.0.0.1:{}", free_port());
        let mut command = std::process::Command::new(binary("stream-sidecar"));
        command
            .args(["run", "--config"])
            .arg(project().join("sidecar.toml"))
            .envs(system.sidecar_settings())
            .envs(settings)
            .env("STREAM_SIDECAR__ADMIN__LISTEN", &listen);
        let sidecar = Process::start(&mut command, &system.folder().join("sidecar.log"));
        eventually(ready, || {
            let answer = system.try_get(&format!("http://{listen}/readyz")).ok()?;
            (answer.status == 503 && answer.text.contains(ready)).then_some(())
        });
        eventually(log, || system.read_log("sidecar").contains(log).then_some(()));
        drop(sidecar);
    }
}
