//! Writing down what became of entries: acknowledged, parked, or moved to the dead letters.

use std::sync::LazyLock;
use std::time::SystemTime;

use protocol::WAITING_CONSUMER;
use redis::{RedisResult, Script};

use super::Consumer;
use crate::entry::EntryId;
use crate::lane::{DeadLetter, Parked, Settlement};

static PARK: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("scripts/park.lua")));
static DEAD_LETTER: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("scripts/dead_letter.lua")));

/// Entries per run of a script: Redis serves nobody else meanwhile.
const PARK_PAGE: usize = 256;
const DEAD_LETTER_PAGE: usize = 64;

impl Consumer {
    /// Writes a settlement down, and adds the dead letters that were written to `moved`, also if it fails later. Doing it
    /// twice does no harm.
    pub async fn settle(&self, settlement: &Settlement, moved: &mut Vec<EntryId>) -> RedisResult<()> {
        if !settlement.done.is_empty() {
            self.acknowledge(&settlement.done).await?;
        }
        for page in settlement.parked.chunks(PARK_PAGE) {
            self.park(page).await?;
        }
        for page in settlement.dead.chunks(DEAD_LETTER_PAGE) {
            moved.extend(self.move_to_dead_letters(page).await?);
        }
        Ok(())
    }

    async fn acknowledge(&self, done: &[EntryId]) -> RedisResult<()> {
        let mut command = redis::Cmd::with_capacity(3 + done.len(), 24 * done.len() + 64);
        command.arg("XACK").arg(&self.stream).arg(&self.group).arg(done);
        self.connection.query(&command).await
    }

    async fn park(&self, page: &[Parked]) -> RedisResult<()> {
        let mut script = PARK.key(&self.stream);
        script.arg(&self.group).arg(&self.name).arg(WAITING_CONSUMER);
        for parked in page {
            // Due means idle for the lease: what is due later has been idle for less.
            let idle_ms = self.limits.lease_ms.saturating_sub(parked.due_ms);
            script
                .arg(parked.id)
                .arg(parked.attempt)
                .arg(parked.next_attempt)
                .arg(idle_ms);
        }
        self.connection.run(&script).await
    }

    async fn move_to_dead_letters(&self, page: &[DeadLetter]) -> RedisResult<Vec<EntryId>> {
        let mut script = DEAD_LETTER.key(&self.stream);
        script.key(protocol::dead_stream(&self.stream));
        script
            .arg(&self.group)
            .arg(&self.name)
            .arg(humantime::format_rfc3339_millis(SystemTime::now()).to_string());
        for dead in page {
            script
                .arg(dead.id)
                .arg(dead.cause.as_str())
                .arg(&dead.reason)
                .arg(dead.attempts);
        }
        self.connection.run(&script).await
    }
}
