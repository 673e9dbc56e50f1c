//! `devhost run` runs a Spin app where no Spin is installed; `devhost up` starts everything for development; `devhost
//! seed` and `devhost play` fill it with life.

mod cli;
mod exit;

mod app;
mod host;
mod run;
mod http;
mod demo;
mod up;

use std::process::ExitCode;

use clap::Parser;

use cli::{Cli, Command};

fn main() -> ExitCode {
    // For rediss://; fails only if it was done before.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let result = match Cli::parse().command {
        Command::Run(arguments) => run::run(arguments),
        Command::Up(arguments) => up::up(arguments),
        Command::Seed(arguments) => demo::seed_alone(&arguments),
        Command::Play(arguments) => demo::play::play(arguments),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("devhost: {error}");
            error.code()
        }
    }
}
