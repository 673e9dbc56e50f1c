//! Keeps services running, and stops them in the reverse of the order in which they were started.

use std::io;
use std::process::ExitStatus;
use std::time::Duration;

use anyhow::{Result, bail};
use tokio::process::Command;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use super::backoff::Backoff;
use super::console::say;
use super::process::{Process, Stopped};
use crate::exit::BAD_CONFIGURATION;

/// The pause between two questions whether a service is ready.
const ASK_PAUSE_MS: u64 = 50;

/// A process to keep running.
pub(crate) struct Service {
    pub(crate) name: &'static str,
    pub(crate) command: Box<dyn Fn() -> Command + Send + Sync>,
    /// How long it may take to stop by itself.
    pub(crate) grace: Duration,
    /// Where it says why it exited, such as `its lines above`.
    pub(crate) says_why: String,
}

/// What a keeper is asked.
enum Request {
    /// Stop the process, and do not start it again.
    Stop,
    /// Stop the process and start it again, for this reason.
    Restart(String),
}

/// A process exited by itself.
struct Exited {
    /// Who exited and how, and where to look for the reason.
    what: String,
    /// It said that its configuration is wrong: starting it again would change nothing.
    hopeless: bool,
}

/// The services that were started.
pub(crate) struct Keepers {
    keepers: Vec<Keeper>,
    report: mpsc::UnboundedSender<Exited>,
    reports: mpsc::UnboundedReceiver<Exited>,
}

struct Keeper {
    requests: mpsc::UnboundedSender<Request>,
    ended: JoinHandle<()>,
}

/// Asks for a service to be started again.
#[derive(Clone)]
pub(crate) struct Restarter(mpsc::UnboundedSender<Request>);

impl Restarter {
    pub(crate) fn restart(&self, reason: &str) {
        // A keeper that has ended no longer restarts anything.
        let _ = self.0.send(Request::Restart(reason.to_owned()));
    }
}

impl Keepers {
    pub(crate) fn new() -> Self {
        let (report, reports) = mpsc::unbounded_channel();
        Self {
            keepers: Vec::new(),
            report,
            reports,
        }
    }

    /// Starts a service and keeps it running.
    pub(crate) fn start(&mut self, service: Service) -> Restarter {
        let (requests, requested) = mpsc::unbounded_channel();
        let ended = tokio::spawn(keep(service, requested, self.report.clone()));
        self.keepers.push(Keeper {
            requests: requests.clone(),
            ended,
        });
        Restarter(requests)
    }

    /// Asks until a service is ready for the first time. That any service exits before is a failure: it would most
    /// likely exit again, and the reason should be the last line on the console.
    pub(crate) async fn until_ready(
        &mut self,
        name: &str,
        limit: Duration,
        ready: impl AsyncFn() -> Result<()>,
    ) -> Result<()> {
        let started = Instant::now();
        let asking = async {
            loop {
                match ready().await {
                    Ok(()) => return Ok(()),
                    Err(reason) if started.elapsed() >= limit => {
                        let seconds = limit.as_secs();
                        return Err(reason.context(format!("{name} is not ready after {seconds} s")));
                    }
                    Err(_) => sleep(Duration::from_millis(ASK_PAUSE_MS)).await,
                }
            }
        };
        tokio::select! {
            result = asking => result,
            Some(exit) = self.reports.recv() => bail!("{}", exit.what),
        }
    }

    /// Waits until a service can never run.
    pub(crate) async fn hopeless(&mut self) -> anyhow::Error {
        loop {
            match self.reports.recv().await {
                Some(exit) if exit.hopeless => {
                    return anyhow::anyhow!("{}", exit.what);
                }
                Some(_) => {}
                // `self` holds a sender.
                None => std::future::pending().await,
            }
        }
    }

    /// Stops one service after the other, the last one first.
    pub(crate) async fn stop(self) {
        if !self.keepers.is_empty() {
            say("stopping");
        }
        for keeper in self.keepers.into_iter().rev() {
            let _ = keeper.requests.send(Request::Stop);
            let _ = keeper.ended.await;
        }
    }
}

async fn keep(service: Service, mut requests: mpsc::UnboundedReceiver<Request>, report: mpsc::UnboundedSender<Exited>) {
    let mut backoff = Backoff::default();
    loop {
        let started = Instant::now();
        let (how, hopeless) = match run_once(&service, &mut requests).await {
            Ended::Exited(status) => (describe(&status), is_hopeless(&status)),
            Ended::NotStarted(error) => (format!("could not be started: {error}"), false),
            Ended::Restart(reason) => {
                say(&format!(
                    "{} was stopped, since {reason}; starting it again",
                    service.name
                ));
                continue;
            }
            Ended::Stop => return,
        };
        // Nobody listens once the supervisor stops.
        let _ = report.send(Exited {
            what: format!("{} {how}; see {}", service.name, service.says_why),
            hopeless,
        });
        if hopeless {
            return;
        }
        let delay = backoff.after(started.elapsed());
        let wait = delay.as_millis();
        say(&format!("{} {how}; starting it again in {wait} ms", service.name));
        if stop_requested_within(delay, &mut requests).await {
            return;
        }
    }
}

/// Why a process no longer runs.
enum Ended {
    Exited(io::Result<ExitStatus>),
    NotStarted(io::Error),
    Restart(String),
    Stop,
}

async fn run_once(service: &Service, requests: &mut mpsc::UnboundedReceiver<Request>) -> Ended {
    let mut process = match Process::start(service.name, (service.command)()) {
        Ok(process) => process,
        Err(error) => return Ended::NotStarted(error),
    };
    let request = tokio::select! {
        status = process.exited() => return Ended::Exited(status),
        request = requests.recv() => request,
    };
    stop(service, process).await;
    match request {
        Some(Request::Restart(reason)) => Ended::Restart(reason),
        Some(Request::Stop) | None => Ended::Stop,
    }
}

async fn stop_requested_within(delay: Duration, requests: &mut mpsc::UnboundedReceiver<Request>) -> bool {
    let stop = async {
        // A process that is about to be started needs no restart.
        while let Some(Request::Restart(_)) = requests.recv().await {}
    };
    timeout(delay, stop).await.is_ok()
}

async fn stop(service: &Service, process: Process) {
    if process.stop(service.grace).await == Stopped::Killed {
        say(&format!(
            "{} did not stop within {} s and was killed",
            service.name,
            service.grace.as_secs()
        ));
    }
}

fn is_hopeless(status: &io::Result<ExitStatus>) -> bool {
    let code = status.as_ref().ok().and_then(ExitStatus::code);
    code == Some(BAD_CONFIGURATION.into())
}

/// Such as `exited with exit status: 1`.
fn describe(status: &io::Result<ExitStatus>) -> String {
    match status {
        Ok(status) => format!("exited with {status}"),
        Err(error) => format!("cannot be waited for: {error}"),
    }
}
