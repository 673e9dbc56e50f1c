//! Each service as an app of its own, from its own manifest, with deliveries over HTTP.

use serde_json::{Value, json};

use crate::Test;
use crate::harness::{DELIVERY_SECRET, System, deliver_over_http};
use crate::port::free_port;
use crate::process::{Process, eventually, project};
use crate::runtime::Runtime;
use crate::shop::order_body;

pub const TESTS: &[Test] = &[("each service runs as an app of its own", two_apps)];

fn two_apps(runtime: Runtime) {
    let mut system = System::with_redis(Runtime {
        over_http: true,
        ..runtime
    });
    let mut apps = Vec::new();
    let mut start = |service: &str, system: &System| {
        let port = free_port();
        let manifest = project().join(format!("{service}-component/spin.toml"));
        let listen = format!("127.0.0.1:{port}");
        let mut command = runtime.command(&manifest, Some(&listen), &system.folder().join(service));
        let own = |name: &str| {
            !["store", "warehouse"]
                .iter()
                .any(|other| *other != service && name.contains(&other.to_uppercase()))
        };
        let variables = system.runtime_variables().into_iter().filter(|(name, _)| own(name));
        command
            .envs(variables)
            .env("SPIN_VARIABLE_DELIVERY_SECRET", DELIVERY_SECRET)
            .current_dir(system.folder());
        apps.push(Process::start(
            &mut command,
            &system.folder().join(format!("{service}.log")),
        ));
        port
    };
    let (store, warehouse) = (start("store", &system), start("warehouse", &system));
    let url = |port: u16, path: &str| format!("http://127.0.0.1:{port}{path}");
    let get = |port, path: &str| system.try_get(&url(port, path)).ok();
    for (port, service) in [(store, "store"), (warehouse, "warehouse")] {
        eventually("the app answers", || {
            get(port, &format!("/{service}/healthz")).filter(|answer| answer.status == 200)
        });
    }
    // Neither has a route of the other.
    assert_eq!(get(store, "/warehouse/products").unwrap().status, 404);
    assert_eq!(get(warehouse, "/store/products").unwrap().status, 404);

    system.start_sidecar_with(
        [
            deliver_over_http("store", store),
            deliver_over_http("warehouse", warehouse),
        ]
        .concat(),
    );
    let product = json!({
        "product_id": "cup", "sku": "CUP", "name": "Cup", "price_minor": 900, "currency": "EUR", "on_hand": 3,
    });
    let made = system
        .try_post(&url(warehouse, "/warehouse/products"), &[], &product.to_string())
        .unwrap();
    assert_eq!(made.status, 201, "{made:?}");
    eventually("the store knows the product", || {
        let items = system.try_get(&url(store, "/store/products")).ok()?.json();
        (items["items"].as_array()?.len() == 1).then_some(())
    });
    let end_of = |qty: u32| {
        let body = order_body(&[("cup", qty)]).to_string();
        let order = system.try_post(&url(store, "/store/orders"), &[], &body).unwrap();
        assert_eq!(order.status, 201, "{order:?}");
        let id = order.json()["order_id"].as_str().unwrap().to_owned();
        eventually("the order comes to its end", || {
            let order: Value = system.try_get(&url(store, &format!("/store/orders/{id}"))).ok()?.json();
            let status = order["status"].as_str()?.to_owned();
            ["fulfilled", "refunded"].contains(&status.as_str()).then_some(status)
        })
    };
    assert_eq!(end_of(2), "fulfilled");
    assert_eq!(end_of(2), "refunded");
    system.assert_no_dead_letters();
}
