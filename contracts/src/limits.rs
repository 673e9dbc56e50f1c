//! Limits of the contract, and checks of single values. The error of a check says what the value must be.

use icu_properties::CodePointSetData;
use icu_properties::props::{BidiControl, DefaultIgnorableCodePoint};

/// Length of an id.
pub const ID_CHARS_MAX: usize = 64;
/// Units in one order line or one movement.
pub const QTY_MAX: u32 = 1_000_000;
/// Lines in one order.
pub const ORDER_LINES_MAX: usize = 100;
/// Refunds for returns that the store keeps of one order; the warehouse takes a tenth of that back.
pub const ORDER_RETURNS_MAX: usize = 1_000;
/// A product's price, in minor units.
pub const PRICE_MINOR_MAX: u64 = 1_000_000_000;
/// Units of one product that the warehouse may hold: far above what movements of a lifetime bring in, far below what
/// a Lua number keeps exact.
pub const ON_HAND_MAX: u64 = 1_000_000_000_000;
/// Length of a product's name.
pub const NAME_CHARS_MAX: usize = 200;
/// A product's revision: 15 digits, as many as Lua keeps exact.
pub const REV_MAX: u64 = 999_999_999_999_999;
/// Blank in every font, and neither space nor ignorable to Unicode: a Braille cell and a note without dots, and the anchors
/// of annotations.
const BLANK: [char; 5] = ['\u{2800}', '\u{1d159}', '\u{fff9}', '\u{fffa}', '\u{fffb}'];
/// The controls of direction that work like a letter of no width.
const DIRECTION_MARKS: [char; 3] = ['\u{061c}', '\u{200e}', '\u{200f}'];
/// The largest integer that every JSON reader keeps exact.
pub const JSON_INTEGER_MAX: u64 = (1 << 53) - 1;

/// Checks an id: 1 to 64 of `A-Z a-z 0-9 . _ -`, beginning with a letter or digit.
pub fn check_id(id: &str) -> Result<(), String> {
    let is_legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    let begins_well = id.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
    check(
        begins_well && id.len() <= ID_CHARS_MAX && id.bytes().all(is_legal),
        || format!("must be 1 to {ID_CHARS_MAX} of A-Z a-z 0-9 . _ - and begin with a letter or digit"),
    )
}

/// Checks a quantity: 1 to [`QTY_MAX`].
pub fn check_qty(qty: u32) -> Result<(), String> {
    check_range(qty.into(), 1, QTY_MAX.into())
}

/// Checks a product's revision: 0 to [`REV_MAX`].
pub fn check_rev(rev: u64) -> Result<(), String> {
    check_range(rev, 0, REV_MAX)
}

/// Checks a price: 0 to [`PRICE_MINOR_MAX`].
pub fn check_price(price_minor: u64) -> Result<(), String> {
    check_range(price_minor, 0, PRICE_MINOR_MAX)
}

/// Checks the form of an ISO 4217 code: three capital letters.
pub fn check_currency(currency: &str) -> Result<(), String> {
    let is_code = currency.len() == 3 && currency.bytes().all(|byte| byte.is_ascii_uppercase());
    check(is_code, || {
        "must be a currency code of three capital letters, such as EUR".to_owned()
    })
}

/// Checks a text that people read, such as a name: 1 to [`NAME_CHARS_MAX`] characters, at least one of them visible,
/// without control characters and those that turn the direction of what stands around the text.
pub fn check_name(name: &str) -> Result<(), String> {
    let has_length = (1..=NAME_CHARS_MAX).contains(&name.chars().count());
    check(
        has_length && name.chars().any(is_visible) && !name.chars().any(is_control),
        || {
            format!(
                "must be 1 to {NAME_CHARS_MAX} characters, not blank, without control characters and without those that turn \
                 the direction of writing"
            )
        },
    )
}

fn is_visible(c: char) -> bool {
    let is_ignorable = CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(c);
    !c.is_whitespace() && !is_ignorable && !BLANK.contains(&c)
}

/// Unlike these, joiners and marks of direction touch only the letters beside them, and some scripts cannot do without.
fn is_control(c: char) -> bool {
    let turns = CodePointSetData::new::<BidiControl>().contains(c) && !DIRECTION_MARKS.contains(&c);
    c.is_control() || turns
}

/// Checks an integer.
pub fn check_range(value: u64, min: u64, max: u64) -> Result<(), String> {
    check((min..=max).contains(&value), || {
        format!("must be an integer from {min} to {max}, is {value}")
    })
}

fn check(is_legal: bool, reason: impl FnOnce() -> String) -> Result<(), String> {
    if is_legal { Ok(()) } else { Err(reason()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids() {
        for good in ["a", "0", "espresso-cup", "A.b_c-9", &"x".repeat(64)] {
            assert_eq!(check_id(good), Ok(()), "{good}");
        }
        for bad in ["", "-a", ".a", "_a", "a b", "a/b", "ä", "a\n", &"x".repeat(65)] {
            assert!(check_id(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn quantities() {
        assert!(check_qty(0).is_err());
        assert_eq!(check_qty(1), Ok(()));
        assert_eq!(check_qty(1_000_000), Ok(()));
        assert!(check_qty(1_000_001).is_err());
    }

    #[test]
    fn names() {
        for good in [
            "Ä cup",
            "👩\u{200d}🚀",
            "❤\u{fe0f}",
            "می\u{200c}خواهم",
            "क्\u{200d}ष",
            "\u{200f}עברית",
            "a\u{ad}b",
            "🏴\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f}",
            "⠓⠊",
            &"x".repeat(200),
        ] {
            assert_eq!(check_name(good), Ok(()), "{good:?}");
        }
        for blank in [
            "",
            "  ",
            "\u{a0}",
            "\u{3000}",
            "\u{200b}",
            "\u{200c}",
            "\u{200d}",
            "\u{200e}",
            "\u{2060}",
            "\u{feff}",
            "\u{ad}",
            "\u{34f}",
            "\u{115f}",
            "\u{1160}",
            "\u{17b4}",
            "\u{180e}",
            "\u{3164}",
            "\u{ffa0}",
            "\u{2800}",
            "\u{fe0f}",
            "\u{e0067}",
            "\u{fff9}",
            "\u{1d159}",
            " \u{200b}\u{2800} ",
        ] {
            assert!(check_name(blank).is_err(), "{blank:?}");
        }
        for control in ["\n", "\u{85}", "\u{1b}"] {
            assert!(check_name(&format!("a{control}b")).is_err(), "{control:?}");
        }
        for turn in ('\u{202a}'..='\u{202e}').chain('\u{2066}'..='\u{2069}') {
            assert!(check_name(&format!("a{turn}b")).is_err(), "{turn:?}");
        }
        assert!(check_name(&"x".repeat(201)).is_err());
    }

    #[test]
    fn currencies() {
        assert_eq!(check_currency("EUR"), Ok(()));
        for bad in ["", "eur", "EURO", "E1R"] {
            assert!(check_currency(bad).is_err(), "{bad:?}");
        }
    }
}
