//! Keeps services running, and stops them in the reverse order of their start.

use std::time::Duration;

use anyhow::{Error, Result, anyhow, bail};
use tokio::process::Command;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use super::process::Process;
use super::terminal::say;
use crate::exit::BAD_CONFIGURATION;

/// Pause between two readiness checks.
const READY_PAUSE_MS: u64 = 50;
/// Delay before the first restart; each further one doubles it.
const BACKOFF_MS_MIN: u64 = 100;
const BACKOFF_MS_MAX: u64 = 5_000;
/// A process that lived this long is restarted after the shortest delay again.
const STABLE_MS: u64 = 10_000;

/// A process to keep running.
pub(crate) struct Service {
    pub(crate) name: &'static str,
    pub(crate) command: Box<dyn Fn() -> Command + Send + Sync>,
    /// Time to stop by itself before it is killed.
    pub(crate) grace: Duration,
    /// Where to read why it exited, such as `its lines above`.
    pub(crate) log: String,
}

pub(crate) struct Supervisor {
    running: Vec<(UnboundedSender<Request>, JoinHandle<()>)>,
    exit_sender: UnboundedSender<Exit>,
    exits: UnboundedReceiver<Exit>,
}

/// Asks for one service to be restarted.
pub(crate) struct Restarter(UnboundedSender<Request>);

enum Request {
    Stop,
    Restart(String),
}

/// End of a process that nobody asked for.
struct Exit {
    /// Such as `app exited with exit status: 1`.
    outcome: String,
    /// Its configuration is wrong, so a restart would change nothing.
    is_final: bool,
}

impl Restarter {
    pub(crate) fn restart(&self, reason: String) {
        // Fails if the service is stopped for good.
        let _ = self.0.send(Request::Restart(reason));
    }
}

impl Supervisor {
    pub(crate) fn new() -> Self {
        let (exit_sender, exits) = unbounded_channel();
        Self {
            running: Vec::new(),
            exit_sender,
            exits,
        }
    }

    /// Starts a service and keeps it running.
    pub(crate) fn start(&mut self, service: Service) -> Restarter {
        let (sender, requests) = unbounded_channel();
        let task = tokio::spawn(keep_running(service, requests, self.exit_sender.clone()));
        self.running.push((sender.clone(), task));
        Restarter(sender)
    }

    /// Waits until a service is ready for the first time. Fails if any service exits meanwhile: it would most likely
    /// exit again, and the reason should be the last line on the terminal.
    pub(crate) async fn wait_until_ready(
        &mut self,
        name: &str,
        limit: Duration,
        check: impl AsyncFn() -> Result<()>,
    ) -> Result<()> {
        let started = Instant::now();
        let ready = async {
            loop {
                match check().await {
                    Ok(()) => return Ok(()),
                    Err(reason) if started.elapsed() >= limit => {
                        return Err(reason.context(format!("{name} is not ready after {} s", limit.as_secs())));
                    }
                    Err(_) => sleep(Duration::from_millis(READY_PAUSE_MS)).await,
                }
            }
        };
        tokio::select! {
            result = ready => result,
            Some(exit) = self.exits.recv() => bail!(exit.outcome),
        }
    }

    /// Waits until a service exits for good.
    pub(crate) async fn failed(&mut self) -> Error {
        loop {
            match self.exits.recv().await {
                Some(exit) if exit.is_final => return anyhow!(exit.outcome),
                Some(_) => {}
                // Cannot happen: `self` holds a sender.
                None => std::future::pending().await,
            }
        }
    }

    pub(crate) async fn stop(self) {
        if !self.running.is_empty() {
            say("stopping");
        }
        for (requests, task) in self.running.into_iter().rev() {
            let _ = requests.send(Request::Stop);
            let _ = task.await;
        }
    }
}

async fn keep_running(service: Service, mut requests: UnboundedReceiver<Request>, exits: UnboundedSender<Exit>) {
    let mut failures = 0;
    loop {
        let started = Instant::now();
        let Exit { outcome, is_final } = match run_once(&service, &mut requests).await {
            Ok(Request::Stop) => return,
            Ok(Request::Restart(reason)) => {
                say(format_args!(
                    "{} was stopped, since {reason}; starting it again",
                    service.name
                ));
                continue;
            }
            Err(exit) => exit,
        };
        // Fails while the supervisor stops.
        let _ = exits.send(Exit {
            outcome: format!("{outcome}; see {}", service.log),
            is_final,
        });
        if is_final {
            return;
        }
        if started.elapsed() >= Duration::from_millis(STABLE_MS) {
            failures = 0;
        }
        let delay = backoff(failures);
        failures += 1;
        say(format_args!("{outcome}; starting it again in {} ms", delay.as_millis()));
        let stop_requested = async { while let Some(Request::Restart(_)) = requests.recv().await {} };
        if timeout(delay, stop_requested).await.is_ok() {
            return;
        }
    }
}

/// Runs a process until a request has stopped it, or until it exits by itself.
async fn run_once(service: &Service, requests: &mut UnboundedReceiver<Request>) -> Result<Request, Exit> {
    let name = service.name;
    let exit = |outcome| Exit {
        outcome,
        is_final: false,
    };
    let mut process = Process::start(name, (service.command)())
        .map_err(|error| exit(format!("{name} could not be started: {error}")))?;
    let request = tokio::select! {
        status = process.exited() => {
            let status = status.map_err(|error| exit(format!("{name} cannot be waited for: {error}")))?;
            return Err(Exit {
                outcome: format!("{name} exited with {status}"),
                is_final: status.code() == Some(BAD_CONFIGURATION.into()),
            });
        }
        request = requests.recv() => request.unwrap_or(Request::Stop),
    };
    if !process.stop(service.grace).await {
        let seconds = service.grace.as_secs();
        say(format_args!("{name} did not stop within {seconds} s and was killed"));
    }
    Ok(request)
}

/// Delay before a restart. By hand: no crate in the tree does it, and it is one line.
fn backoff(failures: u32) -> Duration {
    let delay = BACKOFF_MS_MIN.saturating_mul(2_u64.saturating_pow(failures));
    Duration::from_millis(delay.min(BACKOFF_MS_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backoff_doubles_up_to_a_limit() {
        let delays: Vec<_> = (0..8).map(|failures| backoff(failures).as_millis()).collect();
        assert_eq!(delays, [100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000]);
    }
}
