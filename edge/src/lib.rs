//! What the edges of both components share. Nothing here knows orders or stock.
//!
//! Modules in reading order; those that need a runtime are compiled for WebAssembly only.

#![warn(missing_docs)]

pub mod problem;
pub mod json;
pub mod if_match;

#[cfg(target_family = "wasm")]
pub mod clock;
#[cfg(target_family = "wasm")]
mod setting;
#[cfg(target_family = "wasm")]
mod deadline;
#[cfg(target_family = "wasm")]
pub mod redis;
#[cfg(target_family = "wasm")]
pub mod texts;
#[cfg(target_family = "wasm")]
pub mod idempotency;
#[cfg(target_family = "wasm")]
pub mod page;
#[cfg(target_family = "wasm")]
mod auth;
#[cfg(target_family = "wasm")]
pub mod request;
#[cfg(target_family = "wasm")]
pub mod http;
#[cfg(target_family = "wasm")]
pub mod live;
#[cfg(target_family = "wasm")]
pub mod openapi;
#[cfg(target_family = "wasm")]
mod turns;
#[cfg(target_family = "wasm")]
pub mod events;
#[cfg(target_family = "wasm")]
pub mod deliveries;
#[cfg(target_family = "wasm")]
pub mod streams;
