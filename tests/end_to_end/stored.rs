//! Orders and products as the store keeps them, as JSON.

use serde_json::{Value, json};

use crate::courier::Courier;
use crate::harness::System;

/// The order as it is stored.
pub fn stored_order(system: &System, order_id: &str) -> Value {
    let text: String = system.store_redis(&["GET", &order_key(order_id)]);
    serde_json::from_str(&text).unwrap()
}

/// Makes an order one that was placed and last changed at this time.
pub fn date_back(courier: &mut Courier, order_id: &str, time: &str) {
    set_field(courier, order_id, "created_at", time);
    set_field(courier, order_id, "updated_at", time);
}

/// Changes a field of a stored order, and leaves the rest of its JSON as it is.
pub fn set_field(courier: &mut Courier, order_id: &str, field: &str, value: &str) {
    let key = order_key(order_id);
    let text: String = courier.redis(&["GET", &key]);
    let name = format!("\"{field}\":\"");
    let begin = text.find(&name).unwrap() + name.len();
    let end = begin + text[begin..].find('"').unwrap();
    let _: String = courier.redis(&["SET", &key, &[&text[..begin], value, &text[end..]].concat()]);
}

/// A product of the catalogue as JSON.
pub fn product_text(rev: u64, name: &str, price_minor: u64, active: bool) -> String {
    let rest = json!({ "name": name, "price_minor": price_minor, "currency": "EUR", "active": active }).to_string();
    format!("{{\"rev\":{rev},{}", &rest[1..])
}

fn order_key(order_id: &str) -> String {
    format!("order:{order_id}")
}
