//! The Redis trigger: each subscription handles one message after the other.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context, Result, anyhow, bail};
use futures::StreamExt;
use futures::future::join_all;

use super::Components;
use crate::app::Subscription;
use crate::host::bindings::RedisComponentPre;
use crate::host::{LoadedComponent, State};
use crate::output::{print, print_error};

pub(crate) struct Subscriber {
    client: redis::Client,
    /// By channel. Each of its handlers gets every message.
    handlers: BTreeMap<String, Vec<Handler>>,
}

struct Handler {
    component: Arc<LoadedComponent>,
    instance_pre: RedisComponentPre<State>,
}

impl Subscriber {
    pub(crate) fn new(subscription: Subscription, components: &Components) -> Result<Self> {
        let mut handlers = BTreeMap::new();
        for (channel, ids) in subscription.channels {
            let of_channel = ids.iter().map(|id| Handler::new(&components[id]));
            handlers.insert(channel, of_channel.collect::<Result<_>>()?);
        }
        // The client's error does not repeat the address, which may hold a password.
        let client = redis::Client::open(subscription.address)
            .map_err(|error| anyhow!("the address of a Redis trigger is wrong: {error}"))?;
        Ok(Self { client, handlers })
    }

    /// Subscribes, and handles one message after the other until the connection is lost, which is an error.
    ///
    /// Messages that arrive meanwhile are buffered in memory without a bound; the publisher bounds what is in flight.
    pub(crate) async fn run(self) -> Result<()> {
        let server = self.client.get_connection_info().addr.to_string();
        let mut subscription = self
            .client
            .get_async_pubsub()
            .await
            .with_context(|| format!("Redis trigger failed to connect to {server}"))?;
        let mut active = format!("Active Channels on {server}:");
        for (channel, handlers) in &self.handlers {
            subscription
                .subscribe(channel)
                .await
                .with_context(|| format!("Redis trigger failed to subscribe to channel {channel:?} on {server}"))?;
            let ids: Vec<&str> = handlers.iter().map(|handler| handler.component.id()).collect();
            active += &format!("\n\t{server}/{channel}: [{}]", ids.join(","));
        }
        print(active);

        let mut messages = subscription.on_message();
        while let Some(message) = messages.next().await {
            let channel = message.get_channel_name();
            let handlers = self.handlers.get(channel).map_or(&[][..], Vec::as_slice);
            let handled = handlers.iter().map(async |handler| {
                if let Err(error) = handler.handle(message.get_payload_bytes().to_vec()).await {
                    let id = handler.component.id();
                    print_error(format_args!(
                        "component {id}: a message on {channel} was dropped: {error:#}"
                    ));
                }
            });
            join_all(handled).await;
        }
        bail!("Redis trigger disconnected from {server}")
    }
}

impl Handler {
    fn new(component: &Arc<LoadedComponent>) -> Result<Self> {
        let instance_pre = RedisComponentPre::new(component.instance_pre.clone())
            .map_err(anyhow::Error::from)
            .with_context(|| {
                let id = component.id();
                format!("component {id} has a Redis trigger and no Redis handler")
            })?;
        Ok(Self {
            component: Arc::clone(component),
            instance_pre,
        })
    }

    /// Hands a message to a new instance and waits without a deadline, as Spin does.
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
