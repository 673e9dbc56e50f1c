//! One error for everything that Redis could not do.

use std::fmt;

use crate::web::problem::{CORRUPT_DATA, INTERNAL, MISCONFIGURED, Problem, STORAGE_FULL, STORAGE_UNAVAILABLE};

/// Why Redis could not do what was asked. Nothing was done by halves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StorageError {
    /// Redis is away, too slow, or refuses: its words.
    Unavailable(String),
    /// Redis is out of memory and refuses writes: its words.
    Full(String),
    /// A key holds something that the service never writes there: which key, and what is wrong with it.
    Corrupt(String),
    /// The same of a key that many things share, such as a list or a stream: it is the fault of none of them, and what wants
    /// it can be done once a person has repaired it.
    SharedCorrupt(String),
    /// The app or the sidecar is set up wrongly: which setting to change.
    Misconfigured(String),
    /// The service asked or understood Redis wrongly. A fault of this program, which waiting does not mend.
    Internal(String),
}

/// In words for a person who operates the service.
impl fmt::Display for StorageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unavailable(what) => write!(f, "Redis is unavailable: {what}"),
            Self::Full(what) => write!(f, "Redis is full; raise maxmemory or remove data: {what}"),
            Self::SharedCorrupt(what) => {
                write!(f, "{what}; repair that key or move it away, and this goes on by itself")
            }
            Self::Corrupt(what) | Self::Misconfigured(what) | Self::Internal(what) => f.write_str(what),
        }
    }
}

impl From<StorageError> for Problem {
    fn from(error: StorageError) -> Self {
        let problem_type = match error {
            StorageError::Unavailable(_) => STORAGE_UNAVAILABLE,
            StorageError::Full(_) => STORAGE_FULL,
            StorageError::Corrupt(_) | StorageError::SharedCorrupt(_) => CORRUPT_DATA,
            StorageError::Misconfigured(_) => MISCONFIGURED,
            StorageError::Internal(_) => INTERNAL,
        };
        problem_type.with(error.to_string())
    }
}

/// A reply of another form than this program expects.
pub fn unexpected_reply() -> StorageError {
    StorageError::Internal("a reply of Redis has another form than expected".to_owned())
}
