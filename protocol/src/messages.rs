use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::Fields;

/// A batch of entries of one stream, for one consumer group: one message on a component's channel.
///
/// Without entries it is the handshake: the component answers with an empty [`Receipt`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery<'a> {
    /// Identity of this delivery, a ULID; the receipt repeats it.
    #[serde(borrow)]
    pub delivery: Cow<'a, str>,
    /// The stream that the entries come from; empty in a handshake.
    #[serde(borrow)]
    pub stream: Cow<'a, str>,
    /// The consumer group on whose behalf they are delivered; empty in a handshake.
    #[serde(borrow)]
    pub group: Cow<'a, str>,
    /// The channel on which the receipt is expected; empty where the response is the receipt.
    #[serde(borrow)]
    pub receipts: Cow<'a, str>,
    /// The entries, in stream order.
    #[serde(borrow)]
    pub entries: Vec<Entry<'a>>,
}

/// One stream entry within a delivery.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry<'a> {
    /// The entry's id in its stream, such as `1764000000000-0`.
    #[serde(borrow)]
    pub entry: Cow<'a, str>,
    /// The number of this attempt, from 1. Attempts are spent only by failures of the entry's own.
    pub attempt: u32,
    /// The entry's fields, untouched.
    #[serde(borrow)]
    pub fields: Fields<'a>,
}

/// A component's answer to a [`Delivery`], published once the effects are committed.
///
/// An entry of the delivery that the receipt does not name counts as unanswered.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Receipt {
    /// The delivery that is answered.
    pub delivery: String,
    /// Its stream.
    pub stream: String,
    /// Its group.
    pub group: String,
    /// Entries whose effect is in place, now or from before: to be acknowledged.
    #[serde(default)]
    pub done: Vec<String>,
    /// Entries that met a passing fault of their own: an attempt is spent, again after a backoff.
    #[serde(default)]
    pub retry: Vec<Refusal>,
    /// Entries that can never work: dead letters now.
    #[serde(default)]
    pub reject: Vec<Refusal>,
    /// Set when what the component depends on is gone: the lane pauses, and no attempt is spent on the entries that
    /// are not in `done`.
    #[serde(default)]
    pub unavailable: Option<String>,
}

/// The reason that an entry was not done, in words that a person can act on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// The entry's id in its stream.
    pub entry: String,
    /// The fault, and where it helps, its remedy.
    pub reason: String,
}
