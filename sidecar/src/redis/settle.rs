//! Writing down what became of entries: acknowledged, parked, or moved to the dead letters.

use std::sync::LazyLock;
use std::time::SystemTime;

use redis::{RedisResult, Script};

use super::{Connection, Consumer};
use crate::lane::{DeadLetter, Parked, Settlement};
use crate::time::rfc3339;

static PARK: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("scripts/park.lua")));
static DEAD_LETTER: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("scripts/dead_letter.lua")));

/// Entries per run of a script: Redis serves nobody else meanwhile.
const PARK_PAGE: usize = 256;
const DEAD_LETTER_PAGE: usize = 64;

/// The stream of a stream's dead letters, beside it.
pub fn dead_letters(stream: &str) -> String {
    format!("{stream}.dead")
}

/// Writes a settlement down. Doing it twice does no harm.
pub async fn settle(
    connection: &Connection,
    consumer: &Consumer,
    settlement: &Settlement,
    lease_ms: u64,
) -> RedisResult<()> {
    acknowledge(connection, consumer, settlement).await?;
    for page in settlement.parked.chunks(PARK_PAGE) {
        park(connection, consumer, page, lease_ms).await?;
    }
    for page in settlement.dead.chunks(DEAD_LETTER_PAGE) {
        move_to_dead_letters(connection, consumer, page).await?;
    }
    Ok(())
}

async fn acknowledge(connection: &Connection, consumer: &Consumer, settlement: &Settlement) -> RedisResult<()> {
    let done = &settlement.done;
    if done.is_empty() {
        return Ok(());
    }
    let mut command = redis::Cmd::with_capacity(3 + done.len(), 24 * done.len() + 64);
    command.arg("XACK").arg(&consumer.stream).arg(&consumer.group).arg(done);
    connection.query(&command).await
}

async fn park(connection: &Connection, consumer: &Consumer, page: &[Parked], lease_ms: u64) -> RedisResult<()> {
    let mut script = PARK.key(&consumer.stream);
    script
        .arg(&consumer.group)
        .arg(&consumer.name)
        .arg(delivery::WAITING_CONSUMER);
    for parked in page {
        // Due means idle for the lease: what is due later has been idle for less.
        let idle_ms = lease_ms.saturating_sub(parked.due_ms);
        script
            .arg(parked.id)
            .arg(parked.attempt)
            .arg(parked.next_attempt)
            .arg(idle_ms);
    }
    connection.run(&script).await
}

async fn move_to_dead_letters(connection: &Connection, consumer: &Consumer, page: &[DeadLetter]) -> RedisResult<()> {
    let mut script = DEAD_LETTER.key(&consumer.stream);
    script.key(dead_letters(&consumer.stream));
    script
        .arg(&consumer.group)
        .arg(&consumer.name)
        .arg(rfc3339(SystemTime::now()));
    for dead in page {
        script
            .arg(dead.id)
            .arg(dead.cause.as_str())
            .arg(&dead.reason)
            .arg(dead.attempts);
    }
    connection.run(&script).await
}
