//! The page at `/`, with all that it consists of embedded. It talks to the store and the warehouse from the browser;
//! this component itself talks to nothing. Compiled for WebAssembly only.
#![cfg(target_family = "wasm")]

mod http;
