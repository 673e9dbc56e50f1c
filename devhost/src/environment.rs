//! The environment variables that devhost, the app and the sidecar read. Others are none of its business.

use std::ffi::{OsStr, OsString};

use anyhow::{Result, ensure};

use crate::app;

/// Variables of devhost's own, beside those that begin with one of [`PREFIXES`].
const NAMES: [&str; 2] = ["REDIS_URL", "SPIN_HTTP_LISTEN_ADDR"];
/// Beginnings of the names of the app's variables and of the sidecar's, which get this environment too.
const PREFIXES: [&str; 2] = [app::ENVIRONMENT_PREFIX, "STREAM_SIDECAR_"];

/// Fails, with the name, unless each variable that anything here reads is UTF-8. One that cannot be read must not pass
/// for one that is absent: an app whose token is unreadable would be open to everybody.
pub(crate) fn check(variables: impl IntoIterator<Item = (OsString, OsString)>) -> Result<()> {
    for (name, value) in variables {
        let shown = name.display();
        ensure!(
            !is_own(&name) || (name.to_str().is_some() && value.to_str().is_some()),
            "the environment variable {shown} is not UTF-8 text: correct it, or unset it"
        );
    }
    Ok(())
}

fn is_own(name: &OsStr) -> bool {
    let bytes = name.as_encoded_bytes();
    NAMES.iter().any(|own| name == *own) || PREFIXES.iter().any(|prefix| bytes.starts_with(prefix.as_bytes()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStringExt;

    use super::*;

    #[track_caller]
    fn check_one(name: &[u8], value: &[u8], is_refused: bool) {
        let text = |bytes: &[u8]| OsString::from_vec(bytes.to_vec());
        let result = check([(text(name), text(value))]);
        match result {
            Ok(()) => assert!(!is_refused),
            Err(error) => {
                let name = String::from_utf8_lossy(name);
                assert!(is_refused && error.to_string().contains(&*name), "{error}");
            }
        }
    }

    #[test]
    fn what_is_read_must_be_text_and_the_rest_may_be_anything() {
        check_one(b"SPIN_VARIABLE_API_TOKEN", b"s3cret", false);
        check_one(b"SPIN_VARIABLE_API_TOKEN", b"\xff", true);
        check_one(b"SPIN_HTTP_LISTEN_ADDR", b"\xff", true);
        check_one(b"SPIN_VARIABLE_\xff", b"1", true);
        check_one(b"REDIS_URL", b"redis://:\xff@h", true);
        check_one(b"LS_COLORS", b"\xff", false);
        check_one(b"\xff", b"1", false);
    }
}
