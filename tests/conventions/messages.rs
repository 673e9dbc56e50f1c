//! The delivery messages in Rust have the fields of `wit/delivery.wit`.

use std::collections::BTreeMap;

use protocol::{Delivery, Entry, Fields, Receipt, Refusal};
use serde_json::Value;
use wit_parser::{Resolve, TypeDefKind};

use crate::project;

#[test]
fn rust_and_wit_agree() {
    let mut resolve = Resolve::new();
    resolve.push_dir(project().join("wit")).unwrap();
    let (_, interface) = resolve
        .interfaces
        .iter()
        .find(|(_, interface)| interface.name.as_deref() == Some("delivery"))
        .unwrap();
    let records: BTreeMap<&str, Vec<&str>> = interface
        .types
        .iter()
        .filter_map(|(name, id)| match &resolve.types[*id].kind {
            TypeDefKind::Record(record) => {
                let mut fields: Vec<_> = record.fields.iter().map(|field| field.name.as_str()).collect();
                fields.sort_unstable();
                Some((name.as_str(), fields))
            }
            _ => None,
        })
        .collect();

    let refusal = Refusal {
        entry: String::new(),
        reason: String::new(),
    };
    let receipt = Receipt {
        retry: vec![refusal.clone()],
        ..Receipt::default()
    };
    let entry = Entry {
        entry: "1-1".into(),
        attempt: 1,
        fields: Fields(vec![("name".into(), "value".into())]),
    };
    let delivery = Delivery {
        delivery: "".into(),
        stream: "".into(),
        group: "".into(),
        receipts: "".into(),
        entries: vec![entry.clone()],
    };
    let found: BTreeMap<&str, Value> = [
        ("delivery", serde_json::to_value(delivery).unwrap()),
        ("entry", serde_json::to_value(entry).unwrap()),
        ("receipt", serde_json::to_value(receipt).unwrap()),
        ("refusal", serde_json::to_value(refusal).unwrap()),
    ]
    .into();
    assert_eq!(found.keys().collect::<Vec<_>>(), records.keys().collect::<Vec<_>>());
    for (name, value) in &found {
        let mut fields: Vec<_> = value.as_object().unwrap().keys().map(String::as_str).collect();
        fields.sort_unstable();
        assert_eq!(fields, records[name], "{name}");
    }
    assert_eq!(found["entry"]["fields"], serde_json::json!({ "name": "value" }));
}
