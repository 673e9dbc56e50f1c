//! Everything that can happen to a lane, and everything it can want done, each named for whoever performs it.

use std::time::Duration;

use protocol::Receipt;

use super::outcome::Cause;
use crate::entry::{Entry, EntryId};

/// A point in time, as the time since the sidecar started.
pub type Time = Duration;

/// A route's position in the list that the lane was made with.
pub type RouteIndex = usize;

/// All that can happen to a lane.
#[derive(Debug)]
pub enum Event {
    /// Nothing but the passing of time.
    Tick,
    Stream(RouteIndex, StreamEvent),
    Channel(ChannelEvent),
    /// The lane before this one has read more than one delivery's worth.
    MoreWaiting(RouteIndex),
    /// Stop: finish what is in flight, let go of the rest.
    Drain,
    /// The grace period of the stop is over.
    GraceOver,
}

/// The answers to a [`Read`] and to [`StreamAction`]s.
#[derive(Debug)]
pub enum StreamEvent {
    /// The group exists; `created` if it did not before.
    Prepared { created: bool },
    /// A read ended. It may have brought nothing; what it brought is at its first attempt.
    Read(Vec<Entry>),
    /// A read failed; its reply may have been lost on the way.
    ReadFailed { group_missing: bool },
    /// A page of what is pending on the sidecar's own name, in stream order.
    Own(Vec<EntryId>),
    /// Entries that were found due, each with how long it has been idle.
    Due(Vec<(EntryId, u64)>),
    /// Entries that a claim made ours, in stream order, each at the attempt it had.
    Claimed(Vec<Entry>),
    /// Preparing, looking up or claiming failed.
    Failed { group_missing: bool },
    /// Leases were renewed, except of entries that a peer has taken or that are no longer pending.
    Renewed { lost: Vec<EntryId> },
    /// No lease could be renewed.
    RenewFailed,
    /// A settlement is in Redis. If Redis refused a part for good, that part will be delivered again.
    Settled {
        id: u64,
        refused: bool,
        /// The entries of its dead letters that were written.
        dead: Vec<EntryId>,
    },
}

/// Reports of the transport: the answers to [`ChannelAction`]s, and receipts.
#[derive(Debug)]
pub enum ChannelEvent {
    /// A message reached this many subscribers.
    Published { delivery: String, receivers: u64 },
    /// A message may or may not have been published.
    PublishFailed { reason: String },
    /// The handler failed on a message and will not answer it. Only HTTP tells.
    HandlerFailed { delivery: String, reason: String },
    /// A message was answered with something that is no receipt. Only HTTP tells.
    Refused { delivery: String, reason: String },
    /// The answer to a count of the channel's subscribers.
    Subscribers {
        count_id: u64,
        count: u64,
        /// The ids of all pub/sub connections of that Redis, where the sidecar may ask for them.
        clients: Option<Vec<u64>>,
    },
    /// They could not be counted.
    SubscribersUnknown,
    /// The component answered.
    Receipt(Receipt),
    /// The subscription to receipts was interrupted: some may have been lost.
    ReceiptsInterrupted,
    /// The subscription to receipts stands.
    ReceiptsReady,
}

/// All that a lane can want done. Whoever performs it reports back with an [`Event`].
#[derive(Debug, PartialEq)]
pub enum Action {
    /// For the reader of a route's stream.
    Read(RouteIndex, Read),
    /// For the worker of a route's stream.
    Stream(RouteIndex, StreamAction),
    /// For the transport of the lane's channel.
    Channel(ChannelAction),
    /// For the lane behind this one, if there is one: its [`Event::MoreWaiting`].
    MoreWaiting(RouteIndex),
    /// For the log.
    Log(LogEvent),
    /// The stop is complete: nothing is in flight, and nothing is held.
    Drained,
}

/// Read new entries, answered by `Read` or `ReadFailed`.
#[derive(Debug, PartialEq)]
pub struct Read {
    pub count: usize,
    /// Wait a while for an entry if there is none.
    pub wait: bool,
}

/// Work on a route's stream.
#[derive(Debug, PartialEq)]
pub enum StreamAction {
    /// Create the group at 0, and its stream, unless they exist: `Prepared` or `Failed`.
    Prepare,
    /// Look up what is pending on our own name, behind this entry: `Own` or `Failed`.
    LookUpOwn { after: Option<EntryId>, count: usize },
    /// Look up what is due, whoever holds it: `Due` or `Failed`.
    LookUpDue { count: usize },
    /// Take entries over without touching their attempts: `Claimed` or `Failed`.
    Claim { ids: Vec<EntryId>, from: ClaimFrom },
    /// Renew the leases of entries that are still ours: `Renewed` or `RenewFailed`.
    Renew { ids: Vec<EntryId> },
    /// Write a settlement down: `Settled` with the same id.
    Settle { id: u64, settlement: Settlement },
}

/// Work on the lane's channel, done in this order.
#[derive(Debug, PartialEq)]
pub enum ChannelAction {
    /// `Published`, `PublishFailed`, or over HTTP what came back.
    Publish { delivery: String, payload: String },
    /// `Subscribers` with the same id, or `SubscribersUnknown`.
    CountSubscribers { count_id: u64 },
}

/// From whom a claim may take an entry; checked in the same step that takes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClaimFrom {
    /// From our own name: entries of an earlier life, or of a read whose reply was lost.
    Ourselves,
    /// From anybody, once it has been idle for the lease.
    Anybody,
}

/// Outcomes of entries of one route, to be written down in Redis.
#[derive(Debug, Default, PartialEq)]
pub struct Settlement {
    /// To be acknowledged, whoever holds them.
    pub done: Vec<EntryId>,
    /// To be let go of, if they are still ours.
    pub parked: Vec<Parked>,
    /// To be moved to the dead letters, if they are still ours.
    pub dead: Vec<DeadLetter>,
}

impl Settlement {
    /// The entries that it settles.
    pub(super) fn ids(&self) -> Vec<EntryId> {
        let parked = self.parked.iter().map(|parked| parked.id);
        let dead = self.dead.iter().map(|dead| dead.id);
        self.done.iter().copied().chain(parked).chain(dead).collect()
    }
}

/// An entry that is let go of, to be found by any sidecar once it is due.
#[derive(Debug, PartialEq)]
pub struct Parked {
    pub id: EntryId,
    /// Its delivery counter now; another value means that somebody else has settled it.
    pub attempt: u32,
    /// Its delivery counter from now on.
    pub next_attempt: u32,
    /// Due after so many milliseconds.
    pub due_ms: u64,
}

/// An entry that goes to the dead letters.
#[derive(Debug, Clone, PartialEq)]
pub struct DeadLetter {
    pub id: EntryId,
    /// Deliveries of it that have failed or were refused.
    pub attempts: u32,
    pub cause: Cause,
    /// Why, for people.
    pub reason: String,
}

/// Something that people should know. The log chooses level and form.
#[derive(Debug, PartialEq)]
pub enum LogEvent {
    /// The handshake was answered: deliveries flow.
    Ready { receivers: u64 },
    /// Nobody subscribes to the channel: so many entries will be delivered again, free of charge.
    SubscriberGone { entries: usize },
    /// The subscribers changed: a new handshake.
    SubscriberChanged,
    /// Two apps answered one handshake.
    TwoApps,
    /// The component cannot work at present, in its own words, and the lane pauses.
    Unavailable { reason: String, pause_ms: u64 },
    /// A delivery was not answered, and its entries have spent an attempt.
    Blamed {
        delivery: String,
        route: RouteIndex,
        first: EntryId,
        entries: usize,
    },
    /// The oldest delivery was unanswered for `answer_ms`: the handler hangs, or the runtime is dead.
    Stalled,
    /// An entry has become a dead letter.
    DeadLettered { route: RouteIndex, dead: DeadLetter },
    /// An attempt failed; the next one is due after the backoff.
    Retrying {
        route: RouteIndex,
        id: EntryId,
        attempt: u32,
        reason: String,
        backoff_ms: u64,
    },
    /// No delivery waits for this receipt; what it reports as done was acknowledged.
    LateReceipt { delivery: String, done: usize },
    /// A part of a receipt makes no sense and was ignored.
    OddReceipt { delivery: String, what: String },
    /// The route's group did not exist, and was created at 0.
    GroupCreated { route: RouteIndex },
    /// Entries that were left unfinished are being taken over.
    TakenOver { route: RouteIndex, entries: usize },
    /// A peer has taken entries that were held here.
    Lost { route: RouteIndex, entries: usize },
    /// Entries that were held were let go of, since nobody here handles them.
    Released { route: RouteIndex, entries: usize },
}
