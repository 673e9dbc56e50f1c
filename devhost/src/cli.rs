//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Runs Spin apps without Spin, and starts the whole system for development. Production runs Spin.
#[derive(Debug, Parser)]
#[command(version)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run an app as `spin up` does.
    Run(RunArguments),
    /// Start Redis, the app and the sidecar, and keep them running.
    Up(UpArguments),
    /// Load the demo products into a running app; products that it has already stay as they are.
    Seed {
        /// Address of the running app.
        #[arg(long, default_value = "127.0.0.1:3000")]
        app: SocketAddr,
    },
    /// Place orders in a running app until Ctrl-C, and print how each ends.
    Play(PlayArguments),
}

#[derive(Args, Debug)]
pub(crate) struct RunArguments {
    /// The manifest, or a folder with a spin.toml in it.
    #[arg(long, default_value = "spin.toml")]
    pub(crate) from: PathBuf,

    /// Address to serve HTTP on.
    #[arg(long, default_value = "127.0.0.1:3000", env = "SPIN_HTTP_LISTEN_ADDR")]
    pub(crate) listen: SocketAddr,

    /// Value of one of the manifest's [variables]; may be repeated.
    #[arg(long = "variable", value_name = "NAME=VALUE", value_parser = name_and_value)]
    pub(crate) variables: Vec<(String, String)>,

    /// Folder for the components' log files [default: .spin/logs beside the manifest].
    #[arg(long)]
    pub(crate) log_dir: Option<PathBuf>,

    /// Do not print the components' output.
    #[arg(long, short)]
    pub(crate) quiet: bool,
}

#[derive(Args, Debug)]
pub(crate) struct UpArguments {
    /// Address to serve HTTP on.
    #[arg(long, default_value = "127.0.0.1:3000")]
    pub(crate) listen: SocketAddr,

    /// Redis to use, as redis://[user:password@]host[:port]; without it, devhost starts its own.
    #[arg(long, env = "REDIS_URL")]
    pub(crate) redis_url: Option<String>,

    /// Runtime of the app.
    #[arg(long, value_enum, default_value_t = RuntimeChoice::Auto)]
    pub(crate) runtime: RuntimeChoice,

    /// Folder for the data of devhost's own Redis.
    #[arg(long, default_value = "run")]
    pub(crate) data_dir: PathBuf,

    /// Do not load the demo products.
    #[arg(long)]
    pub(crate) no_seed: bool,
}

#[derive(Args, Debug)]
pub(crate) struct PlayArguments {
    /// Address of the running app.
    #[arg(long, default_value = "127.0.0.1:3000")]
    pub(crate) app: SocketAddr,

    /// Orders per second.
    #[arg(long, default_value_t = 2.0, value_parser = rate)]
    pub(crate) rate: f64,

    /// Stop after this many orders.
    #[arg(long)]
    pub(crate) orders: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
pub(crate) enum RuntimeChoice {
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
    let (name, value) = argument
        .split_once('=')
        .ok_or_else(|| format!("{argument:?} is not of the form name=value"))?;
    Ok((name.to_owned(), value.to_owned()))
}
