//! Which allocations may leave the warehouse for an archive. Times are RFC 3339, UTC, milliseconds, and so compare as
//! text. That the store has let go of the order is for whoever asks to know: `tools/archive.sh` does.

/// Why an allocation stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stay {
    /// It was made, or something of it came back, too recently.
    TooYoung,
    /// The warehouse's streams may still hold events about it.
    InStreams,
}

/// Whether an allocation that was last changed at `changed_at` may leave.
///
/// # Errors
/// Why it stays, when it is younger than `changed_before`, or when the streams still hold events from `streams_from`
/// on, a time before its last change.
pub fn may_leave(changed_at: &str, changed_before: &str, streams_from: Option<&str>) -> Result<(), Stay> {
    if changed_at >= changed_before {
        Err(Stay::TooYoung)
    } else if streams_from.is_some_and(|from| from <= changed_at) {
        Err(Stay::InStreams)
    } else {
        Ok(())
    }
}

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
        assert_eq!(may_leave(older, old, None), Ok(()));
        assert_eq!(may_leave(older, old, Some(old)), Ok(()));
        assert_eq!(may_leave(old, old, None), Err(Stay::TooYoung));
        assert_eq!(may_leave(new, old, None), Err(Stay::TooYoung));
        assert_eq!(may_leave(older, old, Some(older)), Err(Stay::InStreams));
    }
}
