//! Drives one lane: waits for what happens, steps the state machine, and hands its actions to those who perform them.
//! It never waits for one of them.

use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};

use crate::lane::{Action, ChannelAction, Event, Lane, Read, Report, StreamAction};
use crate::logging::LaneLog;

/// Input of a lane.
pub enum Input {
    Event(Event),
    /// Somebody asks how the lane is.
    Ask(oneshot::Sender<Report>),
}

/// Tells a lane what has happened, and waits while it has too much to hear. It is gone only while everything stops.
pub async fn report(lane: &mpsc::Sender<Input>, event: Event) {
    let _ = lane.send(Input::Event(event)).await;
}

/// Those who perform a lane's actions. One of them is gone only while everything stops.
pub struct Performers {
    /// By route.
    pub readers: Vec<mpsc::UnboundedSender<Read>>,
    /// By route.
    pub workers: Vec<mpsc::UnboundedSender<StreamAction>>,
    pub transport: mpsc::UnboundedSender<ChannelAction>,
    /// The lane behind this one, if there is one.
    pub next: Option<mpsc::Sender<Input>>,
    pub log: LaneLog,
}

impl Performers {
    fn perform(&mut self, action: Action) {
        match action {
            Action::Read(route, read) => drop(self.readers[route].send(read)),
            Action::Stream(route, action) => drop(self.workers[route].send(action)),
            Action::Channel(action) => drop(self.transport.send(action)),
            Action::MoreWaiting(route) => {
                if let Some(next) = &self.next {
                    // One that has too much to hear looks by itself later.
                    let _ = next.try_send(Input::Event(Event::MoreWaiting(route)));
                }
            }
            Action::Log(event) => self.log.log(event),
            Action::Drained => {}
        }
    }
}

/// After the grace period, settlements get this long to be written down; then Redis is taken to be away.
const LAST_WRITES: Duration = Duration::from_secs(2);

/// Drives a lane until its stop is complete. The stop, with its grace period, begins when `stop` is ready.
pub async fn drive(
    mut lane: Lane,
    mut inputs: mpsc::Receiver<Input>,
    mut performers: Performers,
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
        let drained = actions.contains(&Action::Drained);
        actions.into_iter().for_each(|action| performers.perform(action));
        if drained {
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
