//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Runs a Spin app on wasmtime where no Spin is installed. For development, tests and a first look; production runs
/// Spin.
#[derive(Debug, Parser)]
#[command(version, about)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run an app as `spin up` does.
    Run(RunArguments),
    /// Start everything and keep it running: Redis, the app, the sidecar.
    Up(UpArguments),
    /// Load the demo products into a running app; products that are there stay as they are.
    Seed(SeedArguments),
    /// Send orders to a running app until Ctrl-C, and print what becomes of each.
    Play(PlayArguments),
}

#[derive(Args, Debug)]
pub(crate) struct RunArguments {
    /// The manifest, or a folder with a spin.toml.
    #[arg(long, default_value = "spin.toml")]
    pub(crate) from: PathBuf,

    /// Where to serve HTTP.
    #[arg(long, default_value = "127.0.0.1:3000", env = "SPIN_HTTP_LISTEN_ADDR")]
    pub(crate) listen: SocketAddr,

    /// A value for one of the manifest's [variables]; may be given again for others.
    #[arg(long = "variable", value_name = "NAME=VALUE", value_parser = name_and_value)]
    pub(crate) variables: Vec<(String, String)>,

    /// Where components' output is logged [default: .spin/logs beside the manifest].
    #[arg(long)]
    pub(crate) log_dir: Option<PathBuf>,

    /// Keep components' output out of the console.
    #[arg(long, short)]
    pub(crate) quiet: bool,
}

#[derive(Args, Debug)]
pub(crate) struct UpArguments {
    /// Where to serve HTTP.
    #[arg(long, default_value = "127.0.0.1:3000")]
    pub(crate) listen: SocketAddr,

    /// A Redis to use, as redis://[user:password@]host[:port]; without it, one of its own is started.
    #[arg(long, env = "REDIS_URL")]
    pub(crate) redis_url: Option<String>,

    /// What runs the app.
    #[arg(long, value_enum, default_value_t = Runtime::Auto)]
    pub(crate) runtime: Runtime,

    /// Where its own Redis keeps its data.
    #[arg(long, default_value = "run")]
    pub(crate) data_dir: PathBuf,

    /// Load no demo products.
    #[arg(long)]
    pub(crate) no_seed: bool,
}

#[derive(Args, Debug)]
pub(crate) struct SeedArguments {
    /// Where the app serves HTTP.
    #[arg(long, default_value = "127.0.0.1:3000")]
    pub(crate) app: SocketAddr,
}

#[derive(Args, Debug)]
pub(crate) struct PlayArguments {
    /// Where the app serves HTTP.
    #[arg(long, default_value = "127.0.0.1:3000")]
    pub(crate) app: SocketAddr,

    /// Orders per second.
    #[arg(long, default_value_t = 2.0, value_parser = rate)]
    pub(crate) rate: f64,

    /// Stop after so many orders.
    #[arg(long)]
    pub(crate) orders: Option<u64>,
}

/// What runs the app.
#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
pub(crate) enum Runtime {
    /// `spin` if it is on PATH and new enough, else devhost.
    Auto,
    Spin,
    Devhost,
}

fn rate(argument: &str) -> Result<f64, String> {
    match argument.parse() {
        Ok(rate) if (0.01..=1_000.0).contains(&rate) => Ok(rate),
        _ => Err("must be 0.01 to 1000 orders per second".to_owned()),
    }
}

fn name_and_value(argument: &str) -> Result<(String, String), String> {
    match argument.split_once('=') {
        Some((name, value)) => Ok((name.to_owned(), value.to_owned())),
        None => Err(format!("{argument:?} is not of the form name=value")),
    }
}
