//! Moving entries to the dead letters.

use std::sync::LazyLock;
use std::time::SystemTime;

use protocol::dead_stream;
use redis::{RedisResult, Script};

use crate::groups::Place;
use crate::lane::DeadLetter;
use crate::link::Link;

static DEAD_LETTER: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("scripts/dead_letter.lua")));

/// Entries per run of the script: Redis serves nobody else meanwhile.
const PAGE: usize = 64;

/// Moves entries that are still ours, or no longer exist, to the dead letters.
///
/// # Errors
///
/// Redis is away, or refused; or the group does not exist.
pub async fn bury(link: &Link, place: &Place, entries: &[DeadLetter]) -> RedisResult<()> {
    let at = humantime::format_rfc3339_millis(SystemTime::now()).to_string();
    for page in entries.chunks(PAGE) {
        let mut script = DEAD_LETTER.key(&place.stream);
        script.key(dead_stream(&place.stream));
        script.arg(&place.group).arg(&place.consumer).arg(&at);
        for dead in page {
            script
                .arg(&dead.entry)
                .arg(dead.cause.as_str())
                .arg(&dead.reason)
                .arg(dead.attempts);
        }
        link.run::<()>(&script).await?;
    }
    Ok(())
}
