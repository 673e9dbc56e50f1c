//! Wrong settings: the log or the answer names the setting to change, and nothing is applied meanwhile.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;

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
    ("wrong settings: an old Redis is refused", old_redis),
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
        let mut command = Command::new(binary("stream-sidecar"));
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

fn old_redis(runtime: Runtime) {
    let system = System::with_redis(Runtime {
        over_http: false,
        secured: false,
        ..runtime
    });
    let old = TcpListener::bind("127.0.0.1:0").unwrap();
    let host = old.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for client in old.incoming() {
            std::thread::spawn(move || answer_as_redis_6(&client.unwrap()));
        }
    });

    let listen = format!("127.0.0.1:{}", free_port());
    let manifest = project().join("warehouse-component/spin.toml");
    let mut command = runtime.command(&manifest, Some(&listen), &system.folder().join("logs"));
    command
        .env("SPIN_VARIABLE_WAREHOUSE_REDIS_HOST", &host)
        .current_dir(system.folder());
    let _app = Process::start(&mut command, &system.folder().join("runtime.log"));
    let product = json!({ "sku": "CUP", "name": "Cup", "price_minor": 900, "currency": "EUR" }).to_string();
    let answer = eventually("the app answers", || {
        let url = format!("http://{listen}/warehouse/products");
        system.try_post(&url, &[], &product).ok()
    });
    assert_eq!(answer.status, 503, "{answer:?}");
    assert!(answer.text.contains("Redis 7.0"), "{answer:?}");

    let output = Command::new(binary("stream-sidecar"))
        .args(["run", "--config"])
        .arg(project().join("sidecar.toml"))
        .envs(system.sidecar_settings())
        .env("STREAM_SIDECAR__SERVICES__STORE__REDIS_URL", format!("redis://{host}"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("run that or a later one"), "{said}");
}

/// Answers each command with `OK`, and scripts as Redis 6.2 does, until the client is gone.
fn answer_as_redis_6(mut client: &TcpStream) {
    let mut commands = BufReader::new(client);
    let mut line = String::new();
    let mut number = |commands: &mut BufReader<&TcpStream>| {
        line.clear();
        commands.read_line(&mut line).ok()?;
        line.get(1..)?.trim().parse::<usize>().ok()
    };
    while let Some(words) = number(&mut commands) {
        let mut command = Vec::new();
        for _ in 0..words {
            let Some(bytes) = number(&mut commands) else { return };
            let mut word = vec![0; bytes + 2];
            if commands.read_exact(&mut word).is_err() {
                return;
            }
            command.push(String::from_utf8_lossy(&word).trim_end().to_uppercase());
        }
        let answer: &[u8] = match command[0].as_str() {
            "EVALSHA" => b"-NOSCRIPT No matching script. Please use EVAL.\r\n",
            "EVAL" | "SCRIPT" => {
                b"-ERR Error compiling script (new function): user_script:1: unexpected symbol near '#'\r\n"
            }
            _ => b"+OK\r\n",
        };
        if client.write_all(answer).is_err() {
            return;
        }
    }
}
