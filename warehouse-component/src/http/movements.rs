//! Movements of stock: the only way in which stock is changed by hand.

use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::Response;
use bytes::Bytes;
use contracts::envelope::to_json;
use contracts::limits::{check_id, check_qty};
use kit::web::page::{Items, Page, PageQuery};
use kit::web::problem::{CORRUPT_DATA, FieldError, Problem};
use kit::web::response::json_text;
use kit::web::{idempotency, json, response};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::problems::{not_moved, unknown_product};
use crate::app::move_stock::move_stock;
use crate::domain::move_stock::Kind;
use crate::storage::stock::{self, Movement};

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

/// Moves stock by hand, the only way to change it.
#[utoipa::path(post, path = "/warehouse/products/{product_id}/movements", operation_id = "move_stock",
    params(
        ("product_id" = String, Path, description = "The product's id"),
        ("Idempotency-Key" = String, Header,
            description = "1 to 255 printable ASCII characters; the same key and body give the same answer for 24 hours"),
    ),
    request_body = MoveStock,
    responses((status = 201, description = "Moved, now or by the same request before", body = Movement<'_>)),
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
    Problem::unless_valid(errors)?;
    let path = format!("/warehouse/products/{product_id}/movements");
    let record = idempotency::required_record(&headers, &method, &path, &to_json(&request))?;
    let kind = match request.kind {
        MovementKind::Supply => Kind::Supply,
        MovementKind::WriteOff => Kind::WriteOff,
    };
    let movement = move_stock(&product_id, kind, request.qty, &record)
        .await
        .map_err(|error| not_moved(&product_id, request.qty, error))?;
    Ok(json_text(StatusCode::CREATED, movement))
}

/// A product's movements, newest first; the newest 10,000 are kept. A sale is no movement: its order's allocation tells
/// of it.
#[utoipa::path(get, path = "/warehouse/products/{product_id}/movements", operation_id = "list_movements",
    params(("product_id" = String, Path, description = "The product's id"), PageQuery),
    responses((status = 200, description = "A page of movements", body = Items<Movement<'_>>)),
)]
pub(super) async fn list(
    Path(product_id): Path<String>,
    query: Result<Query<PageQuery>, QueryRejection>,
) -> Result<Response, Problem> {
    check_id(&product_id).map_err(|_| unknown_product(&product_id))?;
    let page = Page::parse(query, check_cursor)?;
    let (movements, next_cursor) = stock::movements(&product_id, &page)
        .await?
        .ok_or_else(|| unknown_product(&product_id))?;
    let items = movements
        .into_iter()
        .map(RawValue::from_string)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| CORRUPT_DATA.with(format!("a movement of the product {product_id}: {error}")))?;
    Ok(response::json(StatusCode::OK, &Items { items, next_cursor }))
}

/// A cursor is the number of a movement.
fn check_cursor(cursor: &str) -> Result<(), String> {
    match cursor.parse::<u64>() {
        Ok(number) if number.to_string() == cursor => Ok(()),
        _ => Err("must be the next_cursor of a page".to_owned()),
    }
}
