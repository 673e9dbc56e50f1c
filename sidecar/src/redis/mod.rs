//! Everything that the sidecar does in Redis: a module for each kind of thing, and a script for each change that must
//! happen in one step.

mod connection;
mod groups;
mod entries;
mod pending;
mod settle;
mod lock;

pub use connection::{Connection, Fault, address, client, fault};
pub use entries::{block_ms, read, wait};
pub use groups::{Consumer, prepare};
pub use lock::Lock;
pub use pending::{claim, look_up_due, look_up_own, renew};
pub use settle::{dead_letters, settle};
