use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

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

impl Serialize for EntryId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(feature = "redis")]
mod redis_values {
    use redis::{FromRedisValue, ParsingError, RedisWrite, ToRedisArgs, Value};

    use super::EntryId;

    impl FromRedisValue for EntryId {
        fn from_redis_value_ref(value: &Value) -> Result<Self, ParsingError> {
            let id = match value {
                Value::BulkString(bytes) => std::str::from_utf8(bytes).ok(),
                Value::SimpleString(text) => Some(text.as_str()),
                _ => None,
            };
            let id = id.and_then(|id| id.parse().ok());
            id.ok_or_else(|| format!("this is no entry id: {value:?}").into())
        }

        fn from_redis_value(value: Value) -> Result<Self, ParsingError> {
            Self::from_redis_value_ref(&value)
        }
    }

    impl ToRedisArgs for EntryId {
        fn write_redis_args<W: ?Sized + RedisWrite>(&self, out: &mut W) {
            out.write_arg_fmt(self);
        }
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
