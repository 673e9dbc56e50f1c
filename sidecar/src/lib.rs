//! Redis Streams consumer groups for Spin apps: the sidecar reads the groups, hands batches of entries to components
//! through Spin's Redis trigger, and settles what they report back. It never looks into an entry.
//!
//! In reading order: what is decided, purely; then one Redis verb per module; then what puts them together.

pub mod config;
pub mod entry;

pub mod decide;
pub mod lane;

pub mod link;
pub mod groups;
pub mod read;
pub mod claim;
pub mod deliver;
pub mod post;
pub mod receipts;
pub mod settle;
pub mod dead_letter;
pub mod lock;
pub mod inspect;

pub mod clerk;
pub mod driver;
pub mod notices;
pub mod maintenance;
pub mod metrics;
pub mod admin;
pub mod run;

pub mod cli;

pub mod complaint;
pub mod logging;
