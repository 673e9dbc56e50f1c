//! Lines on the standard output and the standard error.
//!
//! Either may be a terminal or a pipe that has closed. That must not end a runtime in the middle of a request, so what
//! cannot be written is left out.

use std::fmt::Display;
use std::io::{Write, stderr, stdout};

pub(crate) fn print(line: impl Display) {
    let _ = writeln!(stdout(), "{line}");
}

pub(crate) fn print_error(line: impl Display) {
    let _ = writeln!(stderr(), "{line}");
}
