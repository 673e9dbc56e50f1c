//! Lines on the terminal, each with the name of the process that it comes from.

use std::fmt::Display;
use std::io::Write;

/// Width of the longest process name.
const NAME_WIDTH: usize = 7;

/// Prints a line of devhost's own.
pub(crate) fn say(line: impl Display) {
    print_line("devhost", line);
}

/// Prints a line of a process. A closed terminal is ignored: the processes still have to stop in order.
pub(crate) fn print_line(process: &str, line: impl Display) {
    let _ = writeln!(std::io::stdout(), "{process:<NAME_WIDTH$} | {line}");
}

/// Prints text to copy from, without a name in front.
pub(crate) fn print_plain(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}
