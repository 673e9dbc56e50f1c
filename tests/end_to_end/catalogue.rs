//! Orders follow the store's copy of the catalogue, whatever an instance of the store has cached of it.

use contracts::events::ProductChanged;
use serde_json::Value;

use crate::Test;
use crate::courier::{Courier, Settled};
use crate::harness::{Answer, System};
use crate::runtime::Runtime;
use crate::shop::order_body;
use crate::stored::product_text;

pub const TESTS: &[Test] = &[
    (
        "an order is priced by the catalogue of its moment",
        priced_by_the_moment,
    ),
    ("prices change while orders come", prices_change),
    ("every line follows its own product", every_line),
    ("the store keeps the highest revision, and of two the last", revisions),
];

fn priced_by_the_moment(runtime: Runtime) {
    let mut system = System::with_redis(runtime);
    system.start_runtime();
    assert_refused(&order(&system, "first"), "unknown_product");

    learn(&system, "cup", 1, "Cup", 1_000, true);
    let first = order(&system, "first");
    assert_eq!(subtotal(&first), 1_000);
    learn(&system, "cup", 2, "Mug", 700, true);
    let second = order(&system, "second");
    assert_eq!(subtotal(&second), 700);
    assert_eq!(second.json()["lines"][0]["name"], "Mug");
    learn(&system, "cup", 3, "Mug", 700, false);
    assert_refused(&order(&system, "third"), "inactive_product");
    learn(&system, "cup", 4, "Mug", 800, true);
    assert_eq!(subtotal(&order(&system, "third")), 800);
    let _: u64 = system.store_redis(&["DEL", "product:cup"]);
    assert_refused(&order(&system, "fourth"), "unknown_product");
    learn(&system, "cup", 5, "Mug", 900, true);
    assert_eq!(subtotal(&order(&system, "fourth")), 900);

    // A damaged idempotency record fits no request, also for an instance that has the product cached.
    for field in ["body", "request"] {
        let _: u64 = system.store_redis(&["HDEL", "idem:POST:/store/orders:third", field]);
        assert_refused(&order(&system, "third"), "idempotency_key_reused");
    }

    // A repeat is answered as before, by an instance that has the product cached and by one that cannot.
    let _: u64 = system.store_redis(&["DEL", "product:cup"]);
    for _ in 0..2 {
        assert_eq!(order(&system, "first").text, first.text);
        assert_eq!(order(&system, "second").text, second.text);
        system.kill_runtime();
        system.start_runtime();
    }
    let body = order_body(&[("cup", 2)]).to_string();
    let reused = system.post_text("/store/orders", &[("Idempotency-Key", "first")], &body);
    assert_refused(&reused, "idempotency_key_reused");
    assert_eq!(system.store_redis::<u64>(&["XLEN", "order-placed"]), 4);
}

fn order(system: &System, key: &str) -> Answer {
    let body = order_body(&[("cup", 1)]).to_string();
    system.post_text("/store/orders", &[("Idempotency-Key", key)], &body)
}

fn prices_change(runtime: Runtime) {
    let mut system = System::with_redis(runtime);
    system.start_runtime();
    learn(&system, "cup", 1, "Cup", 100, true);
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| (0..60).map(|_| place_between(&system)).collect::<Vec<_>>()))
            .collect();
        for rev in 2..200 {
            learn(&system, "cup", rev, "Cup", 100 * rev, true);
        }
        for (before, price, after) in clients.into_iter().flat_map(|client| client.join().unwrap()) {
            assert!(
                (before..=after).contains(&price),
                "{price} is not from {before} to {after}"
            );
        }
    });
}

fn every_line(runtime: Runtime) {
    /// The most lines that an order may have.
    const LINES: usize = 100;
    let mut system = System::with_redis(runtime);
    system.start_runtime();
    // The last line is for the same product as the first.
    let ids: Vec<_> = (0..LINES).map(|line| format!("p-{}", line % (LINES - 1))).collect();
    for id in &ids {
        learn(&system, id, 1, "Cup", 10, true);
    }
    let lines: Vec<_> = ids.iter().map(|id| (id.as_str(), 1)).collect();
    let body = order_body(&lines).to_string();
    let place = |key: &str| system.post_text("/store/orders", &[("Idempotency-Key", key)], &body);
    assert_eq!(subtotal(&place("first")), 1_000);
    learn(&system, "p-98", 2, "Cup", 15, true);
    assert_eq!(subtotal(&place("second")), 1_005);
    learn(&system, "p-0", 2, "Cup", 20, true);
    assert_eq!(subtotal(&place("third")), 1_025);
    // After a backup was restored, a revision is given a second time.
    learn(&system, "p-50", 1, "Cup", 11, true);
    assert_eq!(subtotal(&place("fourth")), 1_026);
    // A damaged product is noticed, though an instance has it cached.
    let whole = product_text(1, "Cup", 10, true);
    let no_text = [whole.as_bytes(), b"\xff"].concat();
    for damaged in [whole.replace("price_minor", "price").as_bytes(), &no_text] {
        system.put_into_store("product:p-7", damaged);
        let answer = place("fifth");
        assert_eq!(
            (answer.status, &answer.json()["type"]),
            (500, &Value::from("corrupt_data")),
            "{answer:?}"
        );
    }
    assert_eq!(system.store_redis::<u64>(&["XLEN", "order-placed"]), 4);
}

fn revisions(runtime: Runtime) {
    let mut system = System::with_redis(runtime);
    system.start_runtime();
    let mut courier = Courier::new(&system);
    // The last but one stands for a warehouse restored from a backup.
    for (rev, name, kept) in [
        (2, "Cup", "Cup"),
        (1, "Bowl", "Cup"),
        (2, "Cup", "Cup"),
        (2, "Mug", "Mug"),
        (3, "Jug", "Jug"),
    ] {
        let event = ProductChanged {
            product_id: "cup".to_owned(),
            rev,
            name: name.to_owned(),
            price_minor: 1,
            currency: "EUR".to_owned(),
            active: true,
        };
        let (settled, reason) = courier.deliver(&[(format!("{rev} {name}"), event)]).remove(0);
        assert_eq!(settled, Settled::Done, "{reason}");
        let text: String = system.store_redis(&["GET", "product:cup"]);
        let stored: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(stored["name"], kept, "after {rev} {name}");
    }
}

/// An order's price, and the product's before the request and after the answer.
fn place_between(system: &System) -> (u64, u64, u64) {
    let price = || -> u64 {
        let text: String = system.store_redis(&["GET", "product:cup"]);
        serde_json::from_str::<Value>(&text).unwrap()["price_minor"]
            .as_u64()
            .unwrap()
    };
    let before = price();
    let answer = system.post("/store/orders", &order_body(&[("cup", 1)]));
    (before, subtotal(&answer), price())
}

/// Puts a product into the store's copy of the catalogue.
pub fn learn(system: &System, product_id: &str, rev: u64, name: &str, price_minor: u64, active: bool) {
    let text = product_text(rev, name, price_minor, active);
    let _: String = system.store_redis(&["SET", &format!("product:{product_id}"), &text]);
}

fn subtotal(answer: &Answer) -> u64 {
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.json()["subtotal_minor"].as_u64().unwrap()
}

fn assert_refused(answer: &Answer, kind: &str) {
    assert_eq!(
        (answer.status, &answer.json()["type"]),
        (422, &Value::from(kind)),
        "{answer:?}"
    );
}
