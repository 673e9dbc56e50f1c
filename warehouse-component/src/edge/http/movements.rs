//! Movements of stock: the only way in which stock is changed by hand.

use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::Response;
use bytes::Bytes;
use contracts::limits::{check_id, check_qty};
use edge::http::json_text;
use edge::page::{Items, Page, PageQuery};
use edge::problem::{FieldError, Problem};
use edge::{clock, idempotency, json};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::problems::{INSUFFICIENT_STOCK, STOCK_TOO_LARGE, corrupt, unknown_product};
use super::text;
use crate::domain::move_stock::Kind;
use crate::domain::stock::{LIFETIME_MAX, ON_HAND_MAX};
use crate::edge::redis::{self, Movement};

/// The body of `POST /warehouse/products/{product_id}/movements`.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct MoveStock {
    #[serde(rename = "type")]
    kind: MovementKind,
    /// Units.
    #[schema(example = 5, minimum = 1, maximum = 1_000_000)]
    qty: u32,
}

/// Units came in; or they were lost, broken or thrown away.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum MovementKind {
    Supply,
    WriteOff,
}

/// A movement as it is answered.
#[derive(ToSchema)]
#[schema(as = Movement)]
#[allow(
    dead_code,
    reason = "what is answered is the text that is kept; this says what is in it"
)]
pub(super) struct MovementView {
    #[schema(example = "01K5PQ8T3V0000000000000000")]
    movement_id: String,
    #[schema(example = "espresso-cup")]
    product_id: String,
    /// `supply`, `write_off` or `return`.
    #[schema(example = "supply")]
    r#type: String,
    /// Units.
    #[schema(example = 5)]
    qty: u64,
    #[schema(example = "2026-01-31T12:00:00.000Z")]
    at: String,
    /// The order of a return.
    #[schema(nullable = false)]
    order_id: Option<String>,
    /// The id of a return.
    #[schema(nullable = false)]
    return_id: Option<String>,
    /// Units that were there afterwards.
    #[schema(example = 15)]
    on_hand: u64,
}

/// A movement as it is kept and answered; `on_hand`, the units afterwards, follows in the script that commits it.
#[derive(Debug, Serialize)]
struct MovementStart<'a> {
    movement_id: &'a str,
    product_id: &'a str,
    #[serde(rename = "type")]
    kind: &'a str,
    qty: u64,
    at: &'a str,
    #[serde(flatten)]
    cause: Option<ReturnOf<'a>>,
}

/// The return that a movement belongs to.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct ReturnOf<'a> {
    pub(super) order_id: &'a str,
    pub(super) return_id: &'a str,
}

/// Moves stock by hand, the only way to change it.
#[utoipa::path(post, path = "/warehouse/products/{product_id}/movements", operation_id = "move_stock",
    params(
        ("product_id" = String, Path, description = "The product's id"),
        ("Idempotency-Key" = String, Header,
            description = "1 to 255 printable ASCII characters; the same key and body give the same answer for 24 hours"),
    ),
    request_body = MoveStock,
    responses((status = 201, description = "Moved, now or by the same request before", body = MovementView)),
)]
pub(super) async fn make(
    Path(product_id): Path<String>,
    headers: HeaderMap,
    method: Method,
    body: Bytes,
) -> Result<Response, Problem> {
    check_id(&product_id).map_err(|_| unknown_product(&product_id))?;
    let request: MoveStock = json::parse(&body)?;
    let mut errors = Vec::new();
    FieldError::collect(&mut errors, "qty", check_qty(request.qty));
    if !errors.is_empty() {
        return Err(Problem::invalid(errors));
    }
    let path = format!("/warehouse/products/{product_id}/movements");
    let scope = idempotency::required_scope(&headers, &method, &path, text(&request)?)?;
    let kind = match request.kind {
        MovementKind::Supply => Kind::Supply,
        MovementKind::WriteOff => Kind::WriteOff,
    };
    let movement = open(&product_id, kind.as_str(), u64::from(request.qty), &clock::now(), None)?;
    let outcome = redis::move_stock(&product_id, kind, request.qty, movement, scope)
        .await?
        .map_err(corrupt)?;
    match outcome {
        Movement::Made(movement) => Ok(json_text(StatusCode::CREATED, movement)),
        Movement::KeyReused => Err(idempotency::reused()),
        Movement::UnknownProduct => Err(unknown_product(&product_id)),
        Movement::InsufficientStock(units) => Err(INSUFFICIENT_STOCK.with(format!(
            "{units} units are there, {} were to be written off",
            request.qty
        ))),
        Movement::TooMuch => Err(STOCK_TOO_LARGE.with(format!(
            "the warehouse may hold {ON_HAND_MAX} units of a product, and get {LIFETIME_MAX} in its lifetime"
        ))),
    }
}

/// A product's movements, newest first; the newest 10,000 are kept. A sale is no movement: its order's allocation tells
/// of it.
#[utoipa::path(get, path = "/warehouse/products/{product_id}/movements", operation_id = "list_movements",
    params(("product_id" = String, Path, description = "The product's id"), PageQuery),
    responses((status = 200, description = "A page of movements", body = Items<MovementView>)),
)]
pub(super) async fn list(
    Path(product_id): Path<String>,
    query: Result<Query<PageQuery>, QueryRejection>,
) -> Result<Response, Problem> {
    check_id(&product_id).map_err(|_| unknown_product(&product_id))?;
    let page = Page::parse(query, check_cursor)?;
    let movements = redis::movements(&product_id, &page)
        .await?
        .map_err(corrupt)?
        .ok_or_else(|| unknown_product(&product_id))?;
    let (movements, next_cursor) = page.cut_by(movements, |(_, number)| number.clone());
    let items = movements
        .into_iter()
        .map(|(movement, _)| RawValue::from_string(movement))
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| Problem::corrupt(format!("a movement of the product {product_id}: {error}")))?;
    Ok(edge::http::json(StatusCode::OK, &Items { items, next_cursor }))
}

/// A cursor is the number of a movement.
fn check_cursor(cursor: &str) -> Result<(), String> {
    match cursor.parse::<u64>() {
        Ok(number) if number.to_string() == cursor => Ok(()),
        _ => Err("must be the next_cursor of a page".to_owned()),
    }
}

/// A movement as JSON, open at its end for the number of units that are there afterwards.
pub(super) fn open(
    product_id: &str,
    kind: &str,
    qty: u64,
    at: &str,
    cause: Option<ReturnOf<'_>>,
) -> Result<String, Problem> {
    let start = text(&MovementStart {
        movement_id: &clock::new_id(),
        product_id,
        kind,
        qty,
        at,
        cause,
    })?;
    let open = start.strip_suffix('}').unwrap_or(&start);
    Ok(format!("{open},\"on_hand\":"))
}
