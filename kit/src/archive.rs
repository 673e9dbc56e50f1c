//! The rule for leaving a service for an archive: only what is old, once the service's streams hold nothing about it.
//!
//! Times are RFC 3339, UTC, milliseconds, and so compare as text.

/// The least age: idempotency keys, which are kept for as long, must not outlive what they are of.
pub(crate) const OLDER_THAN_DAYS_MIN: u64 = 1;
/// The longest age that can be asked for: ten years.
pub(crate) const OLDER_THAN_DAYS_MAX: u64 = 3_650;

/// Why something stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeepReason {
    /// It changed too recently.
    TooYoung,
    /// The service's streams may still hold events about it.
    InStreams,
}

/// The age and the streams that decide.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Only what was last changed before this time may leave.
    pub changed_before: String,
    /// The time of the oldest event in the service's streams; `None` when they are empty.
    pub streams_from: Option<String>,
}

impl KeepReason {
    /// The word on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TooYoung => "too_young",
            Self::InStreams => "in_streams",
        }
    }
}

impl Limits {
    /// Decides on something that was last changed at this time.
    ///
    /// # Errors
    /// Why it stays.
    pub fn may_leave(&self, changed_at: &str) -> Result<(), KeepReason> {
        if changed_at >= &*self.changed_before {
            Err(KeepReason::TooYoung)
        } else if self.streams_from.as_deref().is_some_and(|from| from <= changed_at) {
            Err(KeepReason::InStreams)
        } else {
            Ok(())
        }
    }
}

#[cfg(target_family = "wasm")]
mod checks {
    use contracts::limits::{check_id, check_range};

    use super::{Limits, OLDER_THAN_DAYS_MAX, OLDER_THAN_DAYS_MIN};
    use crate::clock;
    use crate::redis::{StorageError, as_text, command};
    use crate::web::page::LIMIT_MAX;
    use crate::web::problem::{FieldError, Problem};

    const DAY_SECONDS: u64 = 24 * 60 * 60;
    /// The most that the clocks of Redis and of the service may be apart.
    const CLOCKS_APART_MS: u64 = 60 * 60 * 1_000;

    impl Limits {
        /// The limits for this age, now.
        ///
        /// # Errors
        /// When Redis is away.
        pub async fn now(older_than_days: u64, streams: &[&str]) -> Result<Self, StorageError> {
            let mut oldest_ms: Option<u64> = None;
            for stream in streams {
                let reply = command("XRANGE", [*stream, "-", "+", "COUNT", "1"]).await?;
                let Some(entry) = reply.first().map(as_text) else {
                    continue;
                };
                // An id that is no time is taken for the oldest there can be.
                let time_ms = entry.split('-').next().and_then(|time| time.parse().ok()).unwrap_or(0);
                oldest_ms = Some(oldest_ms.map_or(time_ms, |oldest| oldest.min(time_ms)));
            }
            Ok(Self {
                changed_before: clock::ago(older_than_days * DAY_SECONDS),
                streams_from: oldest_ms.map(|oldest| clock::at(oldest.saturating_sub(CLOCKS_APART_MS))),
            })
        }
    }

    /// Checks what a request to an archive asks for, as far as it asks for it.
    ///
    /// # Errors
    /// 422 naming every field at fault.
    pub fn check(older_than_days: Option<u64>, order_ids: Option<&[String]>) -> Result<(), Problem> {
        let mut errors = Vec::new();
        if let Some(days) = older_than_days {
            let check = check_range(days, OLDER_THAN_DAYS_MIN, OLDER_THAN_DAYS_MAX);
            FieldError::collect(&mut errors, "older_than_days", check);
        }
        if let Some(order_ids) = order_ids {
            if !(1..=LIMIT_MAX).contains(&order_ids.len()) {
                let reason = format!("must hold 1 to {LIMIT_MAX} ids, holds {}", order_ids.len());
                errors.push(FieldError::new("order_ids", reason));
            }
            for (index, order_id) in order_ids.iter().take(LIMIT_MAX).enumerate() {
                FieldError::collect(&mut errors, format!("order_ids[{index}]"), check_id(order_id));
            }
        }
        Problem::unless_valid(errors)
    }
}

#[cfg(target_family = "wasm")]
pub use checks::check;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_old_and_out_of_the_streams_leaves() {
        let (older, old, new) = (
            "2026-01-01T00:00:00.000Z",
            "2026-01-02T00:00:00.000Z",
            "2026-01-03T00:00:00.000Z",
        );
        let may_leave = |changed_at: &str, streams_from: Option<&str>| {
            let limits = Limits {
                changed_before: old.to_owned(),
                streams_from: streams_from.map(str::to_owned),
            };
            limits.may_leave(changed_at)
        };
        assert_eq!(may_leave(older, None), Ok(()));
        assert_eq!(may_leave(older, Some(old)), Ok(()));
        assert_eq!(may_leave(old, None), Err(KeepReason::TooYoung));
        assert_eq!(may_leave(new, None), Err(KeepReason::TooYoung));
        assert_eq!(may_leave(older, Some(older)), Err(KeepReason::InStreams));
    }
}
