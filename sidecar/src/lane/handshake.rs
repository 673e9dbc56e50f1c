//! Is exactly one component at the other end of the channel? An empty delivery asks, as a handshake before anything is
//! delivered and as a probe behind what is in flight.

use std::collections::VecDeque;

use super::action::{LogEvent, Time};
use super::context::Context;
use super::ms;
use super::subscribers::{Counted, Subscribers};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum State {
    /// Nobody subscribes, or Redis cannot be asked.
    #[default]
    Absent,
    /// A handshake waits for its answer.
    Waiting,
    /// The handshake was answered by one.
    Ready,
    /// The handshake was answered by two.
    TwoApps,
}

#[derive(Default)]
pub(super) struct Handshake {
    state: State,
    subscribers: Subscribers,
    /// The subscription to receipts stands.
    subscribed: bool,
    /// Unless it is ready.
    not_ready_since: Time,
    /// A handler that hangs does so since then, however often others come and go meanwhile.
    unanswered_since: Option<Time>,
    /// Messages of the handshake and probes, to recognise their answers.
    probes: VecDeque<Probe>,
    /// When an unanswered handshake is sent again, or a new one begins after two apps answered.
    send_at: Time,
    /// Times that this handshake was sent.
    sent: u32,
    answered_at: Option<Time>,
    /// Subscribers that got the handshake. Those to a pattern are among them, unlike in a count.
    receivers: Option<u64>,
    /// Why the last message that failed did, until a handshake is answered or nobody subscribes.
    failure: Option<String>,
    /// A handshake was answered twice, and none has been answered once since.
    doubtful: bool,
    /// Times that this happened since the channel was last without a subscriber.
    doubts: u32,
    /// A delivery went unanswered for `answer_ms`, and no handshake has been answered since.
    stalled: bool,
}

struct Probe {
    id: String,
    /// Its number among all messages of the lane.
    number: u64,
    answers: u32,
}

/// An answer to a handshake or probe.
pub(super) struct Answer {
    /// The message's number: whatever is older and unanswered was dropped.
    pub(super) number: u64,
    /// It was answered before.
    pub(super) by_two: bool,
}

const NOBODY: &str = "nobody subscribes to the channel";
const TWO_APPS: &str = "two apps answer on the channel";
/// The answers to so many of the latest handshakes and probes are recognised.
const PROBES_MAX: usize = 8;
/// The wait between two handshakes doubles this often.
const DOUBLINGS_MAX: u32 = 4;

impl Handshake {
    pub(super) fn is_ready(&self) -> bool {
        self.state == State::Ready
    }

    /// Why nothing is delivered, if it is not.
    pub(super) fn not_ready(&self) -> Option<String> {
        let reason = match (self.state, &self.failure) {
            (State::Ready, _) => return None,
            (State::TwoApps, _) => TWO_APPS,
            (State::Waiting, _) if self.doubtful => TWO_APPS,
            (State::Absent, _) if !self.subscribed => "the sidecar cannot subscribe to receipts",
            (_, Some(failure)) => return Some(unreachable(failure)),
            (State::Absent, None) => NOBODY,
            (State::Waiting, None) => "the subscriber has not answered the handshake",
        };
        Some(reason.to_owned())
    }

    /// Why the runtime should be restarted, if it should: Spin gives a handler no deadline, and never reconnects.
    pub(super) fn stalled(&self, context: &Context) -> Option<String> {
        let for_long = |since: Time, limit: u64| context.now >= since + ms(limit);
        let limits = &context.limits;
        let hangs = self
            .unanswered_since
            .is_some_and(|since| for_long(since, limits.answer_ms));
        match self.state {
            State::Ready => None,
            _ if self.stalled => Some(format!("a delivery was not answered for {} ms", limits.answer_ms)),
            State::Waiting if hangs => Some("the subscriber does not answer the handshake".into()),
            // A runtime that is gone, the first lane misses too. One that is there and lacks this lane's trigger would
            // lack it after a restart.
            State::Absent if context.follows => None,
            State::Absent if self.subscribed && for_long(self.not_ready_since, limits.release_ms) => {
                let failure = self.failure.as_deref().map(unreachable);
                Some(failure.unwrap_or_else(|| NOBODY.to_owned()))
            }
            _ => None,
        }
    }

    /// The lane has been without an answering subscriber for so long that others should have its entries.
    pub(super) fn is_abandoned(&self, context: &mut Context) -> bool {
        !self.is_ready() && context.reached(self.not_ready_since + ms(context.limits.release_ms))
    }

    /// This delivery is one of the latest handshakes and probes.
    pub(super) fn is_probe(&self, delivery: &str) -> bool {
        self.probes.iter().any(|probe| probe.id == delivery)
    }

    pub(super) fn receipts_ready(&mut self, context: &Context) {
        self.subscribed = true;
        self.subscribers.count_now(context.now);
    }

    pub(super) fn receipts_interrupted(&mut self) {
        self.subscribed = false;
    }

    pub(super) fn publish_failed(&mut self, reason: String) {
        self.failure = Some(reason);
    }

    pub(super) fn nobody_counted(&mut self) {
        self.failure = None;
        self.subscribers.count_failed();
    }

    pub(super) fn count_failed(&mut self) {
        self.subscribers.count_failed();
    }

    /// Nobody is there. True if the lane was ready; nothing if nobody was there before either.
    pub(super) fn subscriber_gone(&mut self, context: &Context) -> Option<bool> {
        self.doubtful = false;
        self.doubts = 0;
        self.subscribers.forget();
        if self.state == State::Absent {
            return None;
        }
        let was_ready = self.is_ready();
        self.leave(context, State::Absent);
        Some(was_ready)
    }

    fn leave(&mut self, context: &Context, state: State) {
        if self.is_ready() {
            self.not_ready_since = context.now;
        }
        self.state = state;
        if state != State::Waiting {
            self.unanswered_since = None;
        }
        self.subscribers.stop_verifying();
        self.answered_at = None;
        self.receivers = None;
        self.probes.clear();
        self.sent = 0;
    }

    /// Begins a handshake. What is in flight stays so until it is answered: if the subscriber is still the same, its
    /// receipts come first.
    fn begin(&mut self, context: &mut Context) {
        self.leave(context, State::Waiting);
        self.unanswered_since.get_or_insert(context.now);
        self.send(context);
    }

    fn send(&mut self, context: &mut Context) {
        self.send_probe(context);
        self.send_at = self.next_send(context, self.sent);
        self.sent += 1;
    }

    fn next_send(&self, context: &Context, doublings: u32) -> Time {
        context.after_ms(context.limits.handshake_ms << doublings.min(DOUBLINGS_MAX))
    }

    /// Sends an empty delivery behind what is in flight: its answer tells that what came before was dropped.
    pub(super) fn send_probe(&mut self, context: &mut Context) {
        context.counters.handshakes += 1;
        let message = context.publish("", "", &[]);
        self.probes.push_back(Probe {
            id: message.id,
            number: message.number,
            answers: 0,
        });
        if self.probes.len() > PROBES_MAX {
            self.probes.pop_front();
        }
    }

    /// A delivery went unanswered for too long: nothing more is sent to that handler before it answers a handshake.
    pub(super) fn stall(&mut self, context: &mut Context) {
        context.counters.stalls += 1;
        context.log(LogEvent::Stalled);
        self.stalled = true;
        self.begin(context);
    }

    /// A blame is near: makes sure that the subscriber was there throughout.
    pub(super) fn verify(&mut self, context: &mut Context) {
        self.subscribers.verify(context);
    }

    /// A message that is a probe or in flight reached this many subscribers, at least one.
    pub(super) fn published(&mut self, context: &mut Context, delivery: &str, receivers: u64) {
        match self.state {
            State::Ready if self.receivers != Some(receivers) => {
                self.subscribers.forget();
                self.subscriber_changed(context);
            }
            State::Waiting if self.is_probe(delivery) => self.receivers = Some(receivers),
            _ => {}
        }
    }

    /// Takes a count of at least one subscriber. True if a blame has waited for it.
    pub(super) fn counted(
        &mut self,
        context: &mut Context,
        count_id: u64,
        count: u64,
        clients: Option<Vec<u64>>,
    ) -> bool {
        let absent = self.state == State::Absent;
        if absent {
            self.subscribers.forget();
        }
        match self.subscribers.compare(count_id, count, clients) {
            _ if absent && self.subscribed => self.begin(context),
            Counted::Changed => self.subscriber_changed(context),
            Counted::Verified => return true,
            Counted::Same => {}
        }
        false
    }

    fn subscriber_changed(&mut self, context: &mut Context) {
        context.log(LogEvent::SubscriberChanged);
        self.begin(context);
    }

    /// Takes a receipt, if it answers a handshake or probe.
    pub(super) fn answered(&mut self, context: &mut Context, delivery: &str) -> Option<Answer> {
        let probe = self.probes.iter_mut().find(|probe| probe.id == delivery)?;
        probe.answers += 1;
        let (number, by_two) = (probe.number, probe.answers > 1);
        if by_two {
            self.leave(context, State::TwoApps);
            self.doubtful = true;
            self.doubts = self.doubts.saturating_add(1);
            self.send_at = self.next_send(context, self.doubts);
            context.log(LogEvent::TwoApps);
        } else if self.state == State::Waiting {
            self.answered_at.get_or_insert(context.now);
        }
        Some(Answer { number, by_two })
    }

    /// Begins, repeats or ends a handshake when it is time to. True if the lane has become ready.
    pub(super) fn advance(&mut self, context: &mut Context) -> bool {
        let mut became_ready = false;
        if !context.is_draining() {
            // A single app may have answered twice, if it did not know whether its first answer had gone out.
            if self.state == State::TwoApps && context.reached(self.send_at) {
                self.begin(context);
            }
            if self.state == State::Waiting {
                became_ready = self.advance_waiting(context);
            }
        }
        self.subscribers.advance(context);
        became_ready
    }

    fn advance_waiting(&mut self, context: &mut Context) -> bool {
        let Some(answered_at) = self.answered_at else {
            if context.now >= self.send_at {
                self.send(context);
            }
            context.wake_at(self.send_at);
            return false;
        };
        let ready_at = match self.receivers {
            None => return false,
            Some(1) if !self.doubtful => answered_at,
            // With two subscribers, a second answer may be on its way.
            Some(_) => answered_at + ms(context.limits.handshake_ms),
        };
        if !context.reached(ready_at) {
            return false;
        }
        self.state = State::Ready;
        self.unanswered_since = None;
        self.failure = None;
        self.doubtful = false;
        self.stalled = false;
        let receivers = self.receivers.unwrap_or(1);
        context.log(LogEvent::Ready { receivers });
        true
    }
}

fn unreachable(failure: &str) -> String {
    format!("nothing can be delivered: {failure}")
}
