//! `stream-sidecar`: configuration, signals, run, drain. Exits with 64 for a bad configuration, 1 when it cannot
//! start or must not go on.

// They panic when the output is a pipe that has closed.
#![warn(clippy::print_stdout, clippy::print_stderr)]

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Parser, Subcommand};
use stream_sidecar::cli::{DeadCommand, StatusArguments, health, is_closed_output, print};
use stream_sidecar::config::{BadConfig, Config, own_variables};
use stream_sidecar::logging::{self, LogFormat};
use stream_sidecar::supervisor::run;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// A batch is read into thousands of small strings, and the C library's allocator took a third of the processor.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Redis Streams consumer groups for Spin apps.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// The configuration file. Environment variables set single values: STREAM_SIDECAR__LIMITS__LEASE_MS=60000.
    #[arg(
        long,
        short,
        global = true,
        default_value = "sidecar.toml",
        env = "STREAM_SIDECAR_CONFIG"
    )]
    config: PathBuf,
    /// Format of log messages.
    #[arg(long, global = true, default_value = "auto", env = "STREAM_SIDECAR_LOG_FORMAT")]
    log_format: LogFormat,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Deliver, until SIGTERM, SIGINT or SIGHUP; a second SIGTERM or SIGINT stops at once.
    Run {
        /// Write the address of the HTTP listener to this file once it listens.
        #[arg(long)]
        address_file: Option<PathBuf>,
    },
    /// Show each route: what waits, what is pending, what died.
    Status(StatusArguments),
    /// Ask the running sidecar of this configuration whether it is alive; exits with 1 if it is not.
    Health {
        /// Ask whether it is ready: whether everything that is configured can flow.
        #[arg(long)]
        ready: bool,
    },
    /// Look at dead letters, replay or drop them.
    Dead {
        #[command(subcommand)]
        command: DeadCommand,
    },
    /// Look at the configuration.
    Config {
        #[command(subcommand)]
        command: ConfigCommand,
    },
}

#[derive(Subcommand)]
enum ConfigCommand {
    /// Check the file and the environment; exits with 64 and says what is wrong.
    Check,
    /// Show what the file, the environment and the defaults say together, with passwords masked.
    Show,
}

/// `EX_USAGE` of sysexits.h.
const BAD_CONFIG: u8 = 64;

fn main() -> ExitCode {
    // Before the command line, whose parser takes some of the variables.
    let variables = match own_variables(std::env::vars_os()) {
        Ok(variables) => variables,
        Err(err) => return bad_config(&err),
    };
    let arguments = Arguments::parse();
    logging::start(arguments.log_format);
    let config = match read_config(&arguments.config, variables) {
        Ok(config) => config,
        Err(err) => return bad_config(&err),
    };
    let result = match arguments.command {
        Command::Run { address_file } => block_on(deliver(config, address_file)),
        Command::Status(arguments) => block_on(arguments.run(&config)),
        Command::Health { ready } => block_on(health::check(&config, ready)),
        Command::Dead { command } => block_on(command.run(&config)),
        Command::Config { command } => look_at(command, config),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever read the output has had enough of it, as behind `| head`.
        Err(err) if is_closed_output(&err) => ExitCode::SUCCESS,
        Err(err) => {
            tracing::error!("{err:#}");
            ExitCode::FAILURE
        }
    }
}

fn bad_config(err: &BadConfig) -> ExitCode {
    // Whoever has closed the standard error learns the exit code at least.
    let _ = writeln!(std::io::stderr(), "{err}");
    ExitCode::from(BAD_CONFIG)
}

fn read_config(path: &std::path::Path, variables: Vec<(String, String)>) -> Result<Config, BadConfig> {
    let name = path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|err| BadConfig(format!("{name}: {err}")))?;
    Config::parse(&name, &text, variables)
}

/// One thread: the work is small and shares its data, and the other cores are Redis's and the components'.
fn block_on(work: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    // For rediss://; fails only if it was done before.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    tokio::task::LocalSet::new().block_on(&runtime, work)
}

fn look_at(command: ConfigCommand, config: Config) -> anyhow::Result<()> {
    match command {
        ConfigCommand::Check => {
            for remark in config.remarks() {
                print(remark)?;
            }
            print(format_args!(
                "the configuration is good: {} routes",
                config.routes.len()
            ))
        }
        ConfigCommand::Show => print(toml::to_string(&config.masked())?.trim_end()),
    }
}

async fn deliver(config: Config, address_file: Option<PathBuf>) -> anyhow::Result<()> {
    for remark in config.remarks() {
        tracing::warn!("{remark}");
    }
    let (mut terminate, mut interrupt) = (signal_of(SignalKind::terminate())?, signal_of(SignalKind::interrupt())?);
    let mut hang_up = signal_of(SignalKind::hangup())?;
    let (second, stopped_at_once) = tokio::sync::oneshot::channel();
    let shutdown = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            _ = hang_up.recv() => {}
        }
        tokio::task::spawn_local(async move {
            // Not SIGHUP: a terminal that closes may send it twice, and that is one wish to stop.
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            // Whoever listens is gone only when everything is over.
            let _ = second.send(());
        });
    };
    let listening = |address: std::net::SocketAddr| {
        if let Some(path) = &address_file
            && let Err(err) = std::fs::write(path, format!("{address}\n"))
        {
            tracing::error!("{}: {err}", path.display());
        }
    };
    tokio::select! {
        result = run(config, listening, shutdown) => result,
        Ok(()) = stopped_at_once => anyhow::bail!("stopped at once by a second signal"),
    }
}

fn signal_of(kind: SignalKind) -> anyhow::Result<Signal> {
    signal(kind).with_context(|| format!("signal {} cannot be handled", kind.as_raw_value()))
}
