//! The console: every line says whose it is.

use std::io::Write;

/// Wide enough for the longest name of a process.
const NAME_WIDTH: usize = 7;

/// A line of the supervisor's own.
pub(crate) fn say(line: &str) {
    print_line("devhost", line);
}

/// A line of a process.
pub(crate) fn print_line(name: &str, line: &str) {
    // A console that was closed must not end the processes: they still stop in order when a signal comes.
    let _ = writeln!(std::io::stdout(), "{name:<NAME_WIDTH$} | {line}");
}

/// Text to copy from, so without a prefix.
pub(crate) fn print_plain(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}
