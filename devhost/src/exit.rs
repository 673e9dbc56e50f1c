//! The two ways to fail: a configuration that can never work, and a failure that another attempt may not meet.

use std::fmt;
use std::process::ExitCode;

/// The exit code for a bad configuration, `EX_USAGE` of sysexits: whoever restarts the process need not.
pub(crate) const BAD_CONFIGURATION: u8 = 64;

/// Why the process ends.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Exits 64.
    Configuration(anyhow::Error),
    /// Exits 1.
    Running(anyhow::Error),
}

impl Failure {
    /// For `map_err`.
    pub(crate) fn configuration(error: anyhow::Error) -> Self {
        Self::Configuration(error)
    }

    pub(crate) fn code(&self) -> ExitCode {
        match self {
            Self::Configuration(_) => ExitCode::from(BAD_CONFIGURATION),
            Self::Running(_) => ExitCode::FAILURE,
        }
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::Running(error)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Configuration(error) | Self::Running(error) => write!(f, "{error:#}"),
        }
    }
}
