//! The sidecar as a process, against a Redis of its own and a component whose behaviour a test sets.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod component;
mod harness;
#[allow(unreachable_pub)]
#[path = "../../../tests/end_to_end/port.rs"]
mod port;
#[path = "../../../tests/end_to_end/proxy.rs"]
mod proxy;

mod bad_input;
mod delivering;
mod failing;
mod faults;
mod lanes;
mod losses;
mod load;
mod network;
mod operating;
mod over_http;
mod stopping;
