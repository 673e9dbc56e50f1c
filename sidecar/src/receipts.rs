//! The subscription to a component's receipts.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use protocol::Receipt;
use redis::{Client, RedisResult};
use tokio::sync::{Notify, mpsc};
use tokio::time::timeout;

use crate::complaint::Complaint;
use crate::config::Limits;
use crate::decide::backoff_ms;
use crate::driver::Input;
use crate::lane::Event;

/// How often the subscription is checked: a connection that is only half open brings nothing, and says nothing.
const CHECK_EVERY: Duration = Duration::from_secs(2);

/// Subscribes to a lane's receipts and passes them on, again whenever the subscription ended or `resubscribe` is told,
/// until the lane is gone.
pub async fn listen_for(
    channel: String,
    address: String,
    client: Client,
    limits: Limits,
    lane: mpsc::Sender<Input>,
    resubscribe: Arc<Notify>,
) {
    let mut complaint = Complaint::new(format!("{channel} at {address}"));
    let mut odd = Complaint::new(format!("{channel} at {address}: ignored what is no receipt"));
    let mut failures = 0;
    loop {
        let ended = listen(
            &channel,
            &client,
            &limits,
            &lane,
            &mut complaint,
            &mut odd,
            &resubscribe,
        )
        .await;
        failures = if matches!(ended, Ended::Later(_)) {
            1
        } else {
            failures + 1
        };
        match ended {
            Ended::LaneGone => return,
            Ended::AtOnce(err) | Ended::Later(err) => complaint.happened(&err),
        }
        if lane.send(Input::Event(Event::ReceiptsInterrupted)).await.is_err() {
            return;
        }
        let wait = backoff_ms(failures, 50, limits.reconnect_ms_max, fastrand::f64());
        tokio::time::sleep(Duration::from_millis(wait)).await;
    }
}

enum Ended {
    LaneGone,
    /// It never stood.
    AtOnce(String),
    /// It stood for a while.
    Later(String),
}

async fn listen(
    channel: &str,
    client: &Client,
    limits: &Limits,
    lane: &mpsc::Sender<Input>,
    complaint: &mut Complaint,
    odd: &mut Complaint,
    resubscribe: &Notify,
) -> Ended {
    let limit = Duration::from_millis(limits.redis_ms);
    let subscribing = async {
        let mut subscription = client.get_async_pubsub().await?;
        subscription.subscribe(channel).await?;
        RedisResult::Ok(subscription)
    };
    let (mut sink, mut messages) = match timeout(limit, subscribing).await {
        Ok(Ok(subscription)) => subscription.split(),
        Ok(Err(err)) => return Ended::AtOnce(err.to_string()),
        Err(_) => return Ended::AtOnce("no answer in time".into()),
    };
    complaint.works();
    if lane.send(Input::Event(Event::ReceiptsReady)).await.is_err() {
        return Ended::LaneGone;
    }
    let checks = async {
        loop {
            tokio::time::sleep(CHECK_EVERY).await;
            match timeout(limit, sink.ping::<redis::Value>()).await {
                Ok(Ok(_)) => {}
                Ok(Err(err)) => return err.to_string(),
                Err(_) => return "no answer in time".into(),
            }
        }
    };
    let receipts = async {
        while let Some(message) = messages.next().await {
            match serde_json::from_slice::<Receipt>(message.get_payload_bytes()) {
                Ok(receipt) => {
                    if lane.send(Input::Event(Event::Receipt(receipt))).await.is_err() {
                        return Ended::LaneGone;
                    }
                }
                Err(err) => odd.happened(&err),
            }
        }
        Ended::Later("the subscription ended".into())
    };
    tokio::select! {
        ended = receipts => ended,
        err = checks => Ended::Later(err),
        () = resubscribe.notified() => {
            Ended::Later("the Redis that deliveries are published on knows of no subscription".into())
        }
    }
}
