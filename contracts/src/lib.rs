//! The shop's contract in Rust: what the store and the warehouse say to each other through Redis Streams.
//!
//! The event types are generated from `wit/events.wit`, so that both components, the tests and the load generator
//! share one definition. Modules in reading order:

#![warn(missing_docs)]

pub mod names;
pub mod limits;
mod generated;
pub mod events;
pub mod envelope;
