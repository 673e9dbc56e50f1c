//! The OpenAPI document of a service, made of the same declarations that its routes are made of.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::routing::get;
use serde::Serialize;
use utoipa::PartialSchema;
use utoipa::openapi::content::ContentBuilder;
use utoipa::openapi::example::ExampleBuilder;
use utoipa::openapi::path::{HttpMethod, Operation, OperationBuilder, ParameterIn, PathItem, Paths};
use utoipa::openapi::schema::Schema;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{InfoBuilder, OpenApi, OpenApiBuilder, Ref, RefOr, Response, ResponseBuilder};
use utoipa_axum::router::UtoipaMethodRouter;
use utoipa_axum::routes;

use crate::redis;
use crate::web::cross_site::{CROSS_SITE_REQUEST, FOREIGN_HOST};
use crate::web::problem::{
    BODY_INCOMPLETE, BODY_TOO_LARGE, BODY_TOO_SLOW, CORRUPT_DATA, FieldError, INTERNAL, INVALID_FIELD, INVALID_QUERY,
    MALFORMED_JSON, MISCONFIGURED, Problem, ProblemType, STORAGE_FULL, STORAGE_UNAVAILABLE, UNAUTHORIZED,
};
use crate::web::response::{json, json_text};
use crate::web::service::with_fallbacks;

/// The name of the security scheme.
const TOKEN: &str = "token";

/// Problems of any request.
const ALWAYS: [ProblemType; 5] = [FOREIGN_HOST, STORAGE_UNAVAILABLE, CORRUPT_DATA, INTERNAL, MISCONFIGURED];
/// Further problems of a request that changes something.
const CHANGING: [ProblemType; 3] = [UNAUTHORIZED, CROSS_SITE_REQUEST, STORAGE_FULL];
/// Further problems of a request with a body.
const WITH_BODY: [ProblemType; 5] = [
    MALFORMED_JSON,
    BODY_INCOMPLETE,
    BODY_TOO_SLOW,
    BODY_TOO_LARGE,
    INVALID_FIELD,
];
/// Further problems of a request with query parameters.
const WITH_QUERY: [ProblemType; 2] = [INVALID_FIELD, INVALID_QUERY];

/// The routes of a service. There is no way to add one that is not in the document.
pub struct Api {
    router: Router,
    description: Description,
}

/// The source of the document. It is written only where somebody asks for it: that takes a millisecond or two, and every
/// new instance of a component would spend them before its first answer.
struct Description {
    service: &'static str,
    title: &'static str,
    text: &'static str,
    parts: Vec<Part>,
}

/// The description of a handler by `routes!(handler)`, and its errors beyond those that come with every
/// method, body or query.
struct Part {
    schemas: Vec<(String, RefOr<Schema>)>,
    paths: Paths,
    errors: Vec<ProblemType>,
}

impl Api {
    /// An API with its health check; `service` is the first part of every path.
    #[must_use]
    pub fn new(service: &'static str, title: &'static str, text: &'static str) -> Self {
        let description = Description {
            service,
            title,
            text,
            parts: Vec::new(),
        };
        let api = Self {
            router: Router::new(),
            description,
        };
        api.route(below(service, routes!(health)), &[])
    }

    /// Adds what `routes!(handler)` says of a handler, with the errors that it may answer beyond those that come with
    /// every method, body or query.
    #[must_use]
    pub fn route(mut self, (schemas, paths, handlers): UtoipaMethodRouter, errors: &[ProblemType]) -> Self {
        for path in paths.paths.keys() {
            self.router = self.router.route(path, handlers.clone());
        }
        self.description.parts.push(Part {
            schemas,
            paths,
            errors: errors.to_vec(),
        });
        self
    }

    /// Adds the routes of the streams that the service appends to, and of their dead letters.
    #[must_use]
    pub fn streams(self, streams: &'static [&'static str]) -> Self {
        let routes = crate::streams::routes(self.description.service, streams);
        routes
            .into_iter()
            .fold(self, |api, (route, errors)| api.route(route, errors))
    }

    /// The routes, the document's own and the answers for unknown paths and methods among them.
    pub fn into_routes(self) -> Router {
        let Self { router, description } = self;
        let path = description.path();
        let kept: Arc<(Description, OnceLock<String>)> = Arc::new((description, OnceLock::new()));
        let show = move || {
            let (description, text) = &*kept;
            let text = text.get_or_init(|| description.write()).clone();
            std::future::ready(json_text(StatusCode::OK, text).into_response())
        };
        with_fallbacks(router.route(&path, get(show)))
    }
}

impl Description {
    /// The path of the document.
    fn path(&self) -> String {
        format!("/{}/openapi.json", self.service)
    }

    fn write(&self) -> String {
        // Its maps have text for keys and its values are plain: nothing in it can fail to be written.
        self.document().to_json().unwrap_or_default()
    }

    fn document(&self) -> OpenApi {
        let info = InfoBuilder::new()
            .title(self.title)
            .version(env!("CARGO_PKG_VERSION"))
            .description(Some(self.text));
        let mut document = OpenApiBuilder::new().info(info).build();
        let token = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some(
                "Wanted of whoever changes something, if the app's variable api_token is set.",
            ))
            .build();
        let components = document.components.get_or_insert_default();
        components.add_security_scheme(TOKEN, SecurityScheme::Http(token));
        let schemas = [("Problem", Problem::schema()), ("FieldError", FieldError::schema())];
        components
            .schemas
            .extend(schemas.map(|(name, schema)| (name.to_owned(), schema)));
        for part in &self.parts {
            components.schemas.extend(part.schemas.iter().cloned());
            for (path, item) in part.paths() {
                match document.paths.paths.get_mut(path) {
                    Some(known) => known.merge_operations(item),
                    None => _ = document.paths.paths.insert(path.clone(), item),
                }
            }
        }
        document.paths.paths.insert(self.path(), own_path());
        document
    }
}

impl Part {
    /// Its paths, with all errors and with what a change wants of its sender.
    fn paths(&self) -> impl Iterator<Item = (&String, PathItem)> {
        self.paths.paths.iter().map(|(path, item)| {
            let mut item = item.clone();
            let reading = [&mut item.get].into_iter().flatten();
            reading.for_each(|operation| add_errors(operation, false, &self.errors));
            let changing = [&mut item.post, &mut item.put, &mut item.patch, &mut item.delete];
            changing.into_iter().flatten().for_each(|operation| {
                // An empty requirement beside it: where no token is set, none is wanted.
                let none: [&str; 0] = [];
                operation.security = Some(vec![
                    SecurityRequirement::new(TOKEN, none),
                    SecurityRequirement::default(),
                ]);
                add_errors(operation, true, &self.errors);
            });
            (path, item)
        })
    }
}

/// A route of every service, under the service's own path.
pub(crate) fn below<S>(service: &str, (schemas, mut paths, handlers): UtoipaMethodRouter<S>) -> UtoipaMethodRouter<S> {
    let items = paths.paths.into_iter();
    paths.paths = items.map(|(path, item)| (format!("/{service}{path}"), item)).collect();
    (schemas, paths, handlers)
}

/// The service's health: it answers, and its Redis takes writes.
#[utoipa::path(get, path = "/healthz", operation_id = "health", responses(
    (status = 200, description = "All is well", body = Health),
))]
async fn health() -> Result<axum::response::Response, Problem> {
    redis::check_writable().await?;
    let status = "ok".to_owned();
    Ok(json(StatusCode::OK, &Health { status }))
}

/// The response of the health check when all is well.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct Health {
    /// Always `ok`.
    #[schema(example = "ok")]
    status: String,
}

/// The document's own entry.
fn own_path() -> PathItem {
    let document = ResponseBuilder::new()
        .description("This document, OpenAPI 3.1")
        .content("application/json", ContentBuilder::new().build());
    let operation = OperationBuilder::new()
        .operation_id(Some("openapi"))
        .summary(Some("This document."))
        .response("200", document);
    PathItem::new(HttpMethod::Get, operation)
}

fn add_errors(operation: &mut Operation, changing: bool, errors: &[ProblemType]) {
    let parameters = operation.parameters.iter().flatten();
    let has_query = parameters
        .filter_map(|parameter| match parameter {
            RefOr::T(parameter) => Some(parameter),
            RefOr::Ref(_) => None,
        })
        .any(|parameter| parameter.parameter_in == ParameterIn::Query);
    let groups = [
        (true, &ALWAYS[..]),
        (changing, &CHANGING),
        (operation.request_body.is_some(), &WITH_BODY),
        (has_query, &WITH_QUERY),
        (true, errors),
    ];
    let mut by_status: BTreeMap<u16, BTreeMap<&str, ProblemType>> = BTreeMap::new();
    for error in groups
        .iter()
        .filter(|(applies, _)| *applies)
        .flat_map(|(_, group)| *group)
    {
        by_status.entry(error.status).or_default().insert(error.slug, *error);
    }
    for (status, errors) in by_status {
        let response = RefOr::T(response(&errors));
        operation.responses.responses.insert(status.to_string(), response);
    }
}

/// One response for all errors of a status.
fn response(errors: &BTreeMap<&str, ProblemType>) -> Response {
    let list: Vec<_> = errors
        .values()
        .map(|error| format!("`{}`: {}", error.slug, error.title))
        .collect();
    let examples = errors.values().map(|error| {
        let example = serde_json::to_value(error.with(error.title)).ok();
        (
            error.slug,
            ExampleBuilder::new().summary(error.title).value(example).build(),
        )
    });
    let content = ContentBuilder::new()
        .schema(Some(Ref::from_schema_name("Problem")))
        .examples_from_iter(examples)
        .build();
    ResponseBuilder::new()
        .description(list.join("; "))
        .content("application/problem+json", content)
        .build()
}
