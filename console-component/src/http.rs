//! Serves the files of the page.

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use axum::routing::get;
use kit::web::service::{serve_read_only, with_fallbacks};
use spin_sdk::wasip3::exports::http::handler::Guest;
use spin_sdk::wasip3::http::{service, types};

/// A file of the page, packed by `build.rs`.
struct File {
    /// Contains a hash, except for the page itself.
    path: &'static str,
    media_type: &'static str,
    /// The content at the path never changes.
    immutable: bool,
    etag: &'static str,
    plain: &'static [u8],
    gzip: &'static [u8],
}

include!(concat!(env!("OUT_DIR"), "/files.rs"));

/// For a year, the most that caches accept.
const IMMUTABLE: &str = "public, max-age=31536000, immutable";
/// The page contains the hash of its assets, so it must be current.
const REVALIDATE: &str = "no-cache";

/// The page may only load its own files and call the app that served it. Text never becomes markup
/// (`require-trusted-types-for`), and no other page may frame it.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
     img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
     require-trusted-types-for 'script'; trusted-types 'none'";

const SECURITY_HEADERS: [(&str, &str); 5] = [
    ("content-security-policy", CONTENT_SECURITY_POLICY),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
];

thread_local! {
    static ROUTES: Router = with_fallbacks(FILES.iter().fold(Router::new(), |routes, file| {
        routes.route(file.path, get(async |headers: HeaderMap| answer(file, &headers)))
    }));
}

struct Service;

// Not the SDK's `http_service`, which converts every request: see `kit::web::request`.
service::export!(Service);

impl Guest for Service {
    async fn handle(request: types::Request) -> Result<types::Response, types::ErrorCode> {
        serve_read_only(request, ROUTES.with(Clone::clone)).await
    }
}

fn answer(file: &File, request: &HeaderMap) -> Response {
    let is_known = request
        .get_all(header::IF_NONE_MATCH)
        .iter()
        .any(|value| value.to_str().is_ok_and(|tags| tags.contains(file.etag)));
    let mut response = Response::new(Body::empty());
    let headers = response.headers_mut();
    let mut set = |name, value| headers.insert(name, HeaderValue::from_static(value));
    set(
        header::CACHE_CONTROL,
        if file.immutable { IMMUTABLE } else { REVALIDATE },
    );
    set(header::ETAG, file.etag);
    set(header::VARY, "accept-encoding");
    for (name, value) in SECURITY_HEADERS {
        set(header::HeaderName::from_static(name), value);
    }
    if is_known {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        return response;
    }
    set(header::CONTENT_TYPE, file.media_type);
    let content = if accepts_gzip(request) {
        set(header::CONTENT_ENCODING, "gzip");
        file.gzip
    } else {
        file.plain
    };
    *response.body_mut() = Body::from(content);
    response
}

/// True if the client accepts gzip. A client that weighs its encodings gets the plain file.
fn accepts_gzip(request: &HeaderMap) -> bool {
    request
        .get_all(header::ACCEPT_ENCODING)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|coding| coding.trim() == "gzip")
}
