//! Drives one lane: waits for what happens, steps the state machine, and has its actions performed by the tasks that
//! talk to Redis. It never waits for one of them.

use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};

use crate::clerk::{Errand, Reading};
use crate::deliver::Outgoing;
use crate::lane::{Action, Event, Lane, Report};
use crate::notices::Notices;

/// What reaches a lane's driver.
pub enum Input {
    /// Something happened.
    Event(Event),
    /// Somebody wants to know how the lane is.
    Ask(oneshot::Sender<Report>),
}

/// Where a lane's actions go.
pub struct Outputs {
    /// Per route: reads of so many entries.
    pub readers: Vec<mpsc::UnboundedSender<Reading>>,
    /// Per route: everything else that concerns its stream.
    pub clerks: Vec<mpsc::UnboundedSender<Errand>>,
    /// Messages on the lane's channel.
    pub publisher: mpsc::UnboundedSender<Outgoing>,
    /// The lane behind this one, if there is one.
    pub next: Option<mpsc::Sender<Input>>,
    /// What people should know.
    pub notices: Notices,
}

/// So long after the end of the grace period, what is still not written down is given up: Redis is away.
const LAST_WRITES: Duration = Duration::from_secs(2);

/// Drives a lane until its stop is complete. The lane's limits on the stop begin when `stop` does.
pub async fn drive(
    mut lane: Lane,
    mut inputs: mpsc::Receiver<Input>,
    mut outputs: Outputs,
    grace: Duration,
    stop: impl Future<Output = ()>,
) {
    let start = Instant::now();
    let mut stop = std::pin::pin!(stop);
    let mut grace_over: Option<tokio::time::Instant> = None;
    let mut give_up: Option<tokio::time::Instant> = None;
    let mut event = Event::Tick;
    loop {
        let actions = lane.step(start.elapsed(), event);
        if perform(actions, &mut outputs) {
            return;
        }
        let wake = lane.wake().map(|at| tokio::time::Instant::from_std(start + at));
        event = loop {
            tokio::select! {
                biased;
                () = &mut stop, if give_up.is_none() => {
                    let now = tokio::time::Instant::now();
                    grace_over = Some(now + grace);
                    give_up = Some(now + grace + LAST_WRITES);
                    break Event::Drain;
                }
                () = until(give_up) => {
                    tracing::warn!("stopping although not all could be written down: the rest is found again when its lease ends");
                    return;
                }
                () = until(grace_over) => {
                    grace_over = None;
                    break Event::GraceOver;
                }
                input = inputs.recv() => match input {
                    Some(Input::Event(event)) => break event,
                    // Whoever asked may have gone.
                    Some(Input::Ask(answer)) => { let _ = answer.send(lane.report()); }
                    None => return,
                },
                () = until(wake) => break Event::Tick,
            }
        };
    }
}

async fn until(time: Option<tokio::time::Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time).await,
        None => std::future::pending().await,
    }
}

/// Hands actions on; true when the lane's stop is complete. A receiver is gone only while everything stops.
fn perform(actions: Vec<Action>, outputs: &mut Outputs) -> bool {
    let mut drained = false;
    for action in actions {
        let (route, errand) = match action {
            Action::Read { route, count, wait } => {
                let _ = outputs.readers[route].send(Reading { count, wait });
                continue;
            }
            Action::Call { route } => {
                // One that has too much to hear looks by itself later.
                if let Some(next) = &outputs.next {
                    let _ = next.try_send(Input::Event(Event::Called { route }));
                }
                continue;
            }
            Action::Publish { delivery, payload } => {
                let _ = outputs.publisher.send(Outgoing::Message { delivery, payload });
                continue;
            }
            Action::CountSubscribers { ask } => {
                let _ = outputs.publisher.send(Outgoing::CountSubscribers { ask });
                continue;
            }
            Action::Say(notice) => {
                outputs.notices.tell(notice);
                continue;
            }
            Action::Drained => {
                drained = true;
                continue;
            }
            Action::Prepare { route } => (route, Errand::Prepare),
            Action::LookUpOwn { route, after, count } => (route, Errand::LookUpOwn { after, count }),
            Action::LookUpDue { route, count } => (route, Errand::LookUpDue { count }),
            Action::Claim { route, ids, from } => (route, Errand::Claim { ids, from }),
            Action::Renew { route, ids } => (route, Errand::Renew { ids }),
            Action::Settle {
                route,
                ticket,
                settlement,
            } => (route, Errand::Settle { ticket, settlement }),
        };
        let _ = outputs.clerks[route].send(errand);
    }
    drained
}
