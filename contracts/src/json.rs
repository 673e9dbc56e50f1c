//! JSON from outside: bodies of requests and data of events. A fault names the field and what it must be, in the same
//! words for both, and never a type of this program.

use serde::de::{DeserializeOwned, IgnoredAny};

use crate::limits::{ID_CHARS_MAX, ON_HAND_MAX, PRICE_MINOR_MAX, QTY_MAX, REV_MAX};

/// RFC 8259, 8.1: it may be passed over.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Digits that fit into 64 bits in any case.
const DIGITS_MAX: usize = 19;

/// An integer field with its least and its largest value, for the words of a fault. A name means the same everywhere.
pub type Range = (&'static str, u64, u64);

/// The integer fields of the contract.
const RANGES: [Range; 6] = [
    ("line_id", 1, u32::MAX as u64),
    ("qty", 1, QTY_MAX as u64),
    ("price_minor", 0, PRICE_MINOR_MAX),
    ("rev", 0, REV_MAX),
    ("on_hand", 0, ON_HAND_MAX),
    ("low_stock_at", 0, ON_HAND_MAX),
];

/// Why a text is not what it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// It is no JSON: where it goes wrong.
    Malformed(String),
    /// A field is at fault; the path is empty for the whole.
    Field {
        /// Such as `lines[0].qty`.
        path: String,
        /// What it must be.
        reason: String,
    },
}

/// Parses a JSON object. An integer is what JSON Schema takes for one: `2.0` and `2e0` are 2.
///
/// `ranges` are integer fields beyond those of the contract.
///
/// # Errors
/// The first fault.
pub fn parse<T: DeserializeOwned>(json: &[u8], ranges: &[Range]) -> Result<T, Fault> {
    let json = json.strip_prefix(BYTE_ORDER_MARK).unwrap_or(json);
    // serde would take a list of values for the fields of a record.
    let is_object = json.trim_ascii_start().starts_with(b"{");
    if is_object && let Ok(parsed) = serde_json::from_slice(json) {
        return Ok(parsed);
    }
    // Again, and slower: with other forms of integers, and to find out where it is at fault.
    let text = std::str::from_utf8(json)
        .map_err(|error| Fault::Malformed(format!("byte {} is no UTF-8", error.valid_up_to() + 1)))?;
    let IgnoredAny = serde_json::from_str(text).map_err(|error| malformed(&error))?;
    if !is_object {
        let (path, reason) = (String::new(), "must be a JSON object".to_owned());
        return Err(Fault::Field { path, reason });
    }
    let text = with_plain_integers(text);
    let mut deserializer = serde_json::Deserializer::from_str(&text);
    serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let path = error.path().to_string();
        let (path, reason) = explain(path.trim_start_matches('.'), &error.inner().to_string(), ranges);
        Fault::Field { path, reason }
    })
}

fn malformed(error: &serde_json::Error) -> Fault {
    let fault = if error.is_eof() {
        "it ends too early"
    } else {
        "it goes wrong"
    };
    Fault::Malformed(format!("{fault}, at line {} column {}", error.line(), error.column()))
}

/// The field at fault and what it must be, from serde's path and words. They are words about types of this program, which
/// mean nothing to whoever sent the text.
#[must_use]
pub fn explain(path: &str, error: &str, ranges: &[Range]) -> (String, String) {
    let error = error.rsplit_once(" at line ").map_or(error, |(error, _)| error);
    // For these, serde's path ends at the object.
    for (start, reason) in [
        ("missing field `", "is required"),
        ("unknown field `", "is no field that there is"),
        ("duplicate field `", "is there twice"),
    ] {
        if let Some(name) = error.strip_prefix(start).and_then(|rest| rest.split('`').next()) {
            let is_whole = path == name || path.ends_with(&format!(".{name}"));
            let path = match path {
                "" => name.to_owned(),
                path if is_whole => path.to_owned(),
                path => format!("{path}.{name}"),
            };
            return (path, reason.to_owned());
        }
    }
    let (found, wanted) = error.rsplit_once(", expected ").unwrap_or((error, ""));
    let is_integer = wanted.starts_with(['u', 'i']) && wanted[1..].parse::<u8>().is_ok() || wanted == "usize";
    let wanted = if is_integer || says_no_integer(error) {
        let (min, max) = range(path, ranges).unwrap_or((0, if wanted == "u32" { u32::MAX.into() } else { u64::MAX }));
        format!("an integer from {min} to {max}")
    } else {
        match wanted {
            "a boolean" => "true or false".to_owned(),
            "a sequence" => "a list".to_owned(),
            "a map" => "a JSON object".to_owned(),
            wanted if wanted.starts_with("struct ") => "a JSON object".to_owned(),
            "" if error.contains("`true` or `false`") => "true or false".to_owned(),
            // What is left of valid JSON: another kind of value for a word, and half of a surrogate pair.
            "" | "a borrowed string" | "a string" => "a string of Unicode characters".to_owned(),
            wanted => wanted.replace('`', ""),
        }
    };
    let given = given(found).map(|given| format!(", is {given}")).unwrap_or_default();
    (path.to_owned(), format!("must be {wanted}{given}"))
}

/// The words of the standard library, as for values of a query.
fn says_no_integer(error: &str) -> bool {
    ["invalid digit", "number too", "cannot parse integer"]
        .iter()
        .any(|start| error.starts_with(start))
}

fn range(path: &str, ranges: &[Range]) -> Option<(u64, u64)> {
    let name = path.rsplit('.').next()?.split('[').next()?;
    let mut all = RANGES.iter().chain(ranges);
    all.find(|range| range.0 == name).map(|range| (range.1, range.2))
}

/// What there is instead, from serde's word for it. A text is not repeated.
fn given(found: &str) -> Option<&str> {
    let found = found.split_once(": ")?.1;
    match found.split(' ').next()? {
        "null" => Some("null"),
        "sequence" => Some("a list"),
        "map" => Some("a JSON object"),
        "string" if found.len() <= ID_CHARS_MAX => Some(found.trim_start_matches("string ")),
        "string" => Some("a string"),
        "integer" | "boolean" => found.split('`').nth(1),
        _ => None,
    }
}

/// A valid JSON text with its numbers in their plainest form: integers as such, and what is too large for a floating point
/// number as one that is just not.
fn with_plain_integers(json: &str) -> String {
    let mut plain = String::with_capacity(json.len());
    let mut rest = json;
    while let Some(at) = rest.find(|c: char| matches!(c, '"' | '-' | '0'..='9')) {
        let (before, from) = rest.split_at(at);
        plain.push_str(before);
        let is_string = from.starts_with('"');
        let length = if is_string {
            string_length(from)
        } else {
            number_length(from)
        };
        let (token, after) = from.split_at(length);
        match integer(token) {
            Some(integer) if !is_string => plain.push_str(&integer),
            _ if !is_string && token.parse().is_ok_and(f64::is_infinite) => plain.push_str("1e308"),
            _ => plain.push_str(token),
        }
        rest = after;
    }
    plain + rest
}

fn string_length(json: &str) -> usize {
    let mut is_escaped = true; // the quote that begins it
    let end = json.bytes().position(|byte| {
        let is_end = byte == b'"' && !is_escaped;
        is_escaped = byte == b'\\' && !is_escaped;
        is_end
    });
    end.map_or(json.len(), |end| end + 1)
}

fn number_length(json: &str) -> usize {
    json.find(|c: char| !matches!(c, '0'..='9' | '+' | '-' | '.' | 'e' | 'E'))
        .unwrap_or(json.len())
}

/// The integer that a JSON number is, exactly; `None` when it is none or has more digits than are read.
fn integer(number: &str) -> Option<String> {
    let (mantissa, exponent) = number.split_once(['e', 'E']).unwrap_or((number, "0"));
    let (sign, mantissa) = mantissa.strip_prefix('-').map_or(("", mantissa), |rest| ("-", rest));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let mut digits = format!("{whole}{fraction}");
    let point = i64::try_from(whole.len()).ok()? + exponent.parse::<i32>().map(i64::from).ok()?;
    if digits.bytes().all(|digit| digit == b'0') {
        return Some("0".to_owned());
    }
    let point = usize::try_from(point)
        .ok()
        .filter(|point| *point <= whole.len() + DIGITS_MAX)?;
    while digits.len() < point {
        digits.push('0');
    }
    if digits[point..].bytes().any(|digit| digit != b'0') {
        return None;
    }
    let digits = digits[..point].trim_start_matches('0');
    (digits.len() <= DIGITS_MAX).then(|| format!("{sign}{digits}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Order {
        customer: String,
        lines: Vec<Line>,
        is_gift: Option<bool>,
        kind: Option<Kind>,
    }

    #[derive(Debug, PartialEq, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Line {
        qty: u32,
    }

    #[derive(Debug, PartialEq, serde::Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Kind {
        Supply,
        WriteOff,
    }

    fn order(rest: &str) -> String {
        format!(r#"{{"customer":"ada 1.0 \" 2.0 \\","lines":[]{rest}}}"#)
    }

    fn qty(qty: &str) -> String {
        format!(r#"{{"customer":"1.0","lines":[{{"qty":{qty}}}]}}"#)
    }

    #[test]
    fn integers_in_every_form() {
        for (text, wanted) in [
            ("2", 2),
            ("2.0", 2),
            ("2e0", 2),
            ("2E+0", 2),
            ("0.2e1", 2),
            ("20e-1", 2),
            ("200.00e-2", 2),
            ("1.5e1", 15),
            ("-0", 0),
            ("-0.0", 0),
            ("0e999999999", 0),
            ("4294967295.0", u32::MAX),
        ] {
            let parsed = parse::<Order>(qty(text).as_bytes(), &[]).unwrap_or_else(|fault| panic!("{text}: {fault:?}"));
            assert_eq!(
                (parsed.lines[0].qty, parsed.customer.as_str()),
                (wanted, "1.0"),
                "{text}"
            );
        }
        let strings = parse::<Order>(order(r#","is_gift":7.0"#).as_bytes(), &[]);
        assert!(strings.is_err());
        let body = qty("3.0").replace("\"1.0\"", r#""a \" 2.0 \\""#);
        let parsed = parse::<Order>(body.as_bytes(), &[]).map(|order| order.customer);
        assert_eq!(parsed, Ok(r#"a " 2.0 \"#.to_owned()));
    }

    #[test]
    fn a_byte_order_mark_is_passed_over() {
        for number in ["2", "2.0"] {
            let body = format!("\u{feff}{}", qty(number));
            assert!(parse::<Order>(body.as_bytes(), &[]).is_ok());
        }
        assert!(matches!(
            parse::<Order>("\u{feff}".as_bytes(), &[]),
            Err(Fault::Malformed(_))
        ));
    }

    #[test]
    fn every_fault_names_its_field_and_no_type() {
        let integer = "must be an integer from 1 to 1000000";
        for (body, path, reason) in [
            ("[1]".to_owned(), "", "must be a JSON object"),
            (" 7".to_owned(), "", "must be a JSON object"),
            ("{}".to_owned(), "customer", "is required"),
            (order(r#","colour":1"#), "colour", "is no field that there is"),
            (order(r#","lines":[]"#), "lines", "is there twice"),
            (qty(r#"2.0,"qty":3"#), "lines[0].qty", "is there twice"),
            (qty(r#"1,"colour":2"#), "lines[0].colour", "is no field that there is"),
            (qty("1").replace("\"qty\":1", ""), "lines[0].qty", "is required"),
            (qty("-3"), "lines[0].qty", "must be an integer from 1 to 1000000, is -3"),
            (
                qty("-3.0"),
                "lines[0].qty",
                "must be an integer from 1 to 1000000, is -3",
            ),
            (
                qty("4294967296"),
                "lines[0].qty",
                "must be an integer from 1 to 1000000, is 4294967296",
            ),
            (qty("1.5"), "lines[0].qty", integer),
            (qty("2.00000000000000000001"), "lines[0].qty", integer),
            (qty("1e400"), "lines[0].qty", integer),
            (qty("-1e400"), "lines[0].qty", integer),
            (qty("1e99999999999999999999"), "lines[0].qty", integer),
            (qty("99999999999999999999"), "lines[0].qty", integer),
            (
                qty("\"5\""),
                "lines[0].qty",
                "must be an integer from 1 to 1000000, is \"5\"",
            ),
            (
                qty("null"),
                "lines[0].qty",
                "must be an integer from 1 to 1000000, is null",
            ),
            (
                qty("[]"),
                "lines[0].qty",
                "must be an integer from 1 to 1000000, is a list",
            ),
            (
                qty("1").replace("{\"qty\":1}", "7"),
                "lines[0]",
                "must be a JSON object, is 7",
            ),
            (order(",\"is_gift\":7"), "is_gift", "must be true or false, is 7"),
            (order(",\"kind\":7"), "kind", "must be a string of Unicode characters"),
            (order(",\"kind\":\"gift\""), "kind", "must be supply or write_off"),
            (
                order("").replace("[]", "{}"),
                "lines",
                "must be a list, is a JSON object",
            ),
            (
                order("").replace("\"ada", "\"\\ud800"),
                "customer",
                "must be a string of Unicode characters",
            ),
            (
                r#"{"customer":7}"#.to_owned(),
                "customer",
                "must be a string of Unicode characters, is 7",
            ),
        ] {
            let (path, reason) = (path.to_owned(), reason.to_owned());
            assert_eq!(
                parse::<Order>(body.as_bytes(), &[]),
                Err(Fault::Field { path, reason }),
                "{body}"
            );
        }
    }

    #[test]
    fn what_is_no_json_is_said_by_its_place() {
        for (body, what) in [
            (&b""[..], "it ends too early, at line 1 column 0"),
            (b"{\"customer\":", "it ends too early, at line 1 column 12"),
            (b"no JSON", "it goes wrong, at line 1 column 2"),
            (b"{\"customer\":\"ada\"} {}", "it goes wrong, at line 1 column 20"),
            (b"{\"a\":\"\xff\"}", "byte 7 is no UTF-8"),
        ] {
            assert_eq!(parse::<Order>(body, &[]), Err(Fault::Malformed(what.to_owned())));
        }
    }

    #[test]
    fn values_of_queries() {
        let ranges = [("limit", 1, 200)];
        for (error, reason) in [
            ("invalid digit found in string", "must be an integer from 1 to 200"),
            (
                "number too large to fit in target type",
                "must be an integer from 1 to 200",
            ),
            (
                "cannot parse integer from empty string",
                "must be an integer from 1 to 200",
            ),
            ("provided string was not `true` or `false`", "must be true or false"),
        ] {
            assert_eq!(
                explain("limit", error, &ranges),
                ("limit".to_owned(), reason.to_owned())
            );
        }
    }
}
