//! Redis Streams consumer groups for Spin apps: the sidecar reads the groups, hands batches of entries to components
//! through Spin's Redis trigger or over HTTP, and settles what they report back. It never looks into an entry's data.
//!
//! In reading order: what is decided, purely; then those who perform it; then what puts them together. A library only
//! for the sake of its tests.

// They panic when the output is a pipe that has closed.
#![warn(clippy::print_stdout, clippy::print_stderr)]

pub mod config;
pub mod entry;
pub mod lane;
pub mod backoff;

pub mod redis;
pub mod transport;
pub mod worker;
pub mod driver;
pub mod maintenance;
pub mod supervisor;

pub mod inspect;
pub mod metrics;
pub mod admin;

pub mod cli;
pub mod logging;
pub mod printable;
