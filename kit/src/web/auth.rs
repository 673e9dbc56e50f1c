//! Who may change something: whoever knows the token, if the service has one; else everybody but other sites' pages.

use axum::http::header::{AUTHORIZATION, ORIGIN};
use axum::http::{HeaderMap, HeaderValue, Method};
use subtle::ConstantTimeEq;

use crate::variables;
use crate::web::cross_site::{CROSS_SITE_REQUEST, FOREIGN_HOST, cannot_be_rebound, is_cross_site, is_local};
use crate::web::header::single;
use crate::web::problem::{MISCONFIGURED, Problem, UNAUTHORIZED};
use crate::web::request::Request;

/// The component's variable that holds the token; empty for an open service.
const TOKEN_VARIABLE: &str = "api_token";

/// Where a browser says which site's page sent a request.
const FETCH_SITE: &str = "sec-fetch-site";
/// Where the host, Spin or devhost, says who the client is.
const CLIENT_ADDRESS: &str = "spin-client-addr";

/// The authentication scheme, as `WWW-Authenticate` names it.
pub(crate) const SCHEME: &str = "Bearer";

/// Whether a request may be made: reading always, changing only with the token where one is set. Where none is set, no
/// page of another site may make a browser send it, as [`cross_site`](crate::web::cross_site) says.
///
/// # Errors
/// 401 without the token or with another one; 403 for another site's page; 500 when the app does not give the component
/// its variable.
pub(crate) async fn check(request: &Request) -> Result<(), Problem> {
    let headers = &request.head.headers;
    let changes = !matches!(request.head.method, Method::GET | Method::HEAD | Method::OPTIONS);
    let is_rebound = is_client_local(headers) && !request.host().is_some_and(|host| cannot_be_rebound(&host));
    if !changes && !is_rebound {
        return Ok(());
    }
    let token = variables::read(TOKEN_VARIABLE)
        .await
        .map_err(|error| MISCONFIGURED.with(format!("the variable {TOKEN_VARIABLE} is not set: {error}")))?;
    if token.is_empty() {
        return check_site(request, changes, is_rebound);
    }
    if !changes {
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

fn check_site(request: &Request, changes: bool, is_rebound: bool) -> Result<(), Problem> {
    if is_rebound {
        return Err(FOREIGN_HOST.with(format!(
            "call the service localhost or by its IP address, and not {}; where a proxy gives it another name, set \
             {TOKEN_VARIABLE}",
            request.host().unwrap_or_default()
        )));
    }
    let headers = &request.head.headers;
    let site = headers.get(FETCH_SITE).map(HeaderValue::as_bytes);
    let origins = headers.get_all(ORIGIN).iter().map(HeaderValue::as_bytes);
    if changes && is_cross_site(site, origins, request.host().as_deref()) {
        return Err(CROSS_SITE_REQUEST.with(format!(
            "the browser says that a page of another origin sent this; only the service's own page may change \
             something, unless {TOKEN_VARIABLE} is set and sent"
        )));
    }
    Ok(())
}

fn is_client_local(headers: &HeaderMap) -> bool {
    // The host appends its own value behind any that the client sent.
    let client = headers.get_all(CLIENT_ADDRESS).iter().next_back();
    client.is_some_and(|client| client.to_str().is_ok_and(is_local))
}

fn bearer(value: &HeaderValue) -> Option<&[u8]> {
    let (scheme, token) = value.as_bytes().split_at_checked(SCHEME.len())?;
    let token = token.strip_prefix(b" ")?;
    scheme
        .eq_ignore_ascii_case(SCHEME.as_bytes())
        .then_some(token.trim_ascii())
}
