//! From a request of the host to a response, for all components.

use axum::Router;
use axum::body::Body;
use axum::http::{Method, Uri};
use axum::response::IntoResponse;
use protocol::{Delivery, Receipt};
use spin_sdk::wasip3::http::types;
use tower_service::Service;

use crate::deadline::{self, REQUEST_MS};
use crate::deliveries::Handler;
use crate::redis::StorageError;
use crate::web::auth;
use crate::web::problem::{METHOD_NOT_ALLOWED, Problem, UNKNOWN_ROUTE};
use crate::web::request::{BODY_BYTES_MAX, Request};
use crate::web::response::{Turn, send};

/// Serves a request to a service: a delivery at its own path, everything else by the routes, if the sender may make the
/// request.
///
/// # Errors
/// When the host refuses the response, as it does for illegal headers.
pub async fn serve<F>(
    request: types::Request,
    routes: Router,
    deliveries_path: &str,
    handler: &Handler<F>,
) -> Result<types::Response, types::ErrorCode>
where
    F: AsyncFn(&Delivery<'_>, &mut Receipt) -> Result<(), StorageError>,
{
    let request = Request::new(request)?;
    if request.path() == deliveries_path {
        return handler.request(request).await;
    }
    let turn = Turn::begin();
    let allowed = auth::check(&request).await;
    route(allowed, request, routes, turn).await
}

/// Serves a request to routes that change nothing, so that there is no token to ask for.
///
/// # Errors
/// When the host refuses the response, as it does for illegal headers.
pub async fn serve_read_only(request: types::Request, routes: Router) -> Result<types::Response, types::ErrorCode> {
    let request = Request::new(request)?;
    let turn = Turn::begin();
    route(Ok(()), request, routes, turn).await
}

async fn route(
    allowed: Result<(), Problem>,
    request: Request,
    mut routes: Router,
    mut turn: Turn,
) -> Result<types::Response, types::ErrorCode> {
    // The body is read in any case: a client that is still sending when the connection closes does not see the response.
    let response = match (allowed, request.read(BODY_BYTES_MAX, &mut turn).await) {
        (Ok(()), Ok(request)) => match deadline::share(REQUEST_MS, routes.call(request.map(Body::from))).await {
            Ok(response) => response,
            Err(never) => match never {},
        },
        (Err(problem), _) | (Ok(()), Err(problem)) => problem.into_response(),
    };
    send(response, turn).await
}

/// Adds problems for unknown paths and methods to routes.
pub fn with_fallbacks(routes: Router) -> Router {
    routes
        .fallback(async |method: Method, uri: Uri| UNKNOWN_ROUTE.with(format!("no route {method} {}", uri.path())))
        .method_not_allowed_fallback(async |method: Method, uri: Uri| {
            METHOD_NOT_ALLOWED.with(format!("{} does not take {method}", uri.path()))
        })
}
