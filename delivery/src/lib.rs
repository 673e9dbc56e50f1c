//! The delivery protocol between the sidecar and a component, as messages.
//!
//! The sidecar publishes a [`Delivery`] on the component's channel; the component applies its entries and publishes
//! a [`Receipt`] on the channel that the delivery names. Both are JSON. `wit/delivery.wit` holds the same as text.
//! Nothing here knows what an entry means.

mod fields;
mod messages;

pub use fields::Fields;
pub use messages::{Delivery, Entry, Receipt, Refusal};

/// The consumer of a group that has what nobody holds: entries that wait out a backoff, or were let go of. No sidecar
/// can have this name.
pub const WAITING_CONSUMER: &str = "~waiting";
