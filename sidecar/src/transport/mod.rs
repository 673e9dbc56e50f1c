//! The two ways of delivery, side by side: each performs a lane's [`ChannelAction`](crate::lane::ChannelAction)s one
//! after the other, and reports receipts.

mod http;
mod pubsub;

pub use http::Http;
pub use pubsub::PubSub;
