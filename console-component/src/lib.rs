//! Serves the page at `/` with its embedded files. The page calls the store and the warehouse from the browser; this
//! component calls nothing. Compiled for WebAssembly only.
#![cfg(target_family = "wasm")]

mod http;
