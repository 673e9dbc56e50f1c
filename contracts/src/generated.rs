//! The event types, generated from `wit/events.wit`. Items without a comment there are without documentation here.
#![allow(missing_docs, unreachable_pub)]

wit_bindgen::generate!({
    path: "../wit",
    world: "event-types",
    generate_unused_types: true,
    additional_derives: [PartialEq, Eq, serde::Serialize, serde::Deserialize],
    additional_derives_ignore: ["refund-reason"],
});

pub use self::shop::contract::events::*;
