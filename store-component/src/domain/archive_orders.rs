//! Which orders may leave the store for an archive. Times are RFC 3339, UTC, milliseconds, and so compare as text.

use super::order::Status;

/// Why an order stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stay {
    /// It is not at an end.
    Open,
    /// It changed too recently.
    TooYoung,
    /// The store's streams may still hold events about it.
    InStreams,
}

/// Whether an order that was last changed at `updated_at` may leave.
///
/// # Errors
/// Why it stays, when it is younger than `changed_before`, or when the streams still hold events from `streams_from`
/// on, a time before its last change.
pub fn may_leave(
    status: Status,
    updated_at: &str,
    changed_before: &str,
    streams_from: Option<&str>,
) -> Result<(), Stay> {
    if !status.is_end() {
        Err(Stay::Open)
    } else if updated_at >= changed_before {
        Err(Stay::TooYoung)
    } else if streams_from.is_some_and(|from| from <= updated_at) {
        Err(Stay::InStreams)
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_closed_old_and_out_of_the_streams_leaves() {
        let (older, old, new) = (
            "2026-01-01T00:00:00.000Z",
            "2026-01-02T00:00:00.000Z",
            "2026-01-03T00:00:00.000Z",
        );
        for status in Status::ALL {
            let closed = if status.is_end() { Ok(()) } else { Err(Stay::Open) };
            assert_eq!(may_leave(status, older, old, None), closed, "{status}");
        }
        let leave = |updated_at, streams_from| may_leave(Status::Fulfilled, updated_at, old, streams_from);
        assert_eq!(leave(older, Some(old)), Ok(()));
        assert_eq!(leave(old, None), Err(Stay::TooYoung));
        assert_eq!(leave(new, None), Err(Stay::TooYoung));
        assert_eq!(leave(older, Some(older)), Err(Stay::InStreams));
    }
}
