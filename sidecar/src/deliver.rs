//! Publishing on a component's channel, and counting who listens.

use std::sync::Arc;

use redis::{RedisResult, Value};
use tokio::sync::{Notify, mpsc};

use crate::complaint::Complaint;
use crate::driver::Input;
use crate::lane::Event;
use crate::link::{Fault, Link, fault};

/// What a lane wants done on its channel, in this order.
pub enum Outgoing {
    /// Publish a message.
    Message {
        /// The delivery's id.
        delivery: String,
        /// The message.
        payload: String,
    },
    /// Count the subscribers.
    CountSubscribers {
        /// To be repeated in the answer.
        ask: u64,
    },
}

/// A lane's channels, as its publisher sees them.
pub struct Channels {
    /// Where deliveries go.
    pub deliveries: String,
    /// Where their receipts come from.
    pub receipts: String,
    /// Told when the Redis on which deliveries are published knows of no subscription to the receipts: after a
    /// failover the subscription may stand, on a Redis that nobody publishes on any more.
    pub resubscribe: Arc<Notify>,
}

/// So many counts in a row must miss the subscription to the receipts: one may have looked just before it was made.
const MISSED_MAX: u32 = 2;

/// Publishes for one lane, until it is gone.
pub async fn publish_for(
    channels: Channels,
    link: Arc<Link>,
    mut outgoing: mpsc::UnboundedReceiver<Outgoing>,
    lane: mpsc::Sender<Input>,
) {
    let channel = &channels.deliveries;
    let mut complaint = Complaint::new(format!("{channel} at {}", link.address()));
    let mut may_list_clients = true;
    let mut missed = 0;
    while let Some(outgoing) = outgoing.recv().await {
        let result = match outgoing {
            Outgoing::Message { delivery, payload } => {
                let mut command = redis::Cmd::with_capacity(3, payload.len() + channel.len() + 16);
                command.arg("PUBLISH").arg(channel).arg(payload);
                let result = link.query(&command).await;
                result
                    .map(|receivers| Event::Published { delivery, receivers })
                    .map_err(|err| (err, Event::PublishFailed))
            }
            Outgoing::CountSubscribers { ask } => match count(&channels, &link, &mut may_list_clients).await {
                Ok(counted) => {
                    missed = if counted.receipts == 0 { missed + 1 } else { 0 };
                    if missed >= MISSED_MAX {
                        channels.resubscribe.notify_waiters();
                    }
                    Ok(Event::Subscribers {
                        ask,
                        count: counted.deliveries,
                        clients: counted.clients,
                    })
                }
                Err(err) => Err((err, Event::SubscribersUnknown { ask })),
            },
        };
        let event = match result {
            Ok(event) => {
                complaint.works();
                event
            }
            Err((err, event)) => {
                complaint.happened(&err);
                event
            }
        };
        // The lane is gone only while everything stops.
        let _ = lane.send(Input::Event(event)).await;
    }
}

struct Counted {
    /// How many subscribe to the deliveries.
    deliveries: u64,
    /// How many subscribe to the receipts.
    receipts: u64,
    /// The ids of all pub/sub connections, where the user may list them.
    clients: Option<Vec<u64>>,
}

async fn count(channels: &Channels, link: &Link, may_list_clients: &mut bool) -> RedisResult<Counted> {
    let mut command = redis::cmd("PUBSUB");
    command.arg("NUMSUB").arg(&channels.deliveries).arg(&channels.receipts);
    let (_, deliveries, _, receipts): (Value, u64, Value, u64) = link.query(&command).await?;
    let counted = |clients| Counted {
        deliveries,
        receipts,
        clients,
    };
    if !*may_list_clients || deliveries == 0 {
        return Ok(counted(None));
    }
    let mut command = redis::cmd("CLIENT");
    command.arg("LIST").arg("TYPE").arg("PUBSUB");
    match link.query::<String>(&command).await {
        Ok(list) => Ok(counted(Some(client_ids(&list)))),
        Err(err) if fault(&err) == Fault::Refused => {
            // Without the list, a subscriber that is replaced between two counts is not noticed.
            *may_list_clients = false;
            tracing::info!(
                "{}: CLIENT LIST is not permitted: a quick restart of the runtime may go unnoticed",
                channels.deliveries
            );
            Ok(counted(None))
        }
        Err(err) => Err(err),
    }
}

fn client_ids(list: &str) -> Vec<u64> {
    let id = |line: &str| line.strip_prefix("id=")?.split(' ').next()?.parse().ok();
    list.lines().filter_map(id).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn client_ids_are_read_from_the_list() {
        let list = "id=12 addr=127.0.0.1:1 cmd=subscribe\nid=9 addr=127.0.0.1:2\n";
        assert_eq!(super::client_ids(list), [12, 9]);
    }
}
