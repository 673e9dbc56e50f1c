//! HTTP: from a request to its response. In reading order:

#[cfg(target_family = "wasm")]
pub mod service;
#[cfg(target_family = "wasm")]
pub mod request;
#[cfg(target_family = "wasm")]
pub mod response;
pub mod problem;
pub mod json;
pub mod cross_site;
#[cfg(target_family = "wasm")]
pub mod header;
#[cfg(target_family = "wasm")]
mod auth;
#[cfg(target_family = "wasm")]
pub mod idempotency;
pub mod if_match;
#[cfg(target_family = "wasm")]
pub mod page;
#[cfg(target_family = "wasm")]
pub mod watchers;
#[cfg(target_family = "wasm")]
pub mod sse;
#[cfg(target_family = "wasm")]
pub mod openapi;
