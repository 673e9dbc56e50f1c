//! Publishing on a component's channel, and counting who listens.

use std::sync::Arc;

use redis::{RedisResult, Value};
use tokio::sync::mpsc;

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

/// Publishes for one lane, until it is gone.
pub async fn publish_for(
    channel: String,
    link: Arc<Link>,
    mut outgoing: mpsc::UnboundedReceiver<Outgoing>,
    lane: mpsc::Sender<Input>,
) {
    let mut complaint = Complaint::new(format!("{channel} at {}", link.address()));
    let mut may_list_clients = true;
    while let Some(outgoing) = outgoing.recv().await {
        let result = match outgoing {
            Outgoing::Message { delivery, payload } => {
                let mut command = redis::Cmd::with_capacity(3, payload.len() + channel.len() + 16);
                command.arg("PUBLISH").arg(&channel).arg(payload);
                let result = link.query(&command).await;
                result
                    .map(|receivers| Event::Published { delivery, receivers })
                    .map_err(|err| (err, Event::PublishFailed))
            }
            Outgoing::CountSubscribers { ask } => count(&channel, &link, &mut may_list_clients)
                .await
                .map(|(count, clients)| Event::Subscribers { ask, count, clients })
                .map_err(|err| (err, Event::SubscribersUnknown { ask })),
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

/// How many subscribe to the channel, and the ids of all pub/sub connections, where the user may list them.
async fn count(channel: &str, link: &Link, may_list_clients: &mut bool) -> RedisResult<(u64, Option<Vec<u64>>)> {
    let mut command = redis::cmd("PUBSUB");
    command.arg("NUMSUB").arg(channel);
    let (_, count): (Value, u64) = link.query(&command).await?;
    if !*may_list_clients || count == 0 {
        return Ok((count, None));
    }
    let mut command = redis::cmd("CLIENT");
    command.arg("LIST").arg("TYPE").arg("PUBSUB");
    match link.query::<String>(&command).await {
        Ok(list) => Ok((count, Some(client_ids(&list)))),
        Err(err) if fault(&err) == Fault::Refused => {
            // Without the list, a subscriber that is replaced between two counts is not noticed.
            *may_list_clients = false;
            tracing::info!("{channel}: CLIENT LIST is not permitted: a quick restart of the runtime may go unnoticed");
            Ok((count, None))
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
