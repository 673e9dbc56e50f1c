//! `devhost run` runs a Spin app without Spin; `devhost up` starts the whole system for development; `devhost seed` and
//! `devhost play` load demo products and place orders.

mod cli;
mod exit;
mod signals;

mod app;
mod host;
mod run;
mod http;
mod demo;
mod up;

use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;

use cli::{Cli, Command};

fn main() -> ExitCode {
    // For rediss://; an error means that a provider is installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let result = match Cli::parse().command {
        Command::Run(arguments) => run::run(arguments),
        Command::Up(arguments) => block_on(up::up(arguments)),
        Command::Seed { app } => block_on(demo::seed(app)),
        Command::Play(arguments) => block_on(demo::play(arguments)),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("devhost: {error:#}");
            exit::code(&error)
        }
    }
}

/// Runs on this thread only: `up`'s children end with the thread that started them.
fn block_on(command: impl Future<Output = Result<()>>) -> Result<()> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start")?
        .block_on(command)
}
