//! The contract between the store and the warehouse: their events, streams, consumer groups and limits.
//!
//! The event types are generated from `wit/events.wit`, so that both components, the tests and the load generator
//! share one definition. Modules in reading order.
#![warn(missing_docs)]

pub mod names;
pub mod limits;
pub mod json;
mod generated;
pub mod events;
pub mod envelope;
