//! Demo products, and orders to watch.

mod examples;
mod play;
mod products;

use std::net::SocketAddr;

use anyhow::Result;

use crate::cli::PlayArguments;
use crate::http::Client;
use crate::output::print;

pub(crate) use examples::{Situation, example_commands};
pub(crate) use products::add_products;

/// `devhost seed`.
pub(crate) async fn seed(app: SocketAddr) -> Result<()> {
    print(add_products(&Client::new(app)).await?);
    Ok(())
}

/// `devhost play`.
pub(crate) async fn play(arguments: PlayArguments) -> Result<()> {
    play::run(Client::new(arguments.app), arguments.rate, arguments.orders).await
}
