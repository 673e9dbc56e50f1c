//! The warehouse: keeps products and stock, and decides which orders are fulfilled.
//!
//! [`domain`] decides and does no I/O. Everything else is compiled for WebAssembly only, so the compiler holds this: `http`
//! and `events` take requests and deliveries in, `app` has one file for each use case, and `storage` alone knows Redis keys.

pub mod domain;

#[cfg(target_family = "wasm")]
mod storage;
#[cfg(target_family = "wasm")]
mod app;
#[cfg(target_family = "wasm")]
mod http;
#[cfg(target_family = "wasm")]
mod events;
