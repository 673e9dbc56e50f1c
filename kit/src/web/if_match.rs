//! `If-Match` (RFC 9110, 13.1.1): change only what the client has seen. A resource's `ETag` is its revision.

use crate::web::problem::{Problem, ProblemType};

/// The header is not as RFC 9110 wants it.
pub const MALFORMED_IF_MATCH: ProblemType =
    ProblemType::new(400, "malformed_if_match", "The header If-Match is malformed");
/// The header is required.
pub const IF_MATCH_REQUIRED: ProblemType =
    ProblemType::new(428, "if_match_required", "The header If-Match is required");

/// Which revisions the client is willing to change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IfMatch {
    /// Whatever there is.
    Any,
    /// One of these.
    Revisions {
        /// What the tags say that a resource here may have.
        revisions: Vec<u64>,
        /// A tag that no resource here ever has, such as a weak one: it was changed on the way, and never matches.
        altered: Option<String>,
    },
}

/// Reads all values of the header; `None` without it.
///
/// # Errors
/// 400 when a value is not as the header wants it.
pub fn parse<'a>(values: impl IntoIterator<Item = &'a [u8]>) -> Result<Option<IfMatch>, Problem> {
    let mut all: Option<Vec<u8>> = None;
    for value in values {
        match &mut all {
            Some(all) => {
                all.push(b',');
                all.extend_from_slice(value);
            }
            None => all = Some(value.to_vec()),
        }
    }
    let Some(all) = all else {
        return Ok(None);
    };
    if all.trim_ascii() == b"*" {
        return Ok(Some(IfMatch::Any));
    }
    revisions(&all).map(Some).ok_or_else(|| {
        MALFORMED_IF_MATCH
            .with("If-Match must be * or entity tags as an ETag shows them, quotes included, such as \"3\"")
    })
}

/// 428: the request must say which revision it changes.
#[must_use]
pub fn required() -> Problem {
    IF_MATCH_REQUIRED
        .with("send a header If-Match with the ETag that you read, so that nobody's change is lost; or * for any")
}

/// Why a tag that was changed on the way does not match, and what changes it.
#[must_use]
pub fn why_altered(tag: &str) -> String {
    format!(
        "the tag {tag} is none that the service gives, and never matches, however often it is read again: a proxy or a \
         client that compresses answers has added W/ or -gzip to it. Send the tag as \"3\", by the product's rev, or \
         have the proxy leave these answers uncompressed"
    )
}

fn revisions(list: &[u8]) -> Option<IfMatch> {
    let (mut revisions, mut altered) = (Vec::new(), None);
    let mut tags = 0;
    let mut rest = list.trim_ascii();
    while !rest.is_empty() {
        // A list may have empty elements.
        if let Some(after) = rest.strip_prefix(b",") {
            rest = after.trim_ascii_start();
            continue;
        }
        let strong = rest.strip_prefix(b"W/");
        let opaque = strong.unwrap_or(rest).strip_prefix(b"\"")?;
        let length = opaque.iter().position(|byte| *byte == b'"')?;
        let (tag, after) = opaque.split_at(length);
        if !tag.iter().all(|byte| matches!(byte, 0x21 | 0x23..=0x7e | 0x80..)) {
            return None;
        }
        tags += 1;
        // If-Match compares strongly: a weak tag never matches.
        match revision(tag).filter(|_| strong.is_none()) {
            Some(revision) => revisions.push(revision),
            None => {
                let whole = &rest[..rest.len() - after.len() + 1];
                altered.get_or_insert_with(|| String::from_utf8_lossy(whole).into_owned());
            }
        }
        rest = after[1..].trim_ascii_start();
        if !rest.is_empty() && !rest.starts_with(b",") {
            return None;
        }
    }
    (tags > 0).then_some(IfMatch::Revisions { revisions, altered })
}

/// The revision that is written exactly like this.
fn revision(tag: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(tag).ok()?;
    let revision: u64 = text.parse().ok()?;
    (revision.to_string() == text).then_some(revision)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(value: &str) -> Result<Option<IfMatch>, u16> {
        parse([value.as_bytes()]).map_err(|problem| problem.status)
    }

    #[test]
    fn what_is_legal() {
        let revisions = |list: &[u64]| {
            Ok(Some(IfMatch::Revisions {
                revisions: list.to_vec(),
                altered: None,
            }))
        };
        assert_eq!(parse([]), Ok(None));
        assert_eq!(one("*"), Ok(Some(IfMatch::Any)));
        assert_eq!(one(" * "), Ok(Some(IfMatch::Any)));
        assert_eq!(one("\"3\""), revisions(&[3]));
        assert_eq!(one("\"3\", \"17\""), revisions(&[3, 17]));
        assert_eq!(one(",, \"3\" ,"), revisions(&[3]));
        for altered in [
            "W/\"3\"",
            "\"3-gzip\"",
            "\"3;br\"",
            "\"\"",
            "\"abc\"",
            "\"03\"",
            "\"+3\"",
            "\"-1\"",
            "\"99999999999999999999\"",
        ] {
            let of = |revisions: &[u64]| {
                Ok(Some(IfMatch::Revisions {
                    revisions: revisions.to_vec(),
                    altered: Some(altered.to_owned()),
                }))
            };
            assert_eq!(one(altered), of(&[]), "{altered}");
            assert_eq!(one(&format!("\"4\", {altered} , \"5\"")), of(&[4, 5]), "{altered}");
        }
        let two = parse([&b"\"3\""[..], b"\"4\""]);
        assert_eq!(two.map_err(|problem| problem.status), revisions(&[3, 4]));
    }

    #[test]
    fn what_is_not() {
        for bad in [
            "",
            ",",
            "3",
            "\"3",
            "3\"",
            "\"3\" \"4\"",
            "\"3\",*",
            "w/\"3\"",
            "\"a b\"",
            "\"3\"x",
            "**",
        ] {
            assert_eq!(one(bad), Err(400), "{bad}");
        }
    }
}
