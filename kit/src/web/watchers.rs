//! A bound on those who watch something at the same time, in all instances of a component together.
//!
//! An instance knows only of its own streams, and a new one comes for every sixteen. So each watcher holds a place in a
//! sorted set in Redis, by when the place ends, and extends it while it watches. The bound may be passed by a few who come
//! in the same moment.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use axum::http::HeaderValue;
use axum::http::header::RETRY_AFTER;
use axum::response::{IntoResponse, Response};

use crate::clock;
use crate::redis::{StorageError, as_text, command};
use crate::web::problem::ProblemType;

/// As many watch as may.
pub const TOO_MANY_WATCHERS: ProblemType =
    ProblemType::new(503, "too_many_watchers", "As many are watching as the service serves");

/// Watchers at the same time. Each costs Redis some two commands a second.
const WATCHERS_MAX: usize = 1_000;
/// How long the place of a watcher who went away without a word stays taken.
const PLACE_MS: u64 = 20_000;
/// When a refused client is asked to try again.
const RETRY_AFTER_S: u64 = 10;

/// The place of one watcher.
pub struct Place {
    key: &'static str,
    id: String,
    extended: Instant,
}

impl Place {
    /// Takes a place in the set at a key; `None` when there is none left. Where Redis is away or takes no writes, nobody
    /// is refused for it.
    ///
    /// # Errors
    /// When the key holds something else.
    pub async fn take(key: &'static str) -> Result<Option<Self>, StorageError> {
        let place = Self {
            key,
            id: clock::new_id(),
            extended: Instant::now(),
        };
        match place.is_free().await {
            Ok(false) => Ok(None),
            Ok(true) | Err(StorageError::Unavailable(_) | StorageError::Full(_)) => Ok(Some(place)),
            Err(error) => Err(error),
        }
    }

    /// Takes the place if one is free.
    async fn is_free(&self) -> Result<bool, StorageError> {
        let now = now_ms().to_string();
        let ended = command("ZRANGE", [self.key, "-inf", &now, "BYSCORE"]).await?;
        if !ended.is_empty() {
            let members = ended.iter().map(as_text);
            command("ZREM", [self.key.to_owned()].into_iter().chain(members)).await?;
        }
        let last = (WATCHERS_MAX - 1).to_string();
        if !command("ZRANGE", [self.key, &last, &last]).await?.is_empty() {
            return Ok(false);
        }
        self.write().await?;
        Ok(true)
    }

    async fn write(&self) -> Result<(), StorageError> {
        let end = (now_ms() + PLACE_MS).to_string();
        command("ZADD", [self.key, &end, &self.id]).await?;
        command("PEXPIRE", [self.key, &PLACE_MS.to_string()]).await.map(drop)
    }

    /// Extends the place when half of its time is over. A watcher goes on watching if it cannot be.
    pub(crate) async fn extend(&mut self) {
        if self.extended.elapsed() > Duration::from_millis(PLACE_MS / 2) {
            self.extended = Instant::now();
            let _ = self.write().await;
        }
    }

    /// Gives the place back; otherwise it ends by itself.
    pub(crate) async fn leave(&self) {
        let _ = command("ZREM", [self.key, &self.id]).await;
    }
}

/// 503, with the time after which to try again.
#[must_use]
pub fn refused() -> Response {
    let problem = TOO_MANY_WATCHERS.with(format!(
        "{WATCHERS_MAX} are watching; come again in {RETRY_AFTER_S} s, or read the history now and then"
    ));
    let mut response = problem.into_response();
    response
        .headers_mut()
        .insert(RETRY_AFTER, HeaderValue::from(RETRY_AFTER_S));
    response
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
