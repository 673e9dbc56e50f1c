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

/// A process to keep running.
pub(crate) struct Service {
    pub(crate) name: &'static str,
    pub(crate) command: Box<dyn Fn() -> Command + Send + Sync>,
    /// How long it may take to stop by itself.
    pub(crate) grace: Duration,
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
    name: &'static str,
    how: String,
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

    /// Waits until a service is ready for the first time. That any service exits before is a failure: it would most
    /// likely exit again, and the reason should be the last line on the console.
    pub(crate) async fn until_ready<T>(
        &mut self,
        what: &str,
        limit: Duration,
        ready: impl Future<Output = T>,
    ) -> Result<T> {
        tokio::select! {
            ready = timeout(limit, ready) => match ready {
                Ok(ready) => Ok(ready),
                Err(_) => bail!("{what} within {} s; see its lines above", limit.as_secs()),
            },
            Some(exit) = self.reports.recv() => {
                bail!("{} {}; see its lines above", exit.name, exit.how)
            }
        }
    }

    /// Waits until a service can never run.
    pub(crate) async fn hopeless(&mut self) -> anyhow::Error {
        loop {
            match self.reports.recv().await {
                Some(exit) if exit.hopeless => {
                    return anyhow::anyhow!("{} {}; see its lines above", exit.name, exit.how);
                }
                Some(_) => {}
                // `self` holds a sender.
                None => std::future::pending().await,
            }
        }
    }

    /// Stops one service after the other, the last one first.
    pub(crate) async fn stop(self) {
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
        let how = match Process::start(service.name, (service.command)()) {
            Ok(mut process) => tokio::select! {
                status = process.exited() => {
                    let _ = report.send(exited(service.name, &status));
                    describe(&status)
                }
                request = requests.recv() => {
                    stop(&service, process).await;
                    match request {
                        Some(Request::Restart(reason)) => {
                            say(&format!("{} was stopped, since {reason}; starting it again", service.name));
                            continue;
                        }
                        Some(Request::Stop) | None => return,
                    }
                }
            },
            Err(error) => {
                let how = format!("could not be started: {error}");
                let _ = report.send(Exited {
                    name: service.name,
                    how: how.clone(),
                    hopeless: false,
                });
                how
            }
        };
        let delay = backoff.after(started.elapsed());
        say(&format!(
            "{} {how}; starting it again in {} ms",
            service.name,
            delay.as_millis()
        ));
        let until = sleep(delay);
        tokio::pin!(until);
        loop {
            tokio::select! {
                () = &mut until => break,
                request = requests.recv() => match request {
                    // It is about to be started anyway.
                    Some(Request::Restart(_)) => {}
                    Some(Request::Stop) | None => return,
                },
            }
        }
    }
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

fn exited(name: &'static str, status: &io::Result<ExitStatus>) -> Exited {
    let code = status.as_ref().ok().and_then(ExitStatus::code);
    Exited {
        name,
        how: describe(status),
        hopeless: code == Some(BAD_CONFIGURATION.into()),
    }
}

/// Such as `exited with exit status: 1`.
fn describe(status: &io::Result<ExitStatus>) -> String {
    match status {
        Ok(status) => format!("exited with {status}"),
        Err(error) => format!("cannot be waited for: {error}"),
    }
}
