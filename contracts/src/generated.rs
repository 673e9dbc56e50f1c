//! What wit-bindgen makes of `wit/events.wit`. The macro writes public items without documentation of their own beyond
//! the WIT comments, hence the allowance.
#![allow(missing_docs, unreachable_pub)]

wit_bindgen::generate!({
    path: "../wit",
    world: "event-types",
    generate_unused_types: true,
    additional_derives: [PartialEq, Eq, serde::Serialize, serde::Deserialize],
    additional_derives_ignore: ["refund-reason"],
});

pub use self::shop::contract::events::*;
