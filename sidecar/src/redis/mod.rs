//! Everything that the sidecar does in Redis, and a script for each change that must happen in one step.

mod connection;
mod consumer;
mod settle;
mod lock;

pub use connection::{Connection, Fault, address, client, fault};
pub use consumer::{Consumer, block_ms};
pub use lock::Lock;
