//! Files out, and nothing else.

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
    /// Its path in a URL; but for the page itself, with a hash in it.
    path: &'static str,
    media_type: &'static str,
    /// Whether what is at the path never changes.
    immutable: bool,
    etag: &'static str,
    plain: &'static [u8],
    gzip: &'static [u8],
}

include!(concat!(env!("OUT_DIR"), "/files.rs"));

/// A year, the longest that caches take.
const IMMUTABLE: &str = "public, max-age=31536000, immutable";
/// The page names its assets by their hashes, so it is asked for every time.
const REVALIDATE: &str = "no-cache";

/// What the page may do: load its own files and call the app that served it. Text never becomes markup
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

// Not the SDK's `http_service`, which converts each request: see `kit::web::request`.
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
    let content = if takes_gzip(request) {
        set(header::CONTENT_ENCODING, "gzip");
        file.gzip
    } else {
        file.plain
    };
    *response.body_mut() = Body::from(content);
    response
}

/// Whether the client takes gzip; one that weighs its encodings gets the plain file.
fn takes_gzip(request: &HeaderMap) -> bool {
    request
        .get_all(header::ACCEPT_ENCODING)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|coding| coding.trim() == "gzip")
}
