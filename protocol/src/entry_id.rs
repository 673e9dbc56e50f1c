use std::fmt;
use std::str::FromStr;

/// An entry's id in its stream, such as `1764000000000-0`. Ordered as Redis orders entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryId {
    /// Unix time in milliseconds by the clock of the Redis that took the entry, unless its author chose the id.
    pub ms: u64,
    /// Tells apart the entries of one millisecond.
    pub seq: u64,
}

impl fmt::Display for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.ms, self.seq)
    }
}

/// The error for a string that is not an entry id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotAnEntryId;

impl FromStr for EntryId {
    type Err = NotAnEntryId;

    fn from_str(id: &str) -> Result<Self, NotAnEntryId> {
        let (ms, seq) = id.split_once('-').ok_or(NotAnEntryId)?;
        // Digits only: `u64::from_str` would take a leading plus, which Redis does not.
        let number = |digits: &str| {
            let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
            is_number.then(|| digits.parse().ok()).flatten().ok_or(NotAnEntryId)
        };
        Ok(Self {
            ms: number(ms)?,
            seq: number(seq)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_strictly_and_ordered_by_number() {
        let id = |text: &str| text.parse::<EntryId>();
        assert_eq!(id("12-3"), Ok(EntryId { ms: 12, seq: 3 }));
        for bad in [
            "",
            "12",
            "-",
            "12-",
            "-3",
            "a-1",
            "1-1-1",
            "+1-2",
            "99999999999999999999-0",
        ] {
            assert_eq!(id(bad), Err(NotAnEntryId), "{bad}");
        }
        assert!(id("9-10").ok() > id("9-9").ok() && id("10-0").ok() > id("9-10").ok());
        assert_eq!(EntryId { ms: 12, seq: 3 }.to_string(), "12-3");
    }
}
