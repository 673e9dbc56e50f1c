//! App and sidecar are replaced one by one under load, old and new side by side.
//!
//! `ROLLING_BEFORE` names the folder of a built checkout of an earlier state, which then takes turns with this one.

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use nix::sys::signal::Signal;

use crate::Test;
use crate::harness::{System, deliver_over_http};
use crate::port::free_port;
use crate::process::{Process, binary, eventually, is_clean, project};
use crate::proxy::Proxy;
use crate::runtime::Runtime;
use crate::shop::order_body;

pub const TESTS: &[Test] = &[("app and sidecar are replaced under load", replaced)];

/// Number of times that everything is replaced.
const CHANGES: usize = 3;
/// Orders that must be placed between two steps, so that each meets work under way.
const ORDERS_PER_STEP: usize = 40;
const CLIENTS: usize = 4;

/// An app and its sidecar, as a pod has them.
struct Pair {
    app: Process,
    sidecar: Process,
    port: u16,
}

impl Pair {
    /// `folder` is that of a checkout.
    fn start(system: &System, runtime: Runtime, instance: &str, folder: &Path) -> Self {
        let program = if folder == project() {
            binary("stream-sidecar")
        } else {
            folder.join("target/debug/stream-sidecar")
        };
        let (port, admin) = (free_port(), free_port());
        let log = |name: &str| system.folder().join(format!("{name}-{instance}.log"));
        let listen = format!("127.0.0.1:{port}");
        let mut app = runtime.command(&folder.join("spin.toml"), Some(&listen), &system.folder().join("logs"));
        app.envs(system.runtime_variables())
            .env("SPIN_VARIABLE_INSTANCE", instance)
            .current_dir(folder);
        let app = Process::start(&mut app, &log("app"));
        let mut sidecar = std::process::Command::new(program);
        sidecar
            .arg("run")
            .arg("--config")
            .arg(folder.join("sidecar.toml"))
            .envs(system.sidecar_settings())
            .env("STREAM_SIDECAR__INSTANCE", instance)
            .env("STREAM_SIDECAR__ADMIN__LISTEN", format!("127.0.0.1:{admin}"));
        if runtime.over_http {
            sidecar.envs(
                ["store", "warehouse"]
                    .iter()
                    .flat_map(|service| deliver_over_http(service, port)),
            );
        }
        let sidecar = Process::start(&mut sidecar, &log("sidecar"));
        // A pod takes requests once both of its containers are ready.
        for url in [
            format!("http://127.0.0.1:{port}/store/healthz"),
            format!("http://127.0.0.1:{port}/warehouse/healthz"),
            format!("http://127.0.0.1:{admin}/readyz"),
        ] {
            eventually(&format!("{instance} is ready"), || {
                system.try_get(&url).ok().filter(|answer| answer.status == 200)
            });
        }
        Self { app, sidecar, port }
    }
}

fn replaced(runtime: Runtime) {
    let mut system = System::with_redis(runtime);
    let before = std::env::var_os("ROLLING_BEFORE").map_or_else(project, PathBuf::from);
    let mut pair = Pair::start(&system, runtime, "pod-0", &before);
    let front = Proxy::start(pair.port);
    system.reach_app_at(front.port);
    system.stock("cup", 1_000_000);

    let (orders, failures) = (Mutex::new(Vec::new()), Mutex::new(Vec::new()));
    let (stop, placed) = (AtomicBool::new(false), AtomicUsize::new(0));
    let after_some_orders = || {
        let until = placed.load(Ordering::Relaxed) + ORDERS_PER_STEP;
        eventually("orders are placed", || {
            (placed.load(Ordering::Relaxed) >= until).then_some(())
        });
    };
    thread::scope(|scope| {
        for client in 0..CLIENTS {
            let (system, orders, failures, stop, placed) = (&system, &orders, &failures, &stop, &placed);
            scope.spawn(move || {
                let body = order_body(&[("cup", 1)]).to_string();
                for number in 0.. {
                    if stop.load(Ordering::Relaxed) {
                        return;
                    }
                    let key = format!("client-{client}-{number}");
                    // A broken connection says nothing of its request: the key makes a repeat harmless.
                    let answer = eventually("the app answers", || {
                        system
                            .try_post("/store/orders", &[("Idempotency-Key", &key)], &body)
                            .ok()
                    });
                    match answer.status {
                        201 => {
                            let order = answer.json()["order_id"].as_str().unwrap().to_owned();
                            orders.lock().unwrap().push(order);
                            placed.fetch_add(1, Ordering::Relaxed);
                        }
                        _ => failures.lock().unwrap().push(answer.text),
                    }
                }
            });
        }
        for change in 1..=CHANGES {
            after_some_orders();
            let state = if change % 2 == 0 { before.clone() } else { project() };
            let next = Pair::start(&system, runtime, &format!("pod-{change}"), &state);
            after_some_orders();
            front.lead_to(next.port);
            let old = std::mem::replace(&mut pair, next);
            after_some_orders();
            let stopped = old.sidecar.stop(Signal::SIGTERM);
            assert!(is_clean(stopped), "the sidecar: {stopped:?}");
            after_some_orders();
            old.app.stop(Signal::SIGTERM);
        }
        after_some_orders();
        stop.store(true, Ordering::Relaxed);
    });
    assert_eq!(*failures.lock().unwrap(), Vec::<String>::new());
    let orders = orders.into_inner().unwrap();
    assert!(orders.len() >= CHANGES * 4 * ORDERS_PER_STEP);
    for order in &orders {
        assert_eq!(system.end_of(order), "fulfilled");
    }
    let sold = orders.len() as u64;
    assert_eq!(system.stock_of("cup"), (1_000_000 - sold, 1_000_000, sold));
    assert_eq!(system.outcomes_told(), (sold, 0));
    system.assert_no_dead_letters();
    drop((pair.app, pair.sidecar));
}
