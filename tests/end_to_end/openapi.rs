//! The OpenAPI documents describe this app.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::Test;
use crate::cancels::store;
use crate::harness::System;
use crate::process::project;
use crate::runtime::Runtime;

pub const TESTS: &[Test] = &[("the OpenAPI documents", documents)];

fn documents(runtime: Runtime) {
    let (system, _) = store(runtime);
    check(&system, "store");
    check(&system, "warehouse");
}

fn check(system: &System, service: &str) {
    let path = format!("/{service}/openapi.json");
    let answer = system.get(&path);
    assert_eq!((answer.status, answer.content_type.as_str()), (200, "application/json"));
    assert_eq!(system.get(&path).text, answer.text);
    let document = answer.json();
    assert_eq!(document["openapi"], "3.1.0");

    let mut operations = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let id = operation["operationId"].as_str().unwrap();
            assert!(operations.insert(id.to_owned()), "{id} is there twice");
            let open = operation["security"].is_null();
            assert_eq!(open, method == "get", "{id}: {}", operation["security"]);
            assert_eq!(operation["responses"]["401"].is_null(), open, "{id}");
            let asked = path.replace(['{', '}'], "");
            let body = if method == "get" { "" } else { "{" };
            let answer = system.send(&method.to_uppercase(), &asked, &[], body);
            let said = answer.json();
            assert_ne!(said["type"], "unknown_route", "{method} {path}");
            assert_ne!(said["type"], "method_not_allowed", "{method} {path}");
            let documented = &operation["responses"][answer.status.to_string()];
            assert!(
                documented.is_object(),
                "{method} {path} answers {}: {documented}",
                answer.status
            );
            if answer.status >= 400 {
                let slug = said["type"].as_str().unwrap();
                let examples = &documented["content"]["application/problem+json"]["examples"];
                assert_eq!(
                    examples[slug]["value"]["status"],
                    json!(answer.status),
                    "{method} {path}: {slug}"
                );
            }
        }
    }
    assert!(operations.len() >= 12, "{operations:?}");

    let mut references = BTreeSet::new();
    collect(&document, &mut references);
    assert!(references.len() > 5, "{references:?}");
    for reference in references {
        let target = document.pointer(reference.strip_prefix('#').unwrap());
        assert!(target.is_some(), "{reference} leads nowhere");
    }

    let table = std::fs::read_to_string(project().join("docs/errors.md")).unwrap();
    let mut slugs = BTreeSet::new();
    for operation in document["paths"]
        .as_object()
        .unwrap()
        .values()
        .flat_map(|item| item.as_object().unwrap().values())
    {
        for response in operation["responses"].as_object().unwrap().values() {
            let examples = response["content"]["application/problem+json"]["examples"].as_object();
            slugs.extend(examples.into_iter().flatten().map(|(slug, _)| slug.clone()));
        }
    }
    for slug in slugs {
        assert!(
            table.contains(&format!("| `{slug}` |")),
            "docs/errors.md does not list {slug}"
        );
    }
}

fn collect(value: &Value, references: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            if let Some(Value::String(reference)) = fields.get("$ref") {
                references.insert(reference.clone());
            }
            fields.values().for_each(|value| collect(value, references));
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, references)),
        _ => {}
    }
}
