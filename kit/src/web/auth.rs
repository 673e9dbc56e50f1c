//! Who may change something: whoever knows the token, if the service has one.

use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, Method};
use subtle::ConstantTimeEq;

use crate::variables;
use crate::web::header::single;
use crate::web::problem::{MISCONFIGURED, Problem, UNAUTHORIZED};

/// The component's variable that holds the token; empty for an open service.
const TOKEN_VARIABLE: &str = "api_token";

/// The authentication scheme, as `WWW-Authenticate` names it.
pub(crate) const SCHEME: &str = "Bearer";

/// Whether a request may be made: reading always, changing only with the token where one is set.
///
/// # Errors
/// 401 without the token or with another one; 500 when the app does not give the component its variable.
pub(crate) async fn check(method: &Method, headers: &HeaderMap) -> Result<(), Problem> {
    if matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS) {
        return Ok(());
    }
    let token = variables::read(TOKEN_VARIABLE)
        .await
        .map_err(|error| MISCONFIGURED.with(format!("the variable {TOKEN_VARIABLE} is not set: {error}")))?;
    if token.is_empty() {
        return Ok(());
    }
    let given = single(headers, AUTHORIZATION.as_str())
        .map_err(|what| UNAUTHORIZED.with(what))?
        .and_then(bearer)
        .ok_or_else(|| UNAUTHORIZED.with("send a header Authorization: Bearer, followed by the service's token"))?;
    // Only the token's length shows in how long this takes.
    if bool::from(given.ct_eq(token.as_bytes())) {
        Ok(())
    } else {
        Err(UNAUTHORIZED.with("the token is not the service's"))
    }
}

fn bearer(value: &axum::http::HeaderValue) -> Option<&[u8]> {
    let (scheme, token) = value.as_bytes().split_at_checked(SCHEME.len())?;
    let token = token.strip_prefix(b" ")?;
    scheme
        .eq_ignore_ascii_case(SCHEME.as_bytes())
        .then_some(token.trim_ascii())
}
