//! `devhost run` runs a Spin app without Spin; `devhost up` starts the whole system for development; `devhost seed` and
//! `devhost play` load demo products and place orders.

// They panic when the output is a pipe that has closed.
#![warn(clippy::print_stdout, clippy::print_stderr)]

mod cli;
mod environment;
mod exit;
mod output;
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
use exit::BadConfiguration;

fn main() -> ExitCode {
    // For rediss://; an error means that a provider is installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    // Before the command line, whose parser takes some of the variables.
    let checked = environment::check(std::env::vars_os()).map_err(|error| BadConfiguration(error).into());
    match checked.and_then(|()| run(Cli::parse().command)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output::print_error(format_args!("devhost: {error:#}"));
            exit::code(&error)
        }
    }
}

fn run(command: Command) -> Result<()> {
    match command {
        Command::Run(arguments) => run::run(arguments),
        Command::Up(arguments) => block_on(up::up(arguments)),
        Command::Seed { app } => block_on(demo::seed(app)),
        Command::Play(arguments) => block_on(demo::play(arguments)),
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
