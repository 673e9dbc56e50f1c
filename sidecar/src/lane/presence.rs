//! Is there somebody at the other end of the channel, and exactly one? Handshakes, probes and counts of subscribers.

use std::collections::VecDeque;

use protocol::Receipt;

use super::message::{Action, Notice, Time};
use super::{Lane, ms};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// Nobody subscribes, or Redis cannot be asked.
    Absent,
    /// A handshake waits for its answer.
    Greeting,
    /// The handshake was answered, by one.
    Ready,
    /// The handshake was answered by two.
    TwoApps,
}

pub(super) struct Presence {
    pub(super) state: State,
    /// Since when the lane has not been ready, if it is not.
    not_ready_since: Option<Time>,
    /// Since when the handshake has gone unanswered, if it has.
    greeting_since: Option<Time>,
    /// The handshake's messages and the probes.
    greetings: VecDeque<Greeting>,
    greeting_at: Time,
    greetings_sent: u32,
    answered_at: Option<Time>,
    /// How many subscribers got the handshake. Those to a pattern are among them, unlike in a count.
    receivers: Option<u64>,
    /// How many subscribers the channel had when it was last counted.
    counted: Option<u64>,
    /// The pub/sub connections that there were when the handshake began: if one is gone, it may have been ours.
    clients: Option<Vec<u64>>,
    count_at: Time,
    asked: u64,
    /// A count is under way; there is one at a time, so that they do not pile up while Redis is silent.
    counting: bool,
    /// A blame waits for this count of subscribers, which must find them unchanged.
    verifying: Option<u64>,
    receipts_ready: bool,
    /// Why the last message that failed did, until a handshake is answered or nobody subscribes.
    failure: Option<String>,
    /// A handshake was answered twice, and none has been answered once since.
    doubtful: bool,
    /// How often that happened since the channel was last without a subscriber.
    doubts: u32,
    /// The handler hung: set until a handshake is answered.
    pub(super) stalled: bool,
}

/// Why nothing is delivered on a channel without a subscriber.
const NOBODY: &str = "nobody subscribes to the channel";

struct Greeting {
    id: String,
    /// Its number among all messages of the lane.
    number: u64,
    answers: u32,
}

/// So many messages of a handshake, or probes, are remembered, to recognise their answers.
const GREETINGS_MAX: usize = 8;
/// A handshake is sent again after waits that double this often.
const GREETING_DOUBLINGS: u32 = 4;

impl Presence {
    pub(super) fn new() -> Self {
        Self {
            state: State::Absent,
            not_ready_since: Some(Time::ZERO),
            greeting_since: None,
            greetings: VecDeque::new(),
            greeting_at: Time::ZERO,
            greetings_sent: 0,
            answered_at: None,
            receivers: None,
            counted: None,
            clients: None,
            count_at: Time::ZERO,
            asked: 0,
            counting: false,
            verifying: None,
            receipts_ready: false,
            failure: None,
            doubtful: false,
            doubts: 0,
            stalled: false,
        }
    }

    pub(super) fn not_ready(&self) -> Option<String> {
        let reason = match (self.state, &self.failure) {
            (State::Ready, _) => return None,
            (State::TwoApps, _) => "two apps answer on the channel",
            (State::Greeting, _) if self.doubtful => "two apps answer on the channel",
            (State::Absent, _) if !self.receipts_ready => "the sidecar cannot subscribe to receipts",
            (_, Some(failure)) => return Some(unreachable(failure)),
            (State::Absent, None) => NOBODY,
            (State::Greeting, None) => "the subscriber has not answered the handshake",
        };
        Some(reason.to_owned())
    }
}

fn unreachable(failure: &str) -> String {
    format!("nothing can be delivered: {failure}")
}

impl Lane {
    /// Why the runtime should be restarted, if it should: Spin gives a handler no deadline, and never reconnects.
    pub(super) fn stalled(&self) -> Option<String> {
        let presence = &self.presence;
        let for_long = |since: Option<Time>, limit: u64| since.is_some_and(|since| self.now >= since + ms(limit));
        match presence.state {
            State::Ready => None,
            _ if presence.stalled => Some(format!("a delivery was not answered for {} ms", self.limits.answer_ms)),
            State::Greeting if for_long(presence.greeting_since, self.limits.answer_ms) => {
                Some("the subscriber does not answer the handshake".into())
            }
            // A runtime that is gone, the first lane misses too. One that is there and lacks this lane's trigger would
            // lack it after a restart.
            State::Absent if self.follows => None,
            State::Absent if presence.receipts_ready && for_long(presence.not_ready_since, self.limits.release_ms) => {
                Some(
                    presence
                        .failure
                        .as_deref()
                        .map_or_else(|| NOBODY.to_owned(), unreachable),
                )
            }
            _ => None,
        }
    }

    /// Whether the lane has been without an answering subscriber for so long that others should have its entries.
    pub(super) fn should_release(&mut self) -> bool {
        let Some(since) = self.presence.not_ready_since else {
            return false;
        };
        let at = since + ms(self.limits.release_ms);
        if self.now >= at {
            return true;
        }
        self.wake_at(at);
        false
    }

    pub(super) fn receipts_ready(&mut self) {
        self.presence.receipts_ready = true;
        self.presence.count_at = self.now;
    }

    pub(super) fn receipts_interrupted(&mut self) {
        self.presence.receipts_ready = false;
        self.subscriber_gone();
    }

    /// A message may not have arrived: as if nobody were there, until a handshake says otherwise.
    pub(super) fn publish_failed(&mut self, reason: String) {
        self.subscriber_gone();
        self.presence.failure = Some(reason);
    }

    /// A handler that fails on a handshake is none. What else it failed on, the handshake behind that tells.
    pub(super) fn handler_failed(&mut self, delivery: &str, reason: String) {
        if self.is_greeting(delivery) {
            self.publish_failed(reason);
        }
    }

    /// Whoever answers like this handles nothing, and that is no fault of an entry.
    pub(super) fn refused(&mut self, delivery: String, reason: String) {
        if self.is_greeting(&delivery) {
            self.publish_failed(reason);
        } else {
            self.receipt(Receipt {
                delivery,
                unavailable: Some(reason),
                ..Receipt::default()
            });
        }
    }

    fn is_greeting(&self, delivery: &str) -> bool {
        self.presence.greetings.iter().any(|one| one.id == delivery)
    }

    /// Nobody is there: what is in flight is delivered again, free of charge.
    pub(super) fn subscriber_gone(&mut self) {
        if self.presence.state != State::Absent {
            // Who has not answered the handshake was not there.
            let was_there = self.presence.not_ready_since.is_none();
            self.leave_ready(State::Absent);
            let entries = self.free_in_flight();
            if was_there || entries > 0 {
                self.say(Notice::SubscriberGone { entries });
            }
        }
        self.presence.doubtful = false;
        self.presence.doubts = 0;
        self.presence.counted = None;
        self.presence.clients = None;
    }

    fn leave_ready(&mut self, state: State) {
        self.presence.state = state;
        if state != State::Greeting {
            self.presence.greeting_since = None;
        }
        self.presence.not_ready_since.get_or_insert(self.now);
        self.presence.verifying = None;
        self.presence.answered_at = None;
        self.presence.receivers = None;
        self.presence.greetings.clear();
        self.presence.greetings_sent = 0;
    }

    /// Begins a handshake. What is in flight stays so until it is answered: if the subscriber is still the same, its
    /// receipts come first.
    pub(super) fn greet(&mut self) {
        self.leave_ready(State::Greeting);
        // A handler that hangs does so for as long, however often others come and go meanwhile.
        self.presence.greeting_since.get_or_insert(self.now);
        self.send_greeting();
    }

    fn send_greeting(&mut self) {
        self.send_probe();
        let doublings = self.presence.greetings_sent.min(GREETING_DOUBLINGS);
        self.presence.greetings_sent += 1;
        self.presence.greeting_at = self.now + ms(self.limits.handshake_ms << doublings);
    }

    /// Sends an empty delivery behind what is in flight: its answer tells that what came before was dropped.
    pub(super) fn send_probe(&mut self) {
        let id = self.publish_empty();
        let number = self.published_number();
        self.presence.greetings.push_back(Greeting { id, number, answers: 0 });
        if self.presence.greetings.len() > GREETINGS_MAX {
            self.presence.greetings.pop_front();
        }
    }

    fn count_subscribers(&mut self) {
        self.presence.asked += 1;
        self.presence.counting = true;
        self.presence.count_at = self.now + ms(self.limits.subscriber_ms);
        let ask = self.presence.asked;
        self.act(Action::CountSubscribers { ask });
    }

    pub(super) fn subscribers_unknown(&mut self) {
        self.presence.counting = false;
        self.subscriber_gone();
    }

    /// A blame is near: make sure that the subscriber was there throughout. The answer calls `blame`.
    pub(super) fn verify_presence(&mut self) {
        if self.presence.verifying.is_none() {
            // One that is under way may have looked too early.
            self.presence.verifying = Some(self.presence.asked + 1);
            self.presence.count_at = self.now;
            if !self.presence.counting {
                self.count_subscribers();
            }
        }
    }

    /// How many subscribers got a message.
    pub(super) fn published(&mut self, delivery: &str, receivers: u64) {
        let ours = self.window.in_flight.iter().any(|one| one.id == delivery);
        let greeting = self.is_greeting(delivery);
        if !ours && !greeting && receivers > 0 {
            return;
        }
        match self.presence.state {
            _ if receivers == 0 => self.subscriber_gone(),
            State::Ready if self.presence.receivers != Some(receivers) => {
                self.presence.counted = None;
                self.presence.clients = None;
                self.subscriber_changed();
            }
            State::Greeting if greeting => self.presence.receivers = Some(receivers),
            _ => {}
        }
    }

    pub(super) fn subscribers(&mut self, ask: u64, count: u64, clients: Option<Vec<u64>>) {
        self.presence.counting = false;
        if count == 0 {
            self.presence.failure = None;
            self.subscriber_gone();
            return;
        }
        let presence = &mut self.presence;
        let vanished = match (&presence.clients, &clients) {
            (Some(before), Some(now)) => before.iter().any(|id| !now.contains(id)),
            _ => false,
        };
        let changed = vanished || presence.counted.is_some_and(|counted| counted != count);
        presence.counted = Some(count);
        match presence.state {
            State::Absent => {
                if presence.receipts_ready {
                    presence.clients = clients;
                    self.greet();
                }
            }
            _ if changed => {
                self.presence.clients = clients;
                self.subscriber_changed();
            }
            _ => {
                if presence.clients.is_none() {
                    presence.clients = clients;
                }
                if presence.verifying.is_some_and(|verifying| ask >= verifying) {
                    presence.verifying = None;
                    self.blame();
                }
            }
        }
    }

    fn subscriber_changed(&mut self) {
        self.say(Notice::SubscriberChanged);
        self.greet();
    }

    /// Counts an answer to a handshake or probe, and says its number; none if the delivery was neither.
    pub(super) fn greeting_answered(&mut self, delivery: &str) -> Option<u64> {
        let greeting = self.presence.greetings.iter_mut().find(|one| one.id == delivery)?;
        greeting.answers += 1;
        let (number, answers) = (greeting.number, greeting.answers);
        if answers > 1 {
            self.leave_ready(State::TwoApps);
            self.presence.doubtful = true;
            self.presence.doubts = self.presence.doubts.saturating_add(1);
            let doublings = self.presence.doubts.min(GREETING_DOUBLINGS);
            self.presence.greeting_at = self.now + ms(self.limits.handshake_ms << doublings);
            self.free_in_flight();
            self.say(Notice::TwoApps);
        } else if self.presence.state == State::Greeting {
            self.presence.answered_at.get_or_insert(self.now);
        }
        Some(number)
    }

    pub(super) fn advance_presence(&mut self) {
        let draining = self.draining != super::Draining::No;
        if self.presence.state == State::TwoApps && !draining {
            // A single app may have answered twice, if it did not know whether its first answer had gone out.
            if self.now >= self.presence.greeting_at {
                self.greet();
            } else {
                self.wake_at(self.presence.greeting_at);
            }
        }
        if self.presence.state == State::Greeting && !draining {
            self.advance_greeting();
        }
        if self.presence.counting || (draining && self.presence.verifying.is_none()) {
            return;
        }
        if self.now >= self.presence.count_at {
            self.count_subscribers();
        }
        self.wake_at(self.presence.count_at);
    }

    fn advance_greeting(&mut self) {
        let ready_at = match (self.presence.answered_at, self.presence.receivers) {
            (Some(at), Some(1)) if !self.presence.doubtful => Some(at),
            // With two subscribers, a second answer may be on its way.
            (Some(at), Some(_)) => Some(at + ms(self.limits.handshake_ms)),
            _ => None,
        };
        match ready_at {
            Some(at) if self.now >= at => self.enter_ready(),
            Some(at) => self.wake_at(at),
            None => {
                if self.now >= self.presence.greeting_at && self.presence.answered_at.is_none() {
                    self.send_greeting();
                }
                if self.presence.answered_at.is_none() {
                    self.wake_at(self.presence.greeting_at);
                }
            }
        }
    }

    fn enter_ready(&mut self) {
        self.presence.state = State::Ready;
        self.presence.failure = None;
        self.presence.doubtful = false;
        self.presence.not_ready_since = None;
        self.presence.greeting_since = None;
        self.presence.stalled = false;
        // Whatever was published before the handshake and is still unanswered went to a subscriber that is gone.
        self.free_in_flight();
        for route in &mut self.routes {
            route.scan_at = self.now;
        }
        let receivers = self.presence.receivers.unwrap_or(1);
        self.say(Notice::Ready { receivers });
    }
}
