//! The store's edge: HTTP and events in, Redis out. Compiled for WebAssembly only.

mod redis;
mod change;
mod http;
mod events;
