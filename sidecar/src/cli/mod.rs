//! The commands for people: looking at routes and at dead letters. They talk to Redis; the sidecar need not run.

pub mod health;
mod dead;
mod output;
mod select;
mod status;

use std::time::Duration;

use anyhow::Context;
use comfy_table::{Table, presets};

pub use dead::DeadCommand;
pub use output::{is_closed_output, print};
pub use status::StatusArguments;

use crate::config::Config;
use crate::printable::printable;
use crate::redis::Connection;

fn connection_to(config: &Config, service: &str) -> anyhow::Result<Connection> {
    let timeout = Duration::from_millis(config.limits.redis_ms);
    let connection = Connection::new(&config.services[service], timeout);
    connection.with_context(|| format!("services.{service}.redis_url cannot be used"))
}

/// A table without lines, as `ps` prints one. The rows are of text that anybody may have written.
fn table(headings: &str, rows: Vec<Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(headings.split(' '));
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    for row in &rows {
        table.add_row(row.iter().map(|cell| printable(cell)));
    }
    table.trim_fmt()
}
