//! Compiles and instantiates components, and implements the interfaces that they import.

pub(crate) mod bindings;
mod engine;
mod outbound_http;
mod output;
mod redis;
mod state;
mod variables;

pub(crate) use engine::{Engine, LoadedComponent};
pub(crate) use output::Output;
pub(crate) use state::State;
