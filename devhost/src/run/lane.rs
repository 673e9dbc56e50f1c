//! The Redis trigger: one sequential loop per address string.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context, Result, anyhow, bail};
use futures::StreamExt;
use futures::future::join_all;

use super::Components;
use crate::app;
use crate::host::bindings::RedisComponentPre;
use crate::host::{LoadedComponent, State};

/// An address with its channels and their handlers.
pub(crate) struct Lane {
    client: redis::Client,
    /// Several components may have the same channel; each gets every message.
    channels: BTreeMap<String, Vec<Handler>>,
}

/// A component that takes messages.
struct Handler {
    component: Arc<LoadedComponent>,
    instance_pre: RedisComponentPre<State>,
}

impl Lane {
    pub(crate) fn new(lane: app::Lane, components: &Components) -> Result<Self> {
        let mut channels = BTreeMap::new();
        for (channel, ids) in lane.channels {
            let handlers = ids
                .iter()
                .map(|id| Handler::new(&components[id]))
                .collect::<Result<Vec<_>>>()?;
            channels.insert(channel, handlers);
        }
        // The address may hold a password: the client's error says what is wrong without repeating it.
        let client = redis::Client::open(lane.address)
            .map_err(|error| anyhow!("a Redis trigger's address is not one: {error}"))?;
        Ok(Self { client, channels })
    }
}

impl Handler {
    fn new(component: &Arc<LoadedComponent>) -> Result<Self> {
        let instance_pre = RedisComponentPre::new(component.instance_pre.clone())
            .map_err(anyhow::Error::from)
            .with_context(|| {
                format!(
                    "component {} has a Redis trigger and no Redis handler",
                    component.component.id
                )
            })?;
        Ok(Self {
            component: Arc::clone(component),
            instance_pre,
        })
    }

    /// Hands a message to a fresh instance and waits for it to end, however long that takes, as Spin does.
    async fn handle(&self, payload: Vec<u8>) -> Result<()> {
        let mut store = self.component.store();
        let instance = self.instance_pre.instantiate_async(&mut store).await?;
        let handled = store
            .run_concurrent(async |accessor| {
                instance
                    .spin_redis_inbound_redis()
                    .call_handle_message(accessor, payload)
                    .await
            })
            .await??;
        handled.map_err(|error| anyhow!("the handler answered {error:?}"))
    }
}

/// Subscribes, and handles one message after the other until the connection is lost, which is an error.
///
/// What arrives meanwhile is buffered in memory without a bound; whoever publishes bounds what is in flight.
pub(crate) async fn run(lane: Lane) -> Result<()> {
    let server = lane.client.get_connection_info().addr.to_string();
    let mut subscription = lane
        .client
        .get_async_pubsub()
        .await
        .with_context(|| format!("Redis trigger failed to connect to {server}"))?;
    let mut active = format!("Active Channels on {server}:");
    for (channel, handlers) in &lane.channels {
        subscription
            .subscribe(channel)
            .await
            .with_context(|| format!("Redis trigger failed to subscribe to channel {channel:?} on {server}"))?;
        let ids: Vec<&str> = handlers
            .iter()
            .map(|handler| handler.component.component.id.as_str())
            .collect();
        active += &format!("\n\t{server}/{channel}: [{}]", ids.join(","));
    }
    println!("{active}");

    let mut messages = subscription.on_message();
    while let Some(message) = messages.next().await {
        let channel = message.get_channel_name();
        let handlers = lane.channels.get(channel).map_or(&[][..], Vec::as_slice);
        let handled = handlers.iter().map(async |handler| {
            if let Err(error) = handler.handle(message.get_payload_bytes().to_vec()).await {
                let id = &handler.component.component.id;
                eprintln!("component {id}: a message on {channel} was dropped: {error:#}");
            }
        });
        join_all(handled).await;
    }
    bail!("Redis trigger disconnected from {server}")
}
