//! Exit codes: 64 for a configuration that can never work, 1 for a failure that may pass.

use std::fmt;
use std::process::ExitCode;

/// `EX_USAGE` of sysexits: a restart would not help.
pub(crate) const BAD_CONFIGURATION: u8 = 64;

/// Marks an error as one of the configuration.
#[derive(Debug)]
pub(crate) struct BadConfiguration(pub(crate) anyhow::Error);

impl fmt::Display for BadConfiguration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#}", self.0)
    }
}

impl std::error::Error for BadConfiguration {}

pub(crate) fn code(error: &anyhow::Error) -> ExitCode {
    if error.is::<BadConfiguration>() {
        ExitCode::from(BAD_CONFIGURATION)
    } else {
        ExitCode::FAILURE
    }
}
