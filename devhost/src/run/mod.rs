//! `devhost run`: the app's triggers in one process.

mod http;
mod instances;
mod lane;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use futures::future::select_all;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::signal::unix::{SignalKind, signal};

use crate::app::App;
use crate::cli::RunArguments;
use crate::exit::Failure;
use crate::host::{Engine, LoadedComponent, OutputTargets};

pub(crate) use self::instances::REQUESTS_MAX;

/// Where logs go, beside the manifest; the same place as Spin's.
const LOG_FOLDER: &str = ".spin/logs";

/// Runs until a signal ends the process, or until a trigger cannot go on: as Spin does, it exits when Redis is gone.
pub(crate) fn run(arguments: RunArguments) -> Result<(), Failure> {
    let variables = arguments.variables.iter().cloned().collect();
    let app = App::load(&arguments.from, &variables).map_err(Failure::configuration)?;
    exit_on_signals()?;
    let (requests, deliveries) = (threads()?, threads()?);
    Ok(requests.block_on(serve(app, &arguments, deliveries.handle()))?)
}

fn threads() -> Result<Runtime> {
    Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start threads")
}

/// Deliveries have threads of their own, where Spin has a process: else each of their steps would wait for its turn
/// among all requests that are under way.
async fn serve(app: App, arguments: &RunArguments, deliveries: &Handle) -> Result<()> {
    let log_folder = arguments.log_dir.clone().unwrap_or_else(|| app.folder.join(LOG_FOLDER));
    let components = load(app.components, &log_folder, !arguments.quiet)?;

    let mut triggers = Vec::new();
    if !app.routes.is_empty() {
        let listener = TcpListener::bind(arguments.listen).await.with_context(|| {
            format!(
                "cannot listen on {}; choose another address with --listen",
                arguments.listen
            )
        })?;
        let server = http::Server::new(app.routes, &components)?;
        triggers.push(tokio::spawn(server.serve(listener)));
    }
    for lane in app.lanes {
        triggers.push(deliveries.spawn(lane::run(lane::Lane::new(lane, &components)?)));
    }
    let (ended, _, _) = select_all(triggers).await;
    ended.context("a trigger panicked")?
}

/// The compiled components, by id.
type Components = BTreeMap<String, Arc<LoadedComponent>>;

fn load(components: BTreeMap<String, crate::app::Component>, log_folder: &Path, console: bool) -> Result<Components> {
    std::fs::create_dir_all(log_folder)
        .with_context(|| format!("cannot make the log folder {}", log_folder.display()))?;
    eprintln!("Logging component stdio to {}/", log_folder.display());
    let engine = Engine::new()?;
    components
        .into_iter()
        .map(|(id, component)| {
            let output = OutputTargets::open(log_folder, &id, console)?;
            Ok((id, Arc::new(engine.load(component, output)?)))
        })
        .collect()
}

/// A thread of its own waits for the signals, so that guests which keep every worker busy cannot hold them up.
fn exit_on_signals() -> Result<()> {
    let runtime = Builder::new_current_thread()
        .enable_io()
        .build()
        .context("cannot wait for signals")?;
    let (mut interrupt, mut terminate) = {
        let _entered = runtime.enter();
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?)
    };
    std::thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                }
            });
            std::process::exit(0);
        })
        .context("cannot wait for signals")?;
    Ok(())
}
