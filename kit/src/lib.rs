//! The part that both services share: Redis, commits, deliveries, and HTTP. Nothing here knows orders or stock.
//!
//! Modules in reading order; those that need a runtime are compiled for WebAssembly only.
#![warn(missing_docs)]

pub mod archive;
pub mod storage_error;
pub mod commit;

#[cfg(target_family = "wasm")]
pub mod clock;
#[cfg(target_family = "wasm")]
mod variables;
#[cfg(target_family = "wasm")]
mod deadline;
#[cfg(target_family = "wasm")]
pub mod redis;
#[cfg(target_family = "wasm")]
pub mod change;
#[cfg(target_family = "wasm")]
pub mod lists;
#[cfg(target_family = "wasm")]
mod interleave;
#[cfg(target_family = "wasm")]
pub mod deliveries;
#[cfg(target_family = "wasm")]
mod streams;

pub mod web;
