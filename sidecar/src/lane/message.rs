use std::time::Duration;

use protocol::Receipt;

use crate::decide::Cause;
use crate::entry::{Arrived, EntryId};

/// A point in time, as the time since the sidecar started.
pub type Time = Duration;

/// A route of a lane, by its place in the list that the lane was made with.
pub type RouteIndex = usize;

/// All that can happen to a lane.
#[derive(Debug)]
pub enum Event {
    /// Nothing but the passing of time.
    Tick,
    /// The route's group exists; `created` if it did not before.
    Prepared {
        /// Which route.
        route: RouteIndex,
        /// Whether it was missing.
        created: bool,
    },
    /// A read ended; it may have brought nothing.
    Read {
        /// Which route.
        route: RouteIndex,
        /// New entries, all at their first attempt.
        entries: Vec<Arrived>,
    },
    /// The lane before this one has read as much as fits into a delivery.
    Called {
        /// Which route.
        route: RouteIndex,
    },
    /// A read failed; its reply may have been lost on the way.
    ReadFailed {
        /// Which route.
        route: RouteIndex,
        /// The group does not exist.
        group_missing: bool,
    },
    /// What is pending on the sidecar's own name.
    Own {
        /// Which route.
        route: RouteIndex,
        /// A page of it, in stream order.
        ids: Vec<EntryId>,
    },
    /// Entries that were found due.
    Due {
        /// Which route.
        route: RouteIndex,
        /// Each with how long it has been idle.
        entries: Vec<(EntryId, u64)>,
    },
    /// Entries that a claim made ours.
    Claimed {
        /// Which route.
        route: RouteIndex,
        /// In stream order, each at the attempt it had.
        entries: Vec<Arrived>,
    },
    /// Preparing, looking up or claiming failed.
    ErrandFailed {
        /// Which route.
        route: RouteIndex,
        /// The group does not exist.
        group_missing: bool,
    },
    /// Leases were renewed, except of entries that are no longer ours.
    Renewed {
        /// Which route.
        route: RouteIndex,
        /// What a peer has taken, or what is no longer pending.
        lost: Vec<EntryId>,
    },
    /// No lease could be renewed.
    RenewFailed {
        /// Which route.
        route: RouteIndex,
    },
    /// A settlement is in Redis, or was refused for good.
    Settled {
        /// Which route.
        route: RouteIndex,
        /// Which settlement.
        ticket: u64,
        /// Redis refused it, or a part of it: what that was about will be delivered again.
        refused: bool,
    },
    /// A message was published.
    Published {
        /// The delivery's id.
        delivery: String,
        /// How many subscribers got it.
        receivers: u64,
    },
    /// A message may or may not have been published.
    PublishFailed {
        /// Why, for people.
        reason: String,
    },
    /// The handler failed on a message: it will not be answered. Only a transport that hears of it tells.
    HandlerFailed {
        /// The delivery's id.
        delivery: String,
        /// Why, for people.
        reason: String,
    },
    /// A message was answered with what is no receipt. Only a transport with answers of its own tells.
    Refused {
        /// The delivery's id.
        delivery: String,
        /// What was answered, for people.
        reason: String,
    },
    /// The subscribers of the lane's channel were counted.
    Subscribers {
        /// Which count it answers.
        ask: u64,
        /// How many there are.
        count: u64,
        /// The ids of all pub/sub connections of that Redis, where the sidecar may ask for them.
        clients: Option<Vec<u64>>,
    },
    /// They could not be counted.
    SubscribersUnknown {
        /// Which count it answers.
        ask: u64,
    },
    /// The component answered.
    Receipt(Receipt),
    /// The subscription to receipts was interrupted: some may have been lost.
    ReceiptsInterrupted,
    /// The subscription to receipts stands.
    ReceiptsReady,
    /// Stop: finish what is in flight, let go of the rest.
    Drain,
    /// The grace period of the stop is over.
    GraceOver,
}

/// All that a lane can want done. Whoever performs an action reports back with an [`Event`].
#[derive(Debug, PartialEq)]
pub enum Action {
    /// Create the route's group at 0, and its stream, unless they exist: `Prepared`, `ErrandFailed`.
    Prepare {
        /// Which route.
        route: RouteIndex,
    },
    /// Read new entries: `Read`, `ReadFailed`.
    Read {
        /// Which route.
        route: RouteIndex,
        /// At most so many.
        count: usize,
        /// Whether to wait a while for one if there is none.
        wait: bool,
    },
    /// Tell the lane behind, if there is one, that there may be work for it: its `Called`.
    Call {
        /// Which route.
        route: RouteIndex,
    },
    /// Look up what is pending on our own name: `Own`, `ErrandFailed`.
    LookUpOwn {
        /// Which route.
        route: RouteIndex,
        /// Only behind this one.
        after: Option<EntryId>,
        /// At most so many.
        count: usize,
    },
    /// Look up what is due, whoever's it was: `Due`, `ErrandFailed`.
    LookUpDue {
        /// Which route.
        route: RouteIndex,
        /// At most so many.
        count: usize,
    },
    /// Take entries over, without touching their attempts: `Claimed`, `ErrandFailed`.
    Claim {
        /// Which route.
        route: RouteIndex,
        /// Which entries.
        ids: Vec<EntryId>,
        /// From whom.
        from: ClaimFrom,
    },
    /// Renew the leases of entries that are still ours: `Renewed`, `RenewFailed`.
    Renew {
        /// Which route.
        route: RouteIndex,
        /// Which entries.
        ids: Vec<EntryId>,
    },
    /// Write down what became of entries: `Settled`.
    Settle {
        /// Which route.
        route: RouteIndex,
        /// To be repeated in the answer.
        ticket: u64,
        /// What became of them.
        settlement: Settlement,
    },
    /// Publish a message on the lane's channel: `Published`, `PublishFailed`.
    Publish {
        /// The delivery's id.
        delivery: String,
        /// The message.
        payload: String,
    },
    /// Count the subscribers of the lane's channel: `Subscribers`, `SubscribersUnknown`.
    CountSubscribers {
        /// To be repeated in the answer.
        ask: u64,
    },
    /// Something that people should know.
    Say(Notice),
    /// The stop is complete: nothing is in flight, and nothing is held.
    Drained,
}

/// From whom a claim may take an entry; checked in the same step that takes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClaimFrom {
    /// From our own name: entries of an earlier life, or of a read whose reply was lost.
    Ourselves,
    /// From anybody, once it has been idle for the lease.
    Anybody,
}

/// What became of entries of one route.
#[derive(Debug, Default, PartialEq)]
pub struct Settlement {
    /// Acknowledge these, whoever's they are.
    pub done: Vec<String>,
    /// Let go of these, if they are still ours.
    pub parked: Vec<Parked>,
    /// Move these to the dead letters, if they are still ours.
    pub dead: Vec<DeadLetter>,
}

impl Settlement {
    /// Whether it settles nothing.
    pub fn is_empty(&self) -> bool {
        self.done.is_empty() && self.parked.is_empty() && self.dead.is_empty()
    }
}

/// An entry that is let go of, to be found by any sidecar once it is due.
#[derive(Debug, PartialEq)]
pub struct Parked {
    /// Which entry.
    pub entry: String,
    /// Its delivery counter now; another value means that somebody else has settled it.
    pub attempt: u32,
    /// Its delivery counter from now on.
    pub next_attempt: u32,
    /// When it is due: after so many milliseconds.
    pub due_ms: u64,
}

/// An entry that goes to the dead letters.
#[derive(Debug, PartialEq)]
pub struct DeadLetter {
    /// Which entry.
    pub entry: String,
    /// How many deliveries of it have failed or were refused.
    pub attempts: u32,
    /// Why, for machines.
    pub cause: Cause,
    /// Why, for people.
    pub reason: String,
}

/// What people should know; whoever performs it chooses the level and the form.
#[derive(Debug, PartialEq)]
pub enum Notice {
    /// The handshake was answered: deliveries flow.
    Ready {
        /// How many subscribers the channel has.
        receivers: u64,
    },
    /// Nobody subscribes to the channel.
    SubscriberGone {
        /// How many entries will be delivered again, free of charge.
        entries: usize,
    },
    /// The subscribers changed: a new handshake.
    SubscriberChanged,
    /// Two apps answered one handshake.
    TwoApps,
    /// The component cannot work at present.
    Unavailable {
        /// In its own words.
        reason: String,
        /// How long the lane pauses.
        pause_ms: u64,
    },
    /// A delivery was not answered, and its entries have spent an attempt.
    Blamed {
        /// Which delivery.
        delivery: String,
        /// Of which route.
        route: RouteIndex,
        /// Its first entry.
        first: String,
        /// How many entries it had.
        entries: usize,
    },
    /// The oldest delivery was unanswered for `answer_ms`: the handler hangs, or the runtime is dead.
    Stalled,
    /// An entry goes to the dead letters.
    DeadLettered {
        /// Of which route.
        route: RouteIndex,
        /// Which entry.
        entry: String,
        /// Why, for machines.
        cause: Cause,
        /// Why, for people.
        reason: String,
    },
    /// An entry failed and will be tried again.
    Retrying {
        /// Of which route.
        route: RouteIndex,
        /// Which entry.
        entry: String,
        /// The attempt that failed.
        attempt: u32,
        /// Why.
        reason: String,
        /// When the next one is due.
        backoff_ms: u64,
    },
    /// A receipt that no delivery waits for; what it reports as done was acknowledged.
    LateReceipt {
        /// The delivery that it names.
        delivery: String,
        /// How many entries it reports as done.
        done: usize,
    },
    /// A receipt with something in it that makes no sense; that part was ignored.
    OddReceipt {
        /// The delivery that it names.
        delivery: String,
        /// What is odd.
        what: String,
    },
    /// The route's group did not exist, and was created at 0.
    GroupCreated {
        /// Which route.
        route: RouteIndex,
    },
    /// Entries that were left unfinished are being taken over.
    TakenOver {
        /// Which route.
        route: RouteIndex,
        /// How many.
        entries: usize,
    },
    /// A peer has taken entries that we held.
    Lost {
        /// Which route.
        route: RouteIndex,
        /// How many.
        entries: usize,
    },
    /// What was held was let go of, since nobody here handles it.
    Released {
        /// Which route.
        route: RouteIndex,
        /// How many.
        entries: usize,
    },
}
