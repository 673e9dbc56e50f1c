//! The protocol between the sidecar and a component.
//!
//! The sidecar publishes a [`Delivery`] on the component's channel; the component applies its entries and publishes
//! a [`Receipt`] on the channel that the delivery names. Over HTTP the sidecar POSTs the delivery, signed, and the
//! response is the receipt. Both are JSON; `wit/delivery.wit` holds the same as text.
//!
//! An entry that cannot be done becomes a [`DeadLetter`]. Both sides list and replay dead letters, and tell how far the
//! groups of a stream have come, so the types, the field names and the Lua scripts of that are here too. Nothing here
//! knows what an entry means.

#![warn(missing_docs)]

mod entry_id;
mod fields;
mod messages;
mod signature;
mod dead_letters;
mod streams;

pub use dead_letters::{
    DEAD_FIELDS, DeadLetter, DeadLetterHeader, REPLAY_DEAD_LETTERS, REPLAY_FIELDS, Replay, dead_stream, replay_group,
};
pub use entry_id::{EntryId, NotAnEntryId};
pub use fields::Fields;
pub use messages::{Delivery, Entry, Receipt, Refusal};
pub use signature::{AGE_SECONDS_MAX, SIGNATURE_HEADER, TIMESTAMP_HEADER, Unauthenticated, sign, verify};
pub use streams::{GroupState, READ_STREAMS, StreamState, WAITING_CONSUMER};

/// The largest body of an HTTP delivery, and of its receipt.
pub const BODY_BYTES_MAX: usize = 2 * 1024 * 1024;

/// Reads the answer of one of the scripts: JSON.
///
/// # Errors
///
/// The answer is of another form.
pub fn parse_answer<T: serde::de::DeserializeOwned>(answer: &[u8]) -> serde_json::Result<T> {
    // Names of groups, and what others wrote into streams, need not be UTF-8.
    serde_json::from_str(&String::from_utf8_lossy(answer))
}
