//! The sidecar as a process, against a Redis of its own and a component that does as it is told.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod component;
mod harness;

mod bad_input;
mod delivering;
mod failing;
mod faults;
mod load;
mod operating;
mod stopping;
