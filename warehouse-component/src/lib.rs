//! The warehouse: keeps products and stock, and decides which orders are fulfilled.
//!
//! [`domain`] decides and touches nothing; the edge, compiled for WebAssembly only, asks it and commits.

pub mod domain;
#[cfg(target_family = "wasm")]
mod edge;
