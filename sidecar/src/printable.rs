//! Text of others, made safe to look at.

use std::borrow::Cow;
use std::fmt::Write;

/// The text with everything escaped that a terminal obeys instead of showing it, or that hides or reorders what stands
/// beside it: control characters, directions of writing, and characters without a glyph. Joiners stay, since emoji and
/// some scripts need them.
pub fn printable(text: &str) -> Cow<'_, str> {
    if !text.contains(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '\n' => safe.push_str("\\n"),
            '\r' => safe.push_str("\\r"),
            '\t' => safe.push_str("\\t"),
            // A string takes all that is written to it.
            c if is_unsafe(c) => drop(write!(safe, "{}", c.escape_unicode())),
            c => safe.push(c),
        }
    }
    Cow::Owned(safe)
}

fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_obeys_is_escaped_and_the_rest_stays() {
        for (text, expected) in [
            ("plain \u{1f375} \"äö\" \\ {}", "plain \u{1f375} \"äö\" \\ {}"),
            ("\u{1b}[2J\u{7}", "\\u{1b}[2J\\u{7}"),
            ("a\rb\nc\td", "a\\rb\\nc\\td"),
            ("\u{9b}31m\u{7f}", "\\u{9b}31m\\u{7f}"),
            ("\u{202e}gpj\u{2066}\u{200f}", "\\u{202e}gpj\\u{2066}\\u{200f}"),
            ("a\u{200b}\u{feff}b\u{2028}", "a\\u{200b}\\u{feff}b\\u{2028}"),
            // A family and a Persian word.
            (
                "\u{1f468}\u{200d}\u{1f469} می\u{200c}خواهم",
                "\u{1f468}\u{200d}\u{1f469} می\u{200c}خواهم",
            ),
        ] {
            assert_eq!(printable(text), expected);
        }
    }
}
