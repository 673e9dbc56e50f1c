//! The JSON text of each event, so that the wire format changes only on purpose.
#![allow(clippy::unwrap_used)]

use contracts::envelope;
use contracts::events::{
    Event, OrderCancelRequested, OrderCompleted, OrderFulfilled, OrderLine, OrderPlaced, ProductChanged, RefundOrder,
    RefundReason, ReturnReceived, ShortLine,
};

fn check<E: Event + PartialEq + std::fmt::Debug>(event: &E, golden: &str) {
    assert_eq!(serde_json::to_string(event).unwrap(), golden);
    let read: E = envelope::read(|field| (field == "data").then_some(golden)).unwrap();
    assert_eq!(&read, event);
}

fn line() -> OrderLine {
    OrderLine {
        line_id: 1,
        product_id: "teapot".to_owned(),
        qty: 5,
    }
}

#[test]
fn every_event_has_its_golden_text() {
    check(
        &OrderPlaced {
            order_id: "o-1".to_owned(),
        },
        r#"{"order_id":"o-1"}"#,
    );
    check(
        &OrderCompleted {
            order_id: "o-1".to_owned(),
            customer_id: "ada".to_owned(),
            lines: vec![line()],
        },
        r#"{"order_id":"o-1","customer_id":"ada","lines":[{"line_id":1,"product_id":"teapot","qty":5}]}"#,
    );
    check(
        &OrderFulfilled {
            order_id: "o-1".to_owned(),
            lines: vec![line()],
        },
        r#"{"order_id":"o-1","lines":[{"line_id":1,"product_id":"teapot","qty":5}]}"#,
    );
    for (reason, word) in [
        (RefundReason::InsufficientStock, "insufficient_stock"),
        (RefundReason::UnknownProduct, "unknown_product"),
        (RefundReason::CustomerCancelled, "customer_cancelled"),
    ] {
        check(
            &RefundOrder {
                order_id: "o-1".to_owned(),
                reason,
                lines: vec![ShortLine {
                    line_id: 1,
                    product_id: "teapot".to_owned(),
                    requested: 5,
                    available: 1,
                }],
            },
            &format!(
                r#"{{"order_id":"o-1","reason":"{word}","lines":[{{"line_id":1,"product_id":"teapot","requested":5,"available":1}}]}}"#
            ),
        );
    }
    check(
        &OrderCancelRequested {
            order_id: "o-1".to_owned(),
            reason: "changed my mind".to_owned(),
        },
        r#"{"order_id":"o-1","reason":"changed my mind"}"#,
    );
    check(
        &ReturnReceived {
            order_id: "o-1".to_owned(),
            return_id: "r-1".to_owned(),
            lines: vec![line()],
        },
        r#"{"order_id":"o-1","return_id":"r-1","lines":[{"line_id":1,"product_id":"teapot","qty":5}]}"#,
    );
    check(
        &ProductChanged {
            product_id: "teapot".to_owned(),
            rev: 3,
            name: "Teapot, \"large\"".to_owned(),
            price_minor: 4_900,
            currency: "EUR".to_owned(),
            active: true,
        },
        r#"{"product_id":"teapot","rev":3,"name":"Teapot, \"large\"","price_minor":4900,"currency":"EUR","active":true}"#,
    );
}

#[test]
fn an_error_names_the_field() {
    let error = |fields: &[(&str, &str)]| {
        let find = |name: &str| fields.iter().find(|(key, _)| *key == name).map(|(_, value)| *value);
        envelope::read::<OrderCompleted>(find).unwrap_err()
    };
    let order = |line: &str| format!(r#"{{"order_id":"o-1","customer_id":"ada","lines":[{line}]}}"#);

    assert_eq!(error(&[]), "data: the field is missing");
    assert!(error(&[("data", "{}"), ("v", "2")]).starts_with("v: "));
    assert!(error(&[("data", "{}"), ("type", "order-placed")]).starts_with("type: "));
    for (data, start) in [
        ("not JSON".to_owned(), "data: "),
        (r#"["o-1","ada",[]]"#.to_owned(), "data: must be a JSON object"),
        ("{}".to_owned(), "data.order_id: is required"),
        (order(""), "data.lines: must hold 1 to 100 lines"),
        (
            order(r#"{"line_id":1,"product_id":"teapot","qty":1.5}"#),
            "data.lines[0].qty: must be an integer from 1 to 1000000",
        ),
        (
            order(r#"{"line_id":1,"product_id":"teapot","qty":-3}"#),
            "data.lines[0].qty: must be an integer from 1 to 1000000, is -3",
        ),
        (
            order(r#"{"line_id":1,"product_id":"teapot","qty":0}"#),
            "data.lines[0].qty: must be an integer from 1 to 1000000, is 0",
        ),
        (
            order(r#"{"line_id":0,"product_id":"teapot","qty":1}"#),
            "data.lines[0].line_id: ",
        ),
        (
            order(r#"{"line_id":1,"product_id":"tea pot","qty":1}"#),
            "data.lines[0].product_id: ",
        ),
        (
            order(r#"{"line_id":1,"product_id":"a","qty":1},{"line_id":1,"product_id":"b","qty":1}"#),
            "data.lines[1].line_id: 1 is there twice",
        ),
        (
            format!("{} {{}}", order(r#"{"line_id":1,"product_id":"a","qty":1}"#)),
            "data: must be one JSON object: it goes wrong",
        ),
    ] {
        let reason = error(&[("data", &data), ("v", "1"), ("type", "order-completed")]);
        assert!(reason.starts_with(start), "{data}: {reason}");
    }
}
