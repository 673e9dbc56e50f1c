//! `devhost run`: the app's triggers in one process.

mod http_trigger;
mod instances;
mod redis_trigger;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use futures::future::select_all;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Handle, Runtime};

use crate::app::{App, Component};
use crate::cli::RunArguments;
use crate::exit::BadConfiguration;
use crate::host::{Engine, LoadedComponent, Output};
use crate::output::print_error;
use crate::signals::stop_signal;

pub(crate) use self::instances::REQUESTS_MAX;

/// Folder for logs beside the manifest, as with Spin.
const LOG_FOLDER: &str = ".spin/logs";

/// Runs until a signal ends the process or a trigger cannot go on. As Spin, it exits when it loses Redis.
pub(crate) fn run(arguments: RunArguments) -> Result<()> {
    let variables = arguments.variables.iter().cloned().collect();
    let app = App::load(&arguments.from, &variables).map_err(BadConfiguration)?;
    exit_on_signals()?;
    let (requests, deliveries) = (threads()?, threads()?);
    requests.block_on(serve(app, &arguments, deliveries.handle()))
}

fn threads() -> Result<Runtime> {
    Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start threads")
}

/// Deliveries have threads of their own, as they have a process of their own under Spin. On shared threads each of
/// their steps would queue behind all requests under way.
async fn serve(app: App, arguments: &RunArguments, deliveries: &Handle) -> Result<()> {
    let log_folder = arguments.log_dir.clone().unwrap_or_else(|| app.folder.join(LOG_FOLDER));
    let components = load(app.components, &log_folder, !arguments.quiet)?;

    let mut triggers = Vec::new();
    if !app.routes.is_empty() {
        let address = arguments.listen;
        let listener = TcpListener::bind(address)
            .await
            .with_context(|| format!("cannot listen on {address}; choose another address with --listen"))?;
        let server = http_trigger::Server::new(app.routes, &components)?;
        triggers.push(tokio::spawn(server.serve(listener)));
    }
    for subscription in app.subscriptions {
        let subscriber = redis_trigger::Subscriber::new(subscription, &components)?;
        triggers.push(deliveries.spawn(subscriber.run()));
    }
    let (ended, _, _) = select_all(triggers).await;
    ended.context("a trigger panicked")?
}

/// The compiled components, by id.
type Components = BTreeMap<String, Arc<LoadedComponent>>;

fn load(components: BTreeMap<String, Component>, log_folder: &Path, print_output: bool) -> Result<Components> {
    std::fs::create_dir_all(log_folder)
        .with_context(|| format!("cannot make the log folder {}", log_folder.display()))?;
    print_error(format_args!("Logging component stdio to {}/", log_folder.display()));
    let engine = Engine::new()?;
    components
        .into_iter()
        .map(|(id, component)| {
            let output = |stream| Output::open(&log_folder.join(format!("{id}_{stream}.txt")), print_output);
            let loaded = engine.load(component, output("stdout")?, output("stderr")?)?;
            Ok((id, Arc::new(loaded)))
        })
        .collect()
}

/// Waits for signals on a thread of its own, since components may keep every other one busy.
fn exit_on_signals() -> Result<()> {
    let runtime = Builder::new_current_thread()
        .enable_io()
        .build()
        .context("cannot wait for signals")?;
    let stop = {
        let _entered = runtime.enter();
        stop_signal()?
    };
    std::thread::spawn(move || {
        runtime.block_on(stop);
        std::process::exit(0);
    });
    Ok(())
}
