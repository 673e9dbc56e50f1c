//! Proof that an HTTP delivery comes from somebody who knows the secret: HMAC-SHA256 over its time and its body.

use std::fmt;

use hmac::{Hmac, Mac};
use sha2::Sha256;

/// The header with the time of the delivery: seconds since 1970, UTC.
pub const TIMESTAMP_HEADER: &str = "delivery-timestamp";
/// The header with the signature: `v1=` and the HMAC of `<timestamp>.<body>` in hexadecimal.
pub const SIGNATURE_HEADER: &str = "delivery-signature";
/// The largest difference between the time of a delivery and the receiver's, in either direction.
pub const AGE_SECONDS_MAX: u64 = 60;

/// The start of every signature of this kind, so that there can be another kind beside it.
const VERSION: &str = "v1=";

/// The reason that a delivery is not authentic, in words that say what to change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unauthenticated {
    /// A header is missing, or is not of its form.
    Unsigned,
    /// The secrets differ, or somebody has changed the delivery.
    Forged,
    /// The time is too far from the receiver's: it is an old delivery, or a clock is wrong.
    Stale {
        /// The difference.
        seconds: u64,
    },
}

impl fmt::Display for Unauthenticated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unsigned => write!(
                f,
                "a delivery wants the headers {TIMESTAMP_HEADER} (seconds since 1970) and {SIGNATURE_HEADER} \
                 ({VERSION}<hexadecimal>)"
            ),
            Self::Forged => f.write_str(
                "the signature does not fit the delivery: the sidecar's delivery_secret must be the app's \
                 delivery_secret",
            ),
            Self::Stale { seconds } => write!(
                f,
                "the delivery's time differs from this host's by {seconds} s, and {AGE_SECONDS_MAX} s are allowed: if \
                 it is not an old delivery, correct the clocks of the sidecar's host and of this one"
            ),
        }
    }
}

impl std::error::Error for Unauthenticated {}

/// The value of [`SIGNATURE_HEADER`] for a body sent at this Unix time.
pub fn sign(secret: &str, unix_seconds: u64, body: &[u8]) -> String {
    let code = code(secret, &unix_seconds.to_string(), body).finalize().into_bytes();
    format!("{VERSION}{}", hex::encode(code))
}

/// Checks that a body comes from somebody who knows the secret, and is not old. That it has not come before is for the
/// receiver to check.
///
/// # Errors
///
/// The body is not authentic, or too old.
pub fn verify(
    secret: &str,
    now_unix_seconds: u64,
    timestamp: Option<&str>,
    signature: Option<&str>,
    body: &[u8],
) -> Result<(), Unauthenticated> {
    let (Some(timestamp), Some(signature)) = (timestamp, signature) else {
        return Err(Unauthenticated::Unsigned);
    };
    let sent: u64 = timestamp.parse().map_err(|_| Unauthenticated::Unsigned)?;
    let given = signature
        .strip_prefix(VERSION)
        .and_then(|code| hex::decode(code).ok())
        .ok_or(Unauthenticated::Unsigned)?;
    // Compared in constant time, and before the age: who does not know the secret learns nothing of this host's clock.
    code(secret, timestamp, body)
        .verify_slice(&given)
        .map_err(|_| Unauthenticated::Forged)?;
    match now_unix_seconds.abs_diff(sent) {
        seconds if seconds > AGE_SECONDS_MAX => Err(Unauthenticated::Stale { seconds }),
        _ => Ok(()),
    }
}

fn code(secret: &str, timestamp: &str, body: &[u8]) -> Hmac<Sha256> {
    // HMAC takes keys of every length: the first alternative is always taken.
    let mut code = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap_or_else(|_| Hmac::new(&Default::default()));
    code.update(timestamp.as_bytes());
    code.update(b".");
    code.update(body);
    code
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "a secret of some length";
    const NOW: u64 = 1_764_000_000;

    fn check(timestamp: Option<&str>, signature: Option<&str>, expected: Result<(), Unauthenticated>) {
        let outcome = verify(SECRET, NOW, timestamp, signature, b"body");
        assert_eq!(outcome, expected, "{timestamp:?} {signature:?}");
    }

    #[test]
    fn a_signature_holds_for_its_secret_time_and_body_only() {
        let (now, signature) = (NOW.to_string(), sign(SECRET, NOW, b"body"));
        check(Some(&now), Some(&signature), Ok(()));
        check(Some("1764000001"), Some(&signature), Err(Unauthenticated::Forged));
        let shortened = &signature[..signature.len() - 2];
        for forged in [
            &sign(SECRET, NOW, b"b0dy"),
            &sign("another", NOW, b"body"),
            shortened,
            "v1=",
        ] {
            check(Some(&now), Some(forged), Err(Unauthenticated::Forged));
        }
    }

    #[test]
    fn what_is_no_signature_is_told_apart() {
        let (now, signature) = (NOW.to_string(), sign(SECRET, NOW, b"body"));
        let without_version = signature.strip_prefix(VERSION).unwrap();
        for (timestamp, signature) in [
            (None, Some(signature.as_str())),
            (Some(now.as_str()), None),
            (Some("soon"), Some(signature.as_str())),
            (Some("-1"), Some(signature.as_str())),
            (Some(now.as_str()), Some(without_version)),
            (Some(now.as_str()), Some("v1=abc")),
            (Some(now.as_str()), Some("v1=äö")),
        ] {
            check(timestamp, signature, Err(Unauthenticated::Unsigned));
        }
    }

    #[test]
    fn the_time_may_be_a_minute_off() {
        for (sent, expected) in [
            (NOW - 60, Ok(())),
            (NOW + 60, Ok(())),
            (NOW - 61, Err(Unauthenticated::Stale { seconds: 61 })),
            (NOW + 3_600, Err(Unauthenticated::Stale { seconds: 3_600 })),
            (0, Err(Unauthenticated::Stale { seconds: NOW })),
        ] {
            let signature = sign(SECRET, sent, b"body");
            check(Some(&sent.to_string()), Some(&signature), expected);
        }
    }

    /// Made with `printf 7.x | openssl dgst -sha256 -hmac Jefe`.
    #[test]
    fn it_is_plain_hmac_sha256() {
        assert_eq!(
            sign("Jefe", 7, b"x"),
            "v1=90855e9032d6166b9ee389b66d32d3423879e259ee44a45208c6599dd22283b2"
        );
    }
}
