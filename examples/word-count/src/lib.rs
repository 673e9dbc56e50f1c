//! Counts the words of texts. Each entry of the stream `texts` is delivered at least once, and counted exactly once.
#![cfg(target_family = "wasm")]

use anyhow::Context;
use bytes::Bytes;
use protocol::{Delivery, Entry, Receipt, Refusal};
use spin_sdk::redis::{Connection, RedisParameter, RedisResult};
use spin_sdk::{redis_subscriber, variables};

/// Adds the words to the counts and notes the entry as counted, in one step; see the file.
const COUNT: &str = include_str!("count.lua");

/// The outcome for one entry.
enum Outcome {
    /// Its words are counted, now or before.
    Done,
    /// Not now; it comes again after a while, and an attempt is spent.
    Retry(String),
    /// Never; it becomes a dead letter with this reason.
    Reject(String),
}

/// Takes one delivery, and answers with a receipt.
#[redis_subscriber]
async fn on_message(message: Bytes) -> anyhow::Result<()> {
    let delivery: Delivery<'_> = serde_json::from_slice(&message).context("this is no delivery")?;
    let redis = Connection::open(variables::get("redis_url").await?).await?;
    let mut receipt = Receipt {
        delivery: delivery.delivery.to_string(),
        stream: delivery.stream.to_string(),
        group: delivery.group.to_string(),
        ..Receipt::default()
    };
    // A delivery without entries is a handshake: the empty receipt says that somebody is here.
    for entry in &delivery.entries {
        let refusal = |reason| Refusal {
            entry: entry.entry.to_string(),
            reason,
        };
        match handle(&redis, entry).await {
            Ok(Outcome::Done) => receipt.done.push(entry.entry.to_string()),
            Ok(Outcome::Retry(reason)) => receipt.retry.push(refusal(reason)),
            Ok(Outcome::Reject(reason)) => receipt.reject.push(refusal(reason)),
            Err(error) => {
                // The component cannot work: everything waits until it can, and no attempt is spent.
                receipt.unavailable = Some(format!("{error:#}"));
                break;
            }
        }
    }
    let receipt = serde_json::to_string(&receipt)?;
    execute(&redis, "PUBLISH", &[&delivery.receipts, &receipt]).await?;
    Ok(())
}

async fn handle(redis: &Connection, entry: &Entry<'_>) -> anyhow::Result<Outcome> {
    let Some(text) = entry.fields.get("text") else {
        return Ok(Outcome::Reject("it has no field `text`".to_owned()));
    };
    if text.contains("later") && entry.attempt < 3 {
        return Ok(Outcome::Retry("it says `later`, and was not put off twice".to_owned()));
    }
    let words: Vec<String> = text.split_whitespace().map(str::to_lowercase).collect();
    // The script, its two keys, the entry's id, and the words.
    let mut arguments = vec![COUNT, "2", "words", "counted", &entry.entry];
    arguments.extend(words.iter().map(String::as_str));
    execute(redis, "EVAL", &arguments).await?;
    Ok(Outcome::Done)
}

async fn execute(redis: &Connection, command: &str, arguments: &[&str]) -> anyhow::Result<Vec<RedisResult>> {
    let arguments = arguments
        .iter()
        .map(|text| RedisParameter::Binary(text.as_bytes().to_vec()));
    let reply = redis.execute(command, arguments).await;
    reply.with_context(|| format!("{command} was refused"))
}
