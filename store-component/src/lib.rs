//! The store: takes orders, charges for them, and keeps its own copy of the warehouse's catalogue.
//!
//! [`domain`] decides and touches nothing; the edge, compiled for WebAssembly only, asks it and commits.

pub mod domain;
#[cfg(target_family = "wasm")]
mod edge;
