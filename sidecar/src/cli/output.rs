//! Output for people and scripts. It may go into a pipe that closes before everything is written.

use std::fmt::Display;
use std::io::{self, Write};

/// The output has gone where nobody reads it.
#[derive(Debug)]
struct ClosedOutput;

impl Display for ClosedOutput {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("nobody reads the output")
    }
}

impl std::error::Error for ClosedOutput {}

/// Prints a line.
///
/// # Errors
///
/// Nobody reads it, see [`is_closed_output`], or it cannot be written.
pub fn print(line: impl Display) -> anyhow::Result<()> {
    let mut output = io::stdout().lock();
    match writeln!(output, "{line}").and_then(|()| output.flush()) {
        Err(err) if err.kind() == io::ErrorKind::BrokenPipe => Err(ClosedOutput.into()),
        result => Ok(result?),
    }
}

/// Prints a line about work that is done whether or not somebody reads of it.
pub(super) fn say(line: impl Display) {
    let _ = print(line);
}

/// A command ended because nobody reads its output any more, which is no failure.
pub fn is_closed_output(err: &anyhow::Error) -> bool {
    err.is::<ClosedOutput>()
}
